#include "runtime/assemble.h"

#include <cmath>

#include <fmt/format.h>

#include "core/file.h"
#include "core/new_folder.h"
#include "formats/language_weights.h"
#include "runtime/action_head.h"
#include "runtime/model_parts.h"
#include "text/chat_template.h"
#include "text/template.h"

namespace cp {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxPart = std::uint64_t{64} << 30;
constexpr int kMaxWidth = 4096;

// Before anything is read.
void check_options(const AssembleOptions& o) {
  for (const auto& [flag, value] : {std::pair{"--vision", o.vision}, {"--language", o.language}})
    if (value.empty()) throw UserError(ErrorKind::usage, flag, "is missing.", "Name a folder.");
  want_choice("--fusion", o.fusion, {"concat", "subtract", "patch"});
  want_choice("--condition", o.condition,
              {"none", "last_token", "pooled", "visual_attention", "queries", "visual_grid"});
  want_choice("--head", o.head, {"diffusion", "flow", "regression", "heatmap"});
  if (!o.template_name.empty())
    want_choice("--template", o.template_name, {kPlainTemplate, "qwen2.5", "smollm2", "chatml"});
  if (o.width < 1 || o.width > kMaxWidth)
    throw UserError(ErrorKind::usage, "--width", fmt::format("wanted 1 to {}, found {}.", kMaxWidth, o.width), "");
}

// Root mean square of the embedding's values. A dense one is looked through by rows: in float32 the whole would be the
// largest thing in memory.
double embedding_scale(const LanguageConfig& config, const SafeTensors& file) {
  const std::string name = "model.embed_tokens";
  double sum = 0;
  const auto add = [&](const std::vector<float>& values) {
    for (const float v : values) sum += static_cast<double>(v) * v;
  };
  if (storage_of(file, name) != Storage::dense)
    add(weight_floats(file, name, config.vocab_size, config.hidden_size));
  else
    for (std::int64_t row = 0; row < config.vocab_size; ++row)
      add(file.floats(name + ".weight", row * config.hidden_size, config.hidden_size));
  return std::sqrt(sum / (static_cast<double>(config.vocab_size) * config.hidden_size));
}

// Copies what a model reads: *.json, *.jinja and *.safetensors.
void copy_part(const fs::path& from, const fs::path& to) {
  for (const fs::directory_entry& entry : fs::directory_iterator(from)) {
    const fs::path extension = entry.path().extension();
    if (entry.is_regular_file() && (extension == ".json" || extension == ".jinja" || extension == ".safetensors"))
      write_file_durable(to / entry.path().filename(), read_file(entry.path(), kMaxPart, ErrorKind::model));
  }
}

ModelManifest make_manifest(const AssembleOptions& options, const VisionEncoder& vision, const std::string& kind) {
  ModelManifest m;
  m.name = options.name;
  m.vision.kind = kind;
  m.fusion.kind = options.fusion;
  m.fusion.strides.clear();
  m.fusion.token_strides.clear();
  m.fusion.width = options.width;
  m.fusion.map_size = options.fusion == "patch" ? PairFusion::kMapSide : 0;
  m.fusion.grid = options.fusion == "patch" ? vision.shape().grid : 1;
  m.default_instruction["en"] = instruction_templates("en").front();
  m.no_change_caption["en"] = "the scene is the same as before";
  m.no_change_caption["zh"] = "场景与之前相同";
  m.head.kind = options.head;
  m.head.condition = options.condition;
  m.head.evidence = m.fusion.map_size > 0 ? "hidden+map" : "hidden";
  if (options.head == "flow") m.head.sampler = "euler";
  m.head.snap_sigma = 0;
  m.training = Json{{"trained", false}, {"seed", options.seed}};
  return m;
}

}  // namespace

std::string place_part(bool reference, const fs::path& from, const fs::path& model, const std::string& name) {
  if (reference) return fs::canonical(from).string();
  copy_part(from, model / name);
  return name;
}

void assemble_model(const AssembleOptions& given, const fs::path& out) {
  check_options(given);
  NewFolder folder(out);
  AssembleOptions options = given;
  if (options.name.empty()) options.name = folder.target().filename().string();
  const std::string kind = vision_kind(options.vision);
  if (options.fusion == "patch" && kind != "clip_vit")
    throw UserError(ErrorKind::usage, "--fusion", fmt::format("\"patch\" wants a CLIP model, found {}.", kind),
                    "Choose concat or subtract, or another --vision.");
  const VisionEncoder vision = VisionEncoder::load(options.vision, kind);
  load_preprocess(options.vision, vision.shape().size);
  check_all_finite(SafeTensors::open(options.vision));
  const LanguageConfig language = read_language_config(fs::path(options.language) / "config.json");
  const SafeTensors weights = SafeTensors::open(options.language);
  check_language_weights(language, weights);
  check_all_finite(weights);
  if (!options.adapter.empty()) read_adapter(options.adapter, language_linears(language));

  ModelManifest manifest = make_manifest(options, vision, kind);
  manifest.template_name =
      options.template_name.empty() ? read_chat_template(options.language).name : options.template_name;
  check_supported(manifest, "model new");
  load_tokenizer(manifest, options.language, language);
  manifest.vision.path = place_part(options.reference, options.vision, folder.path(), "vision");
  manifest.language.path = place_part(options.reference, options.language, folder.path(), "language");
  if (!options.adapter.empty())
    manifest.language.adapter = place_part(options.reference, options.adapter, folder.path(), "adapter");
  const PairFusion::Shape shape = pair_fusion_shape(manifest, vision.shape(), language.hidden_size);
  write_safetensors(folder.path() / manifest.fusion.file,
                    PairFusion::parameters(shape, embedding_scale(language, weights)).initial(options.seed));
  write_safetensors(folder.path() / manifest.head.file,
                    ActionHead::parameters(head_shape(manifest, language.hidden_size)).initial(options.seed));
  fill_hashes(folder.path(), manifest);
  write_manifest(folder.path(), manifest);
  folder.publish();
}

}  // namespace cp
