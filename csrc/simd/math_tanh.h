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
FASTNN_INLINE Vec<double> tanh(Vec<double> x) {
  using F = Format<double>;
  constexpr int bias = static_cast<int>(F::exponent_bias);
  const Vec<double> near = max(Vec<double>(-20.0), negative_abs(x)), twice = near + near;  // tanh is 1 beyond
  const Vec<double> sum = shifted_exponent<bias>(twice);
  const Vec<double> r = fnma(sum - (F::shift + bias), Vec<double>(0.69314718055994530942), twice);
  const Vec<double> power = from_bits(bits(sum) << F::fraction_bits);
  const Vec<double> minus_e = fnma(power, exp_less_one(r), 1.0 - power);
  return from_bits(bits(minus_e / (2.0 - minus_e)) | sign_bit(x));
}

// tanh(c + t) = h + (1 - h^2) t / (m + h t), h = tanh c, where m = t / tanh t is 1 + t^2 / 3 - t^4 / 45 ..., three
// terms fitted for all intervals together. The intervals are those between the numbers of three bits from 3 to 12, less
// 3; the first has its center at 0, and all but the last such that h is a float to within a hundredth of its last
// place. The last center is .016 too small, whereby tanh of 9 and more is 1. With 16 centers two terms do, 7 % faster
// on AVX-512 and a third slower on AVX2; (h m + t) / (m + h t) is faster and 2.4 ULP off, for its sums round near 1.
constexpr float tanh_centers[8] = {5.8595996f, 7.75246f,   0.0f,       0.7171458f,
                                   1.4300733f, 2.4273806f, 3.4286754f, 4.4324784f};
constexpr float tanh_at_centers[8] = {0.9999837f, 0.99999964f, 0.0f,       0.61513823f,
                                      0.8916816f, 0.9845381f,  0.9978988f, 0.99971753f};

FASTNN_INLINE Vec<float> tanh(Vec<float> x) {
  const Vec<float> a = min(Vec<float>(8.999999f), abs(x));
  const IVec<float> interval = bits(a + 3.0f) >> (Format<float>::fraction_bits - 2);
  const Vec<float> t = a - look_up(tanh_centers, interval), h = look_up(tanh_at_centers, interval);
  const Vec<float> m = polynomial(t * t, {1.0f, 0.3333327f, -0.022207035f, 0.0020142929f});
  return from_bits(bits(fma(fnma(h, h, Vec<float>(1.0f)), t / fma(h, t, m), h)) | sign_bit(x));
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
  return R::unit / (R::unit + exp_minus<-R::offset>(logistic_roots, clamp(R::lowest, R::highest, x)));
}

// factor * sigmoid(x), a zero with the sign of the factor for x far below 0. Only those x are scaled whose exponential
// is large, and few are: the factor may be large, too.
template <class T>
FASTNN_INLINE Vec<T> times_sigmoid(Vec<T> factor, Vec<T> x) {
  using R = LogisticRange<T>;
  const Vec<T> near = factor / (T(1) + exact_exp_minus(x));
  const Vec<T> limit(T(R::offset));
  if (!any(abs(x) > limit)) [[likely]]
    return near;
  const IVec<T> less = select(x < -limit, IVec<T>(R::offset) << Format<T>::fraction_bits, IVec<T>(0));
  const Vec<T> one = from_bits(IVec<T>(Format<T>::one) - less);
  const Vec<T> y = factor / (one + exact_exp_minus(clamp(R::lowest, R::highest, x), less)) * one;
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
