#include "report/overlay.h"

#include <gmock/gmock.h>

#include "image/font.h"
#include "support/test_support.h"

namespace cp {
namespace {

constexpr int kPanel = 256;  // 4 px per map cell
constexpr int kMargin = kPanel / 20, kGap = kPanel / 33;

// A grey pair and an answer that points at cell (16, 40): (0.258, 0.633).
Answer planted() {
  Answer answer;
  answer.changed = true;
  answer.caption = "a house is built";
  answer.language = "en";
  answer.action = {.x = 16.5 / 64, .y = 40.5 / 64, .a = 1, .p_zoom = 0.9};
  answer.map.assign(64 * 64, -8.f);
  for (int y = 36; y < 46; ++y)
    for (int x = 10; x < 24; ++x) answer.map[static_cast<std::size_t>(y * 64 + x)] = 5.f;
  answer.region.level = 0.9;
  answer.region.share = 0.1;
  answer.region.polygons = {{{0.5, 0.25}, {0.75, 0.25}, {0.75, 0.5}, {0.5, 0.5}}};
  answer.samples = {-0.5f, -0.75f, 1.f};  // at (0.25, 0.125)
  return answer;
}

const Image kGrey(200, 200, 3, 128);

// Where the third panel's point (x, y), fractions, stands in the picture. The panels' top is found by their colour,
// since the height of the labels depends on the font.
struct Picture {
  Image image;
  int top = 0;
  explicit Picture(const Answer& answer, const Image& images = kGrey)
      : image(draw_overlay(images, images, answer, {.panel = kPanel})) {
    while (top < image.height && image.at(kMargin + kPanel / 2, top)[0] != 128) ++top;
  }
  const std::uint8_t* third(double x, double y) const {
    return image.at(kMargin + 2 * (kPanel + kGap) + static_cast<int>(x * kPanel), top + static_cast<int>(y * kPanel));
  }
};

bool is_grey(const std::uint8_t* p) { return p[0] == p[1] && p[1] == p[2]; }

TEST(Overlay, HasThreePanelsAndWordsBelow) {
  const Picture picture(planted());
  EXPECT_EQ(picture.image.width, 2 * kMargin + 3 * kPanel + 2 * kGap);
  EXPECT_GT(picture.top, kMargin);
  EXPECT_GT(picture.image.height, picture.top + kPanel + 2 * kMargin);
  for (const int x : {kMargin, kMargin + kPanel + kGap, kMargin + 2 * (kPanel + kGap)})
    EXPECT_LT(picture.image.at(x + 2, picture.top + 2)[0], 140) << x;  // a panel, not paper
  EXPECT_EQ(picture.image.at(1, 1)[0], 255);
}

TEST(Overlay, MarksStandWhereTheAnswerSaysAndNowhereElse) {
  const Picture picture(planted());
  const std::uint8_t* point = picture.third(16.5 / 64, 40.5 / 64);
  EXPECT_GT(point[0], 200) << "the target's yellow centre";
  EXPECT_LT(point[2], 120);
  const std::uint8_t* map = picture.third(22.0 / 64, 37.0 / 64);
  EXPECT_GT(map[0], map[2] + 40) << "the change map is warm";
  const std::uint8_t* outline = picture.third(0.625, 0.25);
  EXPECT_GT(outline[2], outline[0] + 40) << "the region's outline is cyan";
  EXPECT_GT(picture.third(0.25, 0.125)[0], 170) << "a sample is white";
  for (const auto& [x, y] : {std::pair(0.9, 0.9), std::pair(0.05, 0.05), std::pair(0.625, 0.375), std::pair(0.4, 0.2)})
    EXPECT_TRUE(is_grey(picture.third(x, y))) << x << " " << y;
}

// The twin: a picture with the axes swapped must not pass the test above.
TEST(Overlay, SwappedAxesWouldBeSeen) {
  Answer swapped = planted();
  std::swap(swapped.action.x, swapped.action.y);
  EXPECT_LT(Picture(swapped).third(16.5 / 64, 40.5 / 64)[1], 200);
}

TEST(Overlay, UnchangedPairShowsNoMarks) {
  Answer answer = planted();
  answer.changed = false;
  answer.action.a = 0;
  const Picture picture(answer);
  int seen = 0;
  for (int y = 0; y < kPanel; ++y)
    for (int x = 0; x < kPanel; ++x, ++seen)
      ASSERT_TRUE(is_grey(picture.third((x + 0.5) / kPanel, (y + 0.5) / kPanel))) << x << " " << y;
  EXPECT_EQ(seen, kPanel * kPanel);
}

TEST(Overlay, KeepsTheAspectAndTakesExtremeSizes) {
  for (const auto& [w, h] : {std::pair(400, 100), std::pair(1, 1), std::pair(1, 300), std::pair(1000, 999)}) {
    const Image image(w, h, 3, 128);
    Answer answer = planted();
    answer.samples = {-9.f, 9.f, 0.f, NAN, NAN, NAN};  // outside the image
    const Image picture = draw_overlay(image, image, answer, {.panel = kPanel});
    const int panel_width =
        std::max(1, static_cast<int>(std::lround(kPanel * std::min(1.0, static_cast<double>(w) / h))));
    EXPECT_EQ(picture.width, 2 * kMargin + 3 * panel_width + 2 * kGap) << w << " x " << h;
  }
}

TEST(Overlay, WrapsALongCaptionInsideThePicture) {
  Answer answer = planted();
  const int short_height = Picture(answer).image.height;
  for (int i = 0; i < 40; ++i) answer.caption += " and another house is built";
  const Picture picture(answer);
  EXPECT_GT(picture.image.height, short_height);
  for (int y = 0; y < picture.image.height; ++y)
    ASSERT_EQ(picture.image.at(picture.image.width - 1, y)[0], 255) << "text runs out of the picture at line " << y;
}

TEST(Overlay, ChineseCaptionsAreDrawnCharacterByCharacter) {
  if (font_paths().empty()) GTEST_SKIP() << "no font is installed (fonts-wqy-microhei)";
  Answer answer = planted();
  answer.language = "zh";
  std::vector<Image> pictures;
  for (const char* caption : {"新建房屋", "拆除房屋", "????"}) {
    answer.caption = caption;
    pictures.push_back(Picture(answer).image);
  }
  EXPECT_NE(pictures[0], pictures[1]) << "different characters look different, so they are no boxes";
  EXPECT_NE(pictures[0], pictures[2]);
}

}  // namespace
}  // namespace cp
