#pragma once
// In:  IEEE binary16 values, as weights are stored.
// Out: the same values in float32, exactly; F16C when the processor has it.
// Not here: safetensors (formats/).

#include <cstddef>

namespace cp {

// `half` holds n little-endian 16-bit values at any alignment.
void widen_half(const void* half, std::size_t n, float* out);

}  // namespace cp
