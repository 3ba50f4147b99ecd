// exp and expm1. Reduction by Cody and Waite: x = n ln 2 + r with |r| <= ln 2 / 2, ln 2 in a part whose product with n
// is exact and a rest; then exp(r) = 1 + r + r^2 q(r), q a minimax polynomial of our own.
#pragma once

#include "simd/compensated.h"
#include "simd/polynomial.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
struct ExpConstants;

template <>
struct ExpConstants<float> {
  static constexpr float ln2_high = 0.693145751953125f, ln2_low = 1.42860677e-6f;
  static constexpr float highest = 89.0f, lowest = -104.0f;  // exp is infinite above, zero below
  static constexpr float expm1_lowest = -20.0f;              // expm1 is -1 below
  static constexpr float inverse_exponent = 64.0f;           // 2^-n is negligible beside 1 above
};

template <>
struct ExpConstants<double> {
  static constexpr double ln2_high = 0x1.62e42feep-1, ln2_low = 1.90821492927058770002e-10;  // fdlibm
  static constexpr double highest = 710.0, lowest = -746.0;
  static constexpr double expm1_lowest = -40.0;
  static constexpr double inverse_exponent = 128.0;
};

// q with exp(r) = 1 + r + r^2 q(r): errors of exp 2^-31.2 and 2^-57.1.
FASTNN_INLINE Vec<float> exp_polynomial(Vec<float> r) {
  return polynomial(r, {0.5f, 1.6666648e-01f, 4.166648e-02f, 8.337875e-03f, 1.3933296e-03f, 1.7330059e-04f});
}
FASTNN_INLINE Vec<double> exp_polynomial(Vec<double> r) {
  return wide_polynomial(r, {0.5000000000000011, 0.16666666666666435, 0.04166666666652579, 0.008333333333475829,
                             0.0013888888944850657, 0.0001984126955487092, 2.4801491786607895e-05,
                             2.755753311615666e-06, 2.763074015044683e-07, 2.5021133264009064e-08});
}

// exp(r) - 1 for |r| <= ln 2 / 2. A term less serves where 1 is added to it: its coefficients are those with the least
// error of exp, of all roundings together.
FASTNN_INLINE Vec<float> exp_less_one(Vec<float> r) {
  const Vec<float> q = polynomial(r, {0.49999997f, 1.66665152e-01f, 4.16687205e-02f, 8.37018806e-03f, 1.37894775e-03f});
  return fma(r * r, q, r);
}
FASTNN_INLINE Vec<double> exp_less_one(Vec<double> r) { return fma(r * r, exp_polynomial(r), r); }

// x = n ln 2 + r.
template <class T>
struct ExpArgument {
  Vec<T> n, r;
};

// x / ln 2, rounded to an integer n, as n + shift; n + Offset is in the low bits.
template <int Offset = 0, class T>
FASTNN_INLINE Vec<T> shifted_exponent(Vec<T> x) {
  return fma(x, Vec<T>(T(1.44269504088896340736)), Vec<T>(Format<T>::shift + Offset));
}
template <class T>
FASTNN_INLINE Vec<T> nearest_exponent(Vec<T> x) {
  return shifted_exponent(x) - Format<T>::shift;
}

// x - n ln 2
template <class T>
FASTNN_INLINE Vec<T> less_ln2(Vec<T> x, Vec<T> n) {
  using C = ExpConstants<T>;
  return fnma(n, Vec<T>(C::ln2_low), fnma(n, Vec<T>(C::ln2_high), x));
}

template <class T>
FASTNN_INLINE ExpArgument<T> reduce_exp(Vec<T> x) {
  const Vec<T> n = nearest_exponent(x);
  return {n, less_ln2(x, n)};
}
template <class T>
FASTNN_INLINE ExpArgument<T> reduce_exp(Pair<T> x) {
  using C = ExpConstants<T>;
  const Vec<T> n = nearest_exponent(x.high + x.low);
  return {n, fnma(n, Vec<T>(C::ln2_high), x.high) + fnma(n, Vec<T>(C::ln2_low), x.low)};
}

// min and max with the constant first keep a NaN in x.
template <class T>
FASTNN_INLINE Vec<T> clamp(T low, T high, Vec<T> x) {
  return max(Vec<T>(low), min(Vec<T>(high), x));
}

// The bits of exp(x) 2^Offset where that is a normal number: 2^n is added to the exponent.
template <int Offset, class T>
FASTNN_INLINE IVec<T> exp_bits(Vec<T> x) {
  const Vec<T> sum = shifted_exponent<Offset>(x);
  const Vec<T> fraction = exp_less_one(less_ln2(x, sum - (Format<T>::shift + Offset))) + T(1);
  return bits(fraction) + (bits(sum) << Format<T>::fraction_bits);
}

// exp without clamping: x a Vec<T> or a Pair<T> within the limits in ExpConstants.
template <template <class> class Number, class T>
FASTNN_INLINE Vec<T> exp_within(Number<T> x) {
  const auto [n, r] = reduce_exp(x);
  return scale(exp_less_one(r) + T(1), n);
}

template <class T>
FASTNN_INLINE Vec<T> exp(Vec<T> x) {
  return exp_within(clamp(ExpConstants<T>::lowest, ExpConstants<T>::highest, x));
}

// 2^n (r + r^2 q + 1 - 2^-n), with the rounding errors of the large terms carried along; for n = 0 it is r + r^2 q.
template <class T>
FASTNN_INLINE Vec<T> expm1(Vec<T> x) {
  using C = ExpConstants<T>;
  const Vec<T> bounded = clamp(C::expm1_lowest, C::highest, x);
  const Vec<T> n = nearest_exponent(bounded);
  const Vec<T> first = fnma(n, Vec<T>(C::ln2_high), bounded);  // exact
  const Vec<T> r = fnma(n, Vec<T>(C::ln2_low), first);
  const Vec<T> r_low = fnma(n, Vec<T>(C::ln2_low), first - r);

  const Vec<T> inverse = power_of_two(-min(Vec<T>(C::inverse_exponent), n));
  const Vec<T> constant = T(1) - inverse;
  const Vec<T> constant_low = T(1) - constant - inverse;
  const Vec<T> high = constant + r;
  const Vec<T> low = r - (high - constant);
  const Vec<T> sum = high + (fma(r * r, exp_polynomial(r), r_low) + (low + constant_low));
  // The sign of x is that of the result, and sums lose that of -0.
  return from_bits(bits(scale(sum, n)) | sign_bit(x));
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
