#include "learn/nano_recipe.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "core/file.h"
#include "learn/calibrate.h"
#include "learn/calibrate_head.h"
#include "learn/stages.h"
#include "runtime/model_parts.h"

namespace cp {
namespace {

constexpr std::uint64_t kMaxTokenizer = std::uint64_t{256} << 20;
constexpr std::size_t kCacheBatch = 32;
constexpr const char* kCrossFit = "cross_fit.safetensors";

// What the head reads of every (pair, view) under the frozen networks, with the true flag and the default instruction;
// maps and flags those of `cross_fit` where given.
HiddenBatch cache_hidden(const std::vector<TrainPair>& pairs, const FeatureCache& features, const Prompt& prompt,
                         const NanoModel& model, const HeadOptions& head, const CrossFit* cross_fit) {
  at::NoGradGuard no_grad;
  const std::vector<Pick> picks = all_picks(pairs);
  std::vector<at::Tensor> grid, last, maps, flags, visuals;
  for (std::size_t i = 0; i < picks.size(); i += kCacheBatch) {
    const std::vector<Pick> batch(picks.begin() + static_cast<std::ptrdiff_t>(i),
                                  picks.begin() + static_cast<std::ptrdiff_t>(std::min(i + kCacheBatch, picks.size())));
    std::vector<std::int64_t> changed;
    for (const Pick& pick : batch) changed.push_back(pairs[pick.pair].record.changeflag);
    const FeatureBatch a = gather_features(features, batch, 0), b = gather_features(features, batch, 1);
    const FusionOut fused = model.fusion.forward(a, b, false);
    const ProjectorOut projected = model.projector.forward(a, b, fused, false);
    const at::Tensor visual =
        model.projector.embeddings(projected.grid, at::tensor(changed, at::kLong), projected.concepts.sigmoid());
    KeyValues cache;
    const at::Tensor hidden = model.language.forward(prompt_embeddings(model.language, prompt, visual), cache, false);
    grid.push_back(hidden.slice(1, prompt.visual_begin, prompt.visual_begin + kGridTokens).clone());
    last.push_back(hidden.select(1, -1).clone());
    maps.push_back(fused.map);
    flags.push_back(fused.flag);
    if (head.condition == "queries") visuals.push_back(visual);
  }
  HiddenBatch out;
  if (grid.empty()) return out;
  out.grid = at::cat(grid);
  out.last = at::cat(last);
  if (!visuals.empty()) out.visual = at::cat(visuals);
  if (reads_map(head)) {
    const ModelManifest::Flag& c = model.manifest.flag;
    set_map(out, cross_fit ? cross_fit->map : at::cat(maps),
            ((cross_fit ? cross_fit->flag : at::cat(flags)) - c.bias) / c.temperature);
  }
  return out;
}

void want_share(const char* name, double share) {
  if (share >= 0 && share < 1) return;
  throw UserError(ErrorKind::usage, name, fmt::format("wanted a share from 0 to below 1, found {}.", share), "");
}

}  // namespace

// A token head is written by the language model: nothing is left to learn after the captions.
std::vector<std::string> NanoRecipe::stages() const {
  if (config_.head.kind == "token") return {"text", "map", "caption"};
  return {"text", "map", "caption", "head"};
}

void NanoRecipe::prepare(const std::filesystem::path& model_folder) {
  want_share("text.chinese_share", config_.text.chinese_share);
  want_share("caption.chinese_share", config_.caption.chinese_share);
  want_share("caption.action_share", config_.caption.action_share);
  if (!(config_.data_share > 0 && config_.data_share <= 1))
    throw UserError(ErrorKind::usage, "data_share",
                    fmt::format("wanted a share above 0, at most 1, found {}.", config_.data_share), "");
  want_choice("caption.actions", config_.caption.actions, {"none", "direct", "thought"});
  if (config_.head.kind == "token" && config_.caption.actions == "none")
    throw UserError(ErrorKind::usage, "head.kind", "a token head writes what the caption stage teaches it.",
                    "Set caption.actions=direct, or caption.actions=thought.");
  std::string tokenizer_json;
  std::vector<std::string> concepts;
  if (!model_folder.empty()) {
    const ModelManifest manifest = read_manifest(model_folder);
    concepts = manifest.fusion.concepts;
    tokenizer_json =
        read_file(part_path(model_folder, manifest.language.path) / "tokenizer.json", kMaxTokenizer, ErrorKind::model);
  }
  data_ = load_train_data(config_, tokenizer_json, concepts);
  model_.emplace(config_, data_.tokenizer_json, data_.concepts);
  const bool chinese =
      std::any_of(data_.text.begin(), data_.text.end(), [](const TrainData::TextItem& item) { return item.chinese; });
  if (chinese) model_->manifest.default_instruction["zh"] = instruction_templates("zh").front();
}

std::unique_ptr<Stage> NanoRecipe::make_stage(const std::string& name) {
  NanoModel& m = *model_;
  if (name == "text") return std::make_unique<TextStage>(config_, data_, m.language, m.projector);
  if (name == "map") return std::make_unique<MapStage>(config_, data_, m.fusion);
  if (name == "caption") return std::make_unique<CaptionStage>(config_, data_, m.fusion, m.projector, m.language);
  prepare_head();
  return std::make_unique<HeadStage>(config_.head, config_.seed, *head_data_, m.head, m.average);
}

// Without folds, or without their file, the head learns from maps of scenes that the fusion has seen: they look better
// than those it will meet.
std::optional<CrossFit> NanoRecipe::find_cross_fit() const {
  if (config_.folds == 0) return std::nullopt;
  std::error_code ignored;
  const std::filesystem::path from = config_.from;
  for (const std::filesystem::path& folder : {std::filesystem::path(config_.out), from, from / ".." / ".."})
    if (std::filesystem::is_regular_file(folder / kCrossFit, ignored)) {
      CrossFit found = read_cross_fit(folder / kCrossFit, data_.train.size(), data_.train.front().views.size());
      // So that runs may start from this one, too.
      if (folder != config_.out) write_cross_fit(std::filesystem::path(config_.out) / kCrossFit, found);
      return found;
    }
  std::fprintf(stderr, "no %s of a run with folds: the head learns from maps of scenes that were trained on\n",
               kCrossFit);
  return std::nullopt;
}

void NanoRecipe::prepare_head() {
  NanoModel& m = *model_;
  const Prompt prompt = plain_prompt(data_.tokenizer, instruction_templates("en").front(), kVisualTokens);
  cross_fit_ = find_cross_fit();
  head_data_.emplace(HeadStage::Data{
      data_.train, data_.val,
      cache_hidden(data_.train, data_.train_features, prompt, m, config_.head, cross_fit_ ? &*cross_fit_ : nullptr),
      cache_hidden(data_.val, data_.val_features, prompt, m, config_.head, nullptr)});
  if (config_.head.condition == "queries")
    head_data_->readout = [&m, prompt](const at::Tensor& visual, const at::Tensor& tokens) {
      return read_out(m.language, prompt, visual, tokens);
    };
}

// The regions of a head's samples, once it is trained; without folds, or where nobody asks, those of the map stay.
bool NanoRecipe::calibrate_regions(const std::function<bool()>& stop, OrderedJson& line) {
  if (!cross_fit_ || !config_.head.calibrate) return true;
  ModelManifest& m = model_->manifest;
  const std::optional<HeadCalibration> found =
      calibrate_head(config_.head, config_.seed, *head_data_, cross_fit_->map, cross_fit_->fold_of,
                     model_->head.shape(), head_sampling(m, kManifestFile), stop);
  if (!found) return false;
  m.region = found->region;
  line = {{"stage", "calibrate head"},
          {"mse", found->mse},
          {"sr_mask", found->sr_mask},
          {"sr_largest", found->sr_largest},
          {"area", found->area},
          {"region_threshold", m.region.threshold()},
          {"region_map_share", m.region.map_share},
          {"region_n", m.region.n}};
  return true;
}

bool NanoRecipe::after_stage(const std::string& name, const std::function<bool()>& stop, OrderedJson& line) {
  if (name == "head") return calibrate_regions(stop, line);
  if (name != "map" || config_.folds == 0) return true;
  CrossFit cross_fit;
  const std::optional<Calibration> found = calibrate(config_, data_, stop, cross_fit);
  if (!found) return false;
  write_cross_fit(std::filesystem::path(config_.out) / kCrossFit, cross_fit);
  model_->manifest.flag = found->flag;
  model_->manifest.region = found->region;
  line = {{"stage", "calibrate"},
          {"pairs", found->pairs},
          {"flag_accuracy", found->flag_accuracy},
          {"flag_nll", found->flag_nll},
          {"flag_bias", found->flag.bias},
          {"flag_temperature", found->flag.temperature},
          {"region_threshold", found->region.threshold()},
          {"region_n", found->region.n}};
  return true;
}

}  // namespace cp
