#include "report/animation.h"

#include <cmath>

#include "image/font.h"
#include "support/test_support.h"

namespace cp {
namespace {

// Two samples that move from the corners to (0.25, 0.5) in two steps.
Trace planted_trace() {
  Trace trace;
  trace.noise = {-3.f, -3.f, 0.f, 3.f, 3.f, 0.f};
  trace.steps = {{-1.f, -.5f, 0.f, 0.f, .5f, 0.f}, {-.5f, 0.f, 1.f, -.5f, 0.f, 1.f}};
  return trace;
}

Answer planted_answer(const char* language = "en") {
  Answer answer;
  answer.changed = true;
  answer.caption = "a house is built";
  answer.language = language;
  answer.action = {.x = .25, .y = .5, .a = 1, .p_zoom = .9};
  return answer;
}

const Image kGrey(200, 100, 3, 128);
bool is_bright(const Image& image, double x, double y) {
  return image.at(static_cast<int>(x), static_cast<int>(y))[0] > 170;
}

TEST(Animation, OneFrameForNoiseEachStepAndTheAnswer) {
  const auto frames = denoising_frames(kGrey, planted_answer(), planted_trace(), {.panel = 200});
  ASSERT_EQ(frames.size(), 4u);
  for (const GifFrame& frame : frames) {
    EXPECT_EQ(frame.image.width, 200);
    EXPECT_EQ(frame.image.height, frames[0].image.height);
  }
  EXPECT_GT(frames.back().hundredths, frames[1].hundredths);
  EXPECT_TRUE(is_bright(frames[1].image, 100, 75)) << "the second sample after the first step: (0.5, 0.75)";
  EXPECT_FALSE(is_bright(frames[0].image, 100, 75));
  EXPECT_TRUE(is_bright(frames[2].image, 50, 50)) << "both after the last step";
  EXPECT_TRUE(is_bright(frames[0].image, 0, 0)) << "noise outside the image stands on its edge";
  const std::uint8_t* target = frames[3].image.at(50, 50);
  EXPECT_GT(target[0], 200);
  EXPECT_LT(target[2], 120) << "the answered point is yellow";
}

TEST(Animation, HoverShowsNoPointAndChineseIsDrawn) {
  Answer hover = planted_answer();
  hover.changed = false, hover.action.a = 0;
  EXPECT_GT(denoising_frames(kGrey, hover, planted_trace(), {.panel = 200})[3].image.at(50, 50)[2], 170)
      << "only white samples";
  EXPECT_NE(denoising_frames(kGrey, planted_answer("zh"), planted_trace())[0].image,
            denoising_frames(kGrey, planted_answer(), planted_trace())[0].image);
}

// Where a Chinese font is installed, no character of our pictures falls back to "?".
TEST(Animation, EveryChineseCharacterOfThePicturesHasAGlyph) {
  const auto drawn = [](std::string_view text) {
    Image image(40, 40, 3);
    draw_text(image, 4, 4, text, 24, {255, 255, 255});
    return image;
  };
  if (drawn("屋") == drawn("?")) GTEST_SKIP() << "no Chinese font is installed (fonts-wqy-microhei)";
  const std::string_view texts =
      "个采样：噪声去噪第步，共对准放大拍摄悬停没有需要查看的变化之前之后变化图区域目标点动作概率占全图场景与之前相同新"
      "建道路房屋";
  int seen = 0;
  for (std::size_t i = 0; i < texts.size(); i += 3, ++seen)
    EXPECT_NE(drawn(texts.substr(i, 3)), drawn("?")) << texts.substr(i, 3);
  EXPECT_GT(seen, 50);
}

TEST(Animation, TakesWhatIsNoNumberAndRefusesAnEmptyTrace) {
  Trace trace = planted_trace();
  trace.steps[0][0] = NAN;
  EXPECT_EQ(denoising_frames(kGrey, planted_answer(), trace).size(), 4u);
  EXPECT_THROW(denoising_frames(kGrey, planted_answer(), Trace{}), BugError);
}

}  // namespace
}  // namespace cp
