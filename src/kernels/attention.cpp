#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "kernels/gemm.h"
#include "kernels/norm.h"

namespace cp {

void full_attention(std::span<const float> q, std::span<const float> k, std::span<const float> v, int heads,
                    int head_dim, std::span<float> out) {
  CP_CHECK(heads > 0 && head_dim > 0, "full_attention: no heads");
  const std::size_t d = static_cast<std::size_t>(head_dim), row = static_cast<std::size_t>(heads) * d;
  CP_CHECK(!q.empty() && q.size() % row == 0, "full_attention: q is not T x h x d");
  CP_CHECK(k.size() == q.size() && v.size() == q.size() && out.size() == q.size(), "full_attention: sizes differ");
  const std::size_t length = q.size() / row;
  const int rows = static_cast<int>(length);
  const float scale = 1.f / std::sqrt(static_cast<float>(head_dim));
  std::vector<float> part(length * d), scores(length * length);
  // One head's columns, so that the products run over contiguous rows.
  const auto gather = [&](std::span<const float> x, std::size_t head) -> std::vector<float>& {
    for (std::size_t t = 0; t < length; ++t) std::copy_n(x.data() + t * row + head * d, d, part.data() + t * d);
    return part;
  };
  for (std::size_t head = 0; head < static_cast<std::size_t>(heads); ++head) {
    const PackedMatrix keys = pack_transposed(gather(k, head), rows, head_dim);
    const PackedMatrix values = pack(gather(v, head), rows, head_dim);
    for (float& x : gather(q, head)) x *= scale;
    gemm(part, rows, keys, {}, scores);
    softmax(scores, rows);
    gemm(scores, rows, values, {}, part);
    for (std::size_t t = 0; t < length; ++t) std::copy_n(part.data() + t * d, d, out.data() + t * row + head * d);
  }
}

}  // namespace cp
