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

// Where exp itself is wanted in float32, n is a multiple of 1 / 16, 2^n comes from a table in a register, and r^3 is
// the last term for |r| <= ln 2 / 32. In float64 n is an integer.
//
// An exponent x / ln 2, or -x / ln 2, rounded to n, as n + shift; n + Offset is in the low bits.
template <class T>
constexpr T fine_shift = Format<T>::shift;
template <>
constexpr float fine_shift<float> = Format<float>::shift / 16;

template <class T>
FASTNN_INLINE Vec<T> fine_exponent(Vec<T> x) {
  return fma(x, Vec<T>(T(1.44269504088896340736)), Vec<T>(fine_shift<T>));
}
template <int Offset, class T>
FASTNN_INLINE Vec<T> fine_exponent_minus(Vec<T> x) {
  return fnma(x, Vec<T>(T(1.44269504088896340736)), Vec<T>(fine_shift<T> + Offset));
}

// factor * 2^(k / 16); what these lack, as a part of them; the floats of which the sum with k << 19 is their bits.
struct Roots {
  float value[16], lack[16], less[16];

  constexpr explicit Roots(double factor) : value{}, lack{}, less{} {
    const double exact[16] = {1.0,
                              1.0442737824274138,
                              1.0905077326652577,
                              1.1387886347566916,
                              1.189207115002721,
                              1.2418578120734840,
                              1.2968395546510096,
                              1.3542555469368927,
                              1.4142135623730950,
                              1.4768261459394993,
                              1.5422108254079409,
                              1.6104903319492544,
                              1.6817928305074290,
                              1.7562521603732995,
                              1.8340080864093424,
                              1.9152065613971473};
    for (int k = 0; k < 16; k++) {
      value[k] = static_cast<float>(factor * exact[k]);
      lack[k] = static_cast<float>(factor * exact[k] / double(value[k]) - 1);
      less[k] = __builtin_bit_cast(float, __builtin_bit_cast(int32_t, value[k]) - (k << 19));
    }
  }
};
constexpr Roots roots(1);

// The bits of 2^n, where that is a normal number, by those of n + shift; in float32 times the factor of the roots.
FASTNN_INLINE IVec<float> fine_power(const Roots& from, IVec<float> sum) {
  return bits(look_up(from.less, sum)) + (sum << (Format<float>::fraction_bits - 4));
}
FASTNN_INLINE IVec<double> fine_power(const Roots&, IVec<double> sum) {
  return (sum << Format<double>::fraction_bits) + IVec<double>(Format<double>::one);
}

// x - n ln 2. Without fused multiply-add the first product has to be exact.
FASTNN_INLINE Vec<float> fine_rest(Vec<float> x, Vec<float> n) {
  return fnma(n, Vec<float>(-2.12194440e-4f), fnma(n, Vec<float>(0.693359375f), x));
}
FASTNN_INLINE Vec<double> fine_rest(Vec<double> x, Vec<double> n) { return less_ln2(x, n); }

// factor * exp(r). The coefficients are a little large: the largest errors are those of roots that are too small.
FASTNN_INLINE Vec<float> fine_series(Vec<float> r) { return polynomial(r, {1.0f, 0.5000262f, 0.16666074f}); }
FASTNN_INLINE Vec<float> times_fine_exp(Vec<float> factor, Vec<float> r) {
  return fma(factor * r, fine_series(r), factor);
}
FASTNN_INLINE Vec<double> times_fine_exp(Vec<double> factor, Vec<double> r) {
  return fma(factor, exp_less_one(r), factor);
}

// 2^(n - floor(n)) exp(r) by the bits of n + shift.
FASTNN_INLINE Vec<float> fine_exp(IVec<float> sum, Vec<float> r) {
  return times_fine_exp(look_up(roots.value, sum), r);
}
FASTNN_INLINE Vec<double> fine_exp(IVec<double>, Vec<double> r) { return exp_less_one(r) + 1.0; }

// The same with what the factor, a root or a power by these bits, lacks: half a unit in the last place more exact. It
// takes exp 7 % longer.
FASTNN_INLINE Vec<float> times_exact_exp(Vec<float> factor, IVec<float> sum, Vec<float> r) {
  return fma(factor, fma(r, fine_series(r), look_up(roots.lack, sum)), factor);
}
FASTNN_INLINE Vec<double> times_exact_exp(Vec<double> factor, IVec<double>, Vec<double> r) {
  return times_fine_exp(factor, r);
}
FASTNN_INLINE Vec<float> exact_fine_exp(IVec<float> sum, Vec<float> r) {
  return times_exact_exp(look_up(roots.value, sum), sum, r);
}
FASTNN_INLINE Vec<double> exact_fine_exp(IVec<double> sum, Vec<double> r) { return fine_exp(sum, r); }

// exp(-x) 2^Offset where that is a normal number with those around it, times the factor of the roots.
template <int Offset, class T>
FASTNN_INLINE Vec<T> exp_minus(const Roots& from, Vec<T> x) {
  const Vec<T> sum = fine_exponent_minus<Offset>(x);
  return times_fine_exp(from_bits(fine_power(from, bits(sum))), fine_rest(-x, sum - (fine_shift<T> + Offset)));
}

// exp(-x), its exponent's bits lessened by `less`, where that is a normal number.
template <class T>
FASTNN_INLINE Vec<T> exact_exp_minus(Vec<T> x, IVec<T> less = IVec<T>(0)) {
  const Vec<T> sum = fine_exponent_minus<0>(x);
  return times_exact_exp(from_bits(fine_power(roots, bits(sum)) - less), bits(sum), fine_rest(-x, sum - fine_shift<T>));
}

// exp without clamping: x a Vec<T> or a Pair<T> within the limits in ExpConstants.
template <class T>
FASTNN_INLINE Vec<T> exp_within(Vec<T> x) {
  const Vec<T> sum = fine_exponent(x), n = sum - fine_shift<T>;
  return scale(fine_exp(bits(sum), fine_rest(x, n)), n);
}
template <class T>
FASTNN_INLINE Vec<T> exp_within(Pair<T> x) {
  const Vec<T> sum = fine_exponent(x.high + x.low), n = sum - fine_shift<T>;
  return scale(exact_fine_exp(bits(sum), fine_rest(x.high, n) + x.low), n);
}

template <class T>
FASTNN_INLINE Vec<T> exp(Vec<T> x) {
#if defined(__AVX512F__)
  // Where x is too large, infinite or NaN, so is n, and says all; r may be any number.
  const Vec<T> sum = fine_exponent(x), n = sum - fine_shift<T>;
  return scale(fine_exp(bits(sum), nearer(fine_rest(x, n).v, Vec<T>(T(0.5)).v)), n);
#else
  return exp_within(clamp(ExpConstants<T>::lowest, ExpConstants<T>::highest, x));
#endif
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
