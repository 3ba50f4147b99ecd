// Sums over rows (bias gradients): rows in order inside blocks of 256, the blocks' sums in a fixed pairwise tree.
#pragma once
#include "kernels/call.h"
#include "simd/vec.h"

namespace fastnn::FASTNN_ISA {
namespace {

constexpr int64_t rows_per_block = 256;

// V vectors of columns. The tree is a binary counter: level i holds the sum of 2^i blocks.
template <class T, int V>
FASTNN_INLINE void column_strip(int64_t m, const T* a, int64_t a_row, T* out, int last) {
  constexpr int lanes = Vec<T>::lanes;
  Vec<T> tree[40][V];
  const auto load = [&](const T* p, auto j)
                        FASTNN_INLINED { return j == V - 1 && last < lanes ? Vec<T>::load(p, last) : Vec<T>::load(p); };
  int64_t blocks = 0;
  int depth = 0;
  for (int64_t i = 0; i < m; i += rows_per_block, blocks++) {
    Vec<T> sum[V];
    unroll<V>([&](auto j) FASTNN_INLINED { sum[j] = Vec<T>{}; });
    const int64_t end = m - i < rows_per_block ? m : i + rows_per_block;
    for (int64_t r = i; r < end; r++)
      unroll<V>([&](auto j) FASTNN_INLINED { sum[j] += load(a + r * a_row + j * lanes, j); });
    depth = 0;
    for (int64_t full = blocks; full & 1; full >>= 1, depth++)
      unroll<V>([&](auto j) FASTNN_INLINED { sum[j] = tree[depth][j] + sum[j]; });
    unroll<V>([&](auto j) FASTNN_INLINED { tree[depth][j] = sum[j]; });
  }
  Vec<T> total[V];
  unroll<V>([&](auto j) FASTNN_INLINED { total[j] = Vec<T>{}; });
  bool first = true;
  for (int level = 0; blocks >> level; level++)
    if (blocks >> level & 1) {
      unroll<V>([&](auto j) FASTNN_INLINED { total[j] = first ? tree[level][j] : tree[level][j] + total[j]; });
      first = false;
    }
  unroll<V>([&](auto j) FASTNN_INLINED {
    if (j == V - 1 && last < lanes)
      total[j].store(out + j * lanes, last);
    else
      total[j].store(out + j * lanes);
  });
}

// out[j] = sum over i of a[i * a_row + j], for n columns.
template <class T>
FASTNN_INLINE void column_sums(Context& x, int64_t m, int64_t n, const T* a, int64_t a_row, T* out) {
  constexpr int64_t lanes = Vec<T>::lanes;
  const int64_t strips = (n + 4 * lanes - 1) / (4 * lanes);
  parallel_for(x, strips, 1 + 65536 / (4 * lanes * (m + 1)), [&](int64_t lo, int64_t hi) {
    for (int64_t s = lo; s < hi; s++) {
      const int64_t j = s * 4 * lanes, left = n - j;
      const int vectors = int(left >= 4 * lanes ? 4 : (left + lanes - 1) / lanes);
      const int last = int(left >= 4 * lanes ? lanes : left - (vectors - 1) * lanes);
      if (vectors == 4)
        column_strip<T, 4>(m, a + j, a_row, out + j, last);
      else if (vectors == 3)
        column_strip<T, 3>(m, a + j, a_row, out + j, last);
      else if (vectors == 2)
        column_strip<T, 2>(m, a + j, a_row, out + j, last);
      else
        column_strip<T, 1>(m, a + j, a_row, out + j, last);
    }
  });
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
