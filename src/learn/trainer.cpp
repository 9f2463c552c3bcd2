#include "learn/trainer.h"

#include <chrono>
#include <cmath>
#include <numbers>

#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>

#include "core/error.h"
#include "core/progress.h"

namespace cp {
namespace {

constexpr int kLogEvery = 10;      // updates
constexpr int kMaxBadUpdates = 3;  // not finite, in a row

// Loss scaling for float16 (Micikevicius et al. 2018, arXiv:1710.03740): halved when a gradient overflows, and the
// update is left out; doubled after kCalm good ones.
constexpr double kMaxLossScale = 65536, kMinLossScale = 1;
constexpr int kCalm = 200;

// Dropout draws from torch's generator: its seed is a function of the update, so nothing has to be saved.
void seed_update(std::uint64_t seed, const std::string& stage, std::int64_t step) {
  std::uint64_t hash = 14695981039346656037ull ^ seed;
  for (const char c : stage) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  at::manual_seed(hash ^ (static_cast<std::uint64_t>(step) * 0x9E3779B97F4A7C15ull));
}

class Loop {
 public:
  Loop(Stage& stage, AdamW& optimiser, TrainState& state, std::uint64_t seed, const TrainHooks& hooks)
      : stage_(stage),
        optimiser_(optimiser),
        state_(state),
        seed_(seed),
        hooks_(hooks),
        options_(stage.options()),
        per_update_(static_cast<std::size_t>(options_.batch_size) * static_cast<std::size_t>(options_.accumulate)),
        per_epoch_(static_cast<std::int64_t>(stage.order(0).size() / per_update_)),
        total_(per_epoch_ * options_.epochs),
        progress_(stage.name(), static_cast<std::uint64_t>(total_), "steps") {
    if (per_epoch_ == 0)
      throw UserError(ErrorKind::usage, stage.name() + ".batch_size",
                      fmt::format("{} samples make one update, the data has {}.", per_update_, stage.order(0).size()),
                      "Use a smaller batch_size or accumulate.");
  }

  bool run() {
    progress_.advance(static_cast<std::uint64_t>(state_.epoch * per_epoch_ + state_.step_in_epoch));
    for (; state_.epoch < options_.epochs; ++state_.epoch, state_.step_in_epoch = 0) {
      const std::vector<std::size_t> order = stage_.order(state_.epoch);
      for (; state_.step_in_epoch < per_epoch_;) {
        update(order);
        ++state_.step_in_epoch;
        ++state_.step;
        const bool epoch_done = state_.step_in_epoch == per_epoch_;
        if (!epoch_done && stopped()) return false;
        if (!epoch_done && hooks_.save && hooks_.save_every > 0 && state_.step % hooks_.save_every == 0)
          hooks_.save(state_, optimiser_, false);
      }
      end_epoch();
      if (state_.epoch + 1 < options_.epochs && hooks_.stop && hooks_.stop()) return false;
    }
    progress_.finish();
    return true;
  }

 private:
  bool stopped() {
    if (!hooks_.stop || !hooks_.stop()) return false;
    if (hooks_.save) hooks_.save(state_, optimiser_, false);
    return true;
  }

  void update(const std::vector<std::size_t>& order) {
    const std::int64_t step = state_.epoch * per_epoch_ + state_.step_in_epoch;
    seed_update(seed_, stage_.name(), step);
    optimiser_.zero_grad();
    std::map<std::string, double> parts;
    double loss = 0;
    const double scale = stage_.scales_loss() ? state_.loss_scale : 1;
    for (int a = 0; a < options_.accumulate; ++a) {
      const std::size_t first = static_cast<std::size_t>(state_.step_in_epoch) * per_update_ +
                                static_cast<std::size_t>(a * options_.batch_size);
      const at::Tensor part =
          stage_.loss({order.data() + first, static_cast<std::size_t>(options_.batch_size)}, state_.epoch, parts);
      (part * (scale / options_.accumulate)).backward();
      loss += part.item<double>() / options_.accumulate;
    }
    if (scale != 1) optimiser_.multiply_gradients(1 / scale);
    const double norm = optimiser_.clip_gradients(options_.clip);
    const double rate = learning_rate(options_, step, total_);
    if (std::isfinite(loss) && !std::isfinite(norm) && scale > kMinLossScale) {
      state_.loss_scale = scale / 2;
      calm_ = 0;
      return;
    }
    if (!std::isfinite(loss) || !std::isfinite(norm)) {
      if (++bad_ >= kMaxBadUpdates)
        throw UserError(
            ErrorKind::numeric, fmt::format("{} step {}", stage_.name(), step),
            fmt::format("loss {} and gradient norm {} are not finite for {} updates in a row.", loss, norm, bad_),
            "Lower the learning rate; the last checkpoint is intact.");
      return;
    }
    bad_ = 0;
    if (scale != 1 && ++calm_ % kCalm == 0) state_.loss_scale = std::min(kMaxLossScale, scale * 2);
    optimiser_.step(rate);
    stage_.after_step();
    smooth_ = smooth_ == 0 ? loss : 0.95 * smooth_ + 0.05 * loss;
    progress_.advance(1, fmt::format("epoch {}/{} loss {:.4f}", state_.epoch + 1, options_.epochs, smooth_));
    if (hooks_.log && (step % kLogEvery == 0 || step + 1 == total_)) {
      OrderedJson line = {{"step", state_.step + 1}, {"stage", stage_.name()}, {"epoch", state_.epoch}, {"loss", loss},
                          {"learning_rate", rate},   {"gradient_norm", norm}};
      for (const auto& [name, value] : parts) line[name] = value;
      hooks_.log(line);
    }
  }

  void end_epoch() {
    const OrderedJson figures = stage_.validate();
    bool is_best = false;
    if (figures.at("monitor").is_number()) {
      const double monitor = figures.at("monitor").get<double>();
      is_best = !state_.has_best || monitor < state_.best;
      if (is_best) state_.best = monitor, state_.has_best = true;
    }
    if (hooks_.log) {
      OrderedJson line = {{"step", state_.step}, {"stage", stage_.name()}, {"epoch", state_.epoch}};
      for (const auto& [name, value] : figures.items()) line["val_" + name] = value;
      hooks_.log(line);
    }
    if (hooks_.save) {
      // The state that is saved points at the start of the next epoch.
      TrainState next = state_;
      ++next.epoch;
      next.step_in_epoch = 0;
      hooks_.save(next, optimiser_, is_best);
    }
  }

  Stage& stage_;
  AdamW& optimiser_;
  TrainState& state_;
  std::uint64_t seed_;
  const TrainHooks& hooks_;
  const StageOptions& options_;
  std::size_t per_update_;
  std::int64_t per_epoch_, total_;
  Progress progress_;
  int bad_ = 0, calm_ = 0;
  double smooth_ = 0;
};

}  // namespace

double learning_rate(const StageOptions& options, std::int64_t step, std::int64_t total) {
  const double warm =
      options.warmup_steps > 0 ? std::min(1.0, static_cast<double>(step + 1) / options.warmup_steps) : 1.0;
  const double share = static_cast<double>(step) / static_cast<double>(std::max<std::int64_t>(1, total));
  const double cosine = 0.5 * (1 + std::cos(std::numbers::pi * share));
  return options.learning_rate * warm * (options.final_share + (1 - options.final_share) * cosine);
}

bool train_stage(Stage& stage, AdamW& optimiser, TrainState& state, std::uint64_t seed, const TrainHooks& hooks) {
  return Loop(stage, optimiser, state, seed, hooks).run();
}

}  // namespace cp
