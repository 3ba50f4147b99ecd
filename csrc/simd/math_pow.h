// pow: exp(y log |x|) with the logarithm in two parts, and C's special cases.
#pragma once

#include "simd/compensated.h"
#include "simd/math_exp.h"

namespace fastnn::FASTNN_ISA {
namespace {

// log x = high + low for positive finite x, high infinite or NaN for others, with about 8 bits more than float32 has.
// The fraction m of x times an inverse r of m's nearest sixteenth, by a table, is 1 + f with |f| < 0.055; r has so few
// bits that f is exact. Then log x = e ln 2 - log r + f - f^2 / 2 + f^3 q(f), the first two terms in two parts, of
// which the sum of the high ones is exact; q with a relative error of 2^-34.5 in all.
FASTNN_INLINE Pair<float> log_in_two_parts(Vec<float> x) {
  // By sixteenths: 16, 17 ... 24, three that do not occur, 12 ... 15.
  constexpr float inverse[16] = {1.0f,    0.9375f, 0.90625f, 0.84375f, 0.8125f, 0.75f, 0.71875f, 0.6875f,
                                 0.6875f, 1.0f,    1.0f,     1.0f,     1.3125f, 1.25f, 1.125f,   1.0625f};
  constexpr float log_high[16] = {0.0f,
                                  0.064544677734375f,
                                  0.0984344482421875f,
                                  0.1699066162109375f,
                                  0.2076416015625f,
                                  0.287689208984375f,
                                  0.3302459716796875f,
                                  0.37469482421875f,
                                  0.37469482421875f,
                                  0.0f,
                                  0.0f,
                                  0.0f,
                                  -0.2719268798828125f,
                                  -0.22314453125f,
                                  -0.1177825927734375f,
                                  -0.0606231689453125f};
  constexpr float log_low[16] = {0.0f,
                                 -6.15659701e-06f,
                                 5.62457126e-06f,
                                 -7.57941552e-06f,
                                 -2.23678421e-06f,
                                 -7.13653253e-06f,
                                 -4.28480917e-06f,
                                 -1.3747773e-06f,
                                 -1.3747773e-06f,
                                 0.0f,
                                 0.0f,
                                 0.0f,
                                 -6.83560074e-06f,
                                 9.79935749e-07f,
                                 -4.42882936e-07f,
                                 -1.45287117e-06f};
  using C = ExpConstants<float>;
  const auto [m, e] = split(x);
  const IVec<float> sixteenths = bits(m + Format<float>::shift / 16);
  const Vec<float> f = -exact_remainder(m, look_up(inverse, sixteenths), Vec<float>(1.0f));
  const auto [square, square_error] = exact_product(f, f * -0.5f);
  const Vec<float> rest = polynomial(f, {-0.6666667f, 0.4999994f, -0.4000045f, 0.3341918f, -0.28405032f});  // -2 q

  const Vec<float> whole = fma(e, Vec<float>(C::ln2_high), look_up(log_high, sixteenths));  // exact
  const Vec<float> first = whole + f, high = first + square;
  const Vec<float> low = fma(e, Vec<float>(C::ln2_low), look_up(log_low, sixteenths));
  const Vec<float> lost = (f - (first - whole)) + (square - (high - first)) + square_error;
  return {high, lost + fma(f * square, rest, low)};
}

// The same in float64. With S = 2 f / (2 + f), log(1 + f) = S + S^3 / 12 + S^5 p(S^2) (the series of fdlibm): p fitted,
// for |S| <= 0.4, so that the relative error is 2^-65.0, that of the rounded 1 / 12 included. The terms are added from
// large to small, the first three each with its rounding error.
FASTNN_INLINE Pair<double> log_in_two_parts(Vec<double> x) {
  using T = double;
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
  const Vec<T> p = wide_polynomial(
      square, {0.012500000000000934, 0.0022321428570814877, 0.0004340277796491788, 8.877837933700427e-05,
               1.8780290835053004e-05, 4.068285368776487e-06, 8.948556469957493e-07, 2.2524553449049717e-07});
  const Vec<T> rest = fma(cube * square, p, low_parts);

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
