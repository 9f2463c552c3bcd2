#include <cmath>
#include <limits>

#include "image/read.h"
#include "image/warp.h"
#include "golden_images.h"

namespace cp {
namespace {

using test::close;
using test::Tol;

std::vector<float> every(const Image& image, int step) {
  std::vector<float> values;
  for (int y = 0; y < image.height; y += step)
    for (int x = 0; x < image.width; x += step)
      for (int c = 0; c < image.channels; ++c) values.push_back(image.at(x, y)[c]);
  return values;
}

std::vector<float> warped(const nlohmann::json& one, bool nearest, double shift) {
  const Image image = read_rgb(test::kind_path("png_rgb.png"));
  auto inverse = one["inverse"].get<std::array<double, 6>>();
  inverse[2] += shift;
  return every(warp_affine(image, inverse, one["size"][0], one["size"][1], nearest), 3);
}

TEST(Warp, EqualsScipy) {
  const nlohmann::json golden = test::golden_json("image/warp.json");
  int visited = 0;
  for (const auto& one : golden["cases"]) {
    EXPECT_TRUE(close("bilinear", warped(one, false, 0), one["bilinear"].get<std::vector<float>>(),
                      Tol::abs(0.501, "rounded to whole numbers, golden values to 0.001")));
    EXPECT_TRUE(close("nearest", warped(one, true, 0), one["nearest"].get<std::vector<float>>(), Tol::exact()));
    ++visited;
  }
  EXPECT_EQ(visited, 5);
}

TEST(Warp, AShiftOfHalfAPixelIsDetected) {
  // The fault that a confusion of pixel centres and pixel corners makes.
  const nlohmann::json golden = test::golden_json("image/warp.json");
  int visited = 0;
  for (const auto& one : golden["cases"]) {
    EXPECT_FALSE(
        close("bilinear", warped(one, false, -0.5), one["bilinear"].get<std::vector<float>>(), Tol::abs(0.501, "")));
    EXPECT_FALSE(close("nearest", warped(one, true, -0.5), one["nearest"].get<std::vector<float>>(), Tol::exact()));
    ++visited;
  }
  EXPECT_EQ(visited, 5);
}

TEST(Warp, ByTheIdentityCopies) {
  const Image image = read_rgb(test::kind_path("png_rgb.png"));
  for (const bool nearest : {false, true})
    EXPECT_EQ(warp_affine(image, {1, 0, 0, 0, 1, 0}, image.width, image.height, nearest), image);
}

TEST(Warp, AMirrorIsExact) {
  const Image image = read_rgb(test::kind_path("png_rgb.png"));
  const Image mirrored = warp_affine(image, {-1, 0, 37, 0, 1, 0}, 37, 29, false);
  for (int y = 0; y < 29; ++y)
    for (int x = 0; x < 37; ++x) ASSERT_EQ(mirrored.at(x, y)[1], image.at(36 - x, y)[1]);
}

TEST(Warp, OfAMaskMakesNoNewValues) {
  Image mask(16, 16, 1);
  for (int y = 4; y < 9; ++y)
    for (int x = 3; x < 12; ++x) *mask.at(x, y) = y < 6 ? 128 : 255;
  const Image turned = warp_affine(mask, {0.8, 0.6, -2, -0.6, 0.8, 5}, 16, 16, true);
  int set = 0;
  for (const std::uint8_t v : turned.pixels) {
    ASSERT_TRUE(v == 0 || v == 128 || v == 255) << int{v};
    set += v != 0;
  }
  EXPECT_GT(set, 20);
}

TEST(Warp, FarAwayShowsTheEdge) {
  Image image(2, 1, 1);
  image.pixels = {10, 200};
  EXPECT_EQ(warp_affine(image, {1, 0, 1e300, 0, 1, 0}, 1, 1, false).pixels[0], 200);
  EXPECT_EQ(warp_affine(image, {1, 0, -1e300, 0, 1, 0}, 1, 1, true).pixels[0], 10);
}

TEST(Warp, WantsAFiniteMatrix) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(warp_affine(Image(2, 2, 3), {1, 0, nan, 0, 1, 0}, 2, 2, false), BugError);
  EXPECT_THROW(warp_affine(Image(2, 2, 3), {1, 0, 0, 0, 1, 0}, 0, 2, false), BugError);
}

}  // namespace
}  // namespace cp
