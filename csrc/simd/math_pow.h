// pow: exp(y log |x|) with the logarithm in two parts, and C's special cases.
#pragma once

#include "simd/compensated.h"
#include "simd/math_exp.h"

namespace fastnn::FASTNN_ISA {
namespace {

// With S = 2 f / (2 + f), log(1 + f) = S + S^3 / 12 + S^5 p(S^2) (the series of fdlibm): p fitted, for |S| <= 0.4, so
// that the relative error is 2^-35.9 and 2^-65.0, that of the rounded 1 / 12 included.
FASTNN_INLINE Vec<float> log_series_rest(Vec<float> square) {
  return polynomial(square, {1.2499847e-02f, 2.2350645e-03f, 4.1163448e-04f, 1.5123522e-04f});
}
FASTNN_INLINE Vec<double> log_series_rest(Vec<double> square) {
  return wide_polynomial(
      square, {0.012500000000000934, 0.0022321428570814877, 0.0004340277796491788, 8.877837933700427e-05,
               1.8780290835053004e-05, 4.068285368776487e-06, 8.948556469957493e-07, 2.2524553449049717e-07});
}

// log x = high + low for positive finite x, infinite or NaN for others, with about 10 bits more than T has. The terms
// are added from large to small, the first three each with its rounding error.
template <class T>
FASTNN_INLINE Pair<T> log_in_two_parts(Vec<T> x) {
  const Vec<T> ln2_high(ExpConstants<T>::ln2_high), ln2_low(ExpConstants<T>::ln2_low);
  const auto [m, e] = split(x);
  const Vec<T> f = m - T(1);
  const Vec<T> inverse = T(2) / (f + T(2));
  const Vec<T> s = f * inverse;
  const Vec<T> s_low = exact_remainder(s, f * T(0.5), f - s) * inverse;

  const auto [square, square_low] = exact_product(s, s);
  const auto [cube, cube_error] = exact_product(square, s);
  const auto [term, term_error] = exact_product(cube, Vec<T>(T(1.0 / 12)));
  const Vec<T> term_low = fma(fma(square_low, s, cube_error), Vec<T>(T(1.0 / 12)), term_error);
  // s_low counts with the derivative of S + S^3 / 12.
  const Vec<T> low_parts = fma(s_low, fma(square, Vec<T>(T(0.25)), Vec<T>(T(1))), fma(e, ln2_low, term_low));
  const Vec<T> rest = fma(cube * square, log_series_rest(square), low_parts);

  const Vec<T> first = fma(e, ln2_high, s);  // the product is exact
  const Vec<T> high = first + term;
  return {high, (fms(e, ln2_high, first) + s) + (first - high + term) + rest};
}

// C's rules, where x is zero, negative, infinite or NaN, or y is infinite or NaN; power = |x|^y elsewhere.
template <class T>
FASTNN_INLINE Vec<T> special_power(Vec<T> x, Vec<T> y, Vec<T> power) {
  const Vec<T> zero{}, one{T(1)}, huge{infinity<T>}, size = abs(x);
  const Mask<T> down = y < zero, infinite = size == huge;
  const Mask<T> integer = round(y) == y;
  const Mask<T> odd = integer & (round(y * T(0.5)) != y * T(0.5));
  const Mask<T> limit = (x == zero) | infinite | (abs(y) == huge);
  const Mask<T> grows = ((size < one) & down) | ((size > one) & ~down);
  power = select(limit, select(grows, huge, zero), power);
  power = select((x < zero) & ~infinite & ~integer, Vec<T>(not_a_number<T>), power);
  power = select(odd, from_bits(bits(power) | sign_bit(x)), power);
  power = select((x != x) | (y != y), x + y, power);
  return select((x == one) | (y == zero) | ((size == one) & (abs(y) == huge)), one, power);
}

// y log x = high + low; high is infinite or NaN where x is not positive and finite, or y not finite.
template <class T>
FASTNN_INLINE Pair<T> times_log(Vec<T> y, Vec<T> x) {
  const auto [log_high, log_low] = log_in_two_parts(x);
  const auto [high, error] = exact_product(y, log_high);
  return {high, fma(y, log_low, error)};
}

template <class T>
FASTNN_INLINE Vec<T> pow(Vec<T> x, Vec<T> y) {
  constexpr T largest = std::is_same_v<T, float> ? T(85) : T(700);
  const Pair<T> ordinary = times_log(y, x);
  if (all(abs(ordinary.high) < Vec<T>(largest))) [[likely]]
    return exp_within(ordinary);
  // Where the clamp acts, low is meaningless, perhaps NaN, which min and max drop with the constant second.
  const auto [high, low] = times_log(y, abs(x));
  const Pair<T> bounded{clamp(ExpConstants<T>::lowest - T(2), ExpConstants<T>::highest + T(2), high),
                        min(max(low, Vec<T>(T(-1))), Vec<T>(T(1)))};
  return special_power(x, y, exp_within(bounded));
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
