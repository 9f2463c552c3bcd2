#include "report/ablation_run.h"

#include <chrono>
#include <map>

#include <fmt/format.h>

#include "core/child.h"
#include "core/file.h"
#include "core/folder_lock.h"
#include "core/progress.h"
#include "formats/model_folder.h"
#include "report/answer_json.h"
#include "report/results.h"
#include "text/unicode.h"

namespace cp {
namespace {

namespace fs = std::filesystem;
using State = AblationStatus::State;

constexpr const char* kLockFile = "ablation.lock";
constexpr const char* kStatusFormat = "changepilot-ablation-cell";
constexpr std::uint64_t kMaxStatus = 1 << 20;

std::string with_seed(std::string text, int seed) {
  static constexpr std::string_view kMark = "{seed}";
  for (std::size_t at = 0; (at = text.find(kMark, at)) != text.npos;) {
    const std::string number = std::to_string(seed);
    text.replace(at, kMark.size(), number);
    at += number.size();
  }
  return text;
}

// Two lists of options that set the same values have the same text.
OrderedJson canonical_options(const std::vector<std::string>& train) {
  std::map<std::string, std::string> options;
  for (const std::string& text : train) options.insert_or_assign(train_option(text).first, train_option(text).second);
  return options;
}

Json read_status(const fs::path& folder) {
  std::error_code none;
  const fs::path file = folder / "status.json";
  if (!fs::is_regular_file(file, none)) return Json::object();
  try {
    Json status = read_json(file, ErrorKind::data, kMaxStatus);
    return find_text(status, "format") == kStatusFormat ? status : Json::object();
  } catch (const UserError&) {
    return Json::object();  // cut off or not ours: the cell is run again
  }
}

bool step_is_done(const AblationTask& task, const Json& status, const std::string& step, const std::string& hash) {
  std::error_code none;
  return find_text(status, step + ".state") == "done" && find_text(status, step + ".hash") == hash &&
         (step == "train" ? fs::is_directory(task.folder / "run", none)
                          : fs::is_regular_file(task.folder / "validate" / "metrics.json", none));
}

void note_step(const AblationTask& task, const AblationCell& cell, const std::string& step, const OrderedJson& entry) {
  const Json before = read_status(task.folder);
  OrderedJson status{
      {"format", kStatusFormat}, {"version", 1}, {"table", cell.table}, {"cell", cell.name}, {"seed", task.seed}};
  for (const char* name : {"train", "validate"}) {
    const Json* old = find_member(before, name);
    if (step == name)
      status[name] = entry;
    else if (old)
      status[name] = *old;
  }
  write_file_durable(task.folder / "status.json", dump_json(status, 2) + "\n");
}

// Only names that the ablation itself gave are ever removed.
void remove_old(const fs::path& path) {
  std::error_code failed;
  fs::remove_all(path, failed);
  if (failed)
    throw UserError(ErrorKind::write, path.string(), fmt::format("cannot remove ({}).", failed.message()),
                    "Check the permissions.");
}

// The lock's file marks the folders that are ours.
void want_own_folder(const fs::path& out) {
  std::error_code none;
  if (!fs::exists(out, none) || fs::exists(out / kLockFile, none)) return;
  if (!fs::is_directory(out, none) || !fs::is_empty(out, none))
    throw UserError(ErrorKind::write, out.string(), "exists and was not made by `changepilot ablate`.",
                    "Name a new folder with --out.");
}

AblationStatus own_status(const AblationTask& task) {
  const Json status = read_status(task.folder);
  if (step_is_done(task, status, "validate", task.validate_hash)) return {State::done, 0, "", ""};
  const bool was_done =
      find_text(status, "validate.state") == "done" && find_text(status, "validate.hash") != task.validate_hash;
  for (const auto& [step, hash] : {std::pair("train", task.train_hash), std::pair("validate", task.validate_hash)}) {
    const std::string name = step, state = find_text(status, name + ".state");
    if (find_text(status, name + ".hash") != hash || (state != "failed" && state != "interrupted")) continue;
    const auto code = find_number(status, name + ".code");
    return {state == "failed" ? State::failed : State::interrupted, static_cast<int>(code.value_or(0)),
            find_text(status, name + ".last_line"), name};
  }
  return {was_done ? State::changed : State::todo, 0, "", ""};
}

bool is_chosen(const AblationCell& cell, const std::set<std::string>& tables) {
  return tables.empty() || tables.contains(cell.table);
}

class Runner {
 public:
  Runner(const AblationConfig& config, const AblationProgram& program, const std::vector<AblationTask>& tasks)
      : config_(config), program_(program), tasks_(tasks) {}

  int run(const std::set<std::string>& tables) {
    std::vector<std::size_t> todo;
    std::size_t chosen = 0;
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      if (!is_chosen(config_.cells[tasks_[i].cell], tables)) continue;
      ++chosen;
      const State state = status_of(tasks_, i).state;
      if (state == State::done) continue;
      todo.push_back(i);
      if (state == State::changed)
        program_.say(
            fmt::format("{}: options, base file, trunk, data or program changed; it is run again", tasks_[i].label));
    }
    if (chosen > todo.size())
      program_.say(fmt::format("{} of {} cells are done already", chosen - todo.size(), chosen));
    Progress progress("ablation", todo.size(), "cells");
    const SignalsPassedOn signals;
    for (const std::size_t i : todo) {
      const bool good = train(tasks_[i].model) && validate(i);
      if (const int number = SignalsPassedOn::received()) return 128 + number;
      failed_ += !good;
      progress.advance(1, tasks_[i].label);
    }
    if (!todo.empty()) progress.finish();
    return failed_ > 0 ? kCellsFailedExitCode : 0;
  }

 private:
  bool train(std::size_t owner) {
    const AblationTask& task = tasks_[owner];
    if (step_is_done(task, read_status(task.folder), "train", task.train_hash)) return true;
    if (!tried_.insert(owner).second) return false;  // it failed for a cell before this one
    remove_old(task.folder / "run");
    return step(task, "train", task.train, task.train_hash);
  }

  bool validate(std::size_t index) {
    const AblationTask& task = tasks_[index];
    for (const char* old : {"validate", "validate.partial"}) remove_old(task.folder / old);
    return step(task, "validate", task.validate, task.validate_hash);
  }

  bool step(const AblationTask& task, const std::string& name, const std::vector<std::string>& command,
            const std::string& hash) {
    const AblationCell& cell = config_.cells[task.cell];
    const fs::path log = task.folder / (name + ".log");
    OrderedJson entry{{"state", "running"}, {"hash", hash}, {"command", replace_invalid_utf8(shell_line(command))}};
    note_step(task, cell, name, entry);
    const auto start = std::chrono::steady_clock::now();
    const int code = run_child(command, log);
    const bool stopped = SignalsPassedOn::received() != 0;
    entry["state"] = stopped ? "interrupted" : code == 0 ? "done" : "failed";
    entry["code"] = code;
    entry["wall_s"] = rounded(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    std::string last = code == 0 ? "" : replace_invalid_utf8(last_line(log));
    // A step that says it went well has left its files.
    if (code == 0 && !stopped)
      if (const std::string fault = missing_result(task, name); !fault.empty()) entry["state"] = "failed", last = fault;
    if (!last.empty()) entry["last_line"] = last;
    note_step(task, cell, name, entry);
    if (entry["state"] == "failed")
      program_.say(fmt::format("{}: {} failed with exit code {}: {}", task.label, name, code, last));
    return entry["state"] == "done";
  }

  static std::string missing_result(const AblationTask& task, const std::string& step) {
    std::error_code none;
    if (step == "train") return fs::is_directory(task.folder / "run", none) ? "" : "it left no run folder";
    try {
      read_validation(task.folder / "validate");
      return "";
    } catch (const UserError& error) {
      return error.what();
    }
  }

  const AblationConfig& config_;
  const AblationProgram& program_;
  const std::vector<AblationTask>& tasks_;
  std::set<std::size_t> tried_;
  int failed_ = 0;
};

}  // namespace

std::vector<AblationTask> plan_ablation(const AblationConfig& config, const AblationProgram& program) {
  const AblationOptions& o = config.options;
  const std::string base = sha256_hex(read_file(o.base, kMaxConfigBytes, ErrorKind::usage));
  struct Trunk {
    std::string id, fault;
  };
  std::map<std::string, Trunk> trunks;
  const auto read_trunk = [&](const std::string& name) {
    const auto [found, fresh] = trunks.try_emplace(name);
    try {
      if (fresh && !name.empty()) found->second.id = sha256_hex_file(program.model_of(name) / kManifestFile);
    } catch (const UserError& error) {
      found->second = {"missing", error.what()};
    }
    return found->second;
  };
  std::vector<AblationTask> tasks;
  for (std::size_t s = 0; s < o.seeds.size(); ++s)
    for (std::size_t i = 0; i < config.cells.size(); ++i) {
      const AblationCell &cell = config.cells[i], &owner = config.cells[cell.model];
      const int seed = o.seeds[s];
      const auto folder = [&](const AblationCell& of) {
        return fs::path(o.out) / of.table / of.name / fmt::format("seed-{}", seed);
      };
      AblationTask task{i, seed, folder(cell), s * config.cells.size() + cell.model, {}, {}, {}, {}, {}, {}};
      task.label = fmt::format("{} seed {}", cell.id(), seed);
      const std::string trunk = with_seed(owner.trunk, seed), run = (folder(owner) / "run").string();
      const OrderedJson training{{"base", base},
                                 {"train", canonical_options(owner.train)},
                                 {"seed", seed},
                                 {"trunk", read_trunk(trunk).id},
                                 {"data", folder_name(o.data)},
                                 {"version", program.version}};
      task.train_hash = sha256_hex(dump_json(training));
      task.fault = read_trunk(trunk).fault;
      const OrderedJson validation{
          {"train", task.train_hash}, {"validate", cell.validate}, {"split", o.split}, {"data", folder_name(o.data)}};
      task.validate_hash = sha256_hex(dump_json(validation));
      if (cell.model == i) {
        task.train = {program.path.string(), "train", "--config", o.base};
        if (!trunk.empty()) task.train.insert(task.train.end(), {"from=" + trunk, "first_stage=head"});
        for (const std::string& option : cell.train) task.train.push_back(option);
        task.train.insert(task.train.end(), {"data=" + o.data, fmt::format("seed={}", seed), "out=" + run});
      }
      task.validate = {program.path.string(),
                       "validate",
                       "--checkpoint",
                       run,
                       "--data",
                       o.data,
                       "--split",
                       o.split,
                       "--out",
                       (task.folder / "validate").string()};
      for (const std::string& flag : cell.validate) task.validate.push_back(flag);
      tasks.push_back(std::move(task));
    }
  return tasks;
}

AblationStatus status_of(const std::vector<AblationTask>& tasks, std::size_t index) {
  const AblationStatus own = own_status(tasks[index]);
  if (tasks[index].model == index || (own.state != State::todo && own.state != State::changed)) return own;
  const AblationStatus owner = own_status(tasks[tasks[index].model]);
  return owner.step == "train" ? owner : own;
}

int run_ablation(const AblationConfig& config, const AblationProgram& program, const std::vector<AblationTask>& tasks,
                 const std::set<std::string>& tables) {
  for (std::size_t i = 0; i < tasks.size(); ++i)
    if (is_chosen(config.cells[tasks[i].cell], tables) && !tasks[i].fault.empty() &&
        status_of(tasks, i).state != State::done)
      throw UserError(ErrorKind::model, "trunk of " + tasks[i].label, tasks[i].fault,
                      "Train it first, or set trunk= (nothing) to train whole models.");
  want_own_folder(config.options.out);
  const FolderLock lock(config.options.out, kLockFile);
  return Runner(config, program, tasks).run(tables);
}

std::string dry_run_text(const AblationConfig& config, const std::vector<AblationTask>& tasks,
                         const std::set<std::string>& tables) {
  std::string text;
  std::set<std::size_t> trained;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const AblationTask& task = tasks[i];
    if (!is_chosen(config.cells[task.cell], tables)) continue;
    const State state = status_of(tasks, i).state;
    const AblationTask& owner = tasks[task.model];
    text += fmt::format("# {}{}{}\n", task.label,
                        &owner == &task ? "" : fmt::format(", with the model of {}", config.cells[owner.cell].id()),
                        state == State::done      ? ": done"
                        : state == State::changed ? ": changed"
                                                  : "");
    if (state == State::done) continue;
    const bool has_model = step_is_done(owner, read_status(owner.folder), "train", owner.train_hash);
    if (!has_model && trained.insert(task.model).second) text += shell_line(owner.train) + "\n";
    text += shell_line(task.validate) + "\n";
  }
  return text;
}

}  // namespace cp
