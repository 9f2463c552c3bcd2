#include "learn/nano_recipe.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/file.h"
#include "learn/calibrate.h"
#include "learn/stages.h"

namespace cp {
namespace {

constexpr std::uint64_t kMaxTokenizer = std::uint64_t{256} << 20;
constexpr std::size_t kCacheBatch = 32;

// Hidden states of every (pair, view) under the frozen networks, with the true flag and the default instruction.
HiddenBatch cache_hidden(const std::vector<TrainPair>& pairs, const FeatureCache& features, const Prompt& prompt,
                         const NanoModel& model) {
  at::NoGradGuard no_grad;
  const std::vector<Pick> picks = all_picks(pairs);
  std::vector<at::Tensor> grid, last;
  for (std::size_t i = 0; i < picks.size(); i += kCacheBatch) {
    const std::vector<Pick> batch(picks.begin() + static_cast<std::ptrdiff_t>(i),
                                  picks.begin() + static_cast<std::ptrdiff_t>(std::min(i + kCacheBatch, picks.size())));
    std::vector<std::int64_t> changed;
    for (const Pick& pick : batch) changed.push_back(pairs[pick.pair].record.changeflag);
    const FeatureBatch a = gather_features(features, batch, 0), b = gather_features(features, batch, 1);
    const ProjectorOut projected = model.projector.forward(a, b, model.fusion.forward(a, b, false), false);
    const at::Tensor visual =
        model.projector.embeddings(projected.grid, at::tensor(changed, at::kLong), projected.concepts.sigmoid());
    KeyValues cache;
    const at::Tensor hidden = model.language.forward(prompt_embeddings(model.language, prompt, visual), cache, false);
    grid.push_back(hidden.slice(1, prompt.visual_begin, prompt.visual_begin + kGridTokens).clone());
    last.push_back(hidden.select(1, -1).clone());
  }
  if (grid.empty()) return {};
  return {at::cat(grid), at::cat(last)};
}

void want_share(const char* name, double share) {
  if (share >= 0 && share < 1) return;
  throw UserError(ErrorKind::usage, name, fmt::format("wanted a share from 0 to below 1, found {}.", share), "");
}

}  // namespace

void NanoRecipe::prepare(const std::filesystem::path& model_folder) {
  want_share("text.chinese_share", config_.text.chinese_share);
  want_share("caption.chinese_share", config_.caption.chinese_share);
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
  const Prompt prompt = plain_prompt(data_.tokenizer, instruction_templates("en").front(), kVisualTokens);
  return std::make_unique<HeadStage>(config_.head, config_.seed, data_.train, data_.val,
                                     cache_hidden(data_.train, data_.train_features, prompt, m),
                                     cache_hidden(data_.val, data_.val_features, prompt, m), m.head, m.average);
}

bool NanoRecipe::after_stage(const std::string& name, const std::function<bool()>& stop, OrderedJson& line) {
  if (name != "map" || config_.folds == 0) return true;
  const std::optional<Calibration> found = calibrate(config_, data_, stop);
  if (!found) return false;
  model_->manifest.flag = found->flag;
  model_->manifest.region = found->region;
  line = {{"stage", "calibrate"},
          {"pairs", found->pairs},
          {"flag_accuracy", found->flag_accuracy},
          {"flag_nll", found->flag_nll},
          {"flag_bias", found->flag.bias},
          {"flag_temperature", found->flag.temperature},
          {"region_threshold", found->region.threshold},
          {"region_n", found->region.n}};
  return true;
}

}  // namespace cp
