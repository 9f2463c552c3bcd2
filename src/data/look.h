#pragma once
// In:  the records of a folder.
// Out: what decoding each of their files gave: size, digest of the pixels, mask values, or why it cannot be read.
// Not here: judging what was found (check.h).

#include <map>
#include <string>
#include <vector>

#include "data/levir.h"

namespace cp {

struct LookedFile {
  int width = 0, height = 0;  // px; 0 when not read
  std::string error;          // why it cannot be read, without the file's name; empty when it was read
  std::string digest;         // images only, of size and pixels: equal for equal pictures, whatever file holds them
  std::map<int, int> values;  // labels only: value -> pixels
  bool read() const { return width > 0; }
};

struct LookedPair {
  LookedFile before, after, label;  // label is left as it is (not read, no error) where the pair has none
};

// Decodes with all cores, one entry a pair in their order; pixels are not kept.
std::vector<LookedPair> look_at_pairs(const std::vector<PairRecord>& pairs);

}  // namespace cp
