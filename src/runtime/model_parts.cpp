#include "runtime/model_parts.h"

#include <fmt/format.h>

#include "core/error.h"
#include "diffusion/schedule.h"
#include "formats/language_tensors.h"
#include "runtime/preprocessor_config.h"
#include "text/chat_template.h"

namespace cp {

void check_supported(const ModelManifest& m, const std::string& where) {
  const auto want = [&](bool ok, const char* field, const std::string& wanted) {
    if (!ok)
      throw UserError(ErrorKind::model, where, fmt::format("\"{}\": this version runs {} only", field, wanted),
                      "Use a model that it can run, for example models/nano.");
  };
  if (m.fusion.of_strides()) {
    want(m.vision.kind == "efficientnet_lite", "vision.kind", "efficientnet_lite with fusion.strides");
    want(m.fusion.strides == std::vector<int>{32, 16, 8}, "fusion.strides", "[32, 16, 8]");
    want(m.fusion.width == Fusion::kWidth, "fusion.width", "64");
    want(m.fusion.map_size == Fusion::kMapSide, "fusion.map_size", "64");
    want(m.fusion.grid == Fusion::kGrid, "fusion.grid", "4");
    want(m.fusion.token_strides == std::vector<int>{32, 16}, "fusion.token_strides", "[32, 16]");
  } else {
    want(m.fusion.kind != "patch" || m.vision.kind == "clip_vit", "vision.kind", "clip_vit with patches");
    want(m.fusion.map_size == (m.fusion.kind == "patch" ? PairFusion::kMapSide : 0), "fusion.map_size", "64");
    want(m.fusion.concepts.empty(), "fusion.concepts", "none");
  }
  if (m.template_name != kPlainTemplate) chat_template(m.template_name, where);
  if (m.head.kind == "token") want(m.template_name == kPlainTemplate, "head.kind", "token with the plain template");
  if (m.head.condition == "visual_grid" && m.fusion.map_size == 0)
    want(m.head.evidence == "hidden", "head.evidence", "hidden without a change map");
  want(m.default_instruction.count("en") != 0, "default_instruction", "models with an English one");
  want(m.no_change_caption.count("en") != 0, "no_change_caption", "models with an English one");
}

Preprocess load_preprocess(const std::filesystem::path& vision_folder, int size) {
  const std::filesystem::path file = vision_folder / "preprocessor_config.json";
  const Preprocess how = read_preprocess(file);
  if (how.size != size)
    throw UserError(ErrorKind::model, file.string(), fmt::format("wanted images of {} px, found {}", size, how.size),
                    "Correct \"size\".");
  return how;
}

BpeTokenizer load_tokenizer(const ModelManifest& m, const std::filesystem::path& language_folder,
                            const LanguageConfig& config) {
  const std::filesystem::path file = language_folder / "tokenizer.json";
  BpeTokenizer tokenizer = BpeTokenizer::load(file);
  if (tokenizer.size() > config.vocab_size)
    throw UserError(ErrorKind::model, file.string(),
                    fmt::format("the tokenizer has {} ids, the language model {}", tokenizer.size(), config.vocab_size),
                    "Put the tokenizer.json that belongs to the language model into its folder.");
  tokenizer.control_id(kEndToken);
  const std::size_t prompt = make_prompt(m, tokenizer, m.default_instruction.at("en")).ids.size();
  if (prompt + static_cast<std::size_t>(m.decoding.max_new_tokens) >
      static_cast<std::size_t>(config.max_position_embeddings))
    throw UserError(ErrorKind::model, (language_folder / "config.json").string(),
                    fmt::format("the prompt has {} tokens and an answer up to {}, the language model reads {}", prompt,
                                m.decoding.max_new_tokens, config.max_position_embeddings),
                    "Take a fusion or a vision encoder with fewer visual positions, or another language model.");
  return tokenizer;
}

int visual_count(const ModelManifest& m) {
  return m.fusion.of_strides() ? Fusion::kVisual : m.fusion.grid * m.fusion.grid;
}

Prompt make_prompt(const ModelManifest& m, const BpeTokenizer& tokenizer, const std::string& instruction) {
  return make_prompt(m.template_name, kManifestFile, tokenizer, instruction, visual_count(m));
}

Prompt make_prompt(const std::string& template_name, const std::string& where, const BpeTokenizer& tokenizer,
                   const std::string& instruction, int visual_count) {
  if (template_name == kPlainTemplate) return plain_prompt(tokenizer, instruction, visual_count);
  return chat_prompt(tokenizer, chat_template(template_name, where), "", instruction, visual_count);
}

HeadShape head_shape(const ModelManifest& m, int hidden) {
  return {m.head.kind, m.head.condition, m.head.evidence, m.fusion.grid, hidden};
}

ActionHead::Sampling head_sampling(const ModelManifest& m, const std::string& where) {
  try {
    ActionHead::Sampling how;
    if (m.head.kind == "token") return how;
    if (m.head.kind == "flow") {
      how.flow.rule = parse_flow_rule(m.head.sampler);
      how.times = flow_times(m.head.steps, parse_spacing(m.head.spacing) == Spacing::quadratic ? 2 : 1);
      return how;
    }
    how.alphas = accumulated_alphas(parse_schedule(m.head.schedule), m.head.train_steps);
    how.timesteps = respace(parse_spacing(m.head.spacing), m.head.steps, how.alphas);
    how.options.kind = parse_sampler(m.head.sampler);
    return how;
  } catch (const UserError& error) {  // the names are the file's here, not those of a command line
    throw UserError(ErrorKind::model, where + ", head", error.what(), "");
  }
}

LanguageModel load_language(const ModelManifest& m, const std::filesystem::path& folder, Products products) {
  LanguageModel model = LanguageModel::load(part_path(folder, m.language.path), products);
  if (!m.language.adapter.empty())
    model.attach(read_adapter(part_path(folder, m.language.adapter), language_linears(model.config())));
  return model;
}

ActionHead load_head(const ModelManifest& m, const std::filesystem::path& folder, int hidden) {
  const SafeTensors file = SafeTensors::open(part_path(folder, m.head.file));
  check_all_finite(file);
  return ActionHead::load(file, head_shape(m, hidden));
}

PairFusion::Shape pair_fusion_shape(const std::string& kind, int width, const VisionShape& vision, int hidden) {
  PairFusion::Shape shape;
  shape.kind = kind;
  shape.width = width;
  shape.hidden = hidden;
  shape.grid = shape.has_map() ? vision.grid : 1;
  shape.in = shape.has_map() ? vision.patch : vision.pooled;
  return shape;
}

PairFusion::Shape pair_fusion_shape(const ModelManifest& m, const VisionShape& vision, int hidden) {
  PairFusion::Shape shape = pair_fusion_shape(m.fusion.kind, m.fusion.width, vision, hidden);
  shape.grid = m.fusion.grid;
  if (shape.has_map() && shape.grid != vision.grid)
    throw UserError(ErrorKind::model, "fusion.grid",
                    fmt::format("the vision encoder has {0} x {0} patches, found {1}", vision.grid, shape.grid),
                    "Assemble the model anew with `changepilot model new`.");
  return shape;
}

std::variant<Fusion, PairFusion> load_fusion(const ModelManifest& m, const std::filesystem::path& folder,
                                             const VisionEncoder& vision, int hidden) {
  const SafeTensors file = SafeTensors::open(part_path(folder, m.fusion.file));
  if (m.fusion.of_strides()) return Fusion::load(file, hidden, static_cast<int>(m.fusion.concepts.size()));
  return PairFusion::load(file, pair_fusion_shape(m, vision.shape(), hidden));
}

}  // namespace cp
