// Numbers taken apart and put together: x = fraction * 2^exponent.
#pragma once

#include "simd/vec.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
constexpr T infinity = T(__builtin_inf());
template <class T>
constexpr T not_a_number = T(__builtin_nan(""));

// The layout of a type in bits.
template <class T>
struct Format;

template <>
struct Format<float> {
  static constexpr int32_t one = 0x3f800000, three_quarters = 0x3f400000, fraction = 0x007fffff;
  static constexpr int fraction_bits = 23;
  static constexpr float least_normal = 0x1p-126f, greatest = 0x1.fffffep127f;
  static constexpr float two_to_bits = 0x1p23f, exponent_bias = 127;
  static constexpr float shift = 0x1.8p23f;  // adding it leaves the rounded integer in the low bits of the sum
};

template <>
struct Format<double> {
  static constexpr int64_t one = 0x3ff0000000000000, three_quarters = 0x3fe8000000000000, fraction = 0x000fffffffffffff;
  static constexpr int fraction_bits = 52;
  static constexpr double least_normal = 0x1p-1022, greatest = 0x1.fffffffffffffp1023;
  static constexpr double two_to_bits = 0x1p52, exponent_bias = 1023;
  static constexpr double shift = 0x1.8p52;
};

// 2^n for an integral n that gives a normal number.
template <class T>
FASTNN_INLINE Vec<T> power_of_two(Vec<T> n) {
  using F = Format<T>;
  return from_bits(bits(n + (F::shift + F::exponent_bias)) << F::fraction_bits);
}

// x * 2^floor(n) for |n| <= 250 (float) or an integral |n| <= 2000 (double), |x| near 1; rounded once, so that
// subnormal results have the same bits on every level.
template <class T>
FASTNN_INLINE Vec<T> scale(Vec<T> x, Vec<T> n) {
#if defined(__AVX512F__)
  return scale_by(x.v, n.v);
#else
  // Two factors, since n reaches beyond the exponents; only the last product rounds.
  constexpr T shift = Format<T>::shift;
  if constexpr (std::is_same_v<T, float>) n = floor(n);
  const Vec<T> half = n * T(0.5) + shift - shift;
  return x * power_of_two(half) * power_of_two(n - half);
#endif
}

template <class T>
struct Split {
  Vec<T> fraction, exponent;
};

#if !defined(__AVX512F__)
template <class T>
FASTNN_INLINE Split<T> split_normal(Vec<T> x) {
  using F = Format<T>;
  const IVec<T> offset = bits(x) - IVec<T>(F::three_quarters);
  const IVec<T> biased = logical_shift(offset + IVec<T>(F::one), F::fraction_bits);
  // A small integer in the low bits of 2^23 or 2^52 adds to it: cheaper than to convert 64-bit integers.
  const Vec<T> exponent = from_bits(biased | bits(Vec<T>(F::two_to_bits))) - (F::two_to_bits + F::exponent_bias);
  return {from_bits((offset & IVec<T>(F::fraction)) + IVec<T>(F::three_quarters)), exponent};
}
#endif

// fraction in [0.75, 1.5), NaN for negative x and NaN; exponent an integer, inf for inf, -inf for zeros.
template <class T>
FASTNN_INLINE Split<T> split(Vec<T> x) {
#if defined(__AVX512F__)
  Split<T> s;
  s.fraction = split_exponent(x.v, s.exponent.v);
  return s;
#else
  using F = Format<T>;
  if (all((x >= Vec<T>(F::least_normal)) & (x <= Vec<T>(F::greatest)))) [[likely]] {
    return split_normal(x);
  }
  const Mask<T> small = x < Vec<T>(F::least_normal);
  Split<T> s = split_normal(select(small, x * F::two_to_bits, x));
  s.exponent = s.exponent - select(small, Vec<T>(T(F::fraction_bits)), Vec<T>{});
  s.exponent = select(x == Vec<T>{}, Vec<T>(-infinity<T>), s.exponent);
  s.exponent = select(x > Vec<T>(F::greatest), x, s.exponent);
  s.fraction = select(x >= Vec<T>{}, s.fraction, Vec<T>(not_a_number<T>));
  return s;
#endif
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
