// Rows of A whose zeros are skipped by masks of their values, the register tiles that do it, and when those pay.
#pragma once

#include "kernels/gemm/blocking.h"
#include "kernels/gemm/microkernel.h"
#include "simd/lanes.h"

namespace fastnn::FASTNN_ISA {
namespace {

// One row at a time, 6 vectors of it: their chains hide each other's latency, and of B what a piece of a row reads
// again and again, 24 KB, stays in the first cache; 4 and 8 vectors take up to 5 % longer. (Of AVX2's vectors, 8 are 16
// KB.) Two rows that share what they read of B multiply it wherever either has a value, at 75 % of k where half of each
// have one: .8 of gemm's time at best. They win by 8 % where neighbors' values coincide as the pixels of MNIST do.
// Lists of places instead of masks took .7 of gemm's time for .63, since they are written, and read beside B; a mask
// also tells the processor early where a row ends.
constexpr int masked_vectors = vector_bytes == 64 ? 6 : 8;
constexpr int64_t masked_steps = 64;
// But one tile of 7 vectors is better than 4 and 3, since 3 wait for their chains (200 x 64 x 100: .93 of the time).
constexpr int masked_most = vector_bytes == 64 ? 7 : 8;
FASTNN_INLINE int64_t widest_masked(int64_t vectors) {
  return 10 * (round_up(vectors, masked_vectors) - vectors) > vectors ? masked_most : masked_vectors;
}

// Where more elements have a value, gemm is as fast.
constexpr double most_values = vector_bytes == 64 ? 0.68 : 0.62;

// The share of values among at most so many of the lines of a matrix, side by side in memory.
template <class T>
double share_of_values(const T* p, int64_t lines, int64_t apart, int64_t length, int64_t most = 8) {
  constexpr int64_t lanes = Vec<T>::lanes, pieces = 16;
  const int64_t down = parts(lines, most), across = larger(lanes, quotient(length, pieces));
  Vec<T> found{}, seen{};
  for (int64_t i = 0; i < lines; i += down) {
    for (int64_t j = 0; j + lanes <= length; j += across) {
      const Vec<T> some = Vec<T>::load(p + i * apart + j);
      found += select(some != Vec<T>{}, Vec<T>(T(1)), Vec<T>{});
      seen += Vec<T>(T(1));
    }
  }
  return static_cast<double>(reduce_add(found)) / static_cast<double>(reduce_add(seen));
}

// Whether n numbers, whole vectors of them, hold neither an infinity nor NaN.
template <class T>
bool finite(const T* p, int64_t n) {
  constexpr int lanes = Vec<T>::lanes, chains = 8;
  Vec<T> sums[chains];
  unroll<chains>([&](auto c) FASTNN_INLINED { sums[c] = Vec<T>{}; });
  int64_t i = 0;
  for (; i + chains * lanes <= n; i += chains * lanes) {
    unroll<chains>([&](auto c) FASTNN_INLINED { sums[c] = fma(Vec<T>::load(p + i + c * lanes), Vec<T>{}, sums[c]); });
  }
  for (; i < n; i += lanes) sums[0] = fma(Vec<T>::load(p + i), Vec<T>{}, sums[0]);
  unroll<chains - 1>([&](auto c) FASTNN_INLINED { sums[0] += sums[c + 1]; });
  return !any(sums[0] != sums[0]);
}

// Bit p: whether a[p] has a value; 64 numbers at most.
template <class T>
FASTNN_INLINE uint64_t mask_of(const T* a, int64_t size) {
  constexpr int lanes = Vec<T>::lanes;
  uint64_t mask = 0;
  int64_t p = 0;
  for (; p + lanes <= size; p += lanes) mask |= uint64_t{lane_bits(Vec<T>::load(a + p) != Vec<T>{})} << p;
  if (p < size) mask |= uint64_t{lane_bits(Vec<T>::load(a + p, static_cast<int>(size - p)) != Vec<T>{})} << p;
  return mask;
}

// A number in all lanes, on AVX-512 by way of a general register: that spares a load of vectors, and those, one for
// each multiply-add, take all the time there is (.93 of it then, for rows of 4 vectors). To pick it out of a vector of
// A by a shuffle instead takes 1 % less still.
template <class T>
FASTNN_INLINE Vec<T> spread(const T* p) {
#if defined(__AVX512F__)
  typename IVec<T>::Int number;
  asm("mov %1, %0" : "=r"(number) : "m"(*p));
  return from_bits(IVec<T>(number));
#else
  return Vec<T>(*p);
#endif
}

// `rows` rows of C; see run_tile. Rows of A are side by side, `call.k` is not read.
template <class T, int V, int Tail>
void run_masked(TileCall<T> call, const uint64_t* masks, int64_t rows) {
  constexpr int lanes = Vec<T>::lanes;
  for (; rows > 0; --rows) {
    Vec<T> sums[1][V];
    begin_tile<T, 1, V, Tail>(call, sums);
    for (uint64_t mask = *masks++; mask; mask &= mask - 1) {
      const int64_t p = __builtin_ctzll(mask);
      const Vec<T> number = spread(call.a + p);
      const T* from = call.b + p * (V * lanes);
      unroll<V>([&](auto j) FASTNN_INLINED { sums[0][j] = fma(number, Vec<T>::load(from + j * lanes), sums[0][j]); });
    }
    finish_tile<T, 1, V, Tail>(call, sums);
    call.a += call.a_row;
    call.c += call.c_row;
    if (call.start) call.start += call.start_row;
    for (int n = 0; n < call.addends; ++n) call.addend[n].p += call.addend[n].row;
    if (call.epilogue == Epilogue::mask) call.mask += call.mask_row;
  }
}

template <class T>
using MaskedKernel = void (*)(TileCall<T>, const uint64_t*, int64_t);

template <class T, int Tail>
struct MaskedTable {
  MaskedKernel<T> of[masked_most + 1];

  template <int V>
  constexpr void fill() {
    of[V] = run_masked<T, V, Tail>;
    if constexpr (V > 1) fill<V - 1>();
  }
  constexpr MaskedTable() : of{} { fill<masked_most>(); }
};
template <class T, int Tail>
constexpr MaskedTable<T, Tail> masked_kernels{};

template <class T>
FASTNN_INLINE MaskedKernel<T> masked_kernel(int64_t vectors, [[maybe_unused]] int last) {
#if !defined(__AVX512F__)
  if (last == Vec<T>::lanes) return masked_kernels<T, 0>.of[vectors];
#endif
  return masked_kernels<T, 1>.of[vectors];
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
