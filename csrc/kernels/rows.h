// The loop nest of elementwise kernels: over the rows of a collapsed loop, or over bands of them, in parallel.
#pragma once
#include "kernels/call.h"
#include "simd/native.h"

namespace fastnn::FASTNN_ISA {
namespace {

constexpr int64_t elementwise_grain = 32768;

// body(p, rows, n): a row of n elements at p[q] for each of N operands; with a band dimension `band` >= 0 up to
// `height` rows that follow one another along it. A single band is cut along its rows.
template <int N, class F>
FASTNN_INLINE void for_bands(const Loop& loop, char* const (&base)[N], Context& x, int band, int64_t height, F body,
                             int64_t grain = elementwise_grain) {
  const int last = loop.rank - 1;
  const int64_t inner = loop.shape[last];
  int64_t count[max_rank], step[max_rank], bands = 1;
  for (int i = 0; i < last; i++) {
    step[i] = i == band ? height : 1;
    count[i] = (loop.shape[i] + step[i] - 1) / step[i];
    bands *= count[i];
  }
  if (bands * inner == 0) return;
  if (bands == 1) {
    const int64_t rows = band < 0 ? 1 : loop.shape[band];
    parallel_for(x, inner, grain / rows, [&](int64_t lo, int64_t hi) FASTNN_INLINED {
      char* p[N];
      for (int q = 0; q < N; q++) p[q] = base[q] + lo * loop.stride[q][last];
      body(p, rows, hi - lo);
    });
    return;
  }
  parallel_for(x, bands, grain / (inner * height) + 1, [&](int64_t lo, int64_t hi) FASTNN_INLINED {
    char* p[N];
    int64_t index[max_rank], rest = lo;
    for (int q = 0; q < N; q++) p[q] = base[q];
    for (int i = last; i-- > 0;) {
      index[i] = rest % count[i];
      rest /= count[i];
      for (int q = 0; q < N; q++) p[q] += index[i] * step[i] * loop.stride[q][i];
    }
    for (int64_t r = lo; r < hi; r++) {
      const int64_t left = band < 0 ? 1 : loop.shape[band] - index[band] * height;
      body(p, left < height ? left : height, inner);
      for (int i = last; i-- > 0;) {
        for (int q = 0; q < N; q++) p[q] += step[i] * loop.stride[q][i];
        if (++index[i] < count[i]) break;
        for (int q = 0; q < N; q++) p[q] -= step[i] * count[i] * loop.stride[q][i];
        index[i] = 0;
      }
    }
  });
}

// The same without bands: row(p, n).
template <int N, class F>
FASTNN_INLINE void for_rows(const Loop& loop, char* const (&base)[N], Context& x, int64_t grain, F row) {
  const auto body = [&](char* const* p, int64_t, int64_t n) FASTNN_INLINED { row(p, n); };
  for_bands(loop, base, x, -1, 1, body, grain);
}

// The dimension along which operand q is closer together than along its rows, -1 where there is none.
FASTNN_INLINE int nearer_dimension(const Loop& loop, int q) {
  const auto distance = [&](int i) FASTNN_INLINED { return __builtin_llabs(loop.stride[q][i]); };
  int nearest = loop.rank - 1;
  for (int i = 0; i < loop.rank - 1; i++)
    if (distance(i) > 0 && distance(i) < distance(nearest)) nearest = i;
  return nearest == loop.rank - 1 ? -1 : nearest;
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
