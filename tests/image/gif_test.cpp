// The files of tests/golden/image/gif, read back by Pillow (tests/oracle/image_gif.py), hold the frames that were
// given.
#include "image/gif.h"

#include "image/golden_images.h"
#include "image/read.h"
#include "image/write.h"

namespace cp {
namespace {

// Pixel (x, y) of frame f; the oracle knows the same formulas.
Image formula(int width, int height, int f, int (*channel)(int x, int y, int f, int c)) {
  Image image(width, height, 3);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c) image.at(x, y)[c] = static_cast<std::uint8_t>(channel(x, y, f, c));
  return image;
}

int moving_square(int x, int y, int f, int c) {  // 81 colours
  const bool inside = x >= 4 * f && x < 4 * f + 9 && y >= 8 && y < 20;
  return inside ? 250 - 40 * c : (x % 9) * 20 + (y % 9) * (c == 1);
}
int noise(int x, int y, int f, int c) {  // 240 colours in no order: the code table fills up and is cleared
  unsigned v = static_cast<unsigned>(x * 7919 + y * 104729 + f * 1299709 + 12345);
  v = (v ^ v >> 13) * 1274126177u;
  const int index = static_cast<int>((v ^ v >> 16) % 240u);
  return c == 0 ? index : c == 1 ? 255 - index : index * 7 % 256;
}
int gradient(int x, int y, int f, int c) { return c == 0 ? 2 * x : c == 1 ? 3 * y : (x + y + 10 * f) % 256; }

std::vector<GifFrame> frames(const std::string& name) {
  if (name == "one") return {{formula(1, 1, 0, moving_square), 2}};
  if (name == "square")
    return {{formula(48, 32, 0, moving_square), 70},
            {formula(48, 32, 1, moving_square), 35},
            {formula(48, 32, 1, moving_square), 35},
            {formula(48, 32, 5, moving_square), 250}};
  if (name == "noise") return {{formula(150, 90, 0, noise), 10}, {formula(150, 90, 1, noise), 10}};
  return {{formula(100, 80, 0, gradient), 10}, {formula(100, 80, 1, gradient), 10}};
}

std::string golden_bytes(const std::string& name) {
  return read_file(test::golden("image/gif/" + name + ".gif"), 1 << 24, ErrorKind::data);
}

TEST(Gif, PillowReadsTheFramesBack) {
  const std::vector<std::string> names = {"one", "square", "noise", "gradient"};
  for (const std::string& name : names)  // for the oracle
    write_file_durable(std::filesystem::path(CP_BINARY_DIR) / "gif" / (name + ".gif"), encode_gif(frames(name)));
  const nlohmann::json seen = test::golden_json("image/gif.json");
  int compared = 0;
  for (const std::string& name : names) {
    const std::vector<GifFrame> given = frames(name);
    const std::string bytes = encode_gif(given);
    ASSERT_EQ(test::digest(bytes), test::digest(golden_bytes(name))) << name;
    const nlohmann::json& file = seen.at(name);
    ASSERT_EQ(file.at("frames").size(), given.size());
    for (std::size_t i = 0; i < given.size(); ++i, ++compared) {
      EXPECT_EQ(file.at("frames")[i].at("ms"), 10 * given[i].hundredths) << name;
      if (name != "gradient") {
        EXPECT_EQ(file.at("frames")[i].at("pixels"), test::digest(given[i].image)) << name << i;
      }
    }
  }
  EXPECT_EQ(compared, 9);
}

// The twin: one pixel of another colour is not what Pillow saw.
TEST(Gif, AChangedPixelWouldBeSeen) {
  Image image = frames("square")[0].image;
  image.at(3, 3)[1] ^= 1;
  EXPECT_NE(test::golden_json("image/gif.json").at("square").at("frames")[0].at("pixels"), test::digest(image));
}

TEST(Gif, ManyColoursAreReducedWithASmallError) {
  const double error = test::golden_json("image/gif.json").at("gradient").at("mean_error");  // by Pillow, of 0..255
  EXPECT_GT(error, 0.5) << "8,000 colours do not fit into 255";
  EXPECT_LT(error, 8.0) << "the cube has 2^24 / 255 colours a cluster: sides of 40, a mean error of 10 without the cut";
}

TEST(Gif, WhatDoesNotMoveCostsLittle) {
  const Image still = formula(150, 90, 0, noise);
  const std::size_t one = encode_gif({{still, 10}}).size();
  // A run of n equal pixels takes about sqrt(2 n) codes: 164 codes of 10 bits a frame.
  EXPECT_LT(encode_gif({{still, 10}, {still, 10}, {still, 10}}).size(), one + 500);
}

TEST(Gif, RefusesFramesOfOtherSizes) {
  EXPECT_THROW(encode_gif({}), BugError);
  EXPECT_THROW(encode_gif({{Image(2, 2, 3), 10}, {Image(2, 3, 3), 10}}), BugError);
  EXPECT_THROW(encode_gif({{Image(2, 2, 1), 10}}), BugError);
}

TEST(Jpeg, ReadsBackCloseToWhatWasWritten) {
  const Image image = formula(64, 48, 0, gradient);
  const Image back = decode_rgb(encode_jpeg(image, 90), "jpeg");
  ASSERT_EQ(back.width, 64);
  double error = 0;
  for (std::size_t i = 0; i < image.pixels.size(); ++i) error += std::abs(image.pixels[i] - back.pixels[i]);
  EXPECT_LT(error / static_cast<double>(image.pixels.size()), 3) << "quality 90 of a smooth picture";
  EXPECT_LT(encode_jpeg(image, 50).size(), encode_jpeg(image, 95).size());
  EXPECT_THROW(encode_jpeg(Image(), 90), BugError);
}

}  // namespace
}  // namespace cp
