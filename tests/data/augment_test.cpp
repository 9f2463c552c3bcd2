#include "data/augment.h"

#include <cmath>

#include "data/components.h"
#include "support/test_support.h"

namespace cp {
namespace {

constexpr int kWidth = 96, kHeight = 64;

View view_of(int turns, bool mirror) {
  View view;
  view.quarter_turns = turns;
  view.mirror = mirror;
  return view;
}
View inverse_of(const View& v) { return v.mirror ? v : view_of((4 - v.quarter_turns) % 4, false); }

// Noise, so that every pixel is known by its value.
Image noise(int width, int height, int channels) {
  Image image(width, height, channels);
  Rng rng(7, Stream::test);
  for (std::uint8_t& p : image.pixels) p = static_cast<std::uint8_t>(rng.bits() >> 24);
  return image;
}

struct Marked {
  Image rgb, mask;
  Box box;  // fractions
};
Marked marked_square() {
  Marked m{Image(kWidth, kHeight, 3, 20), Image(kWidth, kHeight, 1), {}};
  for (int y = 22; y < 38; ++y) {
    for (int x = 30; x < 54; ++x) {
      std::fill_n(m.rgb.at(x, y), 3, std::uint8_t{220});
      *m.mask.at(x, y) = 255;
    }
  }
  m.box = {30.0 / kWidth, 22.0 / kHeight, 54.0 / kWidth, 38.0 / kHeight};
  return m;
}

// Do the marked pixels of the image, the mask's component, the box and the box's centre say the same? Pixels on the
// border of the square may differ: the image is interpolated, the mask is not.
bool agree(const Image& rgb, const Image& mask, const Box& box, Point centre) {
  const std::vector<Component> components = find_components(mask);
  if (components.size() != 1) return false;
  const Component& c = components[0];
  int different = 0;
  for (int y = 0; y < mask.height; ++y) {
    for (int x = 0; x < mask.width; ++x) different += (rgb.at(x, y)[0] > 120) != (*mask.at(x, y) != 0);
  }
  const double w = mask.width, h = mask.height;
  const double perimeter = 2 * (c.box.x1 - c.box.x0 + c.box.y1 - c.box.y0);
  const bool inside = c.box.x0 >= box.x0 * w - 1 && c.box.x1 <= box.x1 * w + 1 && c.box.y0 >= box.y0 * h - 1 &&
                      c.box.y1 <= box.y1 * h + 1;
  const bool tight =
      (box.x1 - box.x0) * w <= c.box.x1 - c.box.x0 + 4 && (box.y1 - box.y0) * h <= c.box.y1 - c.box.y0 + 4;
  const bool centred = std::abs(c.centroid.x - centre.x * w) < 0.8 && std::abs(c.centroid.y - centre.y * h) < 0.8;
  return different <= perimeter / 2 && inside && tight && centred;
}

TEST(Views, MoveImageMaskBoxAndPointTogether) {
  const Marked m = marked_square();
  Rng rng(3, Stream::test);
  for (int i = 0; i < 200; ++i) {
    const View view = draw_view(rng, {});
    ASSERT_TRUE(agree(apply_view(m.rgb, view), apply_view_mask(m.mask, view), apply_view(m.box, view),
                      apply_view(m.box.center(), view)))
        << i << ": turns " << view.quarter_turns << " mirror " << view.mirror << " angle " << view.angle;
  }
}

TEST(Views, TwinWithAFaultInOneOfThemIsDetected) {
  const Marked m = marked_square();
  Rng rng(3, Stream::test);
  int visited = 0;
  for (int i = 0; i < 50; ++i) {
    const View view = draw_view(rng, {});
    View wrong = view;
    switch (i % 4) {
      case 0:
        wrong.mirror = !view.mirror;
        break;
      case 1:
        wrong.quarter_turns = (view.quarter_turns + 2) % 4;
        break;
      case 2:
        wrong.crop_x += 0.04;
        break;
      default:
        wrong.crop_side *= 0.9;
        break;
    }
    const Image rgb = apply_view(m.rgb, view), mask = apply_view_mask(m.mask, view);
    EXPECT_FALSE(agree(rgb, apply_view_mask(m.mask, wrong), apply_view(m.box, view), apply_view(m.box.center(), view)));
    EXPECT_FALSE(agree(rgb, mask, apply_view(m.box, wrong), apply_view(m.box.center(), wrong)));
    ++visited;
  }
  EXPECT_EQ(visited, 50);
}

TEST(Views, TurnsAndMirrorsMovePixelsExactlyAndAgreeWithPoints) {
  const Image image = noise(7, 5, 3);
  int visited = 0;
  for (int k = 0; k < 8; ++k) {
    const View view = view_of(k % 4, k >= 4);
    const Image out = apply_view(image, view);
    ASSERT_EQ(out, apply_view_mask(image, view));
    for (int y = 0; y < image.height; ++y) {
      for (int x = 0; x < image.width; ++x) {
        const Point p = apply_view(Point{(x + 0.5) / image.width, (y + 0.5) / image.height}, view);
        const std::uint8_t* to = out.at(static_cast<int>(p.x * out.width), static_cast<int>(p.y * out.height));
        ASSERT_TRUE(std::equal(to, to + 3, image.at(x, y)));
        ++visited;
      }
    }
    EXPECT_EQ(apply_view(out, inverse_of(view)), image);
  }
  EXPECT_EQ(visited, 8 * 35);
}

TEST(Views, OneQuarterTurnIsCounterClockwise) {
  Image image(2, 1, 1);
  image.pixels = {1, 2};  // the right pixel goes to the top
  const Image turned = apply_view_mask(image, view_of(1, false));
  EXPECT_EQ(turned.width, 1);
  EXPECT_EQ(turned.pixels, (std::vector<std::uint8_t>{2, 1}));
  View small;
  small.angle = 90;  // the warp turns the same way as the quarter turn
  const Image square = noise(6, 6, 1);
  EXPECT_EQ(apply_view_mask(square, small), apply_view_mask(square, view_of(1, false)));
}

TEST(Views, FourTurnsAndTwoMirrorsAreTheIdentity) {
  const Image image = noise(9, 4, 3);
  Image turned = image;
  for (int i = 0; i < 4; ++i) turned = apply_view(turned, view_of(1, false));
  EXPECT_EQ(turned, image);
  EXPECT_EQ(apply_view(apply_view(image, view_of(0, true)), view_of(0, true)), image);
  EXPECT_EQ(apply_view(image, View{}), image);
  const Point p{0.25, 0.75};
  EXPECT_EQ(apply_view(p, View{}), p);
}

TEST(Views, PointsOfTheCutOffMarginFallOutside) {
  View view;
  view.crop_x = 0.1;
  view.crop_side = 0.9;
  EXPECT_LT(apply_view(Point{0.05, 0.5}, view).x, 0);
  EXPECT_GE(apply_view(Point{0.5, 0.95}, view).y, 1);
  const Point inside = apply_view(Point{0.55, 0.45}, view);
  EXPECT_NEAR(inside.x, 0.5, 1e-12);
  EXPECT_NEAR(inside.y, 0.5, 1e-12);
  EXPECT_EQ(apply_view(Box{0.0, 0.0, 0.05, 1.0}, view).area(), 0);  // clipped to nothing
  EXPECT_NEAR(apply_view(Box{0.0, 0.0, 0.55, 0.45}, view).x1, 0.5, 1e-12);
}

TEST(Views, PhotometryScalesPixelsAndNeverTheMask) {
  View view;
  view.brightness = 1.5;
  view.contrast = 0.5;
  Image grey(2, 1, 3);
  grey.pixels = {40, 40, 40, 80, 80, 80};  // mean 60: contrast gives 50 and 70, brightness 75 and 105
  EXPECT_EQ(apply_view(grey, view).pixels, (std::vector<std::uint8_t>{75, 75, 75, 105, 105, 105}));
  view.brightness = 5;
  EXPECT_EQ(apply_view(grey, view).pixels[0], 250);
  EXPECT_EQ(apply_view(grey, view).pixels[3], 255);  // clipped
  const Image mask = noise(8, 8, 1);
  EXPECT_EQ(apply_view_mask(mask, view), mask);
}

TEST(Views, BothImagesOfAPairGetTheSameView) {
  // What differs between the two images differs after the view at the mapped place, and nothing else does.
  Image before = noise(kWidth, kHeight, 3), after = before;
  for (int y = 10; y < 14; ++y) std::fill_n(after.at(40, y), 3 * 4, std::uint8_t{128});
  Rng rng(11, Stream::test);
  for (int i = 0; i < 20; ++i) {
    View view = draw_view(rng, {});
    view.brightness = view.contrast = 1;
    const Image a = apply_view(before, view), b = apply_view(after, view);
    const Point p = apply_view(Point{42.0 / kWidth, 12.0 / kHeight}, view);
    int different = 0;
    for (int y = 0; y < a.height; ++y) {
      for (int x = 0; x < a.width; ++x) {
        if (std::equal(a.at(x, y), a.at(x, y) + 3, b.at(x, y))) continue;
        ++different;
        ASSERT_LT(std::hypot(x + 0.5 - p.x * a.width, y + 0.5 - p.y * a.height), 6);
      }
    }
    EXPECT_GE(different, 12);
  }
}

TEST(DrawView, StaysInItsRangesAndUsesThemAll) {
  AugmentOptions options;
  int turns[4] = {}, mirrors = 0;
  double low_side = 1, high_angle = 0;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    Rng rng(5, Stream::augment, 0, i);
    const View v = draw_view(rng, options);
    ++turns[v.quarter_turns];
    mirrors += v.mirror;
    low_side = std::min(low_side, v.crop_side);
    high_angle = std::max(high_angle, std::abs(v.angle));
    ASSERT_TRUE(v.crop_side >= 0.9 && v.crop_side <= 1 && v.crop_x >= 0 && v.crop_x + v.crop_side <= 1 + 1e-12);
    ASSERT_TRUE(v.crop_y >= 0 && v.crop_y + v.crop_side <= 1 + 1e-12 && std::abs(v.angle) <= 5);
    ASSERT_TRUE(v.brightness >= 0.8 && v.brightness <= 1.2 && v.contrast >= 0.8 && v.contrast <= 1.2);
  }
  for (const int n : turns) EXPECT_NEAR(n, 500, 100);
  EXPECT_NEAR(mirrors, 1000, 150);
  EXPECT_LT(low_side, 0.905);
  EXPECT_GT(high_angle, 4.9);
}

TEST(DrawView, SwitchedOffIsTheIdentityAndLeavesTheOtherDraws) {
  Rng a(5, Stream::augment), b(5, Stream::augment), c(5, Stream::augment);
  EXPECT_EQ(draw_view(a, {false, false, 0, 1, 0}), View{});
  const View all = draw_view(b, {}), no_turns = draw_view(c, {false, true, 5, 0.9, 0.2});
  EXPECT_EQ(all.brightness, no_turns.brightness);
  EXPECT_EQ(all.crop_x, no_turns.crop_x);
  EXPECT_TRUE(test::throws_user_error(
      [] {
        Rng r(1, Stream::augment);
        draw_view(r, {true, true, 5, 0, 0.2});
      },
      ErrorKind::usage, {"min_crop"}));
}

TEST(Captions, FollowTheSameViewAsPoints) {
  // "upper left" of the caption and a point in the upper left go to the same corner.
  for (int k = 0; k < 8; ++k) {
    const View view = view_of(k % 4, k >= 4);
    const Point p = apply_view(Point{0.1, 0.2}, view);
    const std::string want =
        std::string("a house in the ") + (p.y < 0.5 ? "upper " : "lower ") + (p.x < 0.5 ? "left" : "right") + " corner";
    EXPECT_EQ(apply_view(std::string("a house in the upper left corner"), view), want);
  }
}

}  // namespace
}  // namespace cp
