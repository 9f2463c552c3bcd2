// CLIP's vision transformer against transformers: small random models of every kind of shape, and full size on request.
#include "runtime/clip_vit.h"

#include <algorithm>
#include <chrono>
#include <iostream>
#include <thread>

#include "formats/nf4.h"
#include "kernels/cpu.h"
#include "kernels/norm.h"
#include "random_clip.h"

namespace cp {
namespace {

using test::clip_golden;
using test::clip_pixels;
using test::clip_weights;
using test::close;
using test::Tol;

const Tol kFloat = Tol::rel(1e-5, "float32 against float64");

ClipVit::Features features_of(const std::filesystem::path& folder, const Json& model) {
  const ClipVit vit = ClipVit::load(folder);
  return vit.forward(clip_pixels(model, vit.config().image_size));
}

std::vector<float> floats(const Json& list) { return list.get<std::vector<float>>(); }

TEST(ClipVit, EqualsTransformersOnEveryShape) {
  int visited = 0;
  for (const auto& [name, model] : clip_golden().items()) {
    const std::filesystem::path folder = test::make_random_clip(model);
    const ClipConfig config = ClipVit::load(folder).config();
    EXPECT_EQ(config.grid() * config.grid(), model["patches_shape"][0]) << name;
    EXPECT_EQ(config.hidden_size, model["patches_shape"][1]) << name;
    const ClipVit::Features got = features_of(folder, model);
    EXPECT_TRUE(close(name + " pooled", got.pooled, floats(model["pooled"]), kFloat));
    EXPECT_TRUE(close(name + " patches", got.patches, floats(model["patches"]), kFloat));
    ++visited;
  }
  EXPECT_EQ(visited, 5);
}

TEST(ClipVit, AnotherActivationIsSeen) {
  int visited = 0;
  for (const auto& [name, model] : clip_golden().items()) {
    if (model["config"]["model_type"] == "clip") continue;
    Json config = model["config"];
    config["hidden_act"] = config.contains("hidden_act") ? "quick_gelu" : "gelu";
    const ClipVit::Features got = features_of(test::write_clip("clip", config, clip_weights(model)), model);
    EXPECT_FALSE(close("pooled", got.pooled, floats(model["pooled"]), kFloat)) << name;
    EXPECT_FALSE(close("patches", got.patches, floats(model["patches"]), kFloat)) << name;
    ++visited;
  }
  EXPECT_EQ(visited, 3);
}

TEST(ClipVit, NormsInWrongPlacesAreSeen) {
  const Json& model = clip_golden()["b16"];
  const std::filesystem::path folder = test::make_random_clip(model);
  ClipVit::Features got = features_of(folder, model);
  for (const auto& [name, wrong] : model["wrong"].items())
    EXPECT_FALSE(close(name, got.patches, floats(wrong), Tol::rel(1e-2, "far from it"))) << name;
  // The golden twin is really what the wrong place gives.
  const SafeTensors file = SafeTensors::open(folder);
  const Norm post = load_norm(file, "vision_model.post_layernorm", 32);
  layer_norm(got.patches, 32, post.weight, post.bias, 1e-5f);
  EXPECT_TRUE(close("twin", got.patches, floats(model["wrong"]["post_layernorm_on_patches"]), kFloat));
}

TEST(ClipVit, ChangedWeightsAreSeen) {
  const Json& model = clip_golden()["l14"];
  int visited = 0;
  for (const char* name : {"embeddings.class_embedding", "embeddings.position_embedding.weight", "pre_layrnorm.weight",
                           "encoder.layers.2.self_attn.v_proj.bias", "encoder.layers.1.mlp.fc1.weight"}) {
    std::vector<TensorToWrite> tensors = clip_weights(model);
    for (TensorToWrite& tensor : tensors)
      if (tensor.name == std::string("vision_model.") + name) tensor.values.back() += 0.5f;
    const ClipVit::Features got = features_of(test::write_clip("clip", model["config"], tensors), model);
    EXPECT_FALSE(close("pooled", got.pooled, floats(model["pooled"]), kFloat)) << name;
    ++visited;
  }
  EXPECT_EQ(visited, 5);
}

TEST(ClipVit, EveryDtypeGivesWhatTheSameValuesInFloat32Give) {
  const Json& model = clip_golden()["odd"];
  for (const DType dtype : {DType::f16, DType::bf16}) {
    std::vector<TensorToWrite> rounded = clip_weights(model, DType::f32);
    for (TensorToWrite& tensor : rounded)
      for (float& v : tensor.values)
        v = dtype == DType::f16 ? half_to_float(float_to_half(v)) : bfloat_to_float(float_to_bfloat(v));
    const ClipVit::Features want = features_of(test::write_clip("wide", model["config"], rounded), model),
                            got = features_of(test::write_clip("narrow", model["config"], clip_weights(model, dtype)),
                                              model);
    EXPECT_EQ(got.pooled, want.pooled) << dtype_name(dtype);
    EXPECT_EQ(got.patches, want.patches) << dtype_name(dtype);
    const bool exact = dtype == DType::f16;  // the golden weights are float16; bfloat16 must be seen
    EXPECT_EQ(static_cast<bool>(close("pooled", got.pooled, floats(model["pooled"]), kFloat)), exact);
  }
}

TEST(ClipVit, ShardsAndOldBuffersAreRead) {
  const Json& model = clip_golden()["b32"];
  std::vector<TensorToWrite> tensors = clip_weights(model);
  tensors.push_back({"vision_model.embeddings.position_ids", {1, 5}, {0, 1, 2, 3, 4}, DType::f32});
  const std::filesystem::path folder = test::fresh_folder("sharded");
  write_file_durable(folder / "config.json", model["config"].dump());
  Json index;
  std::vector<TensorToWrite> shards[2];
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    index["weight_map"][tensors[i].name] = i % 2 == 0 ? "a.safetensors" : "b.safetensors";
    shards[i % 2].push_back(std::move(tensors[i]));
  }
  write_safetensors(folder / "a.safetensors", shards[0]);
  write_safetensors(folder / "b.safetensors", shards[1]);
  write_file_durable(folder / "model.safetensors.index.json", index.dump());
  EXPECT_TRUE(close("pooled", features_of(folder, model).pooled, floats(model["pooled"]), kFloat));
}

TEST(ClipVit, ListsEveryTensorThatIsWrong) {
  const Json& model = clip_golden()["b32"];
  std::vector<TensorToWrite> tensors;
  for (TensorToWrite& tensor : clip_weights(model)) {
    if (tensor.name == "vision_model.pre_layrnorm.bias" || tensor.name == "visual_projection.weight") continue;
    if (tensor.name == "vision_model.embeddings.position_embedding.weight") tensor.shape = {10, 16};
    tensors.push_back(std::move(tensor));
  }
  tensors.push_back({"classifier.weight", {2}, {1, 2}, DType::f32});
  tensors.push_back({"vision_model.encoder.layers.2.layer_norm1.bias", {2}, {1, 2}, DType::f32});
  const std::filesystem::path folder = test::write_clip("clip", model["config"], tensors);
  EXPECT_TRUE(test::throws_user_error(
      [&] { ClipVit::load(folder); }, ErrorKind::model,
      {"missing: vision_model.pre_layrnorm.bias [32]", "missing: visual_projection.weight [16, 32]",
       "shape: vision_model.embeddings.position_embedding.weight wanted [5, 32], found [10, 16]",
       "unknown: classifier.weight", "unknown: vision_model.encoder.layers.2.layer_norm1.bias"}));
}

TEST(ClipVit, PackedWeightsAreOneMessage) {
  const Json& model = clip_golden()["b32"];
  std::vector<TensorToWrite> tensors;
  for (TensorToWrite& tensor : clip_weights(model)) {
    const std::string name = tensor.name.substr(0, tensor.name.rfind('.'));
    if (tensor.name.find(".mlp.") == std::string::npos || !tensor.name.ends_with(".weight"))
      tensors.push_back(std::move(tensor));
    else
      append_nf4(tensors, name,
                 quantize_nf4(tensor.values, static_cast<int>(tensor.shape[0]), static_cast<int>(tensor.shape[1]), true,
                              DType::f16));
  }
  const std::filesystem::path folder = test::write_clip("clip", model["config"], tensors);
  EXPECT_TRUE(test::throws_user_error([&] { ClipVit::load(folder); }, ErrorKind::model,
                                      {"model.safetensors: the vision encoder's weights are quantised",
                                       "mlp.fc1.weight.quant_state", "Take the dense folder"}));
}

TEST(ClipVit, ScalarAndSimdAgree) {
  const Json& model = clip_golden()["l14_gelu"];
  const std::filesystem::path folder = test::make_random_clip(model);
  const ClipVit::Features fast = features_of(folder, model);
  const Simd best = simd();
  set_simd(Simd::scalar);
  const ClipVit::Features plain = features_of(folder, model);
  set_simd(best);
  EXPECT_TRUE(close("patches", fast.patches, plain.patches, Tol::rel(1e-5, "fused multiply-add")));
}

TEST(ClipVit, APairInOnePassGivesTheBitsOfOneByOne) {
  const Json& model = clip_golden()["odd"];
  const ClipVit vit = ClipVit::load(test::make_random_clip(model));
  const std::vector<float> first = clip_pixels(model, vit.config().image_size), second(first.rbegin(), first.rend());
  const std::span<const float> images[] = {first, second, first};
  const std::vector<ClipVit::Features> got = vit.forward_all(images);
  ASSERT_EQ(got.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    const ClipVit::Features want = vit.forward(images[i]);
    EXPECT_EQ(got[i].pooled, want.pooled) << i;
    EXPECT_EQ(got[i].patches, want.patches) << i;
  }
  EXPECT_NE(got[0].pooled, got[1].pooled);
}

TEST(ClipVit, ThreadsDoNotDisturbEachOther) {
  const Json& model = clip_golden()["b16"];
  const ClipVit vit = ClipVit::load(test::make_random_clip(model));
  const std::vector<float> first = clip_pixels(model, 48), second(first.rbegin(), first.rend());
  const std::vector<float> want[2] = {vit.forward(first).pooled, vit.forward(second).pooled};
  ASSERT_NE(want[0], want[1]);
  std::vector<float> got[2];
  std::thread other([&] { got[1] = vit.forward(second).pooled; });
  got[0] = vit.forward(first).pooled;
  other.join();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(got[i], want[i]);
}

double seconds(const std::function<void()>& call) {
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    call();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

double relative(std::span<const float> got, std::span<const float> want) {
  double worst = 0, largest = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(got[i]) - want[i]));
    largest = std::max(largest, std::abs(static_cast<double>(want[i])));
  }
  return worst / largest;
}

TEST(ClipVit, EqualsTransformersAtFullSize) {
  CP_SKIP_WITHOUT_CLIP(full);
  const ClipVit vit = ClipVit::load(full.folder);
  const std::vector<float> pixels = full.values("pixel_values");
  const std::size_t each = pixels.size() / static_cast<std::size_t>(full.images);
  std::vector<float> pooled, patches;
  for (std::size_t i = 0; i < static_cast<std::size_t>(full.images); ++i) {
    const ClipVit::Features got = vit.forward(std::span(pixels).subspan(i * each, each));
    pooled.insert(pooled.end(), got.pooled.begin(), got.pooled.end());
    patches.insert(patches.end(), got.patches.begin(), got.patches.end());
  }
  EXPECT_TRUE(close("pooled", pooled, full.values("pooled"), kFloat));
  EXPECT_TRUE(close("patches", patches, full.values("patches"), kFloat));
  const std::span<const float> one = std::span(pixels).first(each);
  const double alone = seconds([&] { vit.forward(one); });
  const double in_turn = seconds([&] {
    vit.forward(one);
    vit.forward(one);
  });
  const double in_threads = seconds([&] {
    std::thread other([&] { vit.forward(one); });
    vit.forward(one);
    other.join();
  });
  std::cout << "runtime, relative to the largest: pooled " << relative(pooled, full.values("pooled")) << ", patches "
            << relative(patches, full.values("patches")) << "; one image " << alone << " s, two in turn " << in_turn
            << " s, two in two threads " << in_threads << " s\n";
}

}  // namespace
}  // namespace cp
