// Speed of a language model on this processor: a prompt in one pass, then one token at a time, beside what the machine
// does at most in the same process. Prints one JSON line; times are the least and the median of the runs.
//
// Before anything is timed the fast products are held against the exact ones on the same prompt.
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/error.h"
#include "core/rng.h"
#include "core/thread_pool.h"
#include "kernels/ceilings.h"
#include "kernels/cpu.h"
#include "runtime/language_model.h"

namespace cp {
namespace {

constexpr const char* kUsage =
    "bench_language_speed FOLDER [--prompt 160] [--new 64] [--runs 5] [--threads 1] [--beams 1] [--whole-head]\n"
    "                     [--exact] [--no-check]";
constexpr int kLeading = 16;

struct Settings {
  std::string folder;
  int prompt = 160, tokens = 64, runs = 5, threads = 1, beams = 1;
  bool exact = false, check = true, whole_head = false;
};

[[noreturn]] void refuse(const std::string& where, const std::string& what) {
  throw UserError(ErrorKind::usage, where, what, std::string("Usage:\n") + kUsage);
}

Settings parse(int argc, char** argv) {
  Settings s;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const auto number = [&](int& to) {
      const std::string text = i + 1 < argc ? argv[++i] : "";
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), to);
      if (error != std::errc() || end != text.data() + text.size() || to < 1 || to > 10'000)
        refuse(flag, "wanted a whole number from 1 to 10000, found \"" + text + "\".");
    };
    if (flag == "--prompt")
      number(s.prompt);
    else if (flag == "--new")
      number(s.tokens);
    else if (flag == "--runs")
      number(s.runs);
    else if (flag == "--threads")
      number(s.threads);
    else if (flag == "--beams")
      number(s.beams);
    else if (flag == "--exact")
      s.exact = true;
    else if (flag == "--whole-head")
      s.whole_head = true;
    else if (flag == "--no-check")
      s.check = false;
    else if (flag.starts_with("-") || !s.folder.empty())
      refuse(flag, "wanted one of the flags below or one folder.");
    else
      s.folder = flag;
  }
  if (s.folder.empty()) refuse("FOLDER", "wanted a model's folder.");
  return s;
}

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}
double least(const std::vector<double>& v) { return *std::min_element(v.begin(), v.end()); }

double cpu_seconds() {
  rusage u{};
  getrusage(RUSAGE_SELF, &u);
  const auto seconds = [](timeval t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); };
  return seconds(u.ru_utime) + seconds(u.ru_stime);
}

long peak_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

std::vector<int> random_ids(int count, int vocabulary) {
  Rng rng(3, Stream::test);
  std::vector<int> ids;
  for (int i = 0; i < count; ++i) ids.push_back(static_cast<int>(rng.below(static_cast<std::uint64_t>(vocabulary))));
  return ids;
}

std::size_t best(std::span<const float> logits) {
  return static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

// Logits behind the prompt and behind each of the next tokens, which are given.
std::vector<std::vector<float>> all_logits(const LanguageModel& model, const std::vector<int>& prompt,
                                           const std::vector<int>& next, int leading) {
  LanguageModel::Cache cache;
  const std::vector<float> hidden = model.prefill(model.embed(prompt), cache);
  const auto kept = [&](std::span<const float> h) {
    const std::span<const float> logits = model.logits(h, leading, cache);
    return std::vector<float>(logits.begin(), logits.end());
  };
  std::vector<std::vector<float>> out{kept(std::span(hidden).last(static_cast<std::size_t>(model.hidden())))};
  const int parent = 0;
  for (const int token : next) out.push_back(kept(model.step({&token, 1}, {&parent, 1}, cache)));
  return out;
}

struct Quality {
  double relative_rms = 0, top1 = 0, leading_top1 = 0;
  int places = 0;
};

Quality compare(const Settings& s, const LanguageModel& fast) {
  const LanguageModel exact = LanguageModel::load(s.folder, Products::exact);
  const std::vector<int> prompt = random_ids(s.prompt, fast.config().vocab_size), next = random_ids(24, 1000);
  const auto want = all_logits(exact, prompt, next, 0), got = all_logits(fast, prompt, next, 0),
             leading = all_logits(fast, prompt, next, kLeading);
  Quality q;
  double off = 0, all = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    for (std::size_t j = 0; j < want[i].size(); ++j) {
      off += std::pow(got[i][j] - want[i][j], 2);
      all += std::pow(want[i][j], 2);
    }
    q.top1 += best(got[i]) == best(want[i]);
    q.leading_top1 += best(got[i]) == best(leading[i]) && got[i][best(got[i])] == leading[i][best(got[i])];
  }
  q.places = static_cast<int>(want.size());
  q.relative_rms = std::sqrt(off / all);
  q.top1 /= q.places;
  q.leading_top1 /= q.places;
  if (!(q.relative_rms < 0.05) || q.leading_top1 < 1)
    throw UserError(ErrorKind::numeric, s.folder,
                    fmt::format("fast logits are off by {} (relative rms), leading ones agree in {}", q.relative_rms,
                                q.leading_top1),
                    "Nothing was timed.");
  return q;
}

std::string processor() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

// Bytes of weights that one step reads.
double bytes_per_step(const LanguageConfig& c, bool whole_head) {
  const double body =
      static_cast<double>(c.num_hidden_layers) *
      (2.0 * c.hidden_size * c.num_attention_heads * c.head_dim +
       2.0 * c.hidden_size * c.num_key_value_heads * c.head_dim + 3.0 * c.hidden_size * c.intermediate_size);
  return body * 4.25 / 8 + static_cast<double>(c.vocab_size) * c.hidden_size * (whole_head ? 1.0 : 0.5);
}

int run(const Settings& s) {
  thread_pool().set_threads(s.threads);
  const auto begin = Clock::now();
  const LanguageModel model = LanguageModel::load(s.folder, s.exact ? Products::exact : Products::fast);
  const double load = seconds_since(begin);
  const long peak_load = peak_kib();
  const std::vector<int> prompt = random_ids(s.prompt, model.config().vocab_size);
  const std::vector<float> embeddings = model.embed(prompt);
  const int leading = s.whole_head || s.exact ? 0 : kLeading;
  std::vector<double> prefill, decode, prefill_cpu, decode_cpu;
  const auto once = [&](bool keep) {
    LanguageModel::Cache cache;
    const double cpu = cpu_seconds();
    const auto start = Clock::now();
    const std::vector<float> hidden = model.prefill(embeddings, cache);
    std::span<const float> logits =
        model.logits(std::span(hidden).last(static_cast<std::size_t>(model.hidden())), leading, cache);
    std::vector<int> tokens(static_cast<std::size_t>(s.beams), static_cast<int>(best(logits))), parents(tokens.size());
    const double first = seconds_since(start), cpu_middle = cpu_seconds();
    const auto middle = Clock::now();
    for (int i = 0; i < s.tokens; ++i) {
      logits = model.logits(model.step(tokens, parents, cache), leading, cache);
      const std::size_t width = logits.size() / tokens.size();
      for (std::size_t b = 0; b < tokens.size(); ++b) {
        tokens[b] = static_cast<int>(best(logits.subspan(b * width, width)));
        parents[b] = static_cast<int>(b);
      }
    }
    if (!keep) return;
    prefill.push_back(first);
    prefill_cpu.push_back(cpu_middle - cpu);
    decode.push_back(seconds_since(middle) / s.tokens);
    decode_cpu.push_back((cpu_seconds() - cpu_middle) / s.tokens);
  };
  once(false);
  const double answer = seconds_since(begin);
  Ceilings most = measure_ceilings(s.threads);
  for (int i = 0; i < s.runs; ++i) {
    once(true);
    most.read_gb_s = std::max(most.read_gb_s, measure_ceilings(s.threads).read_gb_s);
  }
  const double peak = static_cast<double>(peak_kib()) / 1024, bytes = bytes_per_step(model.config(), leading == 0);
  fmt::print(
      R"({{"bench":"language_speed","cpu":"{}","threads":{},"prompt":{},"new":{},"beams":{},"runs":{},"products":"{}",)"
      R"("int8":"{}","bf16":"{}","load_s":{:.3f},"first_answer_s":{:.3f},"prefill_tok_s_best":{:.1f},)"
      R"("prefill_tok_s_median":{:.1f},"decode_tok_s_best":{:.2f},"decode_tok_s_median":{:.2f},"decode_mb_per_token":)"
      R"({:.1f},"decode_gb_s":{:.2f},"read_ceiling_gb_s":{:.2f},"share_of_ceiling":{:.3f},"float_gflop_s":{:.1f},)"
      R"("int8_gop_s":{:.1f},"bf16_gflop_s":{:.1f},"peak_load_mib":{},"peak_mib":{:.0f},"prefill_cpu_ms_min":{:.1f},"decode_cpu_ms_per_tok_min":{:.2f})",
      processor(), s.threads, s.prompt, s.tokens, s.beams, s.runs, s.exact ? "exact" : "fast", int_dot_name(int_dot()),
      bf16_dot_name(bf16_dot()), load, answer, s.prompt / least(prefill), s.prompt / median(prefill),
      s.beams / least(decode), s.beams / median(decode), bytes / 1e6, bytes / least(decode) / 1e9, most.read_gb_s,
      bytes / least(decode) / 1e9 / most.read_gb_s, most.fp32_gflop_s, most.int8_gop_s, most.bf16_gflop_s,
      peak_load / 1024, peak, 1e3 * least(prefill_cpu), 1e3 * least(decode_cpu));
  if (s.check && !s.exact) {
    const Quality q = compare(s, model);
    fmt::print(R"(,"logits_relative_rms":{:.5f},"top1_agreement":{:.3f},"leading_equals_whole":{:.3f},"places":{})",
               q.relative_rms, q.top1, q.leading_top1, q.places);
  }
  fmt::print("}}\n");
  return 0;
}

}  // namespace
}  // namespace cp

int main(int argc, char** argv) {
  try {
    return cp::run(cp::parse(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
