#include "learn/train.h"

#include <ATen/Parallel.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include "core/error.h"
#include "learn/calibrate.h"
#include "learn/run_folder.h"
#include "learn/stages.h"

namespace cp {
namespace {

volatile std::sig_atomic_t g_signal = 0;
extern "C" void remember_signal(int signal) { g_signal = signal; }

constexpr const char* kStages[] = {"text", "map", "caption", "head"};
constexpr std::size_t kPhase2 = 3;  // stages from here on belong to phase 2

class Training {
 public:
  Training(const TrainConfig& config, const TrainRequest& request)
      : config_(config), request_(request), run_(config.out, config) {}

  int run() {
    std::optional<RunFolder::Saved> saved;
    if (request_.resume || request_.phase == 2) {
      saved = run_.newest();
      if (!saved)
        throw UserError(ErrorKind::model, run_.path().string(), "no checkpoint to continue from.",
                        request_.phase == 2 ? "Phase 2 needs phase 1's checkpoint: run with --phase 1 first."
                                            : "Start without --resume.");
      std::fprintf(stderr, "continuing %s (stage %s, step %lld)\n", saved->folder.c_str(), saved->state.stage.c_str(),
                   static_cast<long long>(saved->state.step));
    } else {
      run_.start_fresh();
    }
    data_ = load_train_data(config_, saved ? saved->tokenizer_json : "",
                            saved ? saved->concepts : std::vector<std::string>{});
    model_ = std::make_unique<NanoModel>(config_, data_.tokenizer_json, data_.concepts);
    std::size_t first = 0;
    if (saved) {
      RunFolder::load_model(*saved, *model_);
      state_ = saved->state;
      run_.rewind_log(state_.step);
      while (first < kPhase2 && state_.stage != kStages[first]) ++first;
    }
    const std::size_t last = request_.phase == 1 ? kPhase2 : std::size(kStages);
    for (std::size_t i = first; i < last; ++i) {
      const bool continues = saved && i == first;
      if (!run_stage(kStages[i], continues ? &*saved : nullptr)) return 128 + static_cast<int>(g_signal);
    }
    std::printf("%s\n", (run_.path() / "checkpoints" / "last" / "model").c_str());
    return 0;
  }

 private:
  std::unique_ptr<Stage> make_stage(const std::string& name) {
    NanoModel& m = *model_;
    if (name == "text") return std::make_unique<TextStage>(config_, data_, m.language, m.projector);
    if (name == "map") return std::make_unique<MapStage>(config_, data_, m.fusion);
    if (name == "caption") return std::make_unique<CaptionStage>(config_, data_, m.fusion, m.projector, m.language);
    return std::make_unique<HeadStage>(config_, data_, m.fusion, m.projector, m.language, m.head, m.average);
  }

  bool run_stage(const std::string& name, const RunFolder::Saved* saved) {
    const std::unique_ptr<Stage> stage = make_stage(name);
    AdamW optimiser(stage->optimiser());
    stage->add_parameters(optimiser);
    if (saved)
      RunFolder::load_optimiser(*saved, optimiser);
    else
      state_ = TrainState{name, 0, 0, state_.step, 0, false};
    TrainHooks hooks;
    hooks.log = [&](const OrderedJson& line) { run_.log(line); };
    hooks.save = [&](const TrainState& state, const AdamW& opt, bool is_best) {
      run_.save(state, opt, *model_, is_best);
    };
    hooks.stop = [&] { return stop_asked(); };
    hooks.save_every = config_.save_every;
    if (stage->options().epochs > 0 && !train_stage(*stage, optimiser, state_, config_.seed, hooks)) return false;
    if (name != "map" || config_.folds == 0) return true;
    return run_calibration();
  }

  // A signal, or the number of updates that this call was to make.
  bool stop_asked() {
    if (request_.stop_after > 0 && ++updates_ >= request_.stop_after) g_signal = SIGINT;
    return g_signal != 0;
  }

  bool run_calibration() {
    const std::optional<Calibration> found = calibrate(config_, data_, [] { return g_signal != 0; });
    if (!found) return false;
    model_->manifest.flag = found->flag;
    model_->manifest.region = found->region;
    const OrderedJson line = {{"step", state_.step},
                              {"stage", "calibrate"},
                              {"pairs", found->pairs},
                              {"flag_accuracy", found->flag_accuracy},
                              {"flag_nll", found->flag_nll},
                              {"flag_bias", found->flag.bias},
                              {"flag_temperature", found->flag.temperature},
                              {"region_threshold", found->region.threshold},
                              {"region_n", found->region.n}};
    run_.log(line);
    std::fprintf(stderr, "calibrated on unseen scenes: %s\n", line.dump().c_str());
    return true;
  }

  const TrainConfig& config_;
  const TrainRequest& request_;
  RunFolder run_;
  TrainData data_;
  std::unique_ptr<NanoModel> model_;
  TrainState state_;
  std::int64_t updates_ = 0;
};

}  // namespace

int run_training(const TrainConfig& config, const TrainRequest& request) {
  at::set_num_threads(config.threads > 0 ? config.threads : static_cast<int>(std::thread::hardware_concurrency()));
  g_signal = 0;
  std::signal(SIGINT, remember_signal);
  std::signal(SIGTERM, remember_signal);
  return Training(config, request).run();
}

}  // namespace cp
