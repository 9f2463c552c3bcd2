#pragma once
// In:  IEEE binary16 values, as weights are stored.
// Out: the same values in float32, exactly; F16C when the processor has it; and the way back for a value.
// Not here: safetensors (formats/).

#include <cstddef>
#include <cstdint>

namespace cp {

// `half` holds n little-endian 16-bit values at any alignment.
void widen_half(const void* half, std::size_t n, float* out);
// The nearest binary16 value (ties to even; infinity from 65520 on).
std::uint16_t narrow_half(float value);

}  // namespace cp
