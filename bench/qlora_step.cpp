// Seconds and peak memory of one LoRA optimiser step on a frozen base, by the protocol of a peer's script: embeddings
// of B x T places, a loss on the last places of each, AdamW on the adapter. Prints one JSON line.
//
//   bench_qlora_step FOLDER [--batch 1] [--seq 160] [--loss-last 20] [--steps 5] [--threads 2] [--checkpoint]
//   [--packed]
#include <ATen/Parallel.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "learn/adamw.h"
#include "learn/answer_loss.h"
#include "learn/language_net.h"

namespace cp {
namespace {

struct Settings {
  std::string folder;
  std::int64_t batch = 1, seq = 160, answer = 20;
  int steps = 5, warmup = 1, threads = 2;
  bool checkpoint = false, packed = false;
};

Settings parse(int argc, char** argv) {
  Settings s;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const auto number = [&] { return ++i < argc ? std::atoi(argv[i]) : 0; };
    if (flag == "--batch")
      s.batch = number();
    else if (flag == "--seq")
      s.seq = number();
    else if (flag == "--loss-last")
      s.answer = number();
    else if (flag == "--steps")
      s.steps = number();
    else if (flag == "--threads")
      s.threads = number();
    else if (flag == "--checkpoint")
      s.checkpoint = true;
    else if (flag == "--packed")
      s.packed = true;
    else
      s.folder = flag;
  }
  return s;
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

class Bench {
 public:
  explicit Bench(const Settings& s) : s_(s), net_(load(s)), optimiser_({0.9, 0.999, 1e-8, 0.01}) {
    net_.lora.emplace(LoraConfig{}, language_linears(net_.config()), 0);
    net_.checkpoint_layers = s.checkpoint;
    optimiser_.add_group(net_.lora->params, 1.0, "");
    for (std::int64_t b = 0; b < s.batch; ++b)
      for (std::int64_t i = s.seq - s.answer; i < s.seq; ++i) places_.push_back(b * s.seq + i - 1);
  }

  double step() {
    const at::Tensor x = at::randn({s_.batch, s_.seq, net_.config().hidden_size}) * 0.02;
    const at::Tensor labels = at::randint(0, net_.config().vocab_size, {s_.batch * s_.answer}, at::kLong);
    optimiser_.zero_grad();
    at::Tensor hidden;
    if (s_.packed) {
      hidden = net_.forward_packed(x.view({1, -1, x.size(2)}),
                                   std::vector<std::int64_t>(static_cast<std::size_t>(s_.batch), s_.seq), true);
    } else {
      KeyValues cache;
      hidden = net_.forward(x, cache, true);
    }
    const at::Tensor rows = hidden.reshape({-1, hidden.size(-1)}).index_select(0, at::tensor(places_, at::kLong));
    const at::Tensor loss = answer_loss(rows, labels, net_.frozen_head(), 0);
    loss.backward();
    optimiser_.step(1e-4);
    return loss.item<double>();
  }

 private:
  static LanguageNet load(const Settings& s) {
    return LanguageNet::load_frozen(read_language_config(s.folder + "/config.json"), SafeTensors::open(s.folder));
  }

  Settings s_;
  LanguageNet net_;
  AdamW optimiser_;
  std::vector<std::int64_t> places_;
};

int run(int argc, char** argv) {
  const Settings s = parse(argc, argv);
  at::set_num_threads(s.threads);
  at::manual_seed(0);
  Bench bench(s);
  double loss = 0;
  for (int i = 0; i < s.warmup; ++i) loss = bench.step();
  std::vector<double> wall, cpu;
  for (int i = 0; i < s.steps; ++i) {
    const double before = cpu_seconds();
    const auto start = std::chrono::steady_clock::now();
    loss = bench.step();
    wall.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    cpu.push_back(cpu_seconds() - before);
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  double load = 0;
  if (getloadavg(&load, 1) != 1) load = -1;
  std::printf(
      "{\"script\": \"bench_qlora_step\", \"batch\": %ld, \"seq\": %ld, \"loss_last\": %ld, \"threads\": %d, "
      "\"checkpoint\": %s, "
      "\"packed\": %s, \"step_s_median\": %.4f, \"step_s_min\": %.4f, \"cpu_s_median\": %.4f, \"peak_rss_mib\": %ld, "
      "\"loss\": "
      "%.4f, \"load_avg_1m\": %.2f}\n",
      s.batch, s.seq, s.answer, s.threads, s.checkpoint ? "true" : "false", s.packed ? "true" : "false", median(wall),
      *std::min_element(wall.begin(), wall.end()), median(cpu), usage.ru_maxrss / 1024, loss, load);
  return 0;
}

}  // namespace
}  // namespace cp

int main(int argc, char** argv) {
  try {
    return cp::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_qlora_step: %s\n", error.what());
    return 1;
  }
}
