// Reading, resizing and normalising 59 kinds of small files: equal to Pillow, NumPy and transformers to the bit.

#include "image/preprocess.h"
#include "image/read.h"
#include "image/resample.h"
#include "golden_images.h"

namespace cp {
namespace {

using test::digest;

constexpr int kKinds = 59;

struct NamedFilter {
  const char* name;
  Filter filter;
};
constexpr NamedFilter kFilters[] = {{"nearest", Filter::nearest},   {"box", Filter::box},
                                    {"bilinear", Filter::bilinear}, {"hamming", Filter::hamming},
                                    {"bicubic", Filter::bicubic},   {"lanczos", Filter::lanczos}};

Preprocess square32() {
  Preprocess how;
  how.size = 32;
  return how;
}

Preprocess clip24() {
  Preprocess how;
  how.size = 24;
  how.keep_aspect = true;
  how.mean = {0.48145466f, 0.4578275f, 0.40821073f};
  how.std = {0.26862954f, 0.26130258f, 0.27577711f};
  return how;
}

const nlohmann::json& kinds() {
  static const nlohmann::json all = test::golden_json("image/kinds.json");
  return all;
}

TEST(ReadImage, EqualsPillowOnEveryKind) {
  int visited = 0;
  for (const auto& [name, want] : kinds()["kinds"].items()) {
    const Image image = read_rgb(test::kind_path(name));
    EXPECT_EQ(image.width, want["size"][0]) << name;
    EXPECT_EQ(image.height, want["size"][1]) << name;
    EXPECT_EQ(image.channels, 3) << name;
    EXPECT_EQ(digest(image), want["rgb"]) << name;
    ++visited;
  }
  EXPECT_EQ(visited, kKinds);
}

TEST(ReadImage, OneChangedBitOfOnePixelIsDetected) {
  int visited = 0;
  for (const auto& [name, want] : kinds()["kinds"].items()) {
    Image image = read_rgb(test::kind_path(name));
    image.pixels[image.pixels.size() / 2] ^= 1;
    EXPECT_NE(digest(image), want["rgb"]) << name;
    ++visited;
  }
  EXPECT_EQ(visited, kKinds);
}

TEST(Resample, EqualsPillowOnEveryKindFilterAndSize) {
  int visited = 0;
  const auto& sizes = kinds()["sizes"];
  for (const auto& [name, want] : kinds()["kinds"].items()) {
    const Image image = read_rgb(test::kind_path(name));
    Image first(image.width, image.height, 1);
    for (std::size_t i = 0; i < first.pixels.size(); ++i) first.pixels[i] = image.pixels[3 * i];
    for (const NamedFilter& f : kFilters) {
      for (std::size_t s = 0; s < sizes.size(); ++s) {
        const int width = sizes[s][0], height = sizes[s][1];
        EXPECT_EQ(digest(resize(image, width, height, f.filter)), want["resized"][f.name][s]) << name << " " << f.name;
        EXPECT_EQ(digest(resize(first, width, height, f.filter)), want["first_resized"][f.name][s])
            << name << " " << f.name;
        ++visited;
      }
    }
  }
  EXPECT_EQ(visited, kKinds * 6 * 3);
}

TEST(Resample, AnotherFilterIsDetected) {
  const auto& want = kinds()["kinds"]["png_rgb.png"]["resized"];
  const Image image = read_rgb(test::kind_path("png_rgb.png"));
  int visited = 0;
  for (const NamedFilter& right : kFilters) {
    for (const NamedFilter& wrong : kFilters) {
      if (right.filter == wrong.filter) continue;
      EXPECT_NE(digest(resize(image, 16, 11, wrong.filter)), want[right.name][1]) << right.name << " " << wrong.name;
      ++visited;
    }
  }
  EXPECT_EQ(visited, 30);
}

TEST(Resample, OfTheSameSizeCopies) {
  const Image image = read_rgb(test::kind_path("png_rgb.png"));
  for (const NamedFilter& f : kFilters) EXPECT_EQ(resize(image, image.width, image.height, f.filter), image) << f.name;
}

TEST(Preprocess, EqualsTransformersOnEveryKind) {
  int visited = 0;
  for (const auto& [name, want] : kinds()["kinds"].items()) {
    const Image image = read_rgb(test::kind_path(name));
    EXPECT_EQ(digest(preprocess(image, square32())), want["square32"]) << name;
    EXPECT_EQ(digest(preprocess(image, clip24())), want["clip24"]) << name;
    ++visited;
  }
  EXPECT_EQ(visited, kKinds);
}

TEST(Preprocess, AFloat32FactorInsteadOfADoubleOneIsDetected) {
  const Image image = read_rgb(test::kind_path("png_rgb.png"));
  Preprocess wrong = square32();
  wrong.rescale = 1.f / 255.f;
  EXPECT_NE(digest(preprocess(image, wrong)), kinds()["kinds"]["png_rgb.png"]["square32"]);
}

TEST(Preprocess, IsChannelFirst) {
  Image image(8, 8, 3);
  for (std::size_t i = 0; i < 64; ++i) image.pixels[3 * i + 1] = 255;
  Preprocess how;
  how.size = 8;
  const std::vector<float> values = preprocess(image, how);
  ASSERT_EQ(values.size(), 3u * 64u);
  EXPECT_LT(values[0], -0.9f);
  EXPECT_GT(values[64], 0.9f);
  EXPECT_LT(values[128], -0.9f);
}

TEST(Preprocess, RefusesPicturesTooLongToCrop) {
  EXPECT_TRUE(test::throws_user_error([] { preprocess(Image(1, 300, 3), clip24()); }, ErrorKind::data,
                                      {"1 x 300", "too long and narrow"}));
  EXPECT_EQ(preprocess(Image(1, 256, 3), clip24()).size(), 3u * 24u * 24u);
}

TEST(ReadMask, GivesTheFirstChannelOfEveryKind) {
  int visited = 0;
  for (const auto& [name, want] : kinds()["kinds"].items()) {
    if (name.find("grey16") != std::string::npos) continue;  // its own rule, tested below
    const Image image = read_rgb(test::kind_path(name)), mask = read_mask(test::kind_path(name));
    ASSERT_EQ(mask.channels, 1) << name;
    ASSERT_EQ(mask.pixels.size() * 3, image.pixels.size()) << name;
    for (std::size_t i = 0; i < mask.pixels.size(); ++i) ASSERT_EQ(mask.pixels[i], image.pixels[3 * i]) << name;
    ++visited;
  }
  EXPECT_EQ(visited, kKinds - 3);
}

TEST(ReadMask, KeepsSmallClassNumbersOf16BitFiles) {
  for (const char* name : {"png_grey16.png", "tiff_grey16_le.tif", "tiff_grey16_be.tif"}) {
    const Image picture = read_rgb(test::kind_path(name)), mask = read_mask(test::kind_path(name));
    ASSERT_EQ(mask.channels, 1);
    int clipped = 0;
    for (std::size_t i = 0; i < mask.pixels.size(); ++i) {
      if (picture.pixels[3 * i] > 0) {  // a value of 256 or more
        EXPECT_EQ(mask.pixels[i], 255) << name;
        ++clipped;
      }
    }
    EXPECT_GT(clipped, 100) << name;
  }
}

}  // namespace
}  // namespace cp
