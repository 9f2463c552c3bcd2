#include "learn/run_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sstream>

#include <fmt/format.h>

#include "core/file.h"
#include "core/options.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxText = std::uint64_t{256} << 20;
constexpr int kStateVersion = 1;

// Options that may change between a run and its continuation: they move no weight.
bool may_change(const std::string& name) {
  return name == "out" || name == "cache" || name == "threads" || name == "save_every" || name == "keep" ||
         name == "name" || name == "language" || name == "parts" || name == "device" || name == "memory_limit" ||
         name == "from" || name == "checkpoint_layers" || name == "data" || name == "text_data" || name == "vision" ||
         name == "folds";
}

// Flat "a.b" -> value, to compare two configurations name by name.
void flatten(const Json& json, const std::string& prefix, std::map<std::string, Json>& out) {
  for (const auto& [key, value] : json.items()) {
    if (value.is_object())
      flatten(value, prefix + key + ".", out);
    else
      out[prefix + key] = value;
  }
}

// What state.json of a checkpoint says, after its files were compared with their recorded hashes. Throws
// UserError(model).
Json checked_state(const fs::path& checkpoint) {
  const fs::path folder = checkpoint / "training_state", file = folder / "state.json";
  Json json = read_json(file, ErrorKind::model, kMaxText);
  json_integer(json, "version", file.string(), ErrorKind::model, kStateVersion, kStateVersion);
  for (const auto& [name, sha] : json_member(json, "sha256", file.string(), ErrorKind::model).items())
    if (sha256_hex_file(folder / name) != sha)
      throw UserError(ErrorKind::model, (folder / name).string(), "does not match its recorded sha256.", "");
  verify_files(checkpoint / "model", read_manifest(checkpoint / "model"));
  return json;
}

std::vector<fs::path> checkpoints(const fs::path& folder) {
  std::vector<fs::path> out;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    const bool number =
        !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (number && entry.is_directory() && !entry.is_symlink()) out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

void note_head(const HeadOptions& options, ModelManifest& manifest) {
  ModelManifest::Head& head = manifest.head;
  head.kind = options.kind;
  head.condition = options.condition;
  head.evidence = options.evidence;
  head.schedule = options.schedule;
  head.sampler = options.sampler;
  head.spacing = options.spacing;
  head.steps = options.steps;
  head.samples = options.samples;
  head.snap_sigma = options.snap_sigma;
  head.target = options.target;
}

void TrainedModel::load_weights(const fs::path& folder, bool) {
  throw UserError(ErrorKind::usage, "from", fmt::format("{} is a model folder alone.", folder.string()),
                  "This design starts from a run or a checkpoint, which hold the weights as they are trained.");
}

RunFolder::RunFolder(const RunOptions& options, OptionSet settings)
    : folder_(options.out), options_(options), settings_(std::move(settings)) {}

void RunFolder::start_fresh() {
  if (!checkpoints(folder_ / "checkpoints").empty())
    throw UserError(ErrorKind::usage, folder_.string(), "holds checkpoints of an earlier run.",
                    "Continue it with --resume, or choose another folder with out=DIR.");
  write_file_durable(folder_ / "config.yaml", settings_.to_yaml());
  write_file_durable(folder_ / "metrics.jsonl", "");
}

void RunFolder::save(const TrainState& state, const AdamW& optimiser, TrainedModel& model, bool is_best) {
  const fs::path root = folder_ / "checkpoints";
  const std::string name = fmt::format("{:06}", state.step);
  const fs::path target = root / name, working = root / fmt::format("{}.tmp-{}", name, ::getpid());
  fs::remove_all(working);
  model.save(working / "model");
  std::vector<TensorToWrite> tensors;
  for (const auto& [set, prefix] : model.weights()) set->append_to(tensors, DType::f32, prefix);
  write_safetensors(working / "training_state" / "weights.safetensors", tensors);
  write_safetensors(working / "training_state" / "optimizer.safetensors", optimiser.state());
  OrderedJson json = {{"format", "changepilot-training-state"},
                      {"version", kStateVersion},
                      {"stage", state.stage},
                      {"epoch", state.epoch},
                      {"step_in_epoch", state.step_in_epoch},
                      {"step", state.step},
                      {"optimizer_steps", optimiser.steps()},
                      {"has_best", state.has_best},
                      {"best", state.best},
                      {"loss_scale", state.loss_scale},
                      {"config", settings_.to_json()}};
  for (const char* file : {"weights.safetensors", "optimizer.safetensors"})
    json["sha256"][file] = sha256_hex_file(working / "training_state" / file);
  write_file_durable(working / "training_state" / "state.json", json.dump(2) + "\n");
  if (fs::exists(target))
    fs::remove_all(target);  // the same update, saved again (a stage's end and the next one's start)
  publish_folder(working, target);
  replace_link(root / "last", name);
  if (is_best) replace_link(root / "best", name);
  prune();
}

void RunFolder::prune() {
  const fs::path root = folder_ / "checkpoints";
  std::error_code ignored;
  const fs::path best = fs::read_symlink(root / "best", ignored);
  const std::vector<fs::path> all = checkpoints(root);
  const std::size_t keep = static_cast<std::size_t>(std::max(2, options_.keep));
  for (std::size_t i = 0; i + keep < all.size(); ++i)
    if (all[i].filename() != best) fs::remove_all(all[i], ignored);
}

std::optional<RunFolder::Saved> RunFolder::newest() {
  std::vector<fs::path> all = checkpoints(folder_ / "checkpoints");
  std::reverse(all.begin(), all.end());
  for (const fs::path& folder : all) {
    try {
      const std::string where = (folder / "training_state" / "state.json").string();
      const Json json = checked_state(folder);
      std::map<std::string, Json> then, now;
      flatten(json_member(json, "config", where, ErrorKind::model), "", then);
      flatten(Json(settings_.to_json()), "", now);
      std::string changed;
      for (const auto& [name, value] : now)
        if (!may_change(name) && (!then.count(name) || then[name] != value))
          changed +=
              fmt::format(" {}: {} then, {} now;", name, then.count(name) ? then[name].dump() : "absent", value.dump());
      if (!changed.empty())
        throw UserError(ErrorKind::usage, folder_.string(), "the configuration changed since the checkpoint:" + changed,
                        "Resume with the old values (config.yaml in the run folder) or start a new run.");
      Saved saved;
      saved.folder = folder;
      saved.state.stage = json_string(json, "stage", where, ErrorKind::model);
      saved.state.epoch = static_cast<int>(json_integer(json, "epoch", where, ErrorKind::model, 0, INT32_MAX));
      saved.state.step_in_epoch =
          static_cast<int>(json_integer(json, "step_in_epoch", where, ErrorKind::model, 0, INT32_MAX));
      saved.state.step = json_integer(json, "step", where, ErrorKind::model, 0, INT64_MAX);
      saved.state.has_best = json_bool(json, "has_best", where, ErrorKind::model);
      saved.state.best = json_number(json, "best", where, ErrorKind::model);
      if (json.contains("loss_scale"))
        saved.state.loss_scale = json_number(json, "loss_scale", where, ErrorKind::model);
      return saved;
    } catch (const UserError& error) {
      if (error.kind() == ErrorKind::usage) throw;
      std::fprintf(stderr, "checkpoint set aside: %s\n", error.what());
      std::error_code ignored;
      fs::rename(folder, folder.string() + ".bad", ignored);
    }
  }
  return std::nullopt;
}

RunFolder::Start RunFolder::find_start(const fs::path& from) {
  std::error_code ignored;
  if (fs::is_regular_file(from / kManifestFile, ignored)) {
    verify_files(from, read_manifest(from));
    return {from, {}};
  }
  for (const fs::path& checkpoint : {from, from / "last", from / "checkpoints" / "last"})
    if (fs::is_regular_file(checkpoint / "model" / kManifestFile, ignored)) {
      checked_state(checkpoint);
      return {checkpoint / "model", checkpoint / "training_state" / "weights.safetensors"};
    }
  throw UserError(ErrorKind::model, from.string(), "wanted a run, a checkpoint or a model folder.",
                  "A run has checkpoints/last, a checkpoint model/, a model folder changepilot.json.");
}

void RunFolder::load_start(const Start& start, TrainedModel& model, bool with_head) {
  const ModelManifest manifest = read_manifest(start.model);
  model.manifest.flag = manifest.flag;
  model.manifest.region = manifest.region;
  if (start.weights.empty()) return model.load_weights(start.model, with_head);
  const SafeTensors file = SafeTensors::open(start.weights);
  TensorExpectation expectation;
  std::vector<std::pair<ParamSet*, std::string>> wanted;
  for (const auto& [set, prefix] : model.weights()) {
    const bool head = prefix == "head." || prefix == "average.";
    if (head && !with_head) {
      expectation.skip(prefix);
      continue;
    }
    set->expect(expectation, prefix);
    wanted.emplace_back(set, prefix);
  }
  expectation.check(file);
  for (const auto& [set, prefix] : wanted) set->load(file, prefix);
}

void RunFolder::load_model(const Saved& saved, TrainedModel& model) {
  load_checked(SafeTensors::open(saved.folder / "training_state" / "weights.safetensors"), model.weights());
  const ModelManifest manifest = read_manifest(saved.folder / "model");
  model.manifest.flag = manifest.flag;
  model.manifest.region = manifest.region;
  model.manifest.training = manifest.training;
}

void RunFolder::load_optimiser(const Saved& saved, AdamW& optimiser) {
  optimiser.load_state(SafeTensors::open(saved.folder / "training_state" / "optimizer.safetensors"));
  const fs::path file = saved.folder / "training_state" / "state.json";
  optimiser.set_steps(json_integer(read_json(file, ErrorKind::model), "optimizer_steps", file.string(),
                                   ErrorKind::model, 0, INT64_MAX));
}

void RunFolder::log(const OrderedJson& line) {
  const fs::path path = folder_ / "metrics.jsonl";
  const std::string text = line.dump() + "\n";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const bool written = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (fd >= 0) ::close(fd);
  if (!written) std::fprintf(stderr, "%s: cannot append (%s); training goes on\n", path.c_str(), std::strerror(errno));
}

void RunFolder::rewind_log(std::int64_t step) {
  const fs::path path = folder_ / "metrics.jsonl";
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return;
  std::istringstream lines(read_file(path, kMaxText, ErrorKind::data));
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    const Json json = Json::parse(line, nullptr, false);
    if (json.is_object() && json.value("step", std::int64_t{0}) <= step) kept += line + "\n";
  }
  write_file_durable(path, kept);
}

}  // namespace cp
