#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/thread_pool.h"
#include "kernels/gemm.h"
#include "kernels/norm.h"

namespace cp {

namespace {

constexpr std::size_t kPanel = PackedMatrix::kPanel;

std::size_t padded(std::size_t n) { return (n + kPanel - 1) / kPanel * kPanel; }

// What one head of one sequence needs; kept by each thread.
struct Room {
  std::vector<float> keys, values, scores;
};

// Panels (as PackedMatrix has them) of k^T times `scale`, and of v: x (T d) with rows `step` apart. What stands right
// of the last column does not matter.
void pack_keys(const float* k, std::size_t step, std::size_t length, std::size_t d, float scale, float* to) {
  for (std::size_t t = 0; t < length; ++t) {
    float* const column = to + t / kPanel * kPanel * d + t % kPanel;
    for (std::size_t i = 0; i < d; ++i) column[i * kPanel] = k[t * step + i] * scale;
  }
}
void pack_values(const float* v, std::size_t step, std::size_t length, std::size_t d, float* to) {
  for (std::size_t first = 0; first < d; first += kPanel, to += length * kPanel)
    for (std::size_t t = 0; t < length; ++t)
      std::copy_n(v + t * step + first, std::min(kPanel, d - first), to + t * kPanel);
}

}  // namespace

void full_attention(const AttentionRows& r, std::span<float> out) {
  CP_CHECK(r.heads > 0 && r.head_dim > 0 && r.sequences > 0 && r.length > 0, "full_attention: nothing to attend to");
  const std::size_t d = static_cast<std::size_t>(r.head_dim), heads = static_cast<std::size_t>(r.heads);
  const std::size_t length = static_cast<std::size_t>(r.length), width = heads * d;
  CP_CHECK(out.size() == static_cast<std::size_t>(r.sequences) * length * width, "full_attention: out's size");
  CP_CHECK(r.step >= width, "full_attention: rows overlap");
  const float scale = 1.f / std::sqrt(static_cast<float>(r.head_dim));
  thread_pool().run(static_cast<std::size_t>(r.sequences) * heads, [&](std::size_t piece) {
    const std::size_t row = piece / heads * length, column = piece % heads * d, from = row * r.step + column;
    thread_local Room room;
    room.keys.resize(padded(length) * d);
    room.values.resize(padded(d) * length);
    room.scores.resize(length * length);
    pack_keys(r.k + from, r.step, length, d, scale, room.keys.data());
    pack_values(r.v + from, r.step, length, d, room.values.data());
    gemm_strided(r.q + from, r.step, r.length, room.keys.data(), r.head_dim, r.length, nullptr, room.scores.data(),
                 length);
    softmax(room.scores, r.length);
    gemm_strided(room.scores.data(), length, r.length, room.values.data(), r.length, r.head_dim, nullptr,
                 out.data() + row * width + column, width);
  });
}

void full_attention(std::span<const float> q, std::span<const float> k, std::span<const float> v, int heads,
                    int head_dim, std::span<float> out) {
  CP_CHECK(heads > 0 && head_dim > 0, "full_attention: no heads");
  const std::size_t width = static_cast<std::size_t>(heads) * static_cast<std::size_t>(head_dim);
  CP_CHECK(!q.empty() && q.size() % width == 0, "full_attention: q is not T x h x d");
  CP_CHECK(k.size() == q.size() && v.size() == q.size() && out.size() == q.size(), "full_attention: sizes differ");
  full_attention({q.data(), k.data(), v.data(), width, 1, static_cast<int>(q.size() / width), heads, head_dim}, out);
}

}  // namespace cp
