// Exponentials of differences from the largest value: they neither overflow nor vanish together.
#pragma once
#include "kernels/fold.h"
#include "simd/math.h"

namespace fastnn::FASTNN_ISA {
namespace {

// x - most, and 0 for +inf itself: softmax([inf, 0]) has the limit [1, 0].
template <class T>
FASTNN_INLINE Vec<T> shifted(Vec<T> x, Vec<T> most) {
  return select(x == Vec<T>(T(__builtin_inf())), Vec<T>{}, x - most);
}

// exp of a number that is not above 0, or NaN. What is zero is not computed: an underflow costs a hundred cycles, and
// masked scores (-inf) are many.
template <class T>
FASTNN_INLINE Vec<T> exp_below(Vec<T> x) {
  const Mask<T> gone = x < Vec<T>(ExpConstants<T>::lowest);
  return select(gone, Vec<T>{}, exp_within(select(gone, Vec<T>{}, x)));
}

// The largest of n values but NaN, which has its way through the exponentials.
template <class T>
FASTNN_INLINE T largest(const T* p, int64_t n) {
  constexpr int lanes = Vec<T>::lanes;
  const Vec<T> least(T(-__builtin_inf()));
  Vec<T> most[4] = {least, least, least, least};
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes)
    unroll<4>([&](auto k) FASTNN_INLINED { most[k] = max(Vec<T>::load(p + i + k * lanes), most[k]); });
  for (; i + lanes <= n; i += lanes) most[0] = max(Vec<T>::load(p + i), most[0]);
  if (i < n) most[1] = max(Vec<T>::load(p + i, int(n - i), least), most[1]);
  return fold_halves<lanes / 2>(max(max(most[0], most[1]), max(most[2], most[3])),
                                [](Vec<T> a, Vec<T> b) FASTNN_INLINED { return max(a, b); });
}

// The sum of exp(x - most) over n values; each exponential goes to take(exponential, i, m).
template <class T, class Take>
FASTNN_INLINE T sum_exp(const T* p, int64_t n, T most, Take take) {
  const Vec<T> shift(most);
  if (most == T(__builtin_inf())) [[unlikely]]
    return fold_neighbors<Add, T>(n, [&](Vec<T> sum, int64_t i, int m) FASTNN_INLINED {
      const Vec<T> e = exp_below(shifted(load(p + i, m), shift));
      take(e, i, m);
      return sum + e;
    });
  return fold_neighbors<Add, T>(n, [&](Vec<T> sum, int64_t i, int m) FASTNN_INLINED {
    const Vec<T> e = exp_below(load(p + i, m) - shift);
    take(e, i, m);
    return sum + e;
  });
}

template <class T>
struct RowSum {
  T most, sum;  // the largest value; the sum of exp(x - most)
};

// Softmax of a row that fits a register; the same bits as for longer rows.
template <class T>
FASTNN_INLINE RowSum<T> softmax_short(const T* p, int n, T* y) {
  const Vec<T> x = Vec<T>::load(p, n, Vec<T>(T(-__builtin_inf())));  // exp(-inf) adds nothing
  const T most = fold_halves<Vec<T>::lanes / 2>(x, [](Vec<T> a, Vec<T> b) FASTNN_INLINED { return max(a, b); });
  const Vec<T> e = exp_below(shifted(x, Vec<T>(most)));
  const T sum = reduce_add(e);
  (e * (T(1) / sum)).store(y, n);
  return {most, sum};
}

template <class T>
FASTNN_INLINE RowSum<T> softmax_long(const T* p, int64_t n, T* y) {
  const T most = largest(p, n);
  const T sum = sum_exp(p, n, most, [&](Vec<T> e, int64_t i, int m) FASTNN_INLINED { store(e, y + i, m); });
  const Vec<T> share(T(1) / sum);
  for_vectors<T>(n, [&](int64_t i, int m) FASTNN_INLINED { store(load(y + i, m) * share, y + i, m); });
  return {most, sum};
}

// Softmax of rows [lo, hi) of n values, `stride` apart, to y; take(row, RowSum) sees what it went by.
template <class T, class Take>
FASTNN_INLINE void softmax_rows(const T* p, int64_t stride, int64_t n, T* y, int64_t lo, int64_t hi, Take take) {
  if (n <= Vec<T>::lanes)
    for (int64_t r = lo; r < hi; r++) take(r, softmax_short(p + r * stride, int(n), y + r * n));
  else
    for (int64_t r = lo; r < hi; r++) take(r, softmax_long(p + r * stride, n, y + r * n));
}

// The logarithms of n values in place.
template <class T>
FASTNN_INLINE void log_each(T* p, int n) {
  for_vectors<T>(n, [&](int64_t i, int m) FASTNN_INLINED { store(log(load(p + i, m)), p + i, m); });
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
