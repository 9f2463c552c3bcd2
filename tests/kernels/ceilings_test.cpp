#include "kernels/ceilings.h"

#include "kernels_test_support.h"

namespace cp {
namespace {

// Wide bounds: the machine is shared, but a loop that the compiler left out would be far above them.
TEST(Ceilings, AreThoseOfSomeMachine) {
  EXPECT_GT(read_ceiling(), 0.1);
  EXPECT_LT(read_ceiling(), 2000);
  for (const double rate : {float_ceiling(), int8_ceiling(), bf16_ceiling()}) {
    EXPECT_GE(rate, 0);
    EXPECT_LT(rate, 1e6);
  }
  if (simd() != Simd::scalar) {
    EXPECT_GT(float_ceiling(), 1);
    EXPECT_GT(int8_ceiling(), 1);
  }
}

}  // namespace
}  // namespace cp
