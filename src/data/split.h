#pragma once
// In:  names of pairs, a seed, shares.
// Out: which part (split, fold) each pair belongs to; tiles of one scene stay together.
// Not here: which names form a scene (levir.h, scene_group).

#include <cstdint>
#include <string>
#include <vector>

namespace cp {

// Part 0 .. shares.size()-1 of each name. Groups (scene_group) go, largest first and in an order drawn from `seed`
// among equals, to the part that is filled least relative to its share; so every part gets something when there are as
// many groups as parts, and sizes are off by at most about one group. Parts with share 0 get nothing. The result
// depends on the set of names and the seed, not on the order of the names.
std::vector<int> assign_parts(const std::vector<std::string>& names, const std::vector<double>& shares,
                              std::uint64_t seed);

// "train", "val" or "test" for each name: 70 / 15 / 15 by group.
std::vector<std::string> draw_splits(const std::vector<std::string>& names, std::uint64_t seed);

// Fold 0 .. folds-1 of each name, for cross-validation.
std::vector<int> assign_folds(const std::vector<std::string>& names, int folds, std::uint64_t seed);

}  // namespace cp
