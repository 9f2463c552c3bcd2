#include "core/error.h"

#include <gmock/gmock.h>

#include "core/progress.h"
#include "support/test_support.h"

namespace cp {
namespace {

using ::testing::HasSubstr;

TEST(Errors, SayWhereWhatAndWhatToDo) {
  EXPECT_STREQ(UserError(ErrorKind::data, "a.png", "is empty.", "Take another.").what(),
               "a.png: is empty. Take another.");
  EXPECT_STREQ(UserError(ErrorKind::data, "a.png", "is empty", "Take another.").what(),
               "a.png: is empty. Take another.");
  EXPECT_STREQ(UserError(ErrorKind::data, "a.png", "is empty", "").what(), "a.png: is empty.");
  const UserError error(ErrorKind::write, "w", "x", "h");
  EXPECT_EQ(error.exit_code(), 5);
  EXPECT_EQ(error.where(), "w");
  EXPECT_EQ(error.hint(), "h");
}

TEST(Errors, ChecksStayOnAndComputeTheirDetailOnlyOnFailure) {
  int computed = 0;
  const auto detail = [&] { return ++computed, std::string("n is 3"); };
  EXPECT_NO_THROW(CP_CHECK(1 + 1 == 2, detail()));
  EXPECT_EQ(computed, 0);
  try {
    CP_CHECK(1 + 1 == 3, detail());
    FAIL() << "no exception";
  } catch (const BugError& error) {
    for (const char* part : {"error_test.cpp:", "1 + 1 == 3", "n is 3", "bug in ChangePilot"})
      EXPECT_THAT(error.what(), HasSubstr(part));
  }
}

TEST(Progress, SaysShareRateAndNote) {
  Progress::set_quiet(true);
  Progress progress("train", 40, "pairs");
  progress.advance(10, "loss 0.5");
  EXPECT_THAT(progress.line(), HasSubstr("train 10/40 pairs (25 %)"));
  EXPECT_THAT(progress.line(), HasSubstr("ETA"));
  EXPECT_THAT(progress.line(), HasSubstr("loss 0.5"));
  progress.advance(30);
  progress.finish("done");
  EXPECT_THAT(progress.line(), HasSubstr("40/40 pairs (100 %)"));
  EXPECT_THAT(progress.line(), ::testing::Not(HasSubstr("ETA")));
  Progress endless("read", 0, "files");
  endless.advance(3);
  EXPECT_THAT(endless.line(), HasSubstr("read 3 files"));
  Progress::set_quiet(false);
}

}  // namespace
}  // namespace cp
