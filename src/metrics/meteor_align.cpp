#include "metrics/meteor_align.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace cp {
namespace {

constexpr std::size_t kBeamSize = 40;  // METEOR's own; a narrower one finds more chunks
constexpr int kNone = -1;
constexpr std::size_t kBits = 64;

// A way to match the reference's words so far.
struct Path {
  int test_weight = 0, reference_weight = 0;
  int chunks = 0;        // closed ones
  int distance = 0;      // sum of |position - position|, breaks ties only
  int next = 0;          // first reference word that is not decided
  int test_end = kNone;  // end of the hypothesis words matched to the previous reference word
  int last = kNone;      // newest link of its chain of matches
  std::size_t slot = 0;  // of its taken hypothesis words
};

bool better(const Path& a, const Path& b) {
  const int weight_a = a.test_weight + a.reference_weight, weight_b = b.test_weight + b.reference_weight;
  if (weight_a != weight_b) return weight_a > weight_b;
  if (a.chunks != b.chunks) return a.chunks < b.chunks;
  return a.distance < b.distance;
}

int with_match(int weight, int length, bool exact) {
  return exact ? weight + length : static_cast<int>(weight + 0.5 * length);
}

class Search {
 public:
  Search(int test_words, int reference_words, const std::vector<MeteorMatch>& possible)
      : possible_(possible),
        reference_words_(static_cast<std::size_t>(reference_words)),
        blocks_((static_cast<std::size_t>(test_words) + kBits - 1) / kBits) {
    first_.assign(reference_words_ + 1, 0);
    for (const MeteorMatch& match : possible) ++first_[static_cast<std::size_t>(match.start) + 1];
    for (std::size_t r = 0; r < reference_words_; ++r) first_[r + 1] += first_[r];
    now_.resize(1);
    taken_.assign(blocks_, 0);
    find_certain(static_cast<std::size_t>(test_words));
  }

  MeteorAlignment run() {
    for (std::size_t r = 0; r < reference_words_; ++r) {
      keep_best();
      next_.clear();
      next_taken_.clear();
      for (Path& path : now_) extend(path, r);
      now_.swap(next_);
      taken_.swap(next_taken_);
    }
    keep_best();  // the last choice is made among the kept paths with their last chunk closed
    for (Path& path : now_) path.chunks += path.test_end != kNone;
    return alignment(*std::min_element(now_.begin(), now_.end(), better));
  }

 private:
  struct Link {
    std::size_t match;
    int before;
  };

  void find_certain(std::size_t test_words) {
    std::vector<int> on_test(test_words, 0), on_reference(reference_words_, 0);
    const auto add = [](std::vector<int>& counts, int start, int length) {
      for (int k = 0; k < length; ++k) ++counts[static_cast<std::size_t>(start + k)];
    };
    for (const MeteorMatch& match : possible_) {
      add(on_test, match.test_start, match.test_length);
      add(on_reference, match.start, match.length);
    }
    const auto alone = [](const std::vector<int>& counts, int start, int length) {
      return std::all_of(counts.begin() + start, counts.begin() + start + length, [](int n) { return n == 1; });
    };
    certain_.assign(reference_words_, false);
    for (std::size_t r = 0; r < reference_words_; ++r) {
      if (first_[r + 1] - first_[r] != 1) continue;
      const MeteorMatch& match = possible_[first_[r]];
      certain_[r] =
          alone(on_test, match.test_start, match.test_length) && alone(on_reference, match.start, match.length);
      if (certain_[r]) mark(taken_, 0, match);
    }
  }

  void keep_best() {
    if (now_.size() < 2) return;
    std::stable_sort(now_.begin(), now_.end(), better);
    if (now_.size() > kBeamSize) now_.resize(kBeamSize);
  }

  void extend(Path& path, std::size_t r) {
    if (static_cast<int>(r) < path.next) {  // inside a matched phrase
      push(path);
      return;
    }
    if (certain_[r]) {
      const MeteorMatch& match = possible_[first_[r]];
      take(path, first_[r]);
      path.distance += std::abs(match.start - match.test_start);
      push(path);
      return;
    }
    for (std::size_t m = first_[r]; m < first_[r + 1]; ++m) {
      const MeteorMatch& match = possible_[m];
      if (is_taken(path, match)) continue;
      Path with = path;
      take(with, m);
      mark(next_taken_, push(with), match);
      // METEOR charges the distance of each choice to the paths that come after it in the queue, not to the choice
      // itself. It decides between equals only, and is kept so that the beam keeps the same paths.
      path.distance += std::abs(match.start - match.test_start);
    }
    path.chunks += path.test_end != kNone;
    path.test_end = kNone;
    ++path.next;
    push(path);
  }

  void take(Path& path, std::size_t m) {
    const MeteorMatch& match = possible_[m];
    path.test_weight = with_match(path.test_weight, match.test_length, match.exact);
    path.reference_weight = with_match(path.reference_weight, match.length, match.exact);
    path.chunks += path.test_end != kNone && match.test_start != path.test_end;
    path.next = match.start + match.length;
    path.test_end = match.test_start + match.test_length;
    links_.push_back({m, path.last});
    path.last = static_cast<int>(links_.size()) - 1;
  }

  // Returns where the path's taken words stand.
  std::size_t push(Path path) {
    const std::size_t slot = next_taken_.size();
    next_taken_.resize(slot + blocks_);
    std::copy_n(taken_.begin() + static_cast<std::ptrdiff_t>(path.slot), blocks_,
                next_taken_.begin() + static_cast<std::ptrdiff_t>(slot));
    path.slot = slot;
    next_.push_back(path);
    return slot;
  }

  static void mark(std::vector<std::uint64_t>& taken, std::size_t slot, const MeteorMatch& match) {
    for (int k = 0; k < match.test_length; ++k) {
      const auto word = static_cast<std::size_t>(match.test_start + k);
      taken[slot + word / kBits] |= std::uint64_t{1} << word % kBits;
    }
  }

  bool is_taken(const Path& path, const MeteorMatch& match) const {
    for (int k = 0; k < match.test_length; ++k) {
      const auto word = static_cast<std::size_t>(match.test_start + k);
      if (taken_[path.slot + word / kBits] >> word % kBits & 1) return true;
    }
    return false;
  }

  MeteorAlignment alignment(const Path& path) const {
    MeteorAlignment result;
    result.chunks = path.chunks;
    for (int at = path.last; at != kNone; at = links_[static_cast<std::size_t>(at)].before)
      result.matches.push_back(possible_[links_[static_cast<std::size_t>(at)].match]);
    std::reverse(result.matches.begin(), result.matches.end());
    return result;
  }

  const std::vector<MeteorMatch>& possible_;
  std::size_t reference_words_, blocks_;
  std::vector<std::size_t> first_;  // of each reference word, in possible_
  std::vector<bool> certain_;
  std::vector<Path> now_, next_;
  std::vector<std::uint64_t> taken_, next_taken_;
  std::vector<Link> links_;
};

}  // namespace

MeteorAlignment align_meteor(int test_words, int reference_words, const std::vector<MeteorMatch>& possible) {
  if (possible.empty()) return {};
  return Search(test_words, reference_words, possible).run();
}

}  // namespace cp
