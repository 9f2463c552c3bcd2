#include "core/rng.h"

#include <cmath>
#include <numbers>

namespace cp {

Rng::Rng(std::uint64_t seed, Stream stream, std::uint32_t epoch, std::uint64_t sample)
    : key_{static_cast<std::uint32_t>(seed) ^ (static_cast<std::uint32_t>(stream) * 0x9E3779B9u),
           static_cast<std::uint32_t>(seed >> 32) ^ static_cast<std::uint32_t>(stream)},
      counter_{0, epoch, static_cast<std::uint32_t>(sample), static_cast<std::uint32_t>(sample >> 32)},
      block_{} {}

void Rng::refill() {
  std::uint32_t x[4] = {counter_[0], counter_[1], counter_[2], counter_[3]};
  std::uint32_t k0 = key_[0], k1 = key_[1];
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = 0xD2511F53ull * x[0];
    const std::uint64_t p1 = 0xCD9E8D57ull * x[2];
    const std::uint32_t next[4] = {static_cast<std::uint32_t>(p1 >> 32) ^ x[1] ^ k0, static_cast<std::uint32_t>(p1),
                                   static_cast<std::uint32_t>(p0 >> 32) ^ x[3] ^ k1, static_cast<std::uint32_t>(p0)};
    for (int i = 0; i < 4; ++i) x[i] = next[i];
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  for (int i = 0; i < 4; ++i) block_[i] = x[i];
  ++counter_[0];
  used_ = 0;
}

std::uint32_t Rng::bits() {
  if (used_ == 4) refill();
  return block_[used_++];
}

double Rng::uniform() {
  const std::uint64_t high = bits() >> 5, low = bits() >> 6;  // 27 + 26 bits
  return static_cast<double>((high << 26) | low) * 0x1.0p-53;
}

double Rng::uniform(double low, double high) { return low + (high - low) * uniform(); }

std::uint64_t Rng::below(std::uint64_t n) {
  const std::uint64_t limit = UINT64_MAX - UINT64_MAX % n;
  std::uint64_t draw = 0;
  do {
    const std::uint64_t high = bits();  // first: two calls in one expression come in any order
    draw = (high << 32) | bits();
  } while (draw >= limit);
  return draw % n;
}

double Rng::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  const double angle = 2.0 * std::numbers::pi * uniform();
  spare_ = radius * std::sin(angle);
  has_spare_ = true;
  return radius * std::cos(angle);
}

}  // namespace cp
