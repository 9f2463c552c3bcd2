#include "data/split.h"

#include <algorithm>
#include <map>
#include <numeric>

#include <fmt/format.h>

#include "core/error.h"
#include "core/rng.h"
#include "data/levir.h"

namespace cp {

std::vector<int> assign_parts(const std::vector<std::string>& names, const std::vector<double>& shares,
                              std::uint64_t seed) {
  const double total = std::accumulate(shares.begin(), shares.end(), 0.0);
  CP_CHECK(total > 0 && std::all_of(shares.begin(), shares.end(), [](double share) { return share >= 0; }),
           "shares are not negative and not all zero");

  std::map<std::string, int> size_of_group;  // sorted, so that the order of the names plays no part
  for (const std::string& name : names) ++size_of_group[scene_group(name)];
  std::vector<std::pair<std::string, int>> groups(size_of_group.begin(), size_of_group.end());
  Rng rng(seed, Stream::split);
  rng.shuffle(groups);
  std::stable_sort(groups.begin(), groups.end(), [](const auto& a, const auto& b) { return a.second > b.second; });

  std::vector<int> filled(shares.size(), 0);
  std::map<std::string, int> part_of_group;
  for (const auto& [group, size] : groups) {
    int least = -1;
    for (std::size_t part = 0; part < shares.size(); ++part) {
      if (shares[part] <= 0) continue;
      // filled[part] / shares[part] < filled[least] / shares[least], without a division
      if (least < 0 || filled[part] * shares[static_cast<std::size_t>(least)] <
                           filled[static_cast<std::size_t>(least)] * shares[part])
        least = static_cast<int>(part);
    }
    filled[static_cast<std::size_t>(least)] += size;
    part_of_group[group] = least;
  }

  std::vector<int> parts;
  for (const std::string& name : names) parts.push_back(part_of_group.at(scene_group(name)));
  return parts;
}

std::vector<std::string> draw_splits(const std::vector<std::string>& names, std::uint64_t seed) {
  std::vector<std::string> splits;
  for (const int part : assign_parts(names, {0.70, 0.15, 0.15}, seed))
    splits.push_back(part == 0 ? "train" : part == 1 ? "val" : "test");
  return splits;
}

std::vector<int> assign_folds(const std::vector<std::string>& names, int folds, std::uint64_t seed) {
  CP_CHECK(folds >= 1, fmt::format("{} folds", folds));
  return assign_parts(names, std::vector<double>(static_cast<std::size_t>(folds), 1.0), seed);
}

}  // namespace cp
