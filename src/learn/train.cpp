#include "learn/train.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include "core/error.h"
#include "learn/device.h"
#include "learn/memory_plan.h"
#include "learn/nano_recipe.h"
#include "learn/published_recipe.h"
#include "learn/run_folder.h"

namespace cp {
namespace {

volatile std::sig_atomic_t g_signal = 0;
extern "C" void remember_signal(int signal) { g_signal = signal; }

class Training {
 public:
  Training(Recipe& recipe, const TrainRequest& request)
      : recipe_(recipe), request_(request), run_(recipe.options(), recipe.settings()) {}

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
    }
    const std::vector<std::string> stages = recipe_.stages();
    const std::size_t last = request_.phase == 1 ? recipe_.phase1() : stages.size();
    std::size_t first = first_stage(stages, last);
    std::optional<RunFolder::Start> start;
    if (!saved) {
      if (!recipe_.options().from.empty()) start = RunFolder::find_start(recipe_.options().from);
      run_.start_fresh();
    }
    recipe_.prepare(saved ? saved->folder / "model" : start ? start->model : std::filesystem::path());
    if (start) {
      const ModelManifest::Head theirs = read_manifest(start->model).head, &ours = recipe_.model().manifest.head;
      const bool same = theirs.kind == ours.kind && theirs.condition == ours.condition;
      RunFolder::load_start(*start, recipe_.model(), same && recipe_.options().first_stage != "head");
    }
    if (saved) {
      first = 0;
      RunFolder::load_model(*saved, recipe_.model());
      state_ = saved->state;
      run_.rewind_log(state_.step);
      while (first + 1 < stages.size() && state_.stage != stages[first]) ++first;
    }
    for (std::size_t i = first; i < last; ++i) {
      const bool continues = saved && state_.stage == stages[i];
      if (!run_stage(stages[i], continues ? &*saved : nullptr)) {
        if (over_limit_) throw over_limit();
        return 128 + static_cast<int>(g_signal);
      }
    }
    std::printf("%s\n", (run_.path() / "checkpoints" / "last" / "model").c_str());
    return 0;
  }

 private:
  // Number of the stage that a run with `from` begins with.
  std::size_t first_stage(const std::vector<std::string>& stages, std::size_t last) const {
    const std::string& wanted = recipe_.options().first_stage;
    if (wanted.empty()) return 0;
    want_choice("first_stage", wanted, stages);
    if (recipe_.options().from.empty())
      throw UserError(ErrorKind::usage, "first_stage", "there is nothing to take the stages before it from.",
                      "Name a run or a model folder with from=.");
    const auto found = static_cast<std::size_t>(std::find(stages.begin(), stages.end(), wanted) - stages.begin());
    if (found >= last)
      throw UserError(ErrorKind::usage, "first_stage", fmt::format("{} is no stage of phase 1.", wanted), "");
    return found;
  }

  bool run_stage(const std::string& name, const RunFolder::Saved* saved) {
    const std::unique_ptr<Stage> stage = recipe_.make_stage(name);
    AdamW optimiser(stage->optimiser());
    stage->add_parameters(optimiser);
    if (saved)
      RunFolder::load_optimiser(*saved, optimiser);
    else
      state_ = TrainState{name, 0, 0, state_.step, 0, false};
    TrainHooks hooks;
    hooks.log = [&](const OrderedJson& line) {
      OrderedJson with_memory = line;
      with_memory["peak_memory"] = static_cast<std::int64_t>(peak());
      log(with_memory);
    };
    hooks.save = [&](const TrainState& state, const AdamW& opt, bool is_best) {
      run_.save(state, opt, recipe_.model(), is_best);
    };
    hooks.stop = [&] { return stop_asked(); };
    hooks.save_every = recipe_.options().save_every;
    if (stage->options().epochs > 0 && !train_stage(*stage, optimiser, state_, recipe_.options().seed, hooks))
      return false;
    OrderedJson found;
    if (!recipe_.after_stage(
            name, [] { return g_signal != 0; }, found))
      return false;
    if (!found.empty()) {
      OrderedJson line = {{"step", state_.step}};
      line.update(found);
      log(line);
      std::fprintf(stderr, "%s\n", line.dump().c_str());
    }
    return true;
  }

  void log(const OrderedJson& line) {
    run_.log(line);
    if (request_.logged) request_.logged(run_.path(), line);
  }

  // A signal, or the number of updates that this call was to make.
  bool stop_asked() {
    if (recipe_.memory_limit() > 0 && peak() > recipe_.memory_limit()) return over_limit_ = true;
    if (request_.stop_after > 0 && ++updates_ >= request_.stop_after) g_signal = SIGINT;
    return g_signal != 0;
  }

  double peak() const { return static_cast<double>(device_memory(recipe_.device()).peak); }
  UserError over_limit() const {
    return UserError(ErrorKind::memory, "memory_limit",
                     fmt::format("{} were in use, the limit is {}; the run was saved and stopped.", show_bytes(peak()),
                                 show_bytes(recipe_.memory_limit())),
                     "Continue it with --resume and a smaller batch or a higher limit.");
  }

  Recipe& recipe_;
  const TrainRequest& request_;
  RunFolder run_;
  TrainState state_;
  std::int64_t updates_ = 0;
  bool over_limit_ = false;
};

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

int run(Recipe& recipe, const TrainRequest& request) {
  const int threads = recipe.options().threads;
  at::set_num_threads(threads > 0 ? threads : static_cast<int>(std::thread::hardware_concurrency()));
  g_signal = 0;
  std::signal(SIGINT, remember_signal);
  std::signal(SIGTERM, remember_signal);
  if (recipe.memory_limit() > 0) limit_device_memory(recipe.device(), recipe.memory_limit());
  try {
    return Training(recipe, request).run();
  } catch (const UserError&) {
    throw;
  } catch (const std::exception& error) {
    if (!is_out_of_memory(error)) throw;
    throw UserError(ErrorKind::memory, recipe.memory_limit() > 0 ? "memory_limit" : recipe.device().str(),
                    fmt::format("no more memory ({}).", first_line(error.what())),
                    "The last checkpoint is intact; use a smaller batch (see --dry-run).");
  }
}

}  // namespace

int run_training(const TrainConfig& config, const TrainRequest& request) {
  NanoRecipe recipe(config);
  return run(recipe, request);
}

int run_training(const PublishedConfig& config, const TrainRequest& request) {
  PublishedRecipe recipe(config);
  return run(recipe, request);
}

}  // namespace cp
