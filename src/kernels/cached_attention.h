#pragma once
// In:  queries; the keys and values of the positions before them.
// Out: causal attention with grouped heads; a store of keys and values that grows without moving on most calls.
// Not here: attention over a whole sequence (attention.h), projections, positions.

#include <vector>

namespace cp {

// Keys and values of consecutive positions for some heads, in the panels of 16 columns that gemm_panel() reads: keys
// (heads, capacity / 16, head_dim, 16 positions), values (heads, head_dim up to a multiple of 16 / 16, capacity, 16).
class StoredKeys {
 public:
  // Forgets everything; room for at least `capacity` positions.
  void reset(int heads, int head_dim, int capacity);
  // k, v (heads head_dim) of the next position. When the room is full it is doubled.
  void append(const float* k, const float* v);

  int length() const { return length_; }
  int capacity() const { return capacity_; }
  int head_dim() const { return head_dim_; }
  const float* key_panel(int head, int panel) const;    // (head_dim, 16)
  const float* value_panel(int head, int panel) const;  // (capacity, 16)

 private:
  void grow(int capacity);
  std::size_t value_panels() const { return static_cast<std::size_t>(head_dim_ + 15) / 16; }

  int heads_ = 0, head_dim_ = 0, capacity_ = 0, length_ = 0;
  std::vector<float> keys_, values_;
};

// Positions 0 .. count - 1 of a store.
struct SeenPositions {
  const StoredKeys* store = nullptr;
  int count = 0;
};

// out (rows, head_dim; rows `out_stride` apart) = softmax(q K^T) V for `rows` queries q (rows, head_dim), scaled
// already, over `head` of both stores (`second` may be empty). With `causal`, row i does not see the last
// rows - 1 - i positions of `first`. `scratch` keeps its memory between calls.
void attend(const float* q, int rows, int head, const SeenPositions& first, const SeenPositions& second, bool causal,
            std::vector<float>& scratch, float* out, std::size_t out_stride);

}  // namespace cp
