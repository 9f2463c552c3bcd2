// When an answer hovers whatever it found.
#include "runtime/abstain.h"

#include <cmath>

#include "random_nano.h"
#include "runtime/session.h"

namespace cp {
namespace {

TEST(IsBlank, OfOneColourOrFaintNoiseOfAnySize) {
  for (const auto& [w, h] : {std::pair(1, 1), {1, 300}, {257, 3}, {512, 512}})
    for (const int grey : {0, 128, 255}) EXPECT_TRUE(is_blank(Image(w, h, 3, static_cast<std::uint8_t>(grey))));
  Image faint(256, 256, 3, 90);
  Rng rng(1, Stream::test);
  for (std::uint8_t& p : faint.pixels) p = static_cast<std::uint8_t>(90 + rng.below(2));
  EXPECT_TRUE(is_blank(faint));
}

TEST(IsBlank, NoPictureOfGround) {
  const auto [before, after] = test::random_pair(0);
  EXPECT_FALSE(is_blank(before));
  EXPECT_FALSE(is_blank(after));
  Image half(256, 256, 3, 20);
  for (int y = 0; y < 256; ++y)
    for (int x = 0; x < 128; ++x) half.at(x, y)[1] = 40;
  EXPECT_FALSE(is_blank(half));
}

Session with(const std::string& name, const std::function<void(ModelManifest&)>& set, const test::Meddle& meddle = {}) {
  ModelManifest manifest = test::random_manifest();
  set(manifest);
  return Session::open(test::make_random_nano(name, manifest, meddle));
}

TEST(Abstain, FromARegionThatIsLargerThanTheModelAllows) {
  const auto [before, after] = test::random_pair(0);
  const Session never = with("abstain_never", [](ModelManifest&) {});
  const Answer bold = never.answer(before, after);
  ASSERT_EQ(bold.action.a, 1);
  EXPECT_EQ(bold.abstained, "");
  const double share = bold.region.share;
  const Answer shy =
      with("abstain_area", [&](ModelManifest& m) { m.abstain.area = share - 1e-4; }).answer(before, after);
  EXPECT_EQ(shy.abstained, kRegionArea);
  EXPECT_EQ(shy.action.a, 0);
  EXPECT_TRUE(shy.changed) << "the caption stays";
  EXPECT_EQ(shy.caption, bold.caption);
  EXPECT_EQ(shy.action.p_zoom, bold.action.p_zoom);
  EXPECT_FALSE(shy.changes.empty());
  EXPECT_EQ(with("abstain_at", [&](ModelManifest& m) { m.abstain.area = share; }).answer(before, after).abstained, "");
  // An unchanged pair hovers anyway.
  const Session timid = with("abstain_all", [](ModelManifest& m) { m.abstain.area = 0; });
  EXPECT_EQ(timid.answer(before, before).abstained, "");
  EXPECT_EQ(timid.answer(before, after).abstained, kRegionArea);
}

TEST(Abstain, FromABlankPicture) {
  const auto [before, after] = test::random_pair(0);
  const Session session = with("abstain_blank", [](ModelManifest&) {});
  const Image black(256, 256, 3);
  for (const Answer& answer :
       {session.answer(before, black), session.answer(black, after), session.answer(black, black)}) {
    EXPECT_EQ(answer.abstained, kBlankImage);
    EXPECT_EQ(answer.action.a, 0);
  }
}

// Weights that are finite and so large that the samples are not.
TEST(Abstain, FromSamplesThatAreNoNumbers) {
  const auto [before, after] = test::random_pair(0);
  const Session session = with(
      "abstain_nan", [](ModelManifest&) {},
      [](TensorToWrite& t) {
        if (!t.name.starts_with("condition.") && !t.name.starts_with("denoiser.")) return;
        t.dtype = DType::f32;
        for (float& v : t.values) v *= 1e15f;
      });
  const Answer answer = session.answer(before, after);
  ASSERT_FALSE(std::isfinite(answer.samples[0]));
  EXPECT_EQ(answer.abstained, kNotFinite);
  EXPECT_EQ(answer.action.a, 0);
  EXPECT_EQ((Point{answer.action.x, answer.action.y}), (Point{0.5, 0.5}));
  EXPECT_EQ(answer.region.share, 1) << "it may be anywhere";
  for (const Answer::RegionLevel& level : answer.levels) EXPECT_EQ(level.cells, 64 * 64);
  EXPECT_TRUE(answer.modes.empty());
  EXPECT_FALSE(answer.caption.empty());
}

TEST(Abstain, ButWeightsThatAreNoNumbersAreRefused) {
  EXPECT_TRUE(test::throws_user_error(
      [] {
        with(
            "nan_head", [](ModelManifest&) {},
            [](TensorToWrite& t) {
              if (t.name == "condition.out.bias") t.values[0] = std::nanf("");
            });
      },
      ErrorKind::model, {"head.safetensors", "condition.out.bias"}));
}

TEST(Region, HasAllLevelsOfTheModelAndSaysWhetherTheyHold) {
  const auto [before, after] = test::random_pair(0);
  const auto calibrated = [&, b = before, a = after](const std::string& name, int samples,
                                                     const std::function<void(ModelManifest::Region&)>& set) {
    AnswerOptions options;
    options.num_samples = samples;
    return with(name, [&](ModelManifest& m) { set(m.region); }).answer(b, a, options).region_calibrated;
  };
  const auto sampler = [](int steps, int samples) {
    return ModelManifest::Region::Sampler{"dpmpp_2m", steps, "quadratic", samples};
  };
  EXPECT_TRUE(calibrated("r_plain", 0, [](auto&) {}));
  EXPECT_TRUE(calibrated("r_any", 9, [](auto&) {})) << "the thresholds are of the map alone";
  EXPECT_FALSE(calibrated("r_none", 0, [](auto& r) { r.n = 0; }));
  EXPECT_TRUE(calibrated("r_same", 0, [&](auto& r) { r.sampler = sampler(10, 64); }));
  EXPECT_TRUE(calibrated("r_asked", 64, [&](auto& r) { r.sampler = sampler(10, 64); }));
  EXPECT_FALSE(calibrated("r_fewer", 63, [&](auto& r) { r.sampler = sampler(10, 64); }));
  EXPECT_FALSE(calibrated("r_steps", 0, [&](auto& r) { r.sampler = sampler(50, 64); }));

  const Answer map = with("r_levels", [](ModelManifest&) {}).answer(before, after);
  ASSERT_EQ(map.levels.size(), 4u);
  EXPECT_EQ(map.levels[2].cells, static_cast<int>(map.region.cells.size()));
  EXPECT_EQ(map.region.level, 0.9);
  for (std::size_t i = 1; i < map.levels.size(); ++i) EXPECT_GT(map.levels[i].cells, map.levels[i - 1].cells);
  const Answer mixed = with("r_share", [](ModelManifest& m) { m.region.map_share = 0.3; }).answer(before, after);
  EXPECT_EQ(mixed.weights, place_weights(mixed.samples, mixed.map, 0.3));
  EXPECT_NE(mixed.region.cells, map.region.cells);
}

TEST(Abstain, HasWordsForEveryReason) {
  for (const char* reason : {kBlankImage, kNotFinite, kRegionArea})
    EXPECT_NE(abstained_text(reason), abstained_text(reason, true));
  EXPECT_THROW(abstained_text("no reason"), BugError);
}

}  // namespace
}  // namespace cp
