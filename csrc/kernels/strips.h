// Columns a few vectors at a time, so that what belongs to them stays in registers while rows go by.
#pragma once
#include "simd/vec.h"

namespace fastnn::FASTNN_ISA {
namespace {

// f(V, wide) for the number V of vectors, at most Most, that `wide` elements fill.
template <int Most, class T, class F>
FASTNN_INLINE void with_vectors(int64_t wide, F f) {
  if constexpr (Most == 1)
    f(std::integral_constant<int, 1>{});
  else if (wide > (Most - 1) * Vec<T>::lanes)
    f(std::integral_constant<int, Most>{});
  else
    with_vectors<Most - 1, T>(wide, f);
}

// f(number of vectors as a constant, first column, columns) over columns [lo, hi).
template <int Most, class T, class F>
FASTNN_INLINE void for_strips(int64_t lo, int64_t hi, F f) {
  constexpr int64_t most = Most * Vec<T>::lanes;
  for (int64_t k = lo; k < hi; k += most) {
    const int64_t wide = hi - k < most ? hi - k : most;
    with_vectors<Most, T>(wide, [&](auto vectors) FASTNN_INLINED { f(vectors, k, wide); });
  }
}

// f(j, offset of vector j, its elements) for the V vectors of a strip.
template <int V, class T, class F>
FASTNN_INLINE void for_strip(int64_t wide, F f) {
  constexpr int lanes = Vec<T>::lanes;
  unroll<V>([&](auto j) FASTNN_INLINED { f(j, j * lanes, j < V - 1 ? lanes : int(wide - j * lanes)); });
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
