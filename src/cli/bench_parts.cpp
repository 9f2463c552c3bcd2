#include "cli/bench_parts.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/error.h"
#include "core/options.h"
#include "core/rng.h"
#include "formats/clip_config.h"
#include "kernels/cpu.h"
#include "metrics/caption_report.h"
#include "runtime/model_parts.h"

namespace cp {
namespace {

constexpr int kPrompt = 160, kTokens = 32, kDraws = 64, kPictures = 500;

std::vector<float> normals(std::size_t n) {
  Rng rng(1, Stream::test);
  std::vector<float> out(n);
  for (float& v : out) v = static_cast<float>(rng.normal());
  return out;
}

ModelManifest manifest_of(const BenchOptions& o) {
  ModelManifest manifest = read_manifest(o.model);
  check_supported(manifest, (o.model / kManifestFile).string());
  return manifest;
}

// Weights of the layers' products, a multiplication and an addition each for every token.
double layer_weights(const LanguageConfig& c) {
  const double d = c.hidden_size, q = static_cast<double>(c.num_attention_heads) * c.head_dim,
               kv = static_cast<double>(c.num_key_value_heads) * c.head_dim;
  return c.num_hidden_layers * (2 * d * q + 2 * d * kv + 3 * d * c.intermediate_size);
}

double folder_bytes(const std::filesystem::path& folder) {
  double bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".safetensors") bytes += static_cast<double>(entry.file_size());
  return bytes;
}

// Multiplications of CLIP's vision transformer for one image, two operations each, in 1e9.
double clip_gflop(const ClipConfig& c) {
  const double t = c.tokens(), w = c.hidden_size, cells = t - 1;
  const double layer = t * (4 * w * w + 2 * w * c.intermediate_size) + 2 * t * t * w;
  return 2e-9 * (cells * 3 * c.patch_size * c.patch_size * w + c.num_hidden_layers * layer + w * c.projection_dim);
}

BenchResult bench_vision(const BenchOptions& o) {
  const ModelManifest m = manifest_of(o);
  const std::filesystem::path folder = part_path(o.model, m.vision.path);
  const VisionEncoder encoder = VisionEncoder::load(folder, m.vision.kind, o.vision);
  const std::size_t size = static_cast<std::size_t>(encoder.shape().size);
  const std::vector<float> before = normals(3 * size * size), after(before.rbegin(), before.rend());
  BenchResult r;
  r.does = fmt::format("both images of a pair, {0} x {0}, {1}", size, m.vision.kind);
  r.timing = time_calls(o.repeat, [&] { encoder.forward_pair(before, after); });
  r.unit = "pairs";
  r.amount = 1;
  if (m.vision.kind == "clip_vit") {
    r.gflop = 2 * clip_gflop(read_clip_config(folder / "config.json"));
    r.bf16 =
        o.vision == VisionPrecision::bfloat16 || (o.vision == VisionPrecision::fast && bf16_dot() != Bf16Dot::widened);
    if (r.bf16) r.does += ", bfloat16";
  }
  return r;
}

int prompt_length(const LanguageModel& model) {
  return std::min(kPrompt, model.config().max_position_embeddings - kTokens);
}

std::vector<float> prompt_of(const LanguageModel& model, int length) {
  std::vector<int> ids;
  for (int i = 0; i < length; ++i) ids.push_back(i * 31 % model.config().vocab_size);
  return model.embed(ids);
}

BenchResult bench_prefill(const BenchOptions& o) {
  const LanguageModel model = load_language(manifest_of(o), o.model);
  const int length = prompt_length(model);
  const std::vector<float> prompt = prompt_of(model, length);
  BenchResult r;
  r.does = fmt::format("a prompt of {} tokens", length);
  r.timing = time_calls(o.repeat, [&] {
    LanguageModel::Cache cache;
    model.prefill(prompt, cache);
  });
  r.unit = "tokens";
  r.amount = length;
  r.gflop = 2e-9 * length * layer_weights(model.config());
  return r;
}

BenchResult bench_decode(const BenchOptions& o) {
  const ModelManifest m = manifest_of(o);
  const LanguageModel model = load_language(m, o.model);
  const int length = prompt_length(model);
  const std::vector<float> prompt = prompt_of(model, length);
  LanguageModel::Cache after_prompt;
  model.prefill(prompt, after_prompt);
  BenchResult r;
  r.does = fmt::format("{} tokens, one at a time, after a prompt of {}", kTokens, length);
  r.timing = time_calls(o.repeat, [&] {
    LanguageModel::Cache cache = after_prompt;
    const int parent = 0;
    int token = 1;
    for (int i = 0; i < kTokens; ++i) {
      const std::vector<float> logits = model.logits(model.decode({&token, 1}, {&parent, 1}, cache));
      token = static_cast<int>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    }
  });
  r.unit = "tokens";
  r.amount = kTokens;
  r.bytes = kTokens * folder_bytes(part_path(o.model, m.language.path));
  return r;
}

BenchResult bench_head(const BenchOptions& o) {
  const ModelManifest m = manifest_of(o);
  const int hidden = load_language(m, o.model).hidden();
  const ActionHead head = load_head(m, o.model, hidden);
  const ActionHead::Sampling sampling = head_sampling(m, (o.model / kManifestFile).string());
  const std::size_t d = static_cast<std::size_t>(hidden), rows = static_cast<std::size_t>(visual_count(m)) + 4;
  const std::vector<float> prompt = normals(rows * d), map = normals(64 * 64), read = normals(4 * d);
  HeadInput input{prompt, 0, {}, 0, read};
  if (m.fusion.map_size > 0) input.map = map;
  const std::vector<float> noise = start_noise(1, kDraws);
  BenchResult r;
  r.does = fmt::format("{} draws in {} steps, {}, after the condition", kDraws, m.head.steps, m.head.kind);
  const ActionHead::Condition condition = head.condition(input);
  r.timing = time_calls(o.repeat, [&] { head.samples(condition, sampling, noise, 1); });
  r.unit = "draws";
  r.amount = kDraws;
  return r;
}

BenchResult bench_metrics(const BenchOptions& o) {
  const char* const words[] = {"a",     "road",  "is",    "built", "some",   "houses", "appear", "along",
                               "trees", "river", "field", "the",   "beside", "old",    "new",    "gone"};
  Rng rng(2, Stream::test);
  const auto sentence = [&] {
    std::string text;
    for (int i = 0; i < 9; ++i) text += (i ? " " : "") + std::string(words[static_cast<int>(rng.uniform() * 16)]);
    return text;
  };
  std::vector<std::vector<std::string>> references(kPictures);
  std::vector<std::string> captions;
  for (auto& of_one : references) {
    for (int i = 0; i < 5; ++i) of_one.push_back(sentence());
    captions.push_back(sentence());
  }
  const CaptionSplitter splitter(parse_caption_protocol("text"));
  BenchResult r;
  r.does = fmt::format("BLEU, METEOR (exact), ROUGE-L and CIDEr of {} captions, 5 references each", kPictures);
  r.timing = time_calls(o.repeat, [&] { report_captions(references, captions, {}, splitter); });
  r.unit = "captions";
  r.amount = kPictures;
  return r;
}

}  // namespace

const std::vector<std::string>& bench_names() {
  static const std::vector<std::string> names = {"prefill", "decode", "vision", "head", "metrics"};
  return names;
}

BenchResult run_bench_part(const std::string& name, const BenchOptions& o) {
  if (name == "train")
    throw UserError(ErrorKind::usage, "--what",
                    "\"train\" is not timed by this program: training is changepilot-learn's.",
                    "Configure with -DCP_BUILD_BENCH=ON and run bench_qlora_step: it times updates of a 4-bit model.");
  BenchResult (*part)(const BenchOptions&) = name == "prefill"   ? bench_prefill
                                             : name == "decode"  ? bench_decode
                                             : name == "vision"  ? bench_vision
                                             : name == "head"    ? bench_head
                                             : name == "metrics" ? bench_metrics
                                                                 : nullptr;
  if (!part) want_choice("what", name, bench_names());
  BenchResult result = part(o);
  result.what = name;
  return result;
}

}  // namespace cp
