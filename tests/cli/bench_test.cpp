// `changepilot bench`, run as a user types it; the quantiles that it prints.
#include "cli/bench_timing.h"

#include <algorithm>
#include <thread>

#include "cli/program.h"
#include "core/json.h"
#include "runtime/random_nano.h"

namespace cp {
namespace {

using test::Said;
using test::type;
using ::testing::HasSubstr;

struct Bench : ::testing::Test {
  static void SetUpTestSuite() {
    model = test::make_random_nano("bench_model");
    ::setenv("CHANGEPILOT_MODEL", model.c_str(), 1);
  }
  static void TearDownTestSuite() { ::unsetenv("CHANGEPILOT_MODEL"); }
  static inline std::filesystem::path model;
};

TEST_F(Bench, JsonHasThePromisedKeys) {
  const Said said = type("bench --threads 1 --json");
  ASSERT_EQ(said.code, 0) << said.err;
  const Json json = Json::parse(said.out);
  EXPECT_EQ(json["machine"]["threads"], 1);
  for (const char* key : {"processor", "processors", "flags", "simd", "int8", "bf16", "compiler", "version"})
    EXPECT_TRUE(json["machine"].contains(key)) << key;
  EXPECT_GT(json["ceilings"]["read_gb_s"], 0);
  EXPECT_GT(json["ceilings"]["fp32_gflop_s"], 0);
  std::vector<std::string> visited;
  for (const Json& r : json["results"]) {
    visited.push_back(r["what"]);
    EXPECT_LE(r["ms"]["min"], r["ms"]["median"]);
    EXPECT_LE(r["ms"]["median"], r["ms"]["p90"]);
    EXPECT_GE(r["repetitions"], 5);
    EXPECT_EQ(r["raw_ms"].size(), r["repetitions"]);
    EXPECT_GT(r["per_second"]["value"], 0);
    EXPECT_GT(r["peak_rss_mib"], 1);
    EXPECT_GT(r["cpu_share"], 0);
  }
  EXPECT_EQ(visited, (std::vector<std::string>{"prefill", "decode", "vision", "head", "metrics"}));
  EXPECT_EQ(json["results"][0]["limit"]["of"], "fp32");
  EXPECT_EQ(json["results"][1]["limit"]["of"], "read");
}

TEST_F(Bench, TableForPeople) {
  const Said said = type("bench --what head,metrics --threads 2 --repeat 6");
  EXPECT_EQ(said.code, 0) << said.err;
  for (const char* part : {"threads 2", "limits   read ", "head ", "metrics ", "draws/s", "captions/s", "peak "})
    EXPECT_THAT(said.out, HasSubstr(part));
  EXPECT_THAT(said.out, ::testing::Not(HasSubstr("decode")));
}

TEST_F(Bench, SaysWhatIsWrong) {
  test::expect_mistakes({{"bench --what vison", 2, {"what", "prefill, decode", "vison", "Did you mean \"vision\"?"}},
                         {"bench --what train", 2, {"--what", "changepilot-learn"}},
                         {"bench --repeat 3", 2, {"--repeat", "5 to 10000", "3"}},
                         {"bench --threads -1", 2, {"--threads", "-1"}},
                         {"bench --what vision --vision-precision half", 2, {"vision-precision", "float32", "half"}},
                         {"bench --model /nowhere", 4, {"/nowhere"}}});
}

TEST(BenchTiming, QuantilesAreNumPysAndSleepersAreRejected) {
  Timing t;
  t.ms = {4, 1, 3, 2};
  EXPECT_EQ(t.median(), 2.5);
  EXPECT_EQ(t.least(), 1);
  EXPECT_EQ(t.iqr(), 1.5);
  EXPECT_DOUBLE_EQ(t.p90(), 3.7);
  int calls = 0;
  const Timing slept = time_calls(5, [&] {
    ++calls;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  });
  EXPECT_EQ(slept.rejected, 15);
  EXPECT_TRUE(slept.contended);
  EXPECT_EQ(slept.ms.size(), 15u);
  EXPECT_EQ(calls, 16);
  EXPECT_LT(slept.cpu_share(), 0.9);
}

}  // namespace
}  // namespace cp
