#pragma once
// In:  ids of one piece of text.
// Out: the ids after all merges, lowest rank first, leftmost first within a rank.
// Not here: cutting text into pieces (pre_tokenizer.h), reading merges (bpe_tokenizer.h).

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace cp {

class BpeMerges {
 public:
  // Merges get ranks 0, 1, 2 ... in the order they are added. False when the pair has a merge already.
  bool add(int left, int right, int merged);
  // In place. Time n log n in the number of ids.
  void apply(std::vector<int>& ids) const;

 private:
  struct Merge {
    std::uint32_t rank;
    int merged;
  };
  const Merge* find(int left, int right) const;

  std::unordered_map<std::uint64_t, Merge> merges_;
};

}  // namespace cp
