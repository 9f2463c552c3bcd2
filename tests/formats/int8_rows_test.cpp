#include "formats/int8_rows.h"

#include <cmath>
#include <limits>

#include "core/rng.h"
#include "support/test_support.h"

namespace cp {
namespace {

TEST(Int8Rows, RoundsToTheNearestCodeAndTiesToEven) {
  const Int8Rows q = quantize_int8_rows(std::vector<float>{127, -127, 0.5f, 1.5f, 2.5f, -0.5f, -2.5f, 63.4f}, 1, 8);
  EXPECT_EQ(q.scales, std::vector<float>{1});
  EXPECT_EQ(q.codes, (std::vector<std::int8_t>{127, -127, 0, 2, 2, 0, -2, 63}));
  EXPECT_NE(q.codes, (std::vector<std::int8_t>{127, -127, 1, 2, 3, -1, -3, 63})) << "the twin: ties away from 0";
}

TEST(Int8Rows, EveryRowHasItsOwnScale) {
  const Int8Rows q = quantize_int8_rows(std::vector<float>{1, -2, 0.25f, 0.5f, 0, 0}, 3, 2);
  EXPECT_EQ(q.scales, (std::vector<float>{2 / 127.f, 0.5f / 127.f, 0}));
  EXPECT_EQ(q.codes, (std::vector<std::int8_t>{64, -127, 64, 127, 0, 0}));  // 63.5 is a tie
}

TEST(Int8Rows, ErrorStaysBelowHalfAStep) {
  Rng rng(6, Stream::test);
  std::vector<float> w(50 * 37);
  for (float& value : w) value = static_cast<float>(rng.normal());
  const Int8Rows q = quantize_int8_rows(w, 50, 37);
  for (std::size_t i = 0; i < w.size(); ++i)
    ASSERT_LE(std::fabs(static_cast<float>(q.codes[i]) * q.scales[i / 37] - w[i]), 0.5001f * q.scales[i / 37]) << i;
}

TEST(Int8Rows, SubnormalRowsStayInRange) {
  const float tiny = std::numeric_limits<float>::denorm_min();
  const Int8Rows q = quantize_int8_rows(std::vector<float>{180 * tiny, -180 * tiny, tiny, 0}, 2, 2);
  EXPECT_EQ(q.codes, (std::vector<std::int8_t>{127, -127, 0, 0}));
  EXPECT_EQ(q.scales, (std::vector<float>{tiny, 0}));
}

TEST(Int8Rows, ReadsWhatItWrote) {
  const Int8Rows q = quantize_int8_rows(std::vector<float>{1, -2, 0.25f, 0.5f, 3, 0}, 3, 2);
  std::vector<TensorToWrite> tensors;
  append_int8_rows(tensors, "embed", q);
  const SafeTensors file = SafeTensors::parse(encode_safetensors(tensors), "memory");
  EXPECT_TRUE(is_int8_rows(file, "embed"));
  EXPECT_FALSE(is_int8_rows(file, "other"));
  const Int8Rows back = read_int8_rows(file, "embed", 3, 2);
  EXPECT_EQ(back.codes, q.codes);
  EXPECT_EQ(back.scales, q.scales);
  TensorExpectation expectation;
  want_int8_rows(expectation, "embed", 3, 2);
  EXPECT_NO_THROW(expectation.check(file));
}

TEST(Int8Rows, WeightsThatAreNoNumbersAreRefused) {
  EXPECT_TRUE(test::throws_user_error(
      [] {
        quantize_int8_rows(std::vector<float>{1, 2, NAN, 4}, 2, 2, "embedding");
      },
      ErrorKind::numeric, {"embedding", "value 2", "not finite"}));
  EXPECT_THROW(quantize_int8_rows(std::vector<float>(3), 2, 2), BugError);
}

}  // namespace
}  // namespace cp
