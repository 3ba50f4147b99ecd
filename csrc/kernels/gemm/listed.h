// Rows of A as lists of their values other than zero, and the register tiles that read them.
#pragma once

#include "kernels/gemm/blocking.h"
#include "kernels/gemm/microkernel.h"

namespace fastnn::FASTNN_ISA {
namespace {

// One row at a time: 256 bytes hide the latency of their own chains, and wider tiles are shorter in k. But one of 7
// vectors is better than 4 and 3, which take the time of 4 (200 x 64 x 100: .93 of the time). Two rows that
// share what they read of B multiply it wherever either has a value, at 75 % of k where half of each have one: .8 of
// gemm's time at best, where a row alone takes .7. They win by 8 % where neighbors' values coincide as the pixels of
// MNIST do. Values copied into the lists beside their places, and rows taken in the order of their counts, were no
// faster.
constexpr int listed_vectors = vector_bytes == 64 ? 7 : 8;
FASTNN_INLINE int64_t widest_tile(int64_t vectors) {
  constexpr int enough = 256 / vector_bytes;
  const int64_t idle = round_up(vectors, enough) - vectors;
  return 10 * idle > vectors ? listed_vectors : enough;
}
// Of B, what a list reads again and again: it stays in the first cache.
constexpr int64_t listed_bytes = 28 << 10;
constexpr int64_t listed_depth = 192;

// For rows of A, the places in a piece of k where they have a value.
struct Lists {
  uint16_t* places;  // of row i from i * slot on
  uint16_t* counts;
  int64_t slot;
};

// The places of the values among `size` numbers; how many. It may write as many as a multiple of 16 rounds up to.
template <class T>
FASTNN_INLINE int list_row(const T* a, int64_t size, uint16_t* places) {
  int count = 0;
#if defined(__AVX2__)
  constexpr int lanes = Vec<T>::lanes;
  int64_t p = 0;
  for (; p + lanes <= size; p += lanes) {
    count += store_places((Vec<T>::load(a + p) != Vec<T>{}).m, static_cast<int>(p), places + count);
  }
  if (p < size) {
    const Vec<T> rest = Vec<T>::load(a + p, static_cast<int>(size - p));
    count += store_places((rest != Vec<T>{}).m, static_cast<int>(p), places + count);
  }
#else
  for (int64_t p = 0; p < size; ++p) {
    places[count] = static_cast<uint16_t>(p);
    count += a[p] != T(0);
  }
#endif
  return count;
}

// `rows` rows of C; see run_tile. Rows of A are side by side, `call.k` is not read.
template <class T, int V, int Tail>
void run_listed(TileCall<T> call, Lists lists, int64_t rows) {
  constexpr int lanes = Vec<T>::lanes;
  for (; rows > 0; --rows) {
    Vec<T> sums[1][V];
    begin_tile<T, 1, V, Tail>(call, sums);
    const int64_t count = *lists.counts;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t p = lists.places[i];
      const Vec<T> number(call.a[p]);
      const T* from = call.b + p * (V * lanes);
      unroll<V>([&](auto j) FASTNN_INLINED { sums[0][j] = fma(number, Vec<T>::load(from + j * lanes), sums[0][j]); });
    }
    finish_tile<T, 1, V, Tail>(call, sums);
    lists.places += lists.slot;
    ++lists.counts;
    call.a += call.a_row;
    call.c += call.c_row;
    if (call.start) call.start += call.start_row;
    for (int n = 0; n < call.addends; ++n) call.addend[n].p += call.addend[n].row;
    if (call.epilogue == Epilogue::mask) call.mask += call.mask_row;
  }
}

template <class T>
using ListedKernel = void (*)(TileCall<T>, Lists, int64_t);

template <class T, int Tail>
struct ListedTable {
  ListedKernel<T> of[listed_vectors + 1];

  template <int V>
  constexpr void fill() {
    of[V] = run_listed<T, V, Tail>;
    if constexpr (V > 1) fill<V - 1>();
  }
  constexpr ListedTable() : of{} { fill<listed_vectors>(); }
};
template <class T, int Tail>
constexpr ListedTable<T, Tail> listed_kernels{};

template <class T>
FASTNN_INLINE ListedKernel<T> listed_kernel(int64_t vectors, [[maybe_unused]] int last) {
#if !defined(__AVX512F__)
  if (last == Vec<T>::lanes) return listed_kernels<T, 0>.of[vectors];
#endif
  return listed_kernels<T, 1>.of[vectors];
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
