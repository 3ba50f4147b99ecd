// log and log1p. x = m 2^e with m in [0.75, 1.5); with f = m - 1, log x = e ln 2 + f + f^2 q(f), the sum of the first
// two terms carried with its rounding error (as in fdlibm, ln 2 is in two parts); q is a minimax polynomial of our own.
#pragma once

#include "simd/exponent.h"
#include "simd/math_exp.h"

namespace fastnn::FASTNN_ISA {
namespace {

// q with log(1 + f) = f + f^2 q(f) on [-0.25, 0.5]: errors 2^-27.4 and 2^-55.9.
FASTNN_INLINE Vec<float> log_polynomial(Vec<float> f) {
  return polynomial(f, {-0.5f, 3.3333462e-01f, -2.5000194e-01f, 1.9990388e-01f, -1.6642581e-01f, 1.4474845e-01f,
                        -1.3205938e-01f, 1.0584736e-01f, -4.5995306e-02f});
}

// log(1 + f) - f + rest, rest as large as a rounding error of f.
FASTNN_INLINE Vec<float> log_tail(Vec<float> f, Vec<float> rest) { return fma(f * f, log_polynomial(f), rest); }

// With s = f / (2 + f), log(1 + f) = 2 s + s R(s^2) = f - f^2 / 2 + s (f^2 / 2 + R), R = z p(z) with an error of 2^-60.
// A division and eight terms instead of 20: logarithms take a fifth less time.
FASTNN_INLINE Vec<double> log_tail(Vec<double> f, Vec<double> rest) {
  const Vec<double> s = f / (f + 2.0), half = f * 0.5, z = s * s;
  const Vec<double> p =
      wide_polynomial(z, {0.6666666666666666, 0.4000000000000794, 0.28571428567275936, 0.2222222304835159,
                          0.18181737626302938, 0.15388867805613718, 0.13209708242059462, 0.13609030262858499});
  return fma(s, fma(z, p, f * half), fnma(f, half, rest));
}

// e ln 2 + log(1 + f - excess), excess negligible but in the sum.
template <class T>
FASTNN_INLINE Vec<T> sum_log(Vec<T> e, Vec<T> f, Vec<T> excess) {
  using C = ExpConstants<T>;
  const Vec<T> high = fma(e, Vec<T>(C::ln2_high), f);  // the product is exact
  const Vec<T> tail = fma(e, Vec<T>(C::ln2_low), fms(e, Vec<T>(C::ln2_high), high) + f - excess);
  // The tail of an infinite sum is NaN; max with the constant second drops it, and keeps every other low part.
  return high + max(log_tail(f, tail), Vec<T>(T(-1)));
}

template <class T>
FASTNN_INLINE Vec<T> log(Vec<T> x) {
  const auto [m, e] = split(x);
  return sum_log(e, m - T(1), Vec<T>{});
}

// log(1 + x), where 1 + x = u + c with c the rounding error of the sum; f is the fraction of u, plus c scaled, less 1.
template <class T>
FASTNN_INLINE Vec<T> log1p(Vec<T> x) {
  const Vec<T> one(T(1));
  const Vec<T> u = one + x;
  const Vec<T> c = min(one, x) - (u - max(one, x));
  const auto [m, e] = split(u);
  // NaN for x = -1 and inf, where any number will do beside the infinite e.
  const Vec<T> scaled = max(scale(c, -e), -one);
  const Vec<T> first = m - one;
  const Vec<T> f = first + scaled;
  const Vec<T> y = sum_log(e, f, f - first - scaled);
  // The sign of x is that of the result, and sums lose that of -0.
  return from_bits(bits(y) | sign_bit(x));
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
