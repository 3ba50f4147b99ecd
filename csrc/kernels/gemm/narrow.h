// Products with few columns: vectors run along k, each element of C is a set of chains side by side.
#pragma once

#include "kernels/gemm/blocking.h"
#include "kernels/gemm/pack.h"

namespace fastnn::FASTNN_ISA {
namespace {

// Vectors that make up the 64 bytes of chains of one element.
constexpr int wide_vectors = 64 / vector_bytes;

// Adds what lies Half lanes apart, then half of that, and so on, in every one of Count vectors at once:
// each step folds two vectors into one while there are two. Lane v * (lanes / Count) of the last vector, Count
// rounded up to a power of two, becomes the sum of vector v; the order is that of reduce_add.
template <int Half, int Lanes>
FASTNN_INLINE auto other_half(auto a, auto b) {
  return [&]<int... I>(std::integer_sequence<int, I...>) FASTNN_INLINED {
    return __builtin_shufflevector(a, b, ((I & Half) != 0 ? Lanes + (I ^ Half) : I ^ Half)...);
  }
  (std::make_integer_sequence<int, Lanes>{});
}
template <int Half, int Lanes>
FASTNN_INLINE auto own_half(auto a, auto b) {
  return [&]<int... I>(std::integer_sequence<int, I...>) FASTNN_INLINED {
    return __builtin_shufflevector(a, b, ((I & Half) != 0 ? Lanes + I : I)...);
  }
  (std::make_integer_sequence<int, Lanes>{});
}

constexpr int up_to_power(int n) {
  int p = 1;
  while (p < n) p *= 2;
  return p;
}

template <int Half, class T, int Count>
FASTNN_INLINE Vec<T> fold_all(const Vec<T> (&v)[Count]) {
  constexpr int lanes = Vec<T>::lanes;
  if constexpr (Half == 0) {
    return v[0];
  } else {
    constexpr int kept = Count == 1 ? 1 : up_to_power(Count) / 2;
    Vec<T> folded[kept];
    unroll<kept>([&](auto i) FASTNN_INLINED {
      constexpr int pair = i + kept < Count && Count > 1 ? i + kept : static_cast<int>(i);
      folded[i] = Vec<T>(own_half<Half, lanes>(v[i].v, v[pair].v)) + Vec<T>(other_half<Half, lanes>(v[i].v, v[pair].v));
    });
    return fold_all<Half / 2, T, kept>(folded);
  }
}

// R rows of A against C columns of B, both contiguous in k: the sums of one block of k.
template <class T, int R, int C>
void dot_block(int64_t k, const T* a, int64_t a_row, const T* b, int64_t b_col, T* sums, int64_t sums_row) {
  constexpr int lanes = Vec<T>::lanes;
  constexpr int64_t wide = wide_lanes<T>;
  Vec<T> chains[wide_vectors][R * C];
  unroll<wide_vectors>([&](auto w)
                           FASTNN_INLINED { unroll<R * C>([&](auto e) FASTNN_INLINED { chains[w][e] = Vec<T>{}; }); });
  const auto step = [&](auto w, auto load) FASTNN_INLINED {
    Vec<T> right[C];
    unroll<C>([&](auto c) FASTNN_INLINED { right[c] = load(b + c * b_col); });
    unroll<R>([&](auto r) FASTNN_INLINED {
      const Vec<T> left = load(a + r * a_row);
      unroll<C>([&](auto c) FASTNN_INLINED { chains[w][r * C + c] = fma(left, right[c], chains[w][r * C + c]); });
    });
  };
  int64_t p = 0;
  for (; p + wide <= k; p += wide) {
    unroll<wide_vectors>([&](auto w) FASTNN_INLINED {
      step(w, [&](const T* row) FASTNN_INLINED { return Vec<T>::load(row + p + w * lanes); });
    });
  }
  if (p < k) {
    unroll<wide_vectors>([&](auto w) FASTNN_INLINED {
      const int valid = static_cast<int>(larger(0, smaller(lanes, k - p - w * lanes)));
      step(w, [&](const T* row) FASTNN_INLINED { return Vec<T>::load(row + p + w * lanes, valid); });
    });
  }
  // The fixed tree: chains half of all apart, then a quarter, and so on.
  unroll<R * C>([&](auto e) FASTNN_INLINED {
    if constexpr (wide_vectors == 4) {
      chains[0][e] = chains[0][e] + chains[2][e];
      chains[1][e] = chains[1][e] + chains[3][e];
    }
    if constexpr (wide_vectors >= 2) chains[0][e] = chains[0][e] + chains[1][e];
  });
  constexpr int at_once = R * C < lanes ? R * C : lanes;
  constexpr int spacing = lanes / up_to_power(at_once);
  unroll<(R * C + at_once - 1) / at_once>([&](auto part) FASTNN_INLINED {
    constexpr int first = part * at_once;
    constexpr int count = first + at_once <= R * C ? at_once : R * C - first;
    constexpr int apart = count == at_once ? spacing : lanes / up_to_power(count);
    Vec<T> some[count];
    unroll<count>([&](auto e) FASTNN_INLINED { some[e] = chains[0][first + e]; });
    T folded[lanes];
    fold_all<lanes / 2, T, count>(some).store(folded);
    unroll<count>([&](auto e) FASTNN_INLINED {
      constexpr int element = first + e;
      sums[element / C * sums_row + element % C] = folded[e * apart];
    });
  });
}

// Accumulators for rows x columns elements, the loads of a step and one more fill the registers. A single
// column needs more rows to hide the latency of its chains.
constexpr int dot_columns = wide_vectors == 1 ? 6 : 2;
constexpr int dot_rows = wide_vectors == 1 ? 4 : wide_vectors == 2 ? 2 : 1;
constexpr int dot_rows_of_one = 2 * dot_rows;

// R rows against all columns: the rows stay in the first cache.
template <class T, int R, int MostColumns>
FASTNN_INLINE void dot_strip(const EvenSplit& groups, int64_t k, const T* a, int64_t a_row, const T* b, int64_t b_col,
                             T* sums, int64_t sums_row) {
  for (int64_t q = 0; q < groups.count; ++q) {
    const int64_t j = groups.begin(q);
    unroll<MostColumns>([&](auto c) FASTNN_INLINED {
      if (groups.size(q) == c + 1) dot_block<T, R, c + 1>(k, a, a_row, b + j * b_col, b_col, sums + j, sums_row);
    });
  }
}

// Sums of one block of k for `rows` x n elements. Asking for the next rows while these are multiplied was slower: 5 %
// for 7680 x 4 x 2560, 20 % for 16384 x 10 x 1024.
template <class T>
void dot_all(int64_t rows, int64_t n, int64_t k, const T* a, int64_t a_row, const T* b, int64_t b_col, T* sums,
             int64_t sums_row) {
  const EvenSplit groups(n, parts(n, dot_columns));
  int64_t i = 0;
  if (n == 1) {
    for (; i + dot_rows_of_one <= rows; i += dot_rows_of_one) {
      dot_strip<T, dot_rows_of_one, 1>(groups, k, a + i * a_row, a_row, b, b_col, sums + i * sums_row, sums_row);
    }
  } else {
    for (; i + dot_rows <= rows; i += dot_rows) {
      dot_strip<T, dot_rows, dot_columns>(groups, k, a + i * a_row, a_row, b, b_col, sums + i * sums_row, sums_row);
    }
  }
  for (; i < rows; ++i) {
    dot_strip<T, 1, dot_columns>(groups, k, a + i * a_row, a_row, b, b_col, sums + i * sums_row, sums_row);
  }
}

// The epilogue for a single element.
template <class T>
FASTNN_INLINE T finished(const GemmArgs<T>& g, T value, int64_t i, int64_t j) {
  if (g.epilogue == Epilogue::relu) return value < T(0) ? T(0) : value;
  if (g.epilogue == Epilogue::mask) return g.mask[i * g.mask_row + j] > T(0) ? value : T(0);
  return value;
}

// And for a row, in vectors.
template <class T>
FASTNN_INLINE void finish_row(const GemmArgs<T>& g, const T* sums, int64_t i) {
  constexpr int64_t lanes = Vec<T>::lanes;
  T* const c = g.c + i * g.c_row;
  for (int64_t j = 0; j < g.n; j += lanes) {
    const int m = static_cast<int>(smaller(lanes, g.n - j));
    Vec<T> value = Vec<T>::load(sums + j, m);
    if (g.bias) value = Vec<T>::load(g.bias + j, m) + value;
    if (g.accumulate) value = Vec<T>::load(c + j, m) + value;
    if (g.epilogue == Epilogue::relu) value = rectified(value);
    if (g.epilogue == Epilogue::mask) value = masked(value, Vec<T>::load(g.mask + i * g.mask_row + j, m));
    value.store(c + j, m);
  }
}

template <class T>
void run_narrow(const GemmArgs<T>& g, const Plan& x, Range of_rows, T* scratch) {
  constexpr int64_t most_rows = 32;
  constexpr int64_t wide = wide_lanes<T>;
  const int64_t line = round_up(smaller(g.k, k_block), wide);
  T* packed_b = scratch;
  T* packed_a = scratch + x.packed_b;
  T sums[most_rows * wide], totals[most_rows * wide];
  bool fresh = true;
  for (int64_t i = of_rows.begin; i < of_rows.end; i += x.rows) {
    const int64_t rows = smaller(x.rows, of_rows.end - i);
    for (int64_t k0 = 0; k0 < g.k; k0 += k_block) {
      const int64_t k = smaller(k_block, g.k - k0);
      const Matrix<T> a{g.a + i * g.a_row + k0 * g.a_col, g.a_row, g.a_col};
      const Matrix<T> b{g.b + k0 * g.b_row, g.b_col, g.b_row};
      const T* left = a.p;
      int64_t left_row = g.a_row;
      if (x.pack_a) {
        pack_rows(a, rows, k, packed_a, line, round_up(k, Vec<T>::lanes));
        left = packed_a;
        left_row = line;
      }
      const T* right = b.p;
      int64_t right_col = g.b_col;
      if (x.pack_b) {
        if (fresh || g.k > k_block) pack_rows(b, g.n, k, packed_b, line, round_up(k, Vec<T>::lanes));
        fresh = false;
        right = packed_b;
        right_col = line;
      }
      if (k0 == 0) {
        dot_all(rows, g.n, k, left, left_row, right, right_col, totals, wide);
      } else {
        dot_all(rows, g.n, k, left, left_row, right, right_col, sums, wide);
        for (int64_t r = 0; r < rows; ++r) {
          for (int64_t j = 0; j < g.n; ++j) totals[r * wide + j] = totals[r * wide + j] + sums[r * wide + j];
        }
      }
    }
    for (int64_t r = 0; r < rows; ++r) finish_row(g, totals + r * wide, i + r);
  }
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
