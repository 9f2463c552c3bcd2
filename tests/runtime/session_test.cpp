#include "runtime/session.h"

#include <thread>

#include "random_nano.h"

namespace cp {
namespace {

const Session& session() {
  static const Session s = Session::open(test::make_random_nano("session"));
  return s;
}

TEST(Session, RefusesImagesOfDifferentSizesByName) {
  EXPECT_TRUE(test::throws_user_error([] { session().answer(Image(64, 48, 3), Image(64, 64, 3)); }, ErrorKind::data,
                                      {"before 64 x 48", "after 64 x 64"}));
}

TEST(Session, IdenticalPixelsAreUnchangedByRule) {
  const auto [before, after] = test::random_pair(0);
  ASSERT_TRUE(session().answer(before, after).changed)
      << "the threshold of the random model lets every other pair through";
  const Answer answer = session().answer(before, before);
  EXPECT_TRUE(answer.identical);
  EXPECT_FALSE(answer.changed);
  EXPECT_EQ(answer.action.a, 0);
  EXPECT_EQ(answer.action.p_zoom, 0);
  EXPECT_TRUE(answer.changes.empty());
  EXPECT_EQ(answer.caption, "the scene is the same");
  EXPECT_EQ(answer.captions.size(), 1u);
}

TEST(Session, ChineseGetsTheFixedSentenceAndOtherwiseEnglish) {
  const auto [before, after] = test::random_pair(0);
  AnswerOptions options;
  options.instruction = "描述变化";
  EXPECT_EQ(session().answer(before, before, options).caption, "场景与之前相同");
  EXPECT_EQ(session().answer(before, before, options).language, "zh");
  EXPECT_EQ(session().answer(before, after, options).language, "en");
}

TEST(Session, AnswersAnySizeAndTheSameTwice) {
  Image before(301, 77, 3, 40), after(301, 77, 3, 40);
  after.at(100, 30)[0] = 255;
  const Answer first = session().answer(before, after), second = session().answer(before, after);
  EXPECT_EQ(first.caption, second.caption);
  EXPECT_EQ(first.samples, second.samples);
  EXPECT_EQ(first.map.size(), 64u * 64);
  EXPECT_GE(first.action.x, 0);
  EXPECT_LE(first.action.x, 1);
}

TEST(Session, SeedSamplesAndBeamsCount) {
  const auto [before, after] = test::random_pair(1);
  AnswerOptions options;
  options.num_samples = 7;
  options.beams = 2;
  options.max_new_tokens = 3;
  options.seed = 9;
  Trace trace;
  const Answer answer = session().answer(before, after, options, &trace);
  EXPECT_EQ(answer.samples.size(), 21u);
  EXPECT_EQ(answer.captions.size(), 2u);
  EXPECT_EQ(trace.noise, start_noise(9, 7));
}

TEST(Session, ATraceHoldsTheSamplesAfterEachDenoisingStep) {
  const auto [before, after] = test::random_pair(0);
  Trace trace;
  const Answer answer = session().answer(before, after, {}, &trace);
  EXPECT_EQ(trace.steps.size(), static_cast<std::size_t>(session().manifest().head.steps));
  ASSERT_FALSE(trace.steps.empty());
  EXPECT_EQ(trace.steps.back(), answer.samples);
  EXPECT_NE(trace.steps.front(), answer.samples);
  EXPECT_EQ(session().answer(before, after).samples, answer.samples) << "watching changes nothing";
}

TEST(Session, TimesEveryStage) {
  const auto [before, after] = test::random_pair(1);
  const Answer answer = session().answer(before, after);
  double sum = 0;
  for (const char* stage : {"preprocess", "vision", "fusion", "language", "head"}) sum += answer.times_ms.at(stage);
  EXPECT_NEAR(answer.times_ms.at("total"), sum, 1.0);
  EXPECT_GT(answer.times_ms.at("load"), 0);
}

TEST(Session, ThreadsGetTheirOwnAnswers) {
  const auto [before, after] = test::random_pair(0);
  const Answer want = session().answer(before, after);
  Answer got;
  std::thread other([&, b = before, a = after] { got = session().answer(b, a); });
  session().answer(after, before);
  other.join();
  EXPECT_EQ(got.map, want.map);
  EXPECT_EQ(got.caption, want.caption);
}

TEST(Session, RefusesOptionsOutOfRangeAndEndlessInstructions) {
  const auto [before, after] = test::random_pair(0);
  const auto with = [&, b = before, a = after](const std::function<void(AnswerOptions&)>& set) {
    return [&, b, a, set] {
      AnswerOptions options;
      set(options);
      session().answer(b, a, options);
    };
  };
  EXPECT_TRUE(
      test::throws_user_error(with([](AnswerOptions& o) { o.num_samples = -1; }), ErrorKind::usage, {"num-samples"}));
  EXPECT_TRUE(test::throws_user_error(with([](AnswerOptions& o) { o.beams = 1000; }), ErrorKind::usage, {"beams"}));
  EXPECT_TRUE(test::throws_user_error(with([](AnswerOptions& o) { o.instruction = std::string(2000, 'x'); }),
                                      ErrorKind::usage, {"instruction", "tokens"}));
}

TEST(Session, NoticesADamagedFile) {
  const std::filesystem::path folder = test::make_random_nano("damaged");
  std::string bytes = read_file(folder / "head.safetensors", 1 << 24, ErrorKind::model);
  bytes[bytes.size() - 5] ^= 1;
  write_file_durable(folder / "head.safetensors", bytes);
  EXPECT_TRUE(test::throws_user_error([&] { Session::open(folder); }, ErrorKind::model, {"head.safetensors"}));
  EXPECT_NO_THROW(Session::open(folder, {.verify_hashes = false}));
}

TEST(Session, RefusesKindsItDoesNotRun) {
  ModelManifest manifest = test::random_manifest();
  manifest.fusion.width = 32;
  const std::filesystem::path folder = test::make_random_nano("narrow", manifest);
  EXPECT_TRUE(test::throws_user_error([&] { Session::open(folder); }, ErrorKind::model, {"fusion.width", "64"}));
}

TEST(Session, WeightsThatAreNotFiniteAreAnErrorAndNoAnswer) {
  const auto [before, after] = test::random_pair(0);
  const auto poisoned = [](const std::string& name, const std::string& tensor) {
    return Session::open(test::make_random_nano(name, test::random_manifest(), [&](TensorToWrite& t) {
      if (t.name == tensor) t.values[0] = std::nanf("");
    }));
  };
  const Session flag = poisoned("nan_flag", "change_flag.2.bias"), words = poisoned("nan_words", "model.norm.weight");
  EXPECT_TRUE(
      test::throws_user_error([&, b = before, a = after] { flag.answer(b, a); }, ErrorKind::numeric, {"change flag"}));
  EXPECT_TRUE(
      test::throws_user_error([&, b = before, a = after] { words.answer(b, a); }, ErrorKind::numeric, {"logits"}));
}

}  // namespace
}  // namespace cp
