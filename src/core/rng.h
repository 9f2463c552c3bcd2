#pragma once
// In:  a seed and the coordinates of a draw (stream, epoch, sample, step).
// Out: random bits that depend on nothing else: no state to save, resume is bit-equal, threads may draw in any order.
// Not here: generators with hidden state, std:: distributions (they differ between platforms).

#include <cstdint>
#include <vector>

namespace cp {

// What a random number is for. New uses get a new stream at the end, so that old runs stay reproducible.
enum class Stream : std::uint32_t {
  init = 1,
  shuffle,
  augment,
  dropout,
  caption_choice,
  instruction_choice,
  diffusion_time,
  diffusion_noise,
  synth,
  bootstrap,
  start_noise,
  split,
  view_choice,
  concept_noise,
  test,
  token_sampling,
};

// Philox4x32-10 (Salmon et al., SC 2011), counter-based. One Rng is one row of the counter: fixed (seed, stream, epoch,
// sample); successive calls walk the last word.
class Rng {
 public:
  Rng(std::uint64_t seed, Stream stream, std::uint32_t epoch = 0, std::uint64_t sample = 0);

  std::uint32_t bits();                     // uniform over 32 bits
  double uniform();                         // [0, 1), 53 bits
  double uniform(double low, double high);  // [low, high)
  std::uint64_t below(std::uint64_t n);     // 0 .. n-1 without bias; n > 0
  double normal();                          // mean 0, sd 1, by the Box-Muller formula
  bool chance(double p) { return uniform() < p; }

  template <class T>
  void shuffle(std::vector<T>& items) {  // Fisher-Yates
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  void refill();

  std::uint32_t key_[2];
  std::uint32_t counter_[4];
  std::uint32_t block_[4];
  int used_ = 4;
  bool has_spare_ = false;
  double spare_ = 0.0;
};

}  // namespace cp
