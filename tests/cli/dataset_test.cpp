#include "cli/dataset.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "core/file.h"
#include "core/json.h"
#include "core/progress.h"
#include "image/write.h"
#include "support/test_support.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

struct Outcome {
  int code;
  std::string out;
};

Outcome run(const std::vector<std::string>& args) {
  Progress::set_quiet(true);
  ::testing::internal::CaptureStdout();
  const int code = run_dataset(args);
  return {code, ::testing::internal::GetCapturedStdout()};
}

// Folders A and B with three pairs, and captions.csv.
fs::path own_images(const std::string& name) {
  const fs::path root = test::fresh_folder(name);
  for (int i = 0; i < 3; ++i)
    for (const char* folder : {"A", "B"}) {
      Image image(8, 8, 3, static_cast<std::uint8_t>(20 * i + *folder));
      write_png(root / folder / (std::to_string(i) + ".png"), image);
    }
  write_file_durable(root / "captions.csv", "0,a house is built\n1,a road appears\n2,there is no difference\n");
  return root;
}

TEST(DatasetCommand, ConvertsChecksAndBuildsOneAfterAnother) {
  const fs::path root = own_images("cli-dataset");
  const std::string data = (root / "data").string(), records = (root / "records.jsonl").string();
  const Outcome made = run({"convert", "--before", (root / "A").string(), "--after", (root / "B").string(),
                            "--captions", (root / "captions.csv").string(), "--out", data});
  EXPECT_EQ(made.code, 0);
  EXPECT_NE(made.out.find("6 PNG files copied byte for byte"), std::string::npos) << made.out;

  const Outcome checked = run({"check", data, "--json"});
  EXPECT_EQ(checked.code, 0);
  EXPECT_EQ(Json::parse(checked.out).at("files_read"), 6);

  const Outcome built = run({"build", data, "--out", records, "--target", "union", "--json"});
  EXPECT_EQ(built.code, 0);
  EXPECT_EQ(Json::parse(built.out).at("records").at("train"), 1);
  const std::string lines = read_file(records, 1 << 20, ErrorKind::data);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 3);

  fs::remove(fs::path(data) / "images/train/A/0.png");
  fs::remove(fs::path(data) / "images/train/A/1.png");
  fs::remove(fs::path(data) / "images/train/A/2.png");
  const Outcome broken = run({"check", data});
  EXPECT_EQ(broken.code, 3);
  EXPECT_NE(broken.out.find("is missing."), std::string::npos) << broken.out;
}

TEST(DatasetCommand, HelpAndWrongWords) {
  EXPECT_NE(run({"--help"}).out.find("convert --before"), std::string::npos);
  EXPECT_NE(run({"check", "--help"}).out.find("Exit code 0"), std::string::npos);
  EXPECT_TRUE(test::throws_user_error([] { run_dataset({}); }, ErrorKind::usage, {"check, build or convert"}));
  EXPECT_TRUE(test::throws_user_error([] { run_dataset({"chek"}); }, ErrorKind::usage, {"Did you mean \"check\""}));
  EXPECT_TRUE(test::throws_user_error([] { run_dataset({"build", "x"}); }, ErrorKind::usage, {"out"}));
  EXPECT_TRUE(test::throws_user_error(
      [] {
        run_dataset({"build", ".", "--out", "r", "--target", "middle"});
      },
      ErrorKind::usage, {"middle", "largest"}));
}

}  // namespace
}  // namespace cp
