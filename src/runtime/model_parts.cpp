#include "runtime/model_parts.h"

#include <fmt/format.h>

#include "core/error.h"
#include "formats/language_tensors.h"
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
  want(m.head.kind == "diffusion", "head.kind", "diffusion");
  want(m.default_instruction.count("en") != 0, "default_instruction", "models with an English one");
  want(m.no_change_caption.count("en") != 0, "no_change_caption", "models with an English one");
}

LanguageModel load_language(const ModelManifest& m, const std::filesystem::path& folder) {
  LanguageModel model = LanguageModel::load(part_path(folder, m.language.path));
  if (!m.language.adapter.empty())
    model.attach(read_adapter(part_path(folder, m.language.adapter), language_linears(model.config())));
  return model;
}

PairFusion::Shape pair_fusion_shape(const ModelManifest& m, const VisionEncoder& vision, int hidden) {
  PairFusion::Shape shape;
  shape.kind = m.fusion.kind;
  shape.width = m.fusion.width;
  shape.hidden = hidden;
  shape.grid = m.fusion.grid;
  shape.in = shape.has_map() ? vision.patch_width() : vision.pooled_width();
  if (shape.has_map() && shape.grid != vision.grid())
    throw UserError(ErrorKind::model, "fusion.grid",
                    fmt::format("the vision encoder has {0} x {0} patches, found {1}", vision.grid(), shape.grid),
                    "Assemble the model anew with `changepilot model new`.");
  return shape;
}

std::variant<Fusion, PairFusion> load_fusion(const ModelManifest& m, const std::filesystem::path& folder,
                                             const VisionEncoder& vision, int hidden) {
  const SafeTensors file = SafeTensors::open(part_path(folder, m.fusion.file));
  if (m.fusion.of_strides()) return Fusion::load(file, hidden, static_cast<int>(m.fusion.concepts.size()));
  return PairFusion::load(file, pair_fusion_shape(m, vision, hidden));
}

}  // namespace cp
