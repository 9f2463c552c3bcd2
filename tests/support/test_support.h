#pragma once
// In:  values of a test and what they should be.
// Out: GoogleTest failures that say what, where and how much; paths of golden files and of the research data.
// Not here: the tests.

#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include <gtest/gtest.h>

#include "core/error.h"

namespace cp::test {

// A tolerance and the reason for it: |got - want| <= absolute + relative * max|want|.
struct Tol {
  double absolute = 0, relative = 0;
  std::string reason;
  static Tol abs(double a, std::string why) { return {a, 0, std::move(why)}; }
  static Tol rel(double r, std::string why) { return {0, r, std::move(why)}; }
  static Tol exact() { return {0, 0, "equal to the bit"}; }
};

// Compares sizes, then every value. Use as EXPECT_TRUE(close("logits", got, want, Tol::rel(1e-4, "float32 sums"))).
::testing::AssertionResult close(const std::string& name, std::span<const float> got, std::span<const float> want,
                                 const Tol& tol);
::testing::AssertionResult close(const std::string& name, std::span<const double> got, std::span<const double> want,
                                 const Tol& tol);

// Runs `call`, wants a UserError of `kind` whose message contains every one of `parts`.
::testing::AssertionResult throws_user_error(const std::function<void()>& call, ErrorKind kind,
                                             std::initializer_list<const char*> parts);

std::filesystem::path golden(const std::string& relative);  // tests/golden/...
std::filesystem::path source_dir();
// Folder of the research data ("levir-mini", ...); empty path when it is not on this machine.
std::filesystem::path research_data(const std::string& name);
// A fresh empty folder, removed at the end of the program.
std::filesystem::path fresh_folder(const std::string& name);

}  // namespace cp::test

#define CP_SKIP_WITHOUT_DATA(variable, name)                              \
  const std::filesystem::path variable = ::cp::test::research_data(name); \
  if (variable.empty()) GTEST_SKIP() << "research data \"" << (name) << "\" is not here (set CP_DATA_DIR)"
