#include <thread>

#include "core/file.h"
#include "kernels/cpu.h"
#include "random_nano.h"
#include "runtime/efficientnet_lite.h"
#include "runtime/preprocessor_config.h"

namespace cp {
namespace {

using test::close;
using test::Tol;

std::filesystem::path vision_folder() { return test::source_dir() / "models/nano/vision"; }

std::vector<float> random_input(std::uint64_t seed) {
  Rng rng(seed, Stream::test);
  std::vector<float> x(3 * 256 * 256);
  for (float& v : x) v = static_cast<float>(rng.uniform(-1, 1));
  return x;
}

const EfficientNetLite& net() {
  static const EfficientNetLite n = EfficientNetLite::load(vision_folder());
  return n;
}

TEST(EfficientNetLite, GivesTheThreeStrides) {
  const EfficientNetLite::Features f = net().forward(random_input(1));
  EXPECT_EQ(f.s8.size(), 40u * 32 * 32);
  EXPECT_EQ(f.s16.size(), 112u * 16 * 16);
  EXPECT_EQ(f.s32.size(), 320u * 8 * 8);
}

TEST(EfficientNetLite, ScalarAndSimdAgree) {
  const EfficientNetLite::Features fast = net().forward(random_input(1));
  const Simd best = simd();
  set_simd(Simd::scalar);
  const EfficientNetLite::Features plain = net().forward(random_input(1));
  set_simd(best);
  const Tol tol = Tol::rel(2e-5, "rounding through 48 layers");
  EXPECT_TRUE(close("s8", fast.s8, plain.s8, tol));
  EXPECT_TRUE(close("s16", fast.s16, plain.s16, tol));
  EXPECT_TRUE(close("s32", fast.s32, plain.s32, tol));
}

TEST(EfficientNetLite, ThreadsDoNotDisturbEachOther) {
  const std::vector<float> want[2] = {net().forward(random_input(1)).s32, net().forward(random_input(2)).s32};
  std::vector<float> got[2];
  std::thread other([&] { got[1] = net().forward(random_input(2)).s32; });
  got[0] = net().forward(random_input(1)).s32;
  other.join();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(got[i], want[i]);
}

TEST(EfficientNetLite, RefusesAnotherFolder) {
  const std::filesystem::path folder = test::fresh_folder("vision");
  write_file_durable(folder / "config.json", R"({"model_type": "clip_vision_model", "variant": "b"})");
  EXPECT_TRUE(test::throws_user_error([&] { EfficientNetLite::load(folder); }, ErrorKind::model,
                                      {"config.json", "efficientnet_lite"}));
  write_file_durable(folder / "config.json", R"({"model_type": "efficientnet_lite", "variant": "lite0"})");
  write_safetensors(folder / "model.safetensors", {{"_conv_stem.weight", {1}, {0.f}, DType::f32}});
  EXPECT_TRUE(test::throws_user_error([&] { EfficientNetLite::load(folder); }, ErrorKind::model,
                                      {"_conv_stem.weight", "_bn0.running_var", "_blocks.15._project_conv.weight"}));
}

TEST(PreprocessorConfig, OfTheNanoModelIsTheTrainersDefault) {
  const Preprocess got = read_preprocess(vision_folder() / "preprocessor_config.json"), want;
  EXPECT_EQ(got.size, want.size);
  EXPECT_EQ(got.keep_aspect, want.keep_aspect);
  EXPECT_EQ(got.filter, want.filter);
  EXPECT_EQ(got.mean, want.mean);
  EXPECT_EQ(got.std, want.std);
  EXPECT_EQ(got.rescale, want.rescale);
}

Preprocess parse(const std::string& changes) {
  Json config = Json::parse(R"({"size": {"height": 256, "width": 256}, "resample": 3, "do_center_crop": false,
                                "rescale_factor": 0.5, "image_mean": [0, 0, 0], "image_std": [1, 1, 1]})");
  config.update(Json::parse(changes));
  const std::filesystem::path path = test::fresh_folder("preprocess") / "preprocessor_config.json";
  write_file_durable(path, config.dump());
  return read_preprocess(path);
}

TEST(PreprocessorConfig, ReadsClipsForm) {
  const Preprocess how = parse(
      R"({"size": {"shortest_edge": 224}, "do_center_crop": true, "crop_size": {"height": 224, "width": 224}, "resample": 2})");
  EXPECT_EQ(how.size, 224);
  EXPECT_TRUE(how.keep_aspect);
  EXPECT_EQ(how.filter, Filter::bilinear);
}

TEST(PreprocessorConfig, NamesWhatItCannotDo) {
  int visited = 0;
  const std::pair<const char*, const char*> cases[] = {
      {R"({"size": {"height": 256, "width": 128}})", "\"size\""},
      {R"({"size": 0})", "\"size\""},
      {R"({"do_normalize": false})", "\"do_normalize\""},
      {R"({"image_std": [1, 0, 1]})", "\"image_std\""},
      {R"({"image_mean": [1, 2]})", "\"image_mean\""},
      {R"({"resample": 9})", "\"resample\""},
      {R"({"do_center_crop": true})", "\"crop_size\""},
  };
  for (const auto& [changes, part] : cases) {
    EXPECT_TRUE(test::throws_user_error([&] { parse(changes); }, ErrorKind::model, {"preprocessor_config.json", part}))
        << changes;
    ++visited;
  }
  EXPECT_EQ(visited, 7);
}

}  // namespace
}  // namespace cp
