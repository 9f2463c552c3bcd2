// `changepilot validate` as a user types it, on a synthetic split and a small random model.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "cli/program.h"
#include "core/json.h"
#include "data/csv.h"
#include "image/read.h"
#include "runtime/random_nano.h"

namespace cp {
namespace {

namespace fs = std::filesystem;
using test::Said;
using test::type;
using ::testing::HasSubstr;

constexpr int kPairs = 10;

struct Validate : ::testing::Test {
  static void SetUpTestSuite() {
    folder = test::fresh_folder("validate");
    ::setenv("CHANGEPILOT_MODEL", test::make_random_nano("validate_model").c_str(), 1);
    const Said said = type(fmt::format("synth --pairs {} --size 128 --val-share 0.5 --out {}", 2 * kPairs, at("data")));
    ASSERT_EQ(said.code, 0) << said.err;
  }
  static void TearDownTestSuite() { ::unsetenv("CHANGEPILOT_MODEL"); }

  static std::string at(const std::string& name) { return (folder / name).string(); }
  static std::string command(const std::string& more) {
    return "validate --data " + at("data") + " --resamples 50 --num-samples 8 " + more;
  }
  static Json metrics(const std::string& out) { return read_json(folder / out / "metrics.json", ErrorKind::data); }
  static std::vector<Json> lines(const std::string& out) {
    std::istringstream text(read_file(folder / out / "predictions.jsonl", 1 << 24, ErrorKind::data));
    std::vector<Json> result;
    for (std::string line; std::getline(text, line);) result.push_back(parse_json(line, "line", ErrorKind::data));
    return result;
  }
  // Without what a clock measured.
  static Json timeless(Json json) {
    for (const char* key : {"wall_s", "pairs_per_s", "peak_memory_mib", "load_ms", "times_ms", "threads"})
      json["run"].erase(key);
    return json;
  }
  static inline fs::path folder;
};

TEST_F(Validate, WritesEveryFileOfTheContract) {
  const Said said = type(command("--out " + at("all") + " --visualize"));
  ASSERT_EQ(said.code, 0) << said.err;
  EXPECT_THAT(said.out, HasSubstr("10 pairs"));
  EXPECT_THAT(said.out, HasSubstr("written: " + at("all")));
  EXPECT_FALSE(fs::exists(at("all") + ".partial"));

  const Json json = metrics("all");
  EXPECT_EQ(json.at("format"), "changepilot-validation");
  EXPECT_EQ(json.at("version"), 1);
  const Json& run = json.at("run");
  EXPECT_EQ(run.at("pairs"), kPairs);
  EXPECT_EQ(run.at("data"), "data");
  EXPECT_EQ(run.at("split"), "val");
  EXPECT_EQ(run.at("num_samples"), 8);
  EXPECT_EQ(run.at("resamples"), 50);
  EXPECT_EQ(run.at("model_id").get<std::string>().size(), 64u);
  for (const char* key : {"wall_s", "pairs_per_s", "peak_memory_mib", "load_ms"}) EXPECT_GT(run.at(key), 0) << key;
  for (const char* stage : {"vision", "fusion", "language", "head", "total"})
    EXPECT_LE(run.at("times_ms").at(stage).at("median"), run.at("times_ms").at(stage).at("p90")) << stage;
  for (const char* key :
       {"contradictory", "caption", "flag", "action", "region", "abstained", "risk_coverage", "map", "blind", "delta"})
    EXPECT_TRUE(json.contains(key)) << key;
  for (const char* protocol : {"text", "ids"})
    for (const char* half : {"all", "changed", "unchanged"})
      EXPECT_TRUE(json.at("caption").at(protocol).at(half).contains("bleu4")) << protocol << half;
  const Json& region = json.at("region");
  ASSERT_EQ(region.at("levels").size(), 4u);
  EXPECT_EQ(region.at("levels")[2].at("coverage"), json.at("action").at("coverage90"));
  EXPECT_EQ(region.at("levels")[2].at("area"), json.at("action").at("area90"));
  double coverage = 0, area = 0;
  for (const Json& level : region.at("levels")) {  // each region holds the one before it
    EXPECT_GE(level.at("coverage").at("value"), coverage);
    EXPECT_GT(level.at("area").at("value"), area);
    coverage = level.at("coverage").at("value"), area = level.at("area").at("value");
  }
  EXPECT_EQ(region.at("target"), "largest");
  EXPECT_EQ(region.at("calibrated"), true);
  EXPECT_EQ(json.at("abstained").at("count"), 0);
  EXPECT_EQ(json.at("abstained").at("kept").at("sr_mask"), json.at("action").at("sr_mask"));
  EXPECT_TRUE(json.at("action").at("top3_largest").contains("low"));

  const auto predictions = lines("all");
  ASSERT_EQ(predictions.size(), static_cast<std::size_t>(kPairs));
  std::set<std::string> overlays;
  for (const Json& line : predictions) {
    overlays.insert(line.at("overlay"));
    EXPECT_GT(read_rgb(folder / "all" / line.at("overlay").get<std::string>()).width, 3 * 400);
    for (const char* image : {"before", "after", "label"})
      EXPECT_TRUE(fs::exists(folder / "data" / line.at(image).get<std::string>())) << image;
    EXPECT_EQ(line.at("samples").size(), 8u);
  }
  EXPECT_EQ(overlays.size(), static_cast<std::size_t>(kPairs));
  const auto rows = parse_csv(read_file(folder / "all/predictions.csv", 1 << 20, ErrorKind::data), "csv");
  ASSERT_EQ(rows.size(), kPairs + 1u);
  for (int i = 0; i < kPairs; ++i)
    EXPECT_EQ(rows[static_cast<std::size_t>(i) + 1].cells[0], predictions[static_cast<std::size_t>(i)].at("name"));
}

TEST_F(Validate, ScoresAreThoseOfItsLines) {
  ASSERT_EQ(type(command("--out " + at("sums"))).code, 0);
  const Json json = metrics("sums");
  double right = 0, squares = 0, hits = 0, judged = 0, error = 0;
  for (const Json& line : lines("sums")) {
    right += line.at("a") == line.at("changeflag");
    squares += std::pow(line.at("p_zoom").get<double>() - line.at("changeflag").get<int>(), 2);
    if (line.at("target").is_null()) continue;
    ++judged;
    hits += line.at("hits").at("mask").get<bool>();
    error += std::abs(line.at("x").get<double>() - line.at("target").at("x").get<double>()) / 2 +
             std::abs(line.at("y").get<double>() - line.at("target").at("y").get<double>()) / 2;
  }
  ASSERT_GT(judged, 0);
  EXPECT_NEAR(json.at("flag").at("accuracy").at("value").get<double>(), right / kPairs, 1e-12);
  EXPECT_NEAR(json.at("flag").at("brier").at("value").get<double>(), squares / kPairs, 1e-5);  // six decimals
  EXPECT_EQ(json.at("action").at("n"), judged);
  EXPECT_NEAR(json.at("action").at("sr_mask").at("value").get<double>(), hits / judged, 1e-12);
  EXPECT_NEAR(json.at("action").at("mae").at("value").get<double>(), error / judged, 1e-5);
}

TEST_F(Validate, PrintsWhatItWritesAndThreadsChangeNothing) {
  const Said one = type(command("--json --num-workers 1 --out " + at("one")));
  ASSERT_EQ(one.code, 0) << one.err;
  EXPECT_EQ(parse_json(one.out, "out", ErrorKind::data), metrics("one"));
  const Said many = type(command("--json --num_workers 3 --batch_size 2"));
  ASSERT_EQ(many.code, 0) << many.err;
  const Json json = parse_json(many.out, "out", ErrorKind::data);
  EXPECT_EQ(json.at("run").at("threads"), 2) << "no more pairs in flight than the batch size";
  EXPECT_EQ(timeless(json), timeless(metrics("one")));
}

TEST_F(Validate, SavesSamplesByRule) {
  ASSERT_EQ(type(command("--save-samples 3 --out " + at("some"))).code, 0);
  int drawn = 0;
  for (const Json& line : lines("some")) drawn += line.contains("overlay");
  EXPECT_EQ(drawn, 3);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder / "some/overlays"), {}), 3);
  // The same picture as --visualize draws while it answers.
  ASSERT_EQ(type(command("--visualize --out " + at("every"))).code, 0);
  for (const auto& entry : fs::directory_iterator(folder / "some/overlays"))
    EXPECT_EQ(read_rgb(entry.path()), read_rgb(folder / "every/overlays" / entry.path().filename()));
}

TEST_F(Validate, NoIntervalsWithoutResamples) {
  const Said said = type("validate --json --resamples 0 --num-samples 4 --data " + at("data"));
  ASSERT_EQ(said.code, 0) << said.err;
  EXPECT_EQ(parse_json(said.out, "out", ErrorKind::data).at("flag").at("accuracy").size(), 1u);
}

TEST_F(Validate, MistakesAreToldBeforeAnyWork) {
  fs::create_directories(at("taken"));
  const std::string data = "validate --data " + at("data") + " ";
  test::expect_mistakes({
      {"validate", 2, {"--data is missing"}},
      {data + "--visualize", 2, {"--visualize", "--out"}},
      {data + "--save-samples 3", 2, {"--save-samples", "--out"}},
      {data + "--resamples -1", 2, {"--resamples", "-1"}},
      {data + "--batch-size -2", 2, {"--batch-size", "-2"}},
      {data + "--target middle", 2, {"middle"}},
      {data + "--split test", 3, {"no pairs in split \"test\""}},
      {data + "--out " + at("taken"), 5, {"taken", "exists already"}},
      {data + "--out /proc/none/x", 5, {"/proc/none"}},
  });
  EXPECT_FALSE(fs::exists(at("taken") + ".partial"));
}

// The numbers that are known of models/nano on the real mini split.
TEST(ValidateNano, ScoresTheRealMiniSplit) {
  CP_SKIP_WITHOUT_DATA(data, "levir-mini");
  const fs::path nano = test::source_dir() / "models/nano";
  const Said said = type("validate --json --resamples 200 --model " + nano.string() + " --data " + data.string());
  ASSERT_EQ(said.code, 0) << said.err;
  const Json json = parse_json(said.out, "out", ErrorKind::data);
  EXPECT_EQ(json.at("run").at("pairs"), 93);
  EXPECT_EQ(json.at("contradictory").at("n"), 3);
  EXPECT_EQ(json.at("action").at("n"), 50);
  const Json& hit = json.at("delta").at("blind").at("action.sr_mask");
  EXPECT_GT(hit.at("low"), 0.3) << "the point must beat the centre of the image";
}

}  // namespace
}  // namespace cp
