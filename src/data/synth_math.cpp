#include "data/synth_math.h"

#include <algorithm>
#include <bit>

namespace cp::synth {

int isqrt(std::int64_t n) {
  std::int64_t root = 0;
  const int bits = (std::bit_width(static_cast<std::uint64_t>(n)) + 1) / 2;
  for (std::int64_t bit = (std::int64_t{1} << bits) >> 1; bit > 0; bit >>= 1) {
    if ((root + bit) * (root + bit) <= n) root += bit;
  }
  return static_cast<int>(root);
}

Vec unit(Vec v) {
  const std::int64_t scale = 1024;  // keeps precision for short vectors
  const std::int64_t x = v.x * scale, y = v.y * scale;
  const std::int64_t len = isqrt(x * x + y * y);
  if (len == 0) return {kOne, 0};
  return {static_cast<int>(x * kOne / len), static_cast<int>(y * kOne / len)};
}

Vec random_unit(Rng& rng) {
  while (true) {
    const Vec v{pick(rng, -100, 100), pick(rng, -100, 100)};
    const int r = v.x * v.x + v.y * v.y;
    if (r > 400 && r <= 10000) return unit(v);
  }
}

int pick(Rng& rng, int low, int high) {
  return low + static_cast<int>(rng.below(static_cast<std::uint64_t>(high - low + 1)));
}

bool chance(Rng& rng, int percent) { return pick(rng, 0, 99) < percent; }

Vec random_offset(Rng& rng, int low, int high) {
  const Vec direction = random_unit(rng);
  const int distance = pick(rng, low, high);
  return scaled(direction, distance);
}

std::uint32_t hash(std::uint32_t x, std::uint32_t y, std::uint32_t seed) {
  std::uint32_t h = x * 0x9E3779B1u ^ y * 0x85EBCA77u ^ seed * 0xC2B2AE3Du;
  h = (h ^ (h >> 16)) * 0x85EBCA6Bu;
  h = (h ^ (h >> 13)) * 0xC2B2AE35u;
  return h ^ (h >> 16);
}

int grain(int x, int y, std::uint32_t seed, int amplitude) {
  const std::uint32_t h = hash(static_cast<std::uint32_t>(x), static_cast<std::uint32_t>(y), seed);
  return ((static_cast<int>(h & 255) + static_cast<int>((h >> 8) & 255)) - 255) * amplitude / 255;
}

std::vector<std::uint8_t> value_noise(int size, int cell, int octaves, std::uint32_t seed) {
  std::vector<int> sum(static_cast<std::size_t>(size) * static_cast<std::size_t>(size), 0);
  int weight = 1 << octaves, total = 0;
  for (int octave = 0; octave < octaves && cell >= 1; ++octave, cell /= 2, weight /= 2) {
    total += weight;
    const int lattice = size / cell + 2;
    std::vector<int> knots(static_cast<std::size_t>(lattice) * static_cast<std::size_t>(lattice));
    for (int y = 0; y < lattice; ++y) {
      for (int x = 0; x < lattice; ++x) {
        knots[static_cast<std::size_t>(y * lattice + x)] =
            static_cast<int>(hash(static_cast<std::uint32_t>(x), static_cast<std::uint32_t>(y),
                                  seed + static_cast<std::uint32_t>(octave) * 7919u) &
                             255);
      }
    }
    std::vector<int> smooth(static_cast<std::size_t>(cell));  // 3 t^2 - 2 t^3 in 1/256
    for (int i = 0; i < cell; ++i) {
      const int t = i * 256 / cell;
      smooth[static_cast<std::size_t>(i)] = (3 * 256 - 2 * t) * t / 256 * t / 256;
    }
    for (int y = 0; y < size; ++y) {
      const int wy = smooth[static_cast<std::size_t>(y % cell)];
      const int* upper = knots.data() + (y / cell) * lattice;
      const int* lower = upper + lattice;
      int* row = sum.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(size);
      for (int cx = 0; cx * cell < size; ++cx) {
        const int left = upper[cx] * (256 - wy) + lower[cx] * wy,
                  right = upper[cx + 1] * (256 - wy) + lower[cx + 1] * wy;
        const int end = std::min(cell, size - cx * cell);
        for (int i = 0; i < end; ++i) {
          const int wx = smooth[static_cast<std::size_t>(i)];
          row[cx * cell + i] += ((left * (256 - wx) + right * wx) >> 16) * weight;
        }
      }
    }
  }
  std::vector<std::uint8_t> out(sum.size());
  for (std::size_t i = 0; i < sum.size(); ++i) {
    const int centred = sum[i] / total - 128;  // averages crowd about the middle: stretched by 3/2
    out[i] = static_cast<std::uint8_t>(std::clamp(128 + centred * 3 / 2, 0, 255));
  }
  return out;
}

}  // namespace cp::synth
