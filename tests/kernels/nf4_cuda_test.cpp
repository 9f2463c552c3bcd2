// The bodies of the CUDA kernels, run on the host lane by lane, against the CPU's kernels.
#include <numeric>

#include "host_warp.h"
#include "kernels/nf4.h"
#include "kernels/nf4_cuda.h"
#include "kernels_test_support.h"

namespace cp {
namespace {

using test::Bfloat;
using test::close;
using test::Half;
using test::HostMemory;
using test::HostWarp;
using test::normals;
using test::Tol;

Nf4Matrix random_matrix(int n, int k) {
  Rng rng(9, Stream::test);
  Nf4Matrix w{n, k, {}, {}, {}};
  for (float& value : w.map) value = static_cast<float>(rng.uniform(-1, 1));  // any step apart: no two codes alike
  const std::size_t size = static_cast<std::size_t>(n * k);
  for (std::size_t i = 0; i < (size + 1) / 2; ++i) w.codes.push_back(static_cast<std::uint8_t>(rng.bits()));
  for (std::size_t i = 0; i < (size + 63) / 64; ++i) w.scales.push_back(static_cast<float>(rng.uniform(0.5, 2)));
  return w;
}

Nf4Codes codes_of(const Nf4Matrix& w) { return {w.codes.data(), w.scales.data(), w.map.data()}; }

// As cudaMalloc does: an address that 16-byte accesses may start at.
template <class T>
struct Aligned {
  explicit Aligned(std::size_t n) : room(n * sizeof(T) / 16 + 1), size(n) {}
  T* data() { return reinterpret_cast<T*>(room.data()); }
  struct alignas(16) Line {
    unsigned char bytes[16];
  };
  std::vector<Line> room;
  std::size_t size;
};

template <class T>
std::vector<float> widened(Aligned<T>& from) {
  std::vector<float> out(from.size);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = test::widen(from.data()[i]);
  return out;
}

template <class T>
Aligned<T> narrowed(const std::vector<float>& from) {
  Aligned<T> out(from.size());
  for (std::size_t i = 0; i < from.size(); ++i) out.data()[i] = test::narrow<T>(from[i]);
  return out;
}

// ---- Unpacking ------------------------------------------------------------------------------------------------------

// Rows first .. first + count - 1 by as many threads as the launch makes, and some more chunks on both sides, whose
// threads must write nothing.
template <class T>
std::vector<float> unpacked(const Nf4Matrix& w, int first, int count) {
  Aligned<T> out(static_cast<std::size_t>(count * w.in));
  const std::int64_t begin = first * w.in, end = begin + count * w.in;
  for (std::int64_t chunk = std::max<std::int64_t>(0, begin / 8 - 2); chunk < end / 8 + 3; ++chunk)
    nf4_unpack_eight<HostMemory>(codes_of(w), begin, end, chunk, out.data());
  return widened(out);
}

template <class T>
std::vector<float> want_unpacked(const Nf4Matrix& w, int first, int count) {
  std::vector<float> out(static_cast<std::size_t>(count * w.in));
  nf4_unpack(w, first, count, out);
  for (float& v : out) v = test::widen(test::narrow<T>(v));
  return out;
}

TEST(Nf4CudaBody, UnpacksEveryShapeAndRangeAsTheCpuDoesToTheBit) {
  int visited = 0;
  for (const int k : {1, 7, 8, 24, 40, 63, 64, 100, 128, 200})
    for (const int n : {1, 2, 5, 17}) {
      const Nf4Matrix w = random_matrix(n, k);
      for (const int first : {0, n / 2, n - 1}) {
        const int count = n - first;
        ASSERT_EQ(unpacked<Half>(w, first, count), want_unpacked<Half>(w, first, count))
            << n << ' ' << k << ' ' << first;
        ASSERT_EQ(unpacked<Bfloat>(w, first, count), want_unpacked<Bfloat>(w, first, count)) << n << ' ' << k;
        ASSERT_EQ(unpacked<float>(w, first, 1), want_unpacked<float>(w, first, 1)) << n << ' ' << k;
        ++visited;
      }
    }
  EXPECT_EQ(visited, 10 * 4 * 3);
}

// ---- Products -------------------------------------------------------------------------------------------------------

template <int M, class Warp, class T>
void all_rows(const Nf4Product<T>& p) {
  for (int n = 0; n < p.out; ++n) {
    Warp warp;
    nf4_row_products<M, HostMemory>(warp, p, n);
  }
}

template <class T, template <int, int> class Warp = HostWarp, int last = 1>
std::vector<float> products(const Nf4Matrix& w, Aligned<T>& x, int m) {
  Aligned<T> y(static_cast<std::size_t>(m * w.out));
  const Nf4Product<T> p{codes_of(w), x.data(), y.data(), m, w.in, w.out, nf4_by_eight(x.data(), w.in)};
  // The launch's choice of M.
  m == 1   ? all_rows<1, Warp<1, last>>(p)
  : m == 2 ? all_rows<2, Warp<2, last>>(p)
  : m <= 4 ? all_rows<4, Warp<4, last>>(p)
           : all_rows<kNf4SmallBatch, Warp<kNf4SmallBatch, last>>(p);
  return widened(y);
}

template <class T>
std::vector<float> want_products(const Nf4Matrix& w, Aligned<T>& x, int m) {
  std::vector<float> y(static_cast<std::size_t>(m * w.out));
  nf4_gemm(widened(x), m, w, {}, y);
  return y;
}

template <class T>
Tol tolerance() {
  if constexpr (std::is_same_v<T, Half>) return Tol::rel(6e-4, "y in 11 bits: half a unit is 4.9e-4 of the largest");
  if constexpr (std::is_same_v<T, Bfloat>) return Tol::rel(4.5e-3, "y in 8 bits: half a unit is 3.9e-3 of the largest");
  if constexpr (std::is_same_v<T, float>) return Tol::rel(2e-6, "float32 sums of 600 terms in another order");
}

template <class T>
void expect_all_shapes() {
  int visited = 0;
  for (int m = 1; m <= kNf4SmallBatch; ++m)
    for (const int k : {1, 7, 8, 40, 63, 64, 65, 100, 192, 256, 264, 600})
      for (const int n : {1, 3, 9}) {
        const Nf4Matrix w = random_matrix(n, k);
        Aligned<T> x = narrowed<T>(normals(static_cast<std::size_t>(m * k), 3));
        ASSERT_TRUE(close("y", products(w, x, m), want_products(w, x, m), tolerance<T>())) << m << ' ' << k << ' ' << n;
        ++visited;
      }
  EXPECT_EQ(visited, 8 * 12 * 3);
}

TEST(Nf4CudaBody, ProductsInFloat16EqualTheCpu) { expect_all_shapes<Half>(); }
TEST(Nf4CudaBody, ProductsInBfloat16EqualTheCpu) { expect_all_shapes<Bfloat>(); }
TEST(Nf4CudaBody, ProductsInFloat32EqualTheCpu) { expect_all_shapes<float>(); }

TEST(Nf4CudaBody, ReadsOneByOneWhatIsNotAligned) {
  const Nf4Matrix w = random_matrix(5, 64);
  Aligned<Half> room = narrowed<Half>(normals(3 + 2 * 64, 4));
  std::vector<Half> y(2 * 5);
  const Nf4Product<Half> p{codes_of(w), room.data() + 3, y.data(), 2, 64, 5, nf4_by_eight(room.data() + 3, 64)};
  EXPECT_FALSE(p.by_eight);
  all_rows<2, HostWarp<2>>(p);
  std::vector<float> want(2 * 5), got;
  for (const Half v : y) got.push_back(test::widen(v));
  const std::vector<float> x = widened(room);
  nf4_gemm(std::span(x).subspan(3), 2, w, {}, want);
  EXPECT_TRUE(close("y", got, want, tolerance<Half>()));
  Nf4Product<Half> faulty = p;
  faulty.by_eight = true;
  EXPECT_THROW((all_rows<2, HostWarp<2>>(faulty)), BugError) << "the twin: a GPU would stop with a misaligned address";
}

TEST(Nf4CudaBody, FaultsAreNoticed) {
  const Nf4Matrix w = random_matrix(20, 128);
  Nf4Matrix low_first = w, shifted = w;
  for (std::uint8_t& pair : low_first.codes) pair = static_cast<std::uint8_t>(pair << 4 | pair >> 4);
  std::rotate(shifted.scales.begin(), shifted.scales.begin() + 1, shifted.scales.end());
  for (const int m : {1, 8}) {
    Aligned<Half> x = narrowed<Half>(normals(static_cast<std::size_t>(m * 128), 5));
    const std::vector<float> want = want_products(w, x, m);
    EXPECT_TRUE(close("y", products(w, x, m), want, tolerance<Half>()));
    EXPECT_FALSE(close("low nibble first", products(low_first, x, m), want, tolerance<Half>()));
    EXPECT_FALSE(close("the next block's scale", products(shifted, x, m), want, tolerance<Half>()));
    EXPECT_FALSE(close("lanes left out", products<Half, HostWarp, 2>(w, x, m), want, tolerance<Half>()));
  }
  EXPECT_NE(unpacked<Half>(low_first, 0, 20), want_unpacked<Half>(w, 0, 20));
}

}  // namespace
}  // namespace cp
