// The register tile of convolutions: M rows of V vectors, in two halves that may lie anywhere, each of evenly spaced
// rows, so that a tile can span two rows of a small image. Its sums run over a nest of segments: the taps of the
// kernel, or, for the gradient of the weights, rows of pixels.
#pragma once

#include "kernels/gemm/blocking.h"
#include "kernels/gemm/microkernel.h"

namespace fastnn::FASTNN_ISA {
namespace {

// Rows of the highest tile for each width in vectors: x86 addresses base + {0, 1, 2, ..., 6} * step by three registers.
constexpr int conv_vectors = 2;
constexpr int conv_rows[conv_vectors + 1] = {0, static_cast<int>(smaller(tile_rows[1], 14)),
                                             static_cast<int>(smaller(tile_rows[2], 14))};

// Panels of channels, in units of vectors.
template <class T>
FASTNN_INLINE EvenSplit conv_panels(int64_t channels) {
  const int64_t all = parts(channels, Vec<T>::lanes);
  return EvenSplit(all, parts(all, conv_vectors));
}

// Two groups of evenly spaced rows. Each step also asks for a line of memory that is needed next: 0.65 of the peak
// became 0.8 where images come from beyond the second cache, and nothing is lost where they do not.
template <class T, int M>
struct HalfRows {
  static constexpr int half = (M + 1) / 2;

  const char *first, *second;
  int64_t once, thrice, five_times;
  const char*& next;
  int64_t next_step;

  FASTNN_INLINE HalfRows(const T* a, int64_t to_second, int64_t step, const char*& fetch, int64_t fetch_step)
      : first(reinterpret_cast<const char*>(a)),
        second(reinterpret_cast<const char*>(a + to_second)),
        next(fetch),
        next_step(fetch_step) {
    once = step * static_cast<int64_t>(sizeof(T));
    thrice = 3 * once;
    five_times = 5 * once;
  }

  template <int I>
  FASTNN_INLINE const T* row() const {
    constexpr int place = I < half ? I : I - half;
    const char* base = I < half ? first : second;
    return reinterpret_cast<const T*>(base + (place == 3   ? thrice
                                              : place == 5 ? five_times
                                              : place == 6 ? 2 * thrice
                                                           : place * once));
  }

  FASTNN_INLINE void advance(int64_t bytes) {
    __builtin_prefetch(next, 0, 2);
    first += bytes;
    second += bytes;
    next += next_step;
  }
};

// C = sums + C + bias: C only if `accumulate`, and bias only where there is one; of that the relu if wanted.
template <class T>
struct ConvTile {
  int64_t k;  // steps of a segment
  const T* a;
  int64_t a_second, a_row, a_col;  // elements to the second half, from row to row, from step to step
  int64_t segments[3], a_step[3];
  const T* b;
  int64_t b_row, b_step[3];
  T* c;
  int64_t c_second, c_row;
  bool accumulate;
  const T* bias;
  bool relu;
  int last;  // columns in the last vector
  const char* fetch;
  int64_t fetch_step;  // 64, or 0 for nothing
};

// Memory to be fetched while tiles are computed: so many bytes from `at` on.
struct Fetch {
  const char* at;
  int64_t bytes;

  // A share for the next tile, one line for each of its steps.
  template <class T>
  FASTNN_INLINE void share(ConvTile<T>& t, int64_t steps) {
    t.fetch_step = bytes > 0 ? 64 : 0;
    t.fetch = bytes > 0 ? at : reinterpret_cast<const char*>(t.a);
    at += 64 * steps;
    bytes -= 64 * steps;
  }
};

template <class T>
using ConvKernel = void (*)(const ConvTile<T>&);

template <class T, int M, int V, int Tail>
void run_conv_tile(const ConvTile<T>& t) {
  Vec<T> sums[M][V];
  unroll<M>([&](auto i) FASTNN_INLINED { unroll<V>([&](auto j) FASTNN_INLINED { sums[i][j] = Vec<T>{}; }); });
  const T *a0 = t.a, *b0 = t.b;
  const char* fetch = t.fetch;
  for (int64_t p = t.segments[0]; p > 0; --p, a0 += t.a_step[0], b0 += t.b_step[0]) {
    const T *a1 = a0, *b1 = b0;
    for (int64_t q = t.segments[1]; q > 0; --q, a1 += t.a_step[1], b1 += t.b_step[1]) {
      const T *a2 = a1, *b2 = b1;
      for (int64_t r = t.segments[2]; r > 0; --r, a2 += t.a_step[2], b2 += t.b_step[2])
        multiply_rows<T, M, V, Tail>(sums, t.k, HalfRows<T, M>(a2, t.a_second, t.a_row, fetch, t.fetch_step), t.a_col,
                                     b2, t.b_row, t.last);
    }
  }
  // By value: after a store, what `t` refers to would be read again.
  T *const first = t.c, *const second = t.c + t.c_second;
  const int64_t c_row = t.c_row;
  const int last = t.last;
  const auto each = [&](auto f) FASTNN_INLINED {
    unroll<M>([&](auto i) FASTNN_INLINED {
      constexpr int half = HalfRows<T, M>::half;
      T* row = i < half ? first + i * c_row : second + (i - half) * c_row;
      unroll<V>([&](auto j) FASTNN_INLINED { f(i, j, row); });
    });
  };
  if (t.accumulate) {
    each([&](auto i, auto j, T* row) FASTNN_INLINED { sums[i][j] = load_part<T, V, Tail, j>(row, last) + sums[i][j]; });
  }
  if (t.bias) {
    each([&](auto i, auto j, T*) FASTNN_INLINED { sums[i][j] = load_part<T, V, Tail, j>(t.bias, last) + sums[i][j]; });
  }
  if (t.relu) {
    each([&](auto i, auto j, T*) FASTNN_INLINED { sums[i][j] = rectified(sums[i][j]); });
  }
  each([&](auto i, auto j, T* row) FASTNN_INLINED { store_part<T, V, Tail, j>(sums[i][j], row, last); });
}

template <class T, int Tail>
struct ConvTable {
  ConvKernel<T> of[conv_vectors + 1][conv_rows[1] + 1];

  template <int V, int M>
  constexpr void fill() {
    if constexpr (M <= conv_rows[V]) of[V][M] = run_conv_tile<T, M, V, Tail>;
    if constexpr (M > 1) {
      fill<V, M - 1>();
    } else if constexpr (V > 1) {
      fill<V - 1, conv_rows[1]>();
    }
  }
  constexpr ConvTable() : of{} { fill<conv_vectors, conv_rows[1]>(); }
};

// On AVX-512 a mask costs nothing, and half a register takes half the time: groups of 8 channels go from 0.4 of the
// peak to 0.6, of 4 from 0.16 to 0.24.
template <class T>
constexpr ConvTable<T, 1> conv_tail_tiles{};
#if defined(__AVX512F__)
template <class T>
constexpr ConvTable<T, in_half> conv_half_tiles{};
template <class T>
constexpr const ConvTable<T, 1>& conv_whole_tiles = conv_tail_tiles<T>;
#else
template <class T>
constexpr const ConvTable<T, 1>& conv_half_tiles = conv_tail_tiles<T>;
template <class T>
constexpr ConvTable<T, 0> conv_whole_tiles{};
#endif

template <class T>
FASTNN_INLINE const ConvKernel<T>* conv_kernels(int vectors, int last) {
  if (last <= Vec<T>::lanes / 2) return conv_half_tiles<T>.of[vectors];
  return last == Vec<T>::lanes ? conv_whole_tiles<T>.of[vectors] : conv_tail_tiles<T>.of[vectors];
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
