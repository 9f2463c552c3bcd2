#include <cmath>
#include <limits>
#include <numbers>

#include "image/draw.h"
#include "support/test_support.h"

namespace cp {
namespace {

constexpr Color kWhite{255, 255, 255};

// Sum of brightness in units of one white pixel: the area that was drawn.
double area_of(const Image& image) {
  double sum = 0;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) sum += image.pixels[i] / 255.0;
  return sum;
}

TEST(Draw, ARectangleCoversItsPixelsAndNoOther) {
  Image image(10, 8, 3);
  fill_rect(image, 2, 3, 6, 5, kWhite);
  for (int y = 0; y < 8; ++y)
    for (int x = 0; x < 10; ++x)
      EXPECT_EQ(image.at(x, y)[0], x >= 2 && x < 6 && y >= 3 && y < 5 ? 255 : 0) << x << " " << y;
}

TEST(Draw, AFrameIsEvenWhereItsSidesMeet) {
  Image image(12, 12, 3);
  draw_rect(image, 1, 1, 11, 9, {255, 255, 255, 0.5}, 2);
  EXPECT_EQ(image.at(1, 1)[0], 128);
  EXPECT_EQ(image.at(10, 8)[0], 128);
  EXPECT_EQ(image.at(5, 2)[0], 128);
  EXPECT_EQ(image.at(5, 5)[0], 0);
  EXPECT_NEAR(area_of(image), 0.5 * (10 * 8 - 6 * 4), 0.2);
}

TEST(Draw, AlphaBlends) {
  Image image(1, 1, 3, 100);
  blend_pixel(image, 0, 0, {200, 0, 100, 0.25});
  EXPECT_EQ(image.pixels, (std::vector<std::uint8_t>{125, 75, 100}));
  blend_pixel(image, 0, 0, {0, 0, 0, 1.0}, 0.0);
  EXPECT_EQ(image.pixels[0], 125);
}

TEST(Draw, ShapesHaveTheirArea) {
  constexpr double kPi = std::numbers::pi;
  Image disc(60, 60, 3), ring(60, 60, 3), line(60, 60, 3), triangle(60, 60, 3);
  fill_circle(disc, {30.3, 29.6}, 17, kWhite);
  EXPECT_NEAR(area_of(disc), kPi * 17 * 17, 5);
  draw_circle(ring, {30, 30}, 20, kWhite, 3);
  EXPECT_NEAR(area_of(ring), 2 * kPi * 20 * 3, 5);
  draw_line(line, {10, 12}, {50, 42}, kWhite, 2);  // 50 px long, two half discs at its ends
  EXPECT_NEAR(area_of(line), 50 * 2 + kPi, 3);
  const Point corners[] = {{5, 5}, {55, 10}, {20, 50}};
  fill_polygon(triangle, corners, kWhite);
  EXPECT_NEAR(area_of(triangle), 0.5 * std::abs(50.0 * 45 - 15.0 * 5), 5);
}

TEST(Draw, ALineIsCentredOnItsPoints) {
  Image image(9, 9, 3);
  draw_line(image, {0, 4.5}, {9, 4.5}, kWhite, 1);
  EXPECT_EQ(image.at(4, 4)[0], 255);
  EXPECT_EQ(image.at(4, 3)[0], 0);
  EXPECT_EQ(image.at(4, 5)[0], 0);
}

TEST(Draw, CellsTileTheirArea) {
  Image image(50, 37, 3);
  for (int row = 0; row < 8; ++row)
    for (int column = 0; column < 9; ++column) fill_cell(image, 3, 2, 47, 31, 9, 8, column, row, {255, 255, 255, 0.5});
  int covered = 0;
  for (int y = 0; y < 37; ++y) {
    for (int x = 0; x < 50; ++x) {
      const bool inside = x >= 3 && x < 47 && y >= 2 && y < 31;
      ASSERT_EQ(image.at(x, y)[0], inside ? 128 : 0) << x << " " << y;  // once, not twice
      covered += inside;
    }
  }
  EXPECT_EQ(covered, 44 * 29);
}

TEST(Draw, PasteClips) {
  Image image(4, 4, 3), part(3, 3, 3, 9);
  paste(image, part, -1, 2);
  int set = 0;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) set += image.pixels[i] == 9;
  EXPECT_EQ(set, 4);
  EXPECT_EQ(image.at(1, 3)[2], 9);
  paste(image, Image(1, 1, 1, 77), 3, 0);
  EXPECT_EQ(image.at(3, 0)[1], 77);
}

TEST(Draw, WhatLiesOutsideIsClipped) {
  Image image(8, 8, 3, 50);
  const Image before = image;
  const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  fill_rect(image, -100, -100, -1, -1, kWhite);
  fill_rect(image, 6, 6, 2, 2, kWhite);
  draw_line(image, {nan, 1}, {5, 5}, kWhite);
  draw_line(image, {1, 1}, {inf, 5}, kWhite);
  fill_circle(image, {1e12, -1e12}, 5, kWhite);
  draw_circle(image, {4, 4}, nan, kWhite);
  draw_target(image, {-500, 1e9}, 10, kWhite);
  fill_polygon(image, std::vector<Point>{{1, 1}, {5, 5}}, kWhite);
  paste(image, Image(2, 2, 3), 100, 100);
  EXPECT_EQ(image, before);
  fill_circle(image, {4, 4}, 1e9, kWhite);
  EXPECT_EQ(image, Image(8, 8, 3, 255));
}

TEST(Draw, ATargetMarksItsCentre) {
  for (const std::uint8_t ground : {std::uint8_t{0}, std::uint8_t{255}}) {
    Image image(41, 41, 3, ground);
    draw_target(image, {20.5, 20.5}, 10, {255, 40, 40});
    EXPECT_EQ(image.at(20, 20)[0], 255);
    EXPECT_EQ(image.at(20, 20)[1], 40);
    for (int y = 0; y < 41; ++y)
      for (int x = 0; x < 41; ++x) ASSERT_EQ(image.at(x, y)[1], image.at(40 - x, y)[1]);
  }
}

}  // namespace
}  // namespace cp
