#include "cli/bench.h"

#include <sys/resource.h>

#include <fstream>

#include <fmt/format.h>

#include "cli/bench_parts.h"
#include "cli/parse.h"
#include "cli/paths.h"
#include "core/error.h"
#include "core/json.h"
#include "core/thread_pool.h"
#include "kernels/ceilings.h"
#include "kernels/cpu.h"
#include "report/answer_json.h"

namespace cp {
namespace {

constexpr double kMiB = 1024.0 * 1024.0;

// The value behind ':' of the first line of a file under /proc that begins so; empty when there is none.
std::string proc_value(const char* file, const std::string& begins) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(begins))
      if (const std::size_t at = line.find(": "); at != std::string::npos) return line.substr(at + 2);
  return "";
}

// Of the processor's flags those that decide which kernels run.
std::vector<std::string> flags_that_matter() {
  const std::string flags = proc_value("/proc/cpuinfo", "flags") + " ";
  std::vector<std::string> found;
  for (const char* flag : {"avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512vl", "avx512dq",
                           "avx512_vnni", "avx512_bf16", "avx512_vbmi", "amx_tile", "amx_int8", "amx_bf16"})
    if (flags.find(std::string(" ") + flag + " ") != std::string::npos || flags.starts_with(std::string(flag) + " "))
      found.emplace_back(flag);
  return found;
}

OrderedJson machine_json(int threads) {
  OrderedJson json;
  json["processor"] = proc_value("/proc/cpuinfo", "model name");
  json["processors"] = usable_processors();
  json["flags"] = flags_that_matter();
  json["simd"] = simd_name(simd());
  json["int8"] = int_dot_name(int_dot());
  json["bf16"] = bf16_dot_name(bf16_dot());
  json["threads"] = threads;
  json["compiler"] = __VERSION__;
  json["version"] = CP_VERSION;
  double load[1] = {0};
  ::getloadavg(load, 1);
  json["load_average"] = rounded(load[0]);
  return json;
}

double peak_mib() {
  rusage use{};
  ::getrusage(RUSAGE_SELF, &use);
  return static_cast<double>(use.ru_maxrss) * 1024 / kMiB;
}

struct Limit {
  std::string name;  // empty: none is known
  double share = 0;
};

Limit limit_of(const BenchResult& r, const Ceilings& c) {
  const double seconds = r.timing.median() / 1e3;
  if (r.bytes > 0) return {"read", r.bytes / 1e9 / seconds / c.read_gb_s};
  if (r.gflop > 0 && r.bf16) return {"bf16", r.gflop / seconds / c.bf16_gflop_s};
  if (r.gflop > 0) return {"fp32", r.gflop / seconds / c.fp32_gflop_s};
  return {};
}

OrderedJson result_json(const BenchResult& r, const Ceilings& ceilings) {
  const Timing& t = r.timing;
  OrderedJson json;
  json["what"] = r.what;
  json["does"] = r.does;
  json["ms"] = {{"median", rounded(t.median())},
                {"min", rounded(t.least())},
                {"iqr", rounded(t.iqr())},
                {"p90", rounded(t.p90())}};
  json["repetitions"] = t.ms.size();
  json["rejected"] = t.rejected;
  json["contended"] = t.contended;
  json["cpu_share"] = rounded(t.cpu_share());
  json["per_second"] = {{"unit", r.unit}, {"value", rounded(1e3 * r.amount / t.median())}};
  const Limit limit = limit_of(r, ceilings);
  if (limit.name.empty())
    json["limit"] = nullptr;
  else
    json["limit"] = {{"of", limit.name}, {"share", rounded(limit.share)}};
  if (r.gflop > 0) json["gflop_s"] = rounded(1e3 * r.gflop / t.median());
  if (r.bytes > 0) json["gb_s"] = rounded(1e-6 * r.bytes / t.median());
  json["peak_rss_mib"] = rounded(peak_mib());
  OrderedJson raw = OrderedJson::array();
  for (const double ms : t.ms) raw.push_back(rounded(ms));
  json["raw_ms"] = raw;
  return json;
}

std::string result_text(const BenchResult& r, const Ceilings& ceilings) {
  const Timing& t = r.timing;
  const Limit limit = limit_of(r, ceilings);
  return fmt::format(
      "{:<8} {:>9.2f} {:>9.2f} {:>8.2f} {:>9.2f} {:>7} {:>10.1f} {:<8} {:<10} {}\n", r.what, t.median(), t.least(),
      t.iqr(), t.p90(),
      fmt::format("{}/{}{}", t.ms.size(), t.ms.size() + (t.contended ? 0 : t.rejected), t.contended ? "!" : ""),
      1e3 * r.amount / t.median(), r.unit + "/s",
      limit.name.empty() ? "" : fmt::format("{:.0f} % {}", 100 * limit.share, limit.name), r.does);
}

}  // namespace

int run_bench(const std::vector<std::string>& args) {
  std::vector<std::string> what = bench_names();
  std::string model, precision = "float32";
  int threads = 0;
  BenchOptions o;
  bool json = false;
  CommandLine line("bench", "Times a model's parts on this machine, beside the most that the machine can do.");
  line.option("what", what, "parts, comma-separated: prefill, decode, vision, head, metrics");
  line.option("model", model, "model folder; models/nano if empty");
  line.option("threads", threads, "threads that compute; 0: as many as there are processors");
  line.option("repeat", o.repeat, "repetitions that count, at least 5, after one call to warm up");
  line.option("vision_precision", precision, "CLIP's products: float32, bfloat16, or fast");
  line.flag("json", json, "print JSON");
  line.epilogue(
      "A repetition counts when its thread had 96 % of a processor; \"!\" marks parts where too few did and all "
      "count.\n"
      "Example:\n  changepilot bench --what vision,head --threads 1 --json");
  if (!line.parse(args)) return 0;
  if (threads < 0 || threads > 1024)
    throw UserError(ErrorKind::usage, "--threads", fmt::format("wanted 1 to 1024, or 0, found {}.", threads), "");
  if (o.repeat < 5 || o.repeat > 10000)
    throw UserError(ErrorKind::usage, "--repeat", fmt::format("wanted 5 to 10000, found {}.", o.repeat),
                    "Fewer say nothing about the spread.");
  o.vision = parse_vision_precision(precision);
  o.model = chosen_model_folder(model, "");
  if (threads == 0) threads = usable_processors();
  thread_pool().set_threads(threads);

  std::vector<BenchResult> results;
  for (const std::string& name : what) results.push_back(run_bench_part(name, o));
  const Ceilings c = measure_ceilings(threads);
  if (json) {
    OrderedJson out;
    out["machine"] = machine_json(threads);
    out["model"] = o.model.string();
    out["ceilings"] = {{"read_gb_s", rounded(c.read_gb_s)},
                       {"fp32_gflop_s", rounded(c.fp32_gflop_s)},
                       {"int8_gop_s", rounded(c.int8_gop_s)},
                       {"bf16_gflop_s", rounded(c.bf16_gflop_s)}};
    out["results"] = OrderedJson::array();
    for (const BenchResult& r : results) out["results"].push_back(result_json(r, c));
    fmt::print("{}\n", dump_json(out, 2));
    return 0;
  }
  fmt::print("changepilot {}, {}, {} ({}, {}), threads {}\n", CP_VERSION, proc_value("/proc/cpuinfo", "model name"),
             simd_name(simd()), int_dot_name(int_dot()), bf16_dot_name(bf16_dot()), threads);
  fmt::print("limits   read {:.1f} GB/s, fp32 {:.0f} GFLOP/s, int8 {:.0f} GOP/s, bf16 {:.0f} GFLOP/s\n", c.read_gb_s,
             c.fp32_gflop_s, c.int8_gop_s, c.bf16_gflop_s);
  fmt::print("{:<8} {:>9} {:>9} {:>8} {:>9} {:>7} {:>10} {:<8} {:<10} {}\n", "part", "ms median", "min", "iqr", "p90",
             "counted", "rate", "", "of limit", "what");
  for (const BenchResult& r : results) fmt::print("{}", result_text(r, c));
  fmt::print("peak     {:.0f} MiB resident\n", peak_mib());
  return 0;
}

}  // namespace cp
