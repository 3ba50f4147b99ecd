// Polynomials with constant coefficients c[0] + c[1] x + c[2] x^2 ...
#pragma once

#include "simd/vec.h"

namespace fastnn::FASTNN_ISA {
namespace {

// c[First] + c[First + Step] power + c[First + 2 Step] power^2 ... by Horner's rule, where power = x^Step.
template <int First, int Step, class T, int N>
FASTNN_INLINE Vec<T> strided_horner(Vec<T> power, const T (&c)[N]) {
  if constexpr (First + Step >= N) {
    return Vec<T>(c[First]);
  } else {
    return fma(strided_horner<First + Step, Step>(power, c), power, Vec<T>(c[First]));
  }
}

template <class T, int N>
FASTNN_INLINE Vec<T> polynomial(Vec<T> x, const T (&c)[N]) {
  return strided_horner<0, 1>(x, c);
}

// The same in two chains, or in four from 12 coefficients, at the cost of a multiplication or two: half or a quarter of
// the time that the result takes, which counts because a processor looks only some hundred instructions ahead. The two
// last steps remain Horner's, and so does the accuracy where the terms decrease.
template <class T, int N>
FASTNN_INLINE Vec<T> wide_polynomial(Vec<T> x, const T (&c)[N]) {
  const Vec<T> square = x * x;
  if constexpr (N < 12) {
    const Vec<T> high = fma(strided_horner<3, 2>(square, c), x, strided_horner<2, 2>(square, c));
    return fma(fma(high, x, Vec<T>(c[1])), x, Vec<T>(c[0]));
  } else {
    const Vec<T> fourth = square * square;
    const Vec<T> low = fma(strided_horner<3, 4>(fourth, c), x, strided_horner<2, 4>(fourth, c));
    const Vec<T> high = fma(strided_horner<5, 4>(fourth, c), x, strided_horner<4, 4>(fourth, c));
    return fma(fma(fma(high, square, low), x, Vec<T>(c[1])), x, Vec<T>(c[0]));
  }
}

// A polynomial of its own for each of 16 intervals: row k of the table holds the coefficients of x^k by interval,
// mod 16.
template <int First = 0, int N>
FASTNN_INLINE Vec<float> piecewise_polynomial(Vec<float> x, IVec<float> interval, const float (&c)[N][16]) {
  const Vec<float> term = look_up(c[First], interval);
  if constexpr (First + 1 == N) {
    return term;
  } else {
    return fma(piecewise_polynomial<First + 1>(x, interval, c), x, term);
  }
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
