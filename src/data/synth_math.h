#pragma once
// In:  integers.
// Out: integers: points, unit vectors in fixed point, hashes and value noise.
// Not here: floating point (its last bit differs between compilers and processors).

#include <cstdint>
#include <vector>

#include "core/rng.h"

namespace cp::synth {

inline constexpr int kOne = 4096;  // 1.0 of a unit vector

struct Vec {
  int x = 0, y = 0;
};
inline Vec operator+(Vec a, Vec b) { return {a.x + b.x, a.y + b.y}; }
inline Vec operator-(Vec a, Vec b) { return {a.x - b.x, a.y - b.y}; }

// Largest r with r * r <= n.
int isqrt(std::int64_t n);
inline int length(Vec v) { return isqrt(std::int64_t{v.x} * v.x + std::int64_t{v.y} * v.y); }
// (x, y) / length in units of 1 / kOne; (kOne, 0) for the zero vector.
Vec unit(Vec v);
// Any direction, nearly uniform.
Vec random_unit(Rng& rng);
inline Vec perpendicular(Vec v) { return {-v.y, v.x}; }
// v along a unit vector: dot product in the units of v.
inline int along(Vec v, Vec axis) { return (v.x * axis.x + v.y * axis.y) / kOne; }
inline Vec scaled(Vec axis, int distance) { return {axis.x * distance / kOne, axis.y * distance / kOne}; }

// low .. high, both included.
int pick(Rng& rng, int low, int high);
bool chance(Rng& rng, int percent);
// In any direction, low .. high away. (Draws stand in statements of their own: the order in which arguments of one call
// are evaluated differs between compilers.)
Vec random_offset(Rng& rng, int low, int high);

// Mixes coordinates and a seed to 32 bits (the finaliser of MurmurHash3).
std::uint32_t hash(std::uint32_t x, std::uint32_t y, std::uint32_t seed);
// -amplitude .. amplitude, triangular.
int grain(int x, int y, std::uint32_t seed, int amplitude);

// (size size) value noise, 0 .. 255 about 128: lattices of `cell`, cell / 2 ... pixels with halving weight, smooth
// between. `cell` is a power of two.
std::vector<std::uint8_t> value_noise(int size, int cell, int octaves, std::uint32_t seed);

}  // namespace cp::synth
