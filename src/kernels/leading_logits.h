#pragma once
// In:  last hidden states in 8 bits; the head's int8 rows in two planes (packed4.h).
// Out: logits that are those of int8_packed_product() wherever one of the largest can stand, and estimates from the
// high
//      nibbles elsewhere: half the bytes of the head are not read.
// Not here: which token is taken.

#include <vector>

#include "kernels/packed4.h"

namespace cp {

// Memory that is kept between calls.
struct LeadingScratch {
  std::vector<float> lower, upper, sorted;  // of each group of 16
  std::vector<std::size_t> groups;          // those that were computed whole
};

// c (M N). The rows of W are taken again, whole, whose estimate lies within what the low nibbles can change of the
// `count`-th largest: four standard deviations on each side, so that in practice the `count` largest logits, and their
// order, are the exact product's to the bit. Uses thread_pool().
void leading_logits(const Int8Packed& w, const Activations8& a, int count, LeadingScratch& scratch, float* c);

}  // namespace cp
