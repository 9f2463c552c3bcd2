// The architecture, with the shapes of the model folder, as a drawing and a table.

#include <fmt/format.h>

#include "core/json.h"
#include "formats/model_folder.h"
#include "report/sections.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

constexpr int kWidth = 400;

struct Box {
  std::string name, shape;
  int x, y, width;
  bool hot = false;  // is trained here
};

// Boxes and arrows from top to bottom. Shapes are in the letters of docs/shapes.md.
class Flow {
 public:
  void box(const Box& b) {
    svg_ += fmt::format("<rect{} x=\"{}\" y=\"{}\" width=\"{}\" height=\"44\" rx=\"3\"/>",
                        b.hot ? " class=\"hot\"" : "", b.x, b.y, b.width);
    svg_ += fmt::format(
        "<text class=\"name\" x=\"{0}\" y=\"{1}\" text-anchor=\"middle\">{2}</text><text class=\"shape\" "
        "x=\"{0}\" y=\"{3}\" text-anchor=\"middle\">{4}</text>",
        b.x + b.width / 2, b.y + 18, escape_html(b.name), b.y + 34, escape_html(b.shape));
  }
  void arrow(int x0, int y0, int x1, int y1, const std::string& note = "") {
    svg_ += fmt::format("<path d=\"M{} {}V{}H{}V{}\"/><path class=\"head\" d=\"M{} {}l-4 -7h8z\"/>", x0, y0,
                        (y0 + y1) / 2, x1, y1 - 5, x1, y1);
    if (!note.empty())
      svg_ += fmt::format("<text class=\"shape\" x=\"{}\" y=\"{}\">{}</text>", x1 + 8, (y0 + y1) / 2 + 9,
                          escape_html(note));
  }
  void across(int x0, int y, int x1) {
    svg_ += fmt::format("<path d=\"M{} {}H{}\"/><path class=\"head\" d=\"M{} {}l-7 -4v8z\"/>", x0, y, x1 - 5, x1, y);
  }
  void down_and_left(int x0, int y0, int y1, int x1) {
    svg_ += fmt::format("<path d=\"M{} {}V{}H{}\"/><path class=\"head\" d=\"M{} {}l7 -4v8z\"/>", x0, y0, y1, x1 + 5, x1,
                        y1);
  }
  std::string svg(const char* title, int height) const {
    return fmt::format("<svg class=\"flow\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">{}</svg>", kWidth,
                       height, title, svg_);
  }

 private:
  std::string svg_;
};

std::string bytes_text(std::uint64_t bytes) {
  return bytes < (std::uint64_t{1} << 20) ? fmt::format("{:.0f} KiB", static_cast<double>(bytes) / 1024)
                                          : fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

std::string image_shape(const ModelFacts& m) {
  return m.image_size > 0 ? fmt::format("3 × {0} × {0}", m.image_size) : "3 × S × S";
}

// What the encoder hands on, of each image.
std::string feature_shape(const ModelFacts& m) {
  if (!m.manifest.fusion.of_strides() || m.image_size == 0)
    return m.manifest.fusion.kind == "patch" ? "patches × D" : "1 × D";
  std::string text;
  for (const int stride : m.manifest.fusion.strides)
    text += fmt::format("{}C×{}²", text.empty() ? "" : ", ", m.image_size / std::max(1, stride));
  return text;
}

std::string visual_shape(const Say& say, const ModelFacts& m) {
  const ModelManifest::Fusion& f = m.manifest.fusion;
  const int d = m.language.hidden_size;
  if (f.of_strides()) return fmt::format("{}² + 2 = {} × {}", f.grid, f.grid * f.grid + 2, d);
  return f.kind == "patch" ? fmt::format("{} × {}", say("patches", "图块数"), d) : fmt::format("1 × {}", d);
}

std::string drawing(const Say& say, const ModelFacts& m) {
  const ModelManifest& f = m.manifest;
  Flow flow;
  const bool map = f.fusion.map_size > 0;
  flow.box({say("before", "变化前"), image_shape(m), 20, 6, 130});
  flow.box({say("after", "变化后"), image_shape(m), 170, 6, 130});
  flow.arrow(85, 50, 130, 82);
  flow.arrow(235, 50, 190, 82);
  flow.box({fmt::format("{} · {}", say("vision encoder", "视觉编码器"), f.vision.kind), feature_shape(m), 28, 82, 264});
  flow.arrow(160, 126, 160, 158, say("both images", "两幅图像"));
  flow.box({fmt::format("{} · {}", say("fusion", "融合"), f.fusion.kind), visual_shape(say, m), 60, 158, 200, true});
  if (map) {
    flow.box({say("change map", "变化图"), fmt::format("{0} × {0}", f.fusion.map_size), 296, 158, 100, true});
    flow.across(260, 180, 296);
  }
  flow.arrow(160, 202, 160, 246, say("visual tokens + instruction", "视觉词元 + 指令"));
  flow.box({fmt::format("{} · {}", say("language model", "语言模型"),
                        m.language.architecture == Architecture::qwen2 ? "Qwen2" : "Llama"),
            fmt::format("{} × {}, V = {}", m.language.num_hidden_layers, m.language.hidden_size, m.language.vocab_size),
            60, 246, 200, true});
  flow.arrow(110, 290, 70, 330);
  flow.arrow(210, 290, 240, 330, f.head.condition);
  flow.box(
      {say("caption", "描述"), fmt::format("≤ {} {}", f.decoding.max_new_tokens, say("tokens", "词元")), 6, 330, 128});
  flow.box({fmt::format("{} · {}", say("action head", "动作头"), f.head.kind),
            fmt::format("{} × {}, {} {}", f.head.samples, 3, f.head.steps, say("steps", "步")), 150, 330, 190, true});
  flow.arrow(240, 374, 240, 410, say("densest sample", "最密集的采样"));
  flow.box({say("action (x, y, a)", "动作 (x, y, a)"),
            fmt::format("{} {:.0f} %", say("and region at", "及区域，置信"), 100 * f.region.level), 150, 410, 180});
  if (map) {
    flow.down_and_left(372, 202, 432, 330);  // the point is snapped to the map, and the region is made from it
  }
  return flow.svg(say("The data's way through the model", "数据在模型中的流向"), 460);
}

}  // namespace

ModelFacts read_model_facts(const fs::path& folder) {
  ModelFacts facts;
  facts.manifest = read_manifest(folder);
  const fs::path vision = part_path(folder, facts.manifest.vision.path),
                 language = part_path(folder, facts.manifest.language.path);
  facts.language = read_language_config(language / "config.json");
  const Json config = read_json(vision / "config.json", ErrorKind::model, 1 << 20);
  for (const char* path : {"image_size", "vision_config.image_size"})
    if (const auto size = find_number(config, path); size && *size >= 1 && *size <= 16384)
      facts.image_size = static_cast<int>(*size);
  const auto weigh = [&](const char* name, const fs::path& file) {
    std::error_code none;
    const std::uintmax_t bytes = fs::file_size(file, none);
    if (!none) facts.files.emplace_back(name, bytes);
  };
  weigh("vision", vision / "model.safetensors");
  weigh("language", language / "model.safetensors");
  if (!facts.manifest.language.adapter.empty())
    weigh("adapter", part_path(folder, facts.manifest.language.adapter) / "adapter_model.safetensors");
  weigh("fusion", folder / facts.manifest.fusion.file);
  weigh("head", folder / facts.manifest.head.file);
  return facts;
}

std::string model_section(const Say& say, const std::optional<ModelFacts>& model, const Validation* validation) {
  if (!model)
    return fmt::format("<p class=\"missing\">{}</p>",
                       say("The model folder is not here: give it with --model DIR to see the parts and their shapes.",
                           "没有模型文件夹：用 --model DIR 给出后可显示各部分及其形状。"));
  const ModelManifest& f = model->manifest;
  std::string list = "<dl>";
  const auto entry = [&](const char* name, const std::string& value) {
    list += fmt::format("<dt>{}</dt><dd>{}</dd>", name, escape_html(value));
  };
  entry(say("name", "名称"), f.name);
  if (validation) {
    const std::string id = find_text(validation->metrics, "run.model_id");
    if (!id.empty()) entry(say("changepilot.json, sha256", "changepilot.json 的 sha256"), id.substr(0, 16) + " …");
  }
  const LanguageConfig& l = model->language;
  const auto both = [&](const char* english, const char* chinese, const auto&... values) {
    return fmt::format(fmt::runtime(say(english, chinese)), values...);
  };
  entry(say("language model", "语言模型"),
        both("{} layers, {} heads ({} for keys), MLP {}, {}", "{} 层，{} 个注意力头（键 {} 个），MLP 宽 {}，{}",
             l.num_hidden_layers, l.num_attention_heads, l.num_key_value_heads, l.intermediate_size,
             l.nf4 ? "NF4" : l.dtype));
  entry(say("prompt", "提示模板"), f.template_name);
  entry(say("decoding", "解码"),
        both("{} beams, length penalty {}", "{} 个集束，长度惩罚 {}", f.decoding.beams, f.decoding.length_penalty));
  entry(say("action head", "动作头"),
        both("{}, condition {}, target {}", "{}，条件 {}，目标 {}", f.head.kind, f.head.condition, f.head.target));
  entry(say("noise", "噪声"), both("{}, {} training steps", "{}，训练 {} 步", f.head.schedule, f.head.train_steps));
  entry(say("sampler", "采样器"),
        both("{}, {} steps ({})", "{}，{} 步（{}）", f.head.sampler, f.head.steps, f.head.spacing));
  entry(say("region", "区域"),
        both("{} at {:.2f}, {} scenes", "{}，置信 {:.2f}，{} 个场景", f.region.method, f.region.level, f.region.n));
  std::uint64_t total = 0;
  std::string files;
  for (const auto& [name, bytes] : model->files)
    total += bytes, files += fmt::format("{}{} {}", files.empty() ? "" : ", ", name, bytes_text(bytes));
  entry(say("weights on disk", "权重文件"), fmt::format("{} ({})", bytes_text(total), files));
  return fmt::format("<div class=\"wide2\"><figure>{}</figure><div>{}</dl></div></div><p class=\"cap\">{}</p>",
                     drawing(say, *model), list,
                     say("Blue frames are what training changes. Shapes: rows × width; C channels at a stride's side.",
                         "蓝框为训练所更新的部分。形状：行 × 宽；C 为各步幅的通道数。"));
}

}  // namespace cp
