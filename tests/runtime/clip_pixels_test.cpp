// preprocessor_config.json of CLIP folders of every age, and the tensors they lead to: equal to transformers to the
// bit.
#include <algorithm>
#include <cmath>

#include "core/file.h"
#include "core/json.h"
#include "runtime/preprocessor_config.h"
#include "support/test_support.h"

namespace cp {
namespace {

// As tests/oracle/clip_transformers.py paints it.
Image picture(int width, int height) {
  Image image(width, height, 3);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c)
        image.at(x, y)[c] = static_cast<std::uint8_t>(x * 7 + y * 13 + c * 31 + x * y % 251 + (x / 9 + y / 5) % 2 * 90);
  return image;
}

std::string digest(const std::vector<float>& values) {
  return sha256_hex({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)}).substr(0, 16);
}

const Json& golden_pixels() {
  static const Json all = read_json(test::golden("runtime/clip_pixels.json"), ErrorKind::data);
  return all;
}

Preprocess read(const Json& config) {
  const std::filesystem::path path = test::fresh_folder("clip") / "preprocessor_config.json";
  write_file_durable(path, config.dump());
  return read_preprocess(path);
}

TEST(ClipPixels, EqualTransformersForEveryFormAndSize) {
  int visited = 0;
  for (const Json& entry : golden_pixels()["configs"]) {
    const Preprocess how = read(entry["config"]);
    for (std::size_t i = 0; i < entry["hashes"].size(); ++i, ++visited) {
      const int width = golden_pixels()["sizes"][i][0], height = golden_pixels()["sizes"][i][1];
      EXPECT_EQ(digest(preprocess(picture(width, height), how)), entry["hashes"][i])
          << entry["name"] << " " << width << " x " << height;
    }
  }
  EXPECT_EQ(visited, 7 * 11);
}

TEST(ClipPixels, AnotherCropFilterOrConstantIsSeen) {
  const Json& entry = golden_pixels()["configs"][0];
  const std::size_t at = 4;
  ASSERT_EQ(golden_pixels()["sizes"][at], Json({300, 401}));  // resized to 224 x 299: 75 rows are left over
  const Image image = picture(300, 401);
  const Preprocess right = read(entry["config"]);
  ASSERT_EQ(digest(preprocess(image, right)), entry["hashes"][at]);
  Preprocess square = right, bilinear = right, mean = right;
  square.keep_aspect = false;
  bilinear.filter = Filter::bilinear;
  mean.mean[1] = std::nextafter(mean.mean[1], 1.f);
  for (const Preprocess& wrong : {square, bilinear, mean})
    EXPECT_NE(digest(preprocess(image, wrong)), entry["hashes"][at]);
  Image moved(300, 401, 3);  // the crop begins one row lower
  std::copy(image.pixels.begin() + 900, image.pixels.end(), moved.pixels.begin());
  EXPECT_NE(digest(preprocess(moved, right)), entry["hashes"][at]);
}

TEST(PreprocessorConfig, OfClipRefusesByNameWhatItCannotDo) {
  const Json clip = golden_pixels()["configs"][1]["config"];
  const std::pair<const char*, Json> cases[] = {
      {"image_processor_type", "SiglipImageProcessor"},
      {"feature_extractor_type", "ViTFeatureExtractor"},
      {"do_resize", false},
      {"do_rescale", false},
      {"do_normalize", nullptr},
      {"do_center_crop", false},
      {"do_center_crop", "yes"},
      {"do_pad", true},
      {"size", {{"longest_edge", 224}}},
      {"size", {{"shortest_edge", 224}, {"longest_edge", 500}}},
      {"size", {{"height", 224}, {"width", 225}}},
      {"size", {{"height", 224}}},
      {"size", {224, 224}},
      {"size", nullptr},
      {"size", 1 << 20},
      {"crop_size", 225},
      {"crop_size", {{"height", 225}, {"width", 225}}},
      {"crop_size", {{"shortest_edge", 224}}},
      {"resample", 6},
      {"resample", "bicubic"},
      {"rescale_factor", -1},
      {"rescale_factor", nullptr},
      {"image_mean", 0.5},
      {"image_mean", {0, 0, 1e300}},
      {"image_std", {1, 1, 0}},
      {"image_std", {1, 1, "1"}},
      {"use_square_size", true},
      {"offset", true},
  };
  int visited = 0;
  for (const auto& [key, value] : cases) {
    Json config = clip;
    config[key] = value;
    EXPECT_TRUE(test::throws_user_error([&] { read(config); }, ErrorKind::model, {"preprocessor_config.json", key}))
        << key << " " << value;
    ++visited;
  }
  EXPECT_EQ(visited, 28);
}

TEST(PreprocessorConfig, WithoutAProcessorsNameHasNoDefaults) {
  Json config = golden_pixels()["configs"][1]["config"];
  config.erase("image_processor_type");
  config.erase("feature_extractor_type");
  EXPECT_EQ(read(config).size, 224);
  int visited = 0;
  for (const char* key : {"size", "crop_size", "resample", "rescale_factor", "image_mean", "image_std"}) {
    Json lacking = config;
    lacking.erase(key);
    EXPECT_TRUE(test::throws_user_error([&] { read(lacking); }, ErrorKind::model, {key, "is missing"}));
    ++visited;
  }
  EXPECT_EQ(visited, 6);
}

}  // namespace
}  // namespace cp
