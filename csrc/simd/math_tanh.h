// tanh and functions made of the logistic sigmoid, all by exponentials of -|x|, which cannot overflow.
#pragma once

#include "simd/math_log.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
FASTNN_INLINE Vec<T> negative_abs(Vec<T> x) {
  return from_bits(bits(x) | bits(Vec<T>(T(-0.0))));
}

// tanh |x| = -E / (2 + E) with E = expm1(-2 |x|).
template <class T>
FASTNN_INLINE Vec<T> tanh(Vec<T> x) {
  constexpr T farthest = std::is_same_v<T, float> ? T(-10) : T(-20);  // tanh is 1 beyond
  const Vec<T> near = max(Vec<T>(farthest), negative_abs(x));
  const auto [n, r] = reduce_exp(near + near);
  const Vec<T> power = power_of_two(n);
  const Vec<T> minus_e = fnma(power, exp_less_one(r), T(1) - power);
  return copysign(minus_e / (T(2) - minus_e), x);
}

// For x < 0 it is e^x / (1 + e^x), which keeps its relative accuracy.
template <class T>
FASTNN_INLINE Vec<T> sigmoid(Vec<T> x) {
  const Vec<T> e = exp_within(max(Vec<T>(ExpConstants<T>::lowest), negative_abs(x)));
  return select(x < Vec<T>{}, e, Vec<T>(T(1))) / (T(1) + e);
}

// factor * sigmoid(x). The exponential of x < 0 is scaled last: alone it may be subnormal, and inexact.
template <class T>
FASTNN_INLINE Vec<T> times_sigmoid(Vec<T> factor, Vec<T> x) {
  constexpr T lowest = std::is_same_v<T, float> ? T(-120) : T(-760);  // zero below, even times -x
  const auto [n, r] = reduce_exp(max(Vec<T>(lowest), negative_abs(x)));
  const Vec<T> m = exp_less_one(r) + T(1);
  const Mask<T> negative = x < Vec<T>{};
  const Vec<T> quotient = factor * select(negative, m, Vec<T>(T(1))) / (T(1) + scale(m, n));
  return scale(quotient, select(negative, n, Vec<T>{}));
}

// x sigmoid(x), zero for x = -inf.
template <class T>
FASTNN_INLINE Vec<T> silu(Vec<T> x) {
  constexpr T lowest = std::is_same_v<T, float> ? T(-120) : T(-760);
  const Vec<T> bounded = max(Vec<T>(lowest), x);
  return times_sigmoid(bounded, bounded);
}

// log(1 + e^x) = max(x, 0) + log(1 + e), e = e^-|x| in (0, 1]: log(1 + e) is that of a fraction f = e, or, from 1 / 2
// on, of (1 + e) / 2, whose difference from 1 is exact.
template <class T>
FASTNN_INLINE Vec<T> softplus(Vec<T> x) {
  const Vec<T> e = exp_within(max(Vec<T>(ExpConstants<T>::lowest), negative_abs(x)));
  const Mask<T> upper = e >= Vec<T>(T(0.5));
  const Vec<T> f = select(upper, (e - T(1)) * T(0.5), e);
  const Vec<T> k = select(upper, Vec<T>(T(1)), Vec<T>{});
  return max(Vec<T>{}, x) + sum_log(k, f, Vec<T>{});
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
