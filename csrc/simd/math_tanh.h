// tanh and functions made of the logistic sigmoid.
#pragma once

#include "simd/math_log.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
FASTNN_INLINE Vec<T> negative_abs(Vec<T> x) {
  return from_bits(bits(x) | bits(Vec<T>(T(-0.0))));
}

// tanh |x| = -E / (2 + E) with E = expm1(-2 |x|). What ln 2 lacks in the argument of E is less than its rounding, since
// 2^n is small where n is large.
template <class T>
FASTNN_INLINE Vec<T> tanh(Vec<T> x) {
  using F = Format<T>;
  constexpr T farthest = std::is_same_v<T, float> ? T(-10) : T(-20);  // tanh is 1 beyond
  constexpr int bias = static_cast<int>(F::exponent_bias);
  const Vec<T> near = max(Vec<T>(farthest), negative_abs(x)), twice = near + near;
  const Vec<T> sum = shifted_exponent<bias>(twice);
  const Vec<T> r = fnma(sum - (F::shift + bias), Vec<T>(T(0.69314718055994530942)), twice);
  const Vec<T> power = from_bits(bits(sum) << F::fraction_bits);
  const Vec<T> minus_e = fnma(power, exp_less_one(r), T(1) - power);
  return from_bits(bits(minus_e / (T(2) - minus_e)) | sign_bit(x));
}

// exp(-x) for x within these limits, times 2^-offset, is a normal number.
template <class T>
struct LogisticRange;

template <>
struct LogisticRange<float> {
  static constexpr float highest = 20, lowest = -120;  // sigmoid is 1 above; x sigmoid(x) is 0 below
  static constexpr int offset = 64;
  // Of all floats the one whose products with the roots round best: half the error of sigmoid is theirs.
  static constexpr float factor = 1.81309485f, unit = factor * 0x1p-64f;
};

template <>
struct LogisticRange<double> {
  static constexpr double highest = 40, lowest = -760;
  static constexpr int offset = 128;
  static constexpr double unit = 0x1p-128;
};
constexpr Roots logistic_roots{double(LogisticRange<float>::factor)};

// 1 / (1 + e^-x), top and bottom times a unit: e^-x alone would overflow where the result is not zero yet.
template <class T>
FASTNN_INLINE Vec<T> sigmoid(Vec<T> x) {
  using R = LogisticRange<T>;
  return R::unit / (R::unit + exp_normal<-R::offset>(logistic_roots, -clamp(R::lowest, R::highest, x)));
}

// factor * sigmoid(x), a zero with the sign of the factor for x far below 0. Only those x are scaled whose exponential
// is large, and few are: the factor may be large, too.
template <class T>
FASTNN_INLINE Vec<T> times_sigmoid(Vec<T> factor, Vec<T> x) {
  using R = LogisticRange<T>;
  const Vec<T> minus_x = -min(Vec<T>(R::highest), x);
  const Mask<T> near = x > Vec<T>(T(-R::offset));
  if (all(near)) [[likely]]
    return factor / (T(1) + exact_exp_normal(minus_x));
  const IVec<T> less = select(near, IVec<T>(0), IVec<T>(R::offset) << Format<T>::fraction_bits);
  const Vec<T> one = from_bits(IVec<T>(Format<T>::one) - less);
  const Vec<T> y = factor / (one + exact_exp_normal(min(Vec<T>(-R::lowest), minus_x), less)) * one;
  return select(x < Vec<T>(R::lowest), copysign(Vec<T>{}, factor), y);
}

template <class T>
FASTNN_INLINE Vec<T> silu(Vec<T> x) {
  return times_sigmoid(x, x);
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
