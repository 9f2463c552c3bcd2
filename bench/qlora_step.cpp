// Seconds and peak memory of LoRA optimiser steps on a frozen base. Prints one JSON line; times are medians.
//
// By the protocol of a peer's script: embeddings of B x T places, a loss on the last places of each row, AdamW on the
// adapter. With --compare-packing: pairs with several captions each, once in one row that holds each prompt once, once
// as a padded batch with a row a caption; their losses must agree before anything is timed.
#include <ATen/Parallel.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/rng.h"
#include "learn/adamw.h"
#include "learn/allocator.h"
#include "learn/answer_loss.h"
#include "learn/language_net.h"

namespace cp {
namespace {

constexpr const char* kUsage =
    "bench_qlora_step FOLDER [--batch 1] [--seq 160] [--loss-last 20] [--steps 5] [--warmup 1] [--threads 2]\n"
    "                 [--checkpoint] [--packed] [--compute float32|bfloat16|auto] [--no-tuning]\n"
    "                 [--compare-packing [--pairs 8] [--captions 3] [--prompt 60]]";

struct Settings {
  std::string folder, compute = "float32";
  std::int64_t batch = 1, seq = 160, answer = 20, pairs = 8, captions = 3, prompt = 60;
  std::int64_t steps = 5, warmup = 1, threads = 2;
  bool checkpoint = false, packed = false, compare = false, tuned = true;
};

[[noreturn]] void refuse(const std::string& where, const std::string& what) {
  throw UserError(ErrorKind::usage, where, what, std::string("Usage:\n") + kUsage);
}

Settings parse(int argc, char** argv) {
  Settings s;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const auto value = [&]() -> std::string {
      if (i + 1 >= argc) refuse(flag, "wanted a value.");
      return argv[++i];
    };
    const auto number = [&](std::int64_t& to, std::int64_t least) {
      const std::string text = value();
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), to);
      if (error != std::errc() || end != text.data() + text.size() || to < least || to > 100'000)
        refuse(flag, "wanted a whole number from " + std::to_string(least) + " to 100000, found \"" + text + "\".");
    };
    if (flag == "--batch")
      number(s.batch, 1);
    else if (flag == "--seq")
      number(s.seq, 2);
    else if (flag == "--loss-last")
      number(s.answer, 1);
    else if (flag == "--steps")
      number(s.steps, 1);
    else if (flag == "--warmup")
      number(s.warmup, 0);
    else if (flag == "--threads")
      number(s.threads, 1);
    else if (flag == "--pairs")
      number(s.pairs, 1);
    else if (flag == "--captions")
      number(s.captions, 1);
    else if (flag == "--prompt")
      number(s.prompt, 1);
    else if (flag == "--compute")
      s.compute = value();
    else if (flag == "--checkpoint")
      s.checkpoint = true;
    else if (flag == "--packed")
      s.packed = true;
    else if (flag == "--compare-packing")
      s.compare = true;
    else if (flag == "--no-tuning")
      s.tuned = false;
    else if (flag.starts_with("-") || !s.folder.empty())
      refuse(flag, "wanted one of the flags below or one folder.");
    else
      s.folder = flag;
  }
  if (s.folder.empty()) refuse("FOLDER", "wanted a model's folder.");
  if (s.checkpoint && !s.packed && !s.compare)
    refuse("--checkpoint", "wanted with --packed: rows with a cache keep all.");
  if (s.answer >= s.seq) refuse("--loss-last", "wanted less than --seq.");
  return s;
}

at::ScalarType compute_dtype(const std::string& name) {
  if (name == "float32") return at::kFloat;
  if (name == "bfloat16") return at::kBFloat16;
  if (name != "auto") refuse("--compute", "wanted float32, bfloat16 or auto, found \"" + name + "\".");
#if defined(__x86_64__)
  // Without such instructions bfloat16 is widened for every product.
  if (__builtin_cpu_supports("avx512bf16")) return at::kBFloat16;
#endif
  return at::kFloat;
}

double cpu_seconds() {
  rusage u{};
  getrusage(RUSAGE_SELF, &u);
  const auto seconds = [](timeval t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); };
  return seconds(u.ru_utime) + seconds(u.ru_stime);
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

// One form of a batch: what stands in the rows, and which hidden states predict which labels.
struct Batch {
  std::function<at::Tensor(bool training)> hidden;  // (rows D)
  at::Tensor places, labels;                        // (R) i64
};

class Bench {
 public:
  explicit Bench(const Settings& s) : s_(s), net_(load(s)), optimiser_({0.9, 0.999, 1e-8, 0.01}) {
    net_.compute = compute_dtype(s.compute);
    net_.lora.emplace(LoraConfig{}, language_linears(net_.config()), 0);
    net_.checkpoint_layers = s.checkpoint;
    optimiser_.add_group(net_.lora->params, 1.0, "");
  }

  Batch peers_batch() const {
    const at::Tensor x = at::randn({s_.batch, s_.seq, net_.config().hidden_size}) * 0.02;
    std::vector<std::int64_t> places;
    for (std::int64_t b = 0; b < s_.batch; ++b)
      for (std::int64_t i = s_.seq - s_.answer; i < s_.seq; ++i) places.push_back(b * s_.seq + i - 1);
    const auto hidden = [this, x](bool training) {
      if (s_.packed)
        return net_.forward_packed(x.view({1, -1, x.size(2)}),
                                   std::vector<Segment>(static_cast<std::size_t>(s_.batch), {s_.seq, {}}), training)[0];
      KeyValues cache;
      return net_.forward(x, cache, training).flatten(0, 1);
    };
    return {hidden, at::tensor(places), at::randint(0, net_.config().vocab_size, {s_.batch * s_.answer}, at::kLong)};
  }

  // The same samples in both forms: captions of 8 to 20 tokens behind prompts that the captions of a pair share.
  std::pair<Batch, Batch> packed_and_padded() const {
    Rng rng(1, Stream::test);
    std::vector<Segment> segments;
    std::int64_t longest = 0, total = 0, answers = 0;
    for (std::int64_t p = 0; p < s_.pairs; ++p) {
      segments.push_back({s_.prompt, {}});
      for (std::int64_t c = 0; c < s_.captions; ++c) {
        segments.back().answers.push_back(8 + static_cast<std::int64_t>(rng.below(13)));
        longest = std::max(longest, segments.back().answers.back());
        answers += segments.back().answers.back();
      }
      total += segments.back().length();
    }
    const std::int64_t width = s_.prompt + longest, rows = s_.pairs * s_.captions;
    const at::Tensor row = at::randn({1, total, net_.config().hidden_size}) * 0.02;
    const at::Tensor batch = at::zeros({rows, width, row.size(2)}), real = at::zeros({rows, width}, at::kBool);
    std::vector<std::int64_t> in_row, in_batch;
    std::int64_t first = 0, r = 0;
    for (const Segment& segment : segments) {
      std::int64_t begin = first + segment.prompt;
      for (const std::int64_t answer : segment.answers) {
        const std::int64_t length = segment.prompt + answer;
        batch[r].slice(0, 0, segment.prompt).copy_(row[0].slice(0, first, first + segment.prompt));
        batch[r].slice(0, segment.prompt, length).copy_(row[0].slice(0, begin, begin + answer));
        real[r].slice(0, 0, length).fill_(true);
        for (std::int64_t i = 0; i < answer; ++i) {
          in_row.push_back(i == 0 ? first + segment.prompt - 1 : begin + i - 1);
          in_batch.push_back(r * width + segment.prompt + i - 1);
        }
        begin += answer;
        ++r;
      }
      first = begin;
    }
    const at::Tensor labels = at::randint(0, net_.config().vocab_size, {answers}, at::kLong);
    const auto packed = [this, row, segments](bool training) {
      return net_.forward_packed(row, segments, training)[0];
    };
    const auto padded = [this, batch, real](bool training) {
      KeyValues cache;
      return net_.forward(batch, cache, training, real).flatten(0, 1);
    };
    return {{packed, at::tensor(in_row), labels}, {padded, at::tensor(in_batch), labels}};
  }

  at::Tensor loss(const Batch& batch, bool training) const {
    const at::Tensor hidden = net_.for_head(batch.hidden(training).index_select(0, batch.places));
    return answer_loss(hidden, batch.labels, net_.frozen_head(), 0);
  }

  double step(const Batch& batch) {
    optimiser_.zero_grad();
    const at::Tensor value = loss(batch, true);
    value.backward();
    optimiser_.step(1e-4);
    return value.item<double>();
  }

 private:
  static LanguageNet load(const Settings& s) {
    return LanguageNet::load_frozen(read_language_config(s.folder + "/config.json"), SafeTensors::open(s.folder));
  }

  Settings s_;
  LanguageNet net_;
  AdamW optimiser_;
};

struct Timing {
  double wall = 0, least = 0, cpu = 0, loss = 0;
};

Timing time_steps(const Settings& s, const std::function<double()>& step) {
  Timing out;
  for (std::int64_t i = 0; i < s.warmup; ++i) step();
  std::vector<double> wall, cpu;
  for (std::int64_t i = 0; i < s.steps; ++i) {
    const double before = cpu_seconds();
    const auto start = std::chrono::steady_clock::now();
    out.loss = step();
    wall.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    cpu.push_back(cpu_seconds() - before);
  }
  out.wall = median(wall), out.cpu = median(cpu), out.least = *std::min_element(wall.begin(), wall.end());
  return out;
}

long peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

const char* text(bool value) { return value ? "true" : "false"; }

void compare_packing(const Settings& s, Bench& bench) {
  const auto [packed, padded] = bench.packed_and_padded();
  double losses[2];
  {
    const at::NoGradGuard no_grad;
    losses[0] = bench.loss(packed, false).item<double>();
    losses[1] = bench.loss(padded, false).item<double>();
  }
  const double bound = compute_dtype(s.compute) == at::kFloat ? 1e-4 : 1e-2;
  if (!(std::abs(losses[0] - losses[1]) <= bound * losses[1]))
    throw UserError(ErrorKind::numeric, "--compare-packing",
                    "the losses differ: " + std::to_string(losses[0]) + " and " + std::to_string(losses[1]) + ".",
                    "This is a fault of the program.");
  const Timing a = time_steps(s, [&, &row = packed] { return bench.step(row); });
  const long packed_peak = peak_mib();
  const Timing b = time_steps(s, [&, &batch = padded] { return bench.step(batch); });
  const auto pairs = static_cast<double>(s.pairs);
  std::printf(
      "{\"script\": \"bench_qlora_step\", \"mode\": \"packing\", \"pairs\": %ld, \"captions\": %ld, \"prompt\": %ld, "
      "\"threads\": %ld, \"loss_packed\": %.6f, \"loss_padded\": %.6f, \"packed_pairs_per_cpu_s\": %.4f, "
      "\"padded_pairs_per_cpu_s\": %.4f, \"packed_pairs_per_s\": %.4f, \"padded_pairs_per_s\": %.4f, "
      "\"ratio_cpu\": %.3f, \"packed_peak_rss_mib\": %ld, \"peak_rss_mib\": %ld}\n",
      s.pairs, s.captions, s.prompt, s.threads, losses[0], losses[1], pairs / a.cpu, pairs / b.cpu, pairs / a.wall,
      pairs / b.wall, b.cpu / a.cpu, packed_peak, peak_mib());
}

void run(const Settings& s) {
  if (s.tuned) tune_allocator();
  at::set_num_threads(static_cast<int>(s.threads));
  at::manual_seed(0);
  Bench bench(s);
  const long loaded = peak_mib();
  if (s.compare) return compare_packing(s, bench);
  const Timing t = time_steps(s, [&] { return bench.step(bench.peers_batch()); });
  double load = 0;
  if (getloadavg(&load, 1) != 1) load = -1;
  std::printf(
      "{\"script\": \"bench_qlora_step\", \"batch\": %ld, \"seq\": %ld, \"loss_last\": %ld, \"threads\": %ld, "
      "\"checkpoint\": %s, \"packed\": %s, \"compute\": \"%s\", \"step_s_median\": %.4f, \"step_s_min\": %.4f, "
      "\"cpu_s_median\": %.4f, \"peak_rss_mib\": %ld, \"load_peak_rss_mib\": %ld, \"loss\": %.4f, "
      "\"load_avg_1m\": %.2f}\n",
      s.batch, s.seq, s.answer, s.threads, text(s.checkpoint), text(s.packed), at::toString(compute_dtype(s.compute)),
      t.wall, t.least, t.cpu, peak_mib(), loaded, t.loss, load);
}

}  // namespace
}  // namespace cp

int main(int argc, char** argv) {
  try {
    cp::run(cp::parse(argc, argv));
    return 0;
  } catch (const cp::UserError& error) {
    std::fprintf(stderr, "bench_qlora_step: %s\n", error.what());
    return static_cast<int>(error.kind());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_qlora_step: %s\n", error.what());
    return 1;
  }
}
