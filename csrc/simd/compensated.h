// Numbers in two parts: a result and its rounding error.
#pragma once

#include "simd/vec.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
struct Pair {
  Vec<T> high, low;
};

// a * b = high + low exactly, barring underflow.
template <class T>
FASTNN_INLINE Pair<T> exact_product(Vec<T> a, Vec<T> b) {
  const Vec<T> high = a * b;
#if defined(__FMA__) || defined(__aarch64__)
  return {high, fms(a, b, high)};
#else
  // Dekker's product of halves cut by a mask.
  constexpr int cut = (Format<T>::fraction_bits + 2) / 2;
  const IVec<T> mask(static_cast<typename IVec<T>::Int>(-1) << cut);
  const Vec<T> a_high = from_bits(bits(a) & mask), b_high = from_bits(bits(b) & mask);
  const Vec<T> a_low = a - a_high, b_low = b - b_high;
  return {high, a_low * b_low - (high - a_high * b_high - a_low * b_high - a_high * b_low)};
#endif
}

// c - a * b for c near a * b, rounded once.
template <class T>
FASTNN_INLINE Vec<T> exact_remainder(Vec<T> a, Vec<T> b, Vec<T> c) {
#if defined(__FMA__) || defined(__aarch64__)
  return fnma(a, b, c);
#else
  const auto [high, low] = exact_product(a, b);
  return c - high - low;
#endif
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
