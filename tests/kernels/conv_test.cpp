#include "kernels/conv.h"

#include <algorithm>

#include "kernels_test_support.h"

namespace cp {
namespace {

using test::close;
using test::normals;
using test::Tol;

std::size_t n_of(int a, int b, int c, int d = 1) {
  return static_cast<std::size_t>(a) * static_cast<std::size_t>(b * c * d);
}

// The definition with torch's weight order (O I/groups k k), channels last, in double. `groups` is 1 or C.
std::vector<float> plain_conv(const std::vector<float>& x, int h, int w, int c, const std::vector<float>& weight,
                              int out, bool depthwise, const std::vector<float>& bias, const Window& win, bool relu6) {
  std::vector<float> y;
  const int k = win.kernel, in = depthwise ? 1 : c;
  for (int oy = 0; oy < win.out_height; ++oy)
    for (int ox = 0; ox < win.out_width; ++ox)
      for (int o = 0; o < out; ++o) {
        double sum = bias[static_cast<std::size_t>(o)];
        for (int i = 0; i < in; ++i)
          for (int ky = 0; ky < k; ++ky)
            for (int kx = 0; kx < k; ++kx) {
              const int iy = oy * win.stride - win.before + ky, ix = ox * win.stride - win.before + kx;
              if (iy < 0 || iy >= h || ix < 0 || ix >= w) continue;
              sum += static_cast<double>(x[n_of(iy * w + ix, c, 1) + static_cast<std::size_t>(depthwise ? o : i)]) *
                     weight[static_cast<std::size_t>(((o * in + i) * k + ky) * k + kx)];
            }
        y.push_back(static_cast<float>(relu6 ? std::clamp(sum, 0.0, 6.0) : sum));
      }
  return y;
}

const Tol kRounding = Tol::rel(3e-6, "float32 sums of up to 225 products against double");

TEST(SameWindow, IsTensorFlowsRule) {
  const Window stem = same_window(256, 256, 3, 2);  // total padding 1: none before, one after
  EXPECT_EQ(stem.out_height, 128);
  EXPECT_EQ(stem.before, 0);
  EXPECT_EQ(same_window(64, 64, 5, 2).before, 1);  // total 3: one before, two after
  EXPECT_EQ(same_window(16, 16, 5, 1).before, 2);
  EXPECT_EQ(same_window(7, 7, 3, 2).before, 1);  // odd input: total 2
  EXPECT_EQ(same_window(7, 7, 3, 2).out_width, 4);
}

TEST(Conv2d, EqualsTheDefinition) {
  int visited = 0;
  for (const int kernel : {1, 3, 5})
    for (const int stride : {1, 2})
      for (const int side : {1, 4, 7}) {
        const int c = 3, out = 10;
        const Window win = same_window(side, side, kernel, stride);
        const auto x = normals(n_of(side, side, c), 1), weight = normals(n_of(out, c, kernel, kernel), 2),
                   bias = normals(10, 3);
        std::vector<float> y(n_of(win.out_height, win.out_width, out));
        conv2d(x, side, side, c, win, pack_conv(weight, out, c, kernel), bias, y, Activation::relu6);
        ASSERT_TRUE(close("y", y, plain_conv(x, side, side, c, weight, out, false, bias, win, true), kRounding))
            << kernel << ' ' << stride << ' ' << side;
        ++visited;
      }
  EXPECT_EQ(visited, 18);
}

TEST(Depthwise, BothPathsEqualTheDefinition) {
  int visited = 0;
  for (const int kernel : {3, 5})
    for (const int stride : {1, 2})
      for (const int side : {1, 2, 4, 5, 9, 16})
        for (const int c : {3, 8, 24, 32}) {
          const Window win = same_window(side, side, kernel, stride);
          const auto x = normals(n_of(side, side, c), 1), weight = normals(n_of(c, kernel, kernel), 2);
          const auto bias = normals(static_cast<std::size_t>(c), 3);
          std::vector<float> taps(weight.size());  // (k k C)
          transpose(weight, c, kernel * kernel, taps);
          const auto [scalar, fast] = test::scalar_and_simd([&] {
            std::vector<float> y(n_of(win.out_height, win.out_width, c));
            depthwise(x, side, side, c, win, taps, bias, y, Activation::relu6);
            return y;
          });
          const auto want = plain_conv(x, side, side, c, weight, c, true, bias, win, true);
          ASSERT_TRUE(close("scalar", scalar, want, kRounding)) << kernel << ' ' << stride << ' ' << side << ' ' << c;
          ASSERT_TRUE(close("simd", fast, want, kRounding)) << kernel << ' ' << stride << ' ' << side << ' ' << c;
          ++visited;
        }
  EXPECT_EQ(visited, 96);
}

TEST(Depthwise, APaddingThatIsOffByOneIsSeen) {
  const int side = 8, c = 8;
  const auto x = normals(n_of(side, side, c), 1), weight = normals(n_of(c, 3, 3), 2), bias = normals(8, 3);
  std::vector<float> taps(weight.size());
  transpose(weight, c, 9, taps);
  const Window right = same_window(side, side, 3, 2);
  Window wrong = right;
  wrong.before = 1;  // what PyTorch's padding=1 does; TensorFlow's SAME pads 0 before and 1 after
  std::vector<float> y(n_of(4, 4, c));
  depthwise(x, side, side, c, wrong, taps, bias, y, Activation::none);
  EXPECT_FALSE(close("y", y, plain_conv(x, side, side, c, weight, c, true, bias, right, false), kRounding));
}

TEST(Upsample2x, WeighsThreeQuartersAndOneQuarter) {
  const std::vector<float> x = {0, 4, 8, 12};  // 2 x 2
  std::vector<float> y(16);
  upsample2x(x, 2, 2, 1, y);
  EXPECT_TRUE(close("y", y, std::vector<float>{0, 1, 3, 4, 2, 3, 5, 6, 6, 7, 9, 10, 8, 9, 11, 12}, Tol::exact()));
}

TEST(AdaptiveAverage, TakesOverlappingCellsWhenSizesDoNotDivide) {
  const std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8, 9};  // 3 x 3 -> 2 x 2: rows 0..1 and 1..2
  std::vector<float> y(4);
  adaptive_average(x, 3, 3, 1, 2, 2, y);
  EXPECT_TRUE(close("y", y, std::vector<float>{3, 4, 6, 7}, Tol::exact()));
}

TEST(Transpose, TurnsChannelsFirstIntoChannelsLast) {
  std::vector<float> y(6);
  transpose(std::vector<float>{1, 2, 3, 4, 5, 6}, 2, 3, y);
  EXPECT_EQ(y, (std::vector<float>{1, 4, 2, 5, 3, 6}));
}

}  // namespace
}  // namespace cp
