#include "text/bpe_merge.h"

#include <queue>
#include <tuple>

namespace cp {
namespace {

std::uint64_t pair_key(int left, int right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
}

// One id of the piece in a doubly linked list over positions; -1 ends the list.
struct Symbol {
  int id, previous, next;
};

constexpr int kGone = -1;  // id of a symbol that was merged into its left neighbour

struct Candidate {
  std::uint32_t rank;
  int position, merged;
  bool operator>(const Candidate& other) const {
    return std::tie(rank, position) > std::tie(other.rank, other.position);
  }
};

}  // namespace

bool BpeMerges::add(int left, int right, int merged) {
  return merges_.emplace(pair_key(left, right), Merge{static_cast<std::uint32_t>(merges_.size()), merged}).second;
}

const BpeMerges::Merge* BpeMerges::find(int left, int right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

void BpeMerges::apply(std::vector<int>& ids) const {
  const int size = static_cast<int>(ids.size());
  std::vector<Symbol> symbols;
  symbols.reserve(ids.size());
  for (int i = 0; i < size; ++i)
    symbols.push_back({ids[static_cast<std::size_t>(i)], i - 1, i + 1 < size ? i + 1 : -1});
  const auto at = [&](int i) -> Symbol& { return symbols[static_cast<std::size_t>(i)]; };

  std::vector<Candidate> start;
  for (int i = 0; i + 1 < size; ++i)
    if (const Merge* merge = find(at(i).id, at(i + 1).id)) start.push_back({merge->rank, i, merge->merged});
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue(std::greater<>{}, std::move(start));

  const auto offer = [&](int left, int right) {
    if (left < 0 || right < 0) return;
    if (const Merge* merge = find(at(left).id, at(right).id)) queue.push({merge->rank, left, merge->merged});
  };
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = at(best.position);
    if (left.id == kGone || left.next < 0) continue;
    Symbol& right = at(left.next);
    // A candidate is stale when its neighbours changed. Only the result is compared, as in the reference: where two
    // pairs make the same token, one may take the other's turn.
    const Merge* merge = find(left.id, right.id);
    if (merge == nullptr || merge->merged != best.merged) continue;
    left.id = best.merged;
    right.id = kGone;
    left.next = right.next;
    if (left.next >= 0) at(left.next).previous = best.position;
    offer(left.previous, best.position);
    offer(best.position, left.next);
  }

  ids.clear();
  for (const Symbol& symbol : symbols)
    if (symbol.id != kGone) ids.push_back(symbol.id);
}

}  // namespace cp
