#include "kernels/cached_attention.h"

#include <algorithm>

#include "core/error.h"
#include "kernels/decoder_ops.h"
#include "kernels/gemm.h"

namespace cp {

namespace {

constexpr int kPanel = PackedMatrix::kPanel;

int round_up(int n) { return (n + kPanel - 1) / kPanel * kPanel; }
std::size_t size(int n) { return static_cast<std::size_t>(n); }

// scores (rows, count) = q K^T
void score(const float* q, int rows, int head, const SeenPositions& seen, float* scores) {
  const int d = seen.store->head_dim();
  for (int first = 0; first < seen.count; first += kPanel)
    gemm_panel(q, rows, seen.store->key_panel(head, first / kPanel), d, std::min(kPanel, seen.count - first), nullptr,
               scores + first, size(seen.count));
}

// out (rows, head_dim) = weights (rows, count) V
void mix(const float* weights, int rows, int head, const SeenPositions& seen, float* out, std::size_t stride) {
  const int d = seen.store->head_dim();
  for (int first = 0; first < d; first += kPanel)
    gemm_panel(weights, rows, seen.store->value_panel(head, first / kPanel), seen.count, std::min(kPanel, d - first),
               nullptr, out + first, stride);
}

}  // namespace

const float* StoredKeys::key_panel(int head, int panel) const {
  return keys_.data() + (size(head) * size(capacity_ / kPanel) + size(panel)) * size(head_dim_) * kPanel;
}

const float* StoredKeys::value_panel(int head, int panel) const {
  return values_.data() + (size(head) * value_panels() + size(panel)) * size(capacity_) * kPanel;
}

void StoredKeys::reset(int heads, int head_dim, int capacity) {
  heads_ = heads;
  head_dim_ = head_dim;
  length_ = 0;
  capacity_ = std::max(kPanel, round_up(capacity));
  keys_.assign(size(heads_) * size(capacity_) * size(head_dim_), 0.f);
  values_.assign(size(heads_) * value_panels() * size(capacity_) * kPanel, 0.f);
}

void StoredKeys::grow(int capacity) {
  StoredKeys larger;
  larger.reset(heads_, head_dim_, capacity);
  larger.length_ = length_;
  for (int h = 0; h < heads_; ++h) {
    std::copy_n(key_panel(h, 0), size(capacity_) * size(head_dim_), const_cast<float*>(larger.key_panel(h, 0)));
    for (int p = 0; p < static_cast<int>(value_panels()); ++p)
      std::copy_n(value_panel(h, p), size(length_) * kPanel, const_cast<float*>(larger.value_panel(h, p)));
  }
  *this = std::move(larger);
}

void StoredKeys::append(const float* k, const float* v) {
  if (length_ == capacity_) grow(2 * capacity_);
  for (int h = 0; h < heads_; ++h) {
    float* key = keys_.data() + (key_panel(h, length_ / kPanel) - keys_.data()) + length_ % kPanel;
    for (int i = 0; i < head_dim_; ++i) key[size(i) * kPanel] = k[h * head_dim_ + i];
    for (int i = 0; i < head_dim_; i += kPanel) {
      float* value = values_.data() + (value_panel(h, i / kPanel) - values_.data()) + size(length_) * kPanel;
      std::copy_n(v + h * head_dim_ + i, std::min(kPanel, head_dim_ - i), value);
    }
  }
  ++length_;
}

void attend(const float* q, int rows, int head, const SeenPositions& first, const SeenPositions& second, bool causal,
            std::vector<float>& scratch, float* out, std::size_t out_stride) {
  CP_CHECK(first.store && first.count > 0 && first.count <= first.store->length(), "attend: no such positions");
  CP_CHECK(!second.store || second.count <= second.store->length(), "attend: no such positions in the second");
  CP_CHECK(!causal || first.count >= rows, "attend: the first row would see nothing");
  const int d = first.store->head_dim(), more = second.store ? second.count : 0;
  // By what there is room for, not by what is there: a growing sequence then rarely asks for memory.
  const std::size_t room = size(first.store->capacity()) + (second.store ? size(second.store->capacity()) : 0);
  const std::size_t wanted = size(rows) * (room + size(d));
  if (scratch.size() < wanted) scratch.resize(wanted);
  float* const a = scratch.data();
  float* const b = a + size(rows) * size(first.count);
  float* const other = scratch.data() + size(rows) * room;
  score(q, rows, head, first, a);
  if (more > 0) score(q, rows, head, second, b);
  for (int r = 0; r < rows; ++r) {
    float* row = a + size(r) * size(first.count);
    const int seen = causal ? first.count - rows + 1 + r : first.count;
    softmax_parts(row, seen, b + size(r) * size(more), more);
    std::fill(row + seen, row + first.count, 0.f);
  }
  mix(a, rows, head, first, out, out_stride);
  if (more == 0) return;
  mix(b, rows, head, second, other, size(d));
  for (int r = 0; r < rows; ++r) axpy(1.f, other + size(r) * size(d), out + size(r) * out_stride, d);
}

}  // namespace cp
