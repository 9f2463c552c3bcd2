// Reading what is whole, cut off, and hostile; choosing cases; comparing runs.
#include "report/results.h"

#include <cmath>

#include <fmt/format.h>

#include "core/file.h"
#include "report/cases.h"
#include "report/compare.h"
#include "report/report.h"
#include "support/test_support.h"

namespace cp {
namespace {

namespace fs = std::filesystem;
using test::throws_user_error;

TEST(FindScore, ReadsBothFormsAndNothingElse) {
  const Json json = {
      {"a", {{"b", {{"value", .5}, {"low", .4}, {"high", .6}}}, {"c", 2}, {"half", {{"value", 1}, {"low", 0}}}}},
      {"none", nullptr},
      {"text", "0.5"},
      {"nan", {{"value", NAN}}},
      {"list", {1, 2}}};
  const auto full = find_score(json, "a.b");
  ASSERT_TRUE(full && full->low && full->high);
  EXPECT_EQ(full->value, .5);
  EXPECT_EQ(*full->high, .6);
  EXPECT_EQ(find_score(json, "a.c")->value, 2);
  EXPECT_FALSE(find_score(json, "a.half")->low) << "half an interval is none";
  for (const char* path : {"none", "text", "nan", "list", "a", "a.x", "x", "", "a.b.value.deep", "."})
    EXPECT_FALSE(find_score(json, path)) << path;
}

TEST(ReadValidation, LeavesOutDamagedLinesAndKeepsTheRest) {
  const fs::path folder = test::fresh_folder("report_validation");
  write_file_durable(folder / "metrics.json", R"({"format":"changepilot-validation","version":1})");
  write_file_durable(
      folder / "predictions.jsonl",
      "{\"name\":\"a.png\",\"x\":0.5,\"y\":null}\n\n[1]\nnot json\n{\"name\":\"b.png\",\"hits\":null}\n{\"name\":\"c");
  const Validation read = read_validation(folder);
  EXPECT_EQ(read.name, "report_validation");
  ASSERT_EQ(read.pairs.size(), 2u);
  EXPECT_FALSE(read.pairs[0].point) << "y was not measured";
  EXPECT_FALSE(read.pairs[1].hits);
  EXPECT_EQ(read.damaged, 3);
  EXPECT_EQ(read_validation(folder.string() + "/").name, "report_validation");
}

TEST(ReadValidation, RefusesOtherFilesByName) {
  const fs::path folder = test::fresh_folder("report_wrong");
  for (const char* text :
       {"{}", "[]", "{\"format\":\"changepilot-validation\",\"version\":2}", "{", "{\"format\":1}"}) {
    write_file_durable(folder / "metrics.json", text);
    EXPECT_TRUE(throws_user_error([&] { read_validation(folder); }, ErrorKind::data, {"metrics.json"})) << text;
  }
}

TEST(ParsePair, HostileValuesReadAsAbsent) {
  const ReportedPair pair = parse_pair(
      Json::parse(R"({"name":7,"x":"a","y":[],"target":{"x":1},"samples":[[1],[1,2,3],["a",2],[0.5,0.5],null],
      "region":{"polygons":[[[0,0],[1,1]],[[0,0],[1,0],[1,1]],5]},"references":[1,"ok"],"scores":{"cider":"x","rouge_l":0.5},"hits":[1],"p_zoom":"0.5"})"));
  EXPECT_EQ(pair.name, "");
  EXPECT_FALSE(pair.point || pair.target || pair.hits || pair.p_zoom);
  const ReportedPair other = parse_pair(
      Json::parse(R"({"samples":[[1],["a",2],[0.5,0.25]],"region":{"polygons":[[[0,0],[1,1]],[[0,0],[1,0],[1,1]],5]},
      "references":[1,"ok"],"scores":{"cider":"x","rouge_l":0.5}})"));
  EXPECT_EQ(other.samples, (std::vector<Point>{{.5, .25}}));
  EXPECT_EQ(other.region.size(), 1u);
  EXPECT_EQ(other.references, std::vector<std::string>{"ok"});
  EXPECT_EQ(other.scores, (std::map<std::string, double>{{"rouge_l", .5}}));
}

ReportedPair pair_of(const std::string& name, int flag, int a, bool on_mask, double cider, double error) {
  ReportedPair pair;
  pair.name = name;
  pair.caption = "caption " + name;
  pair.changeflag = flag;
  pair.a = a;
  pair.p_zoom = a ? .9 : .1;
  if (flag) {
    pair.hits = ReportedPair::Hits{on_mask, false, false, false};
    pair.target = Point{.5, .5};
    pair.error_px = error;
    pair.scores["cider"] = cider;
  }
  return pair;
}

TEST(ChooseCases, FollowsTheStatedRule) {
  std::vector<ReportedPair> pairs{pair_of("good", 1, 1, true, 2, 5),   pair_of("best", 1, 1, true, 3, 9),
                                  pair_of("off", 1, 1, false, 4, 90),  pair_of("missed", 1, 0, true, .1, 1),
                                  pair_of("median", 1, 1, true, 1, 3), pair_of("alarm", 0, 1, false, 0, 0),
                                  pair_of("quiet", 0, 0, false, 0, 0), pair_of("liar", 0, 1, false, 0, 0)};
  pairs.back().contradictory = true;
  const auto names = [&](CaseKind kind, std::size_t count) {
    std::vector<std::string> out;
    for (const CaseStudy& study : choose_cases(pairs, count))
      if (study.kind == kind) out.push_back(study.pair.name);
    return out;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names(CaseKind::success, 2), (Names{"best", "good"}));
  EXPECT_EQ(names(CaseKind::failure, 2), (Names{"missed", "off"}));
  EXPECT_EQ(names(CaseKind::typical, 2), Names{"median"}) << "no pair stands twice";
  EXPECT_EQ(names(CaseKind::false_alarm, 2), Names{"alarm"}) << "without the contradictory one";
  EXPECT_TRUE(choose_cases(pairs, 0).empty());
  EXPECT_TRUE(choose_cases({}, 3).empty());
}

TEST(LoadImages, NeverLeavesTheDataFolder) {
  const fs::path folder = test::fresh_folder("report_images"), data = folder / "data";
  fs::create_directories(data);
  fs::copy_file(test::golden("image/kinds") / "jpeg_444.jpg", folder / "outside.png",
                fs::copy_options::overwrite_existing);
  fs::copy_file(folder / "outside.png", data / "inside.png");
  std::vector<CaseStudy> cases(4);
  const std::string names[] = {"inside.png", "../outside.png", (folder / "outside.png").string(),
                               "a/../../outside.png"};
  for (std::size_t i = 0; i < 4; ++i) cases[i].pair.before = cases[i].pair.after = names[i];
  load_images(data, cases);
  EXPECT_FALSE(cases[0].after.pixels.empty());
  for (std::size_t i = 1; i < 4; ++i) EXPECT_TRUE(cases[i].after.pixels.empty()) << names[i];
}

TEST(Compare, MatchesByNameAndFindsAPlantedGain) {
  Validation first, other;
  first.name = "first", other.name = "other";
  for (int i = 0; i < 40; ++i) {
    first.pairs.push_back(pair_of(fmt::format("{}", i), 1, 1, i % 2 == 0, 1 + .1 * (i % 5), 20));
    other.pairs.insert(other.pairs.begin(),
                       pair_of(fmt::format("{}", i), 1, 1, i % 2 == 0, 1.5 + .1 * (i % 5), 20 + (i % 3 - 1)));
    other.pairs.front().caption = "another";
  }
  first.pairs.push_back(pair_of("only here", 1, 1, true, 9, 1));
  const Comparison c = compare(first, other);
  EXPECT_EQ(c.common, 40);
  EXPECT_EQ(c.only_one, 1);
  int seen = 0;
  for (const PairedDifference& d : c.scores) {
    if (std::string(d.english).starts_with("CIDEr")) {
      EXPECT_NEAR(d.difference.value, .5, 1e-12);
      ASSERT_TRUE(d.difference.interval);
      EXPECT_NEAR(d.difference.interval->low, .5, 1e-9) << "what the pairs share cancels out";
      ++seen;
    } else if (std::string(d.english) == "point on changed ground") {
      EXPECT_EQ(d.difference.value, 0);
      EXPECT_EQ(d.n, 40);
      ++seen;
    } else if (std::string(d.english).starts_with("distance")) {
      ASSERT_TRUE(d.difference.interval);
      EXPECT_LT(d.difference.interval->low, 0);
      EXPECT_GT(d.difference.interval->high, 0) << "no difference on average";
      ++seen;
    }
  }
  EXPECT_EQ(seen, 3);
  EXPECT_EQ(c.gaps.size(), 3u) << "only gains";
  EXPECT_EQ(compare(first, Validation{}).common, 0);
}

TEST(Csv, QuotesAndDefusesNames) {
  Validation v;
  v.name = "=cmd|' /C'!A0,\"x\"";
  v.metrics = {
      {"flag", {{"accuracy", {{"value", .5}, {"low", .25}, {"high", .75}}}}}, {"text", "no"}, {"none", nullptr}};
  const TrainingLog log = parse_training("run", "{\"step\":10,\"stage\":\"map\",\"loss\":2.5,\"note\":\"x\"}\n", "");
  EXPECT_EQ(metrics_csv({&v, 1}, {&log, 1}),
            "run,source,step,score,value,low,high\r\n"
            "\"'=cmd|' /C'!A0,\"\"x\"\"\",validation,,flag.accuracy,0.5,0.25,0.75\r\n"
            "run,training,10,map.loss,2.5,,\r\n");
}

}  // namespace
}  // namespace cp
