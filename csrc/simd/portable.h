// Primitives in plain vector code, for the levels below AVX-512 and for NEON: masks are vectors of
// all-ones or zero lanes.
#pragma once

#include "simd/native.h"

namespace fastnn::FASTNN_ISA {
namespace {

using FloatMask = FloatBits;
using DoubleMask = DoubleBits;

FASTNN_INLINE FloatMask less(FloatValue a, FloatValue b) { return (FloatMask)(a < b); }
FASTNN_INLINE DoubleMask less(DoubleValue a, DoubleValue b) { return (DoubleMask)(a < b); }
FASTNN_INLINE FloatMask less_equal(FloatValue a, FloatValue b) { return (FloatMask)(a <= b); }
FASTNN_INLINE DoubleMask less_equal(DoubleValue a, DoubleValue b) { return (DoubleMask)(a <= b); }
FASTNN_INLINE FloatMask equal(FloatValue a, FloatValue b) { return (FloatMask)(a == b); }
FASTNN_INLINE DoubleMask equal(DoubleValue a, DoubleValue b) { return (DoubleMask)(a == b); }
FASTNN_INLINE FloatMask not_equal(FloatValue a, FloatValue b) { return (FloatMask)(a != b); }
FASTNN_INLINE DoubleMask not_equal(DoubleValue a, DoubleValue b) { return (DoubleMask)(a != b); }
FASTNN_INLINE FloatMask less(FloatBits a, FloatBits b) { return (FloatMask)(a < b); }
FASTNN_INLINE DoubleMask less(DoubleBits a, DoubleBits b) { return (DoubleMask)(a < b); }
FASTNN_INLINE FloatMask equal(FloatBits a, FloatBits b) { return (FloatMask)(a == b); }
FASTNN_INLINE DoubleMask equal(DoubleBits a, DoubleBits b) { return (DoubleMask)(a == b); }

#if !defined(__AVX2__)
FASTNN_INLINE FloatMask first_lanes(float, int n) { return (FloatMask)(FloatBits{0, 1, 2, 3} < n); }
FASTNN_INLINE DoubleMask first_lanes(double, int n) { return (DoubleMask)(DoubleBits{0, 1} < static_cast<int64_t>(n)); }

FASTNN_INLINE FloatValue load_first(const float* p, int n) {
  FloatValue v{};
  if (n > 0) v[0] = p[0];
  if (n > 1) v[1] = p[1];
  if (n > 2) v[2] = p[2];
  if (n > 3) v[3] = p[3];
  return v;
}
FASTNN_INLINE DoubleValue load_first(const double* p, int n) {
  DoubleValue v{};
  if (n > 0) v[0] = p[0];
  if (n > 1) v[1] = p[1];
  return v;
}
FASTNN_INLINE void store_first(float* p, FloatValue v, int n) {
  if (n > 0) p[0] = v[0];
  if (n > 1) p[1] = v[1];
  if (n > 2) p[2] = v[2];
  if (n > 3) p[3] = v[3];
}
FASTNN_INLINE void store_first(double* p, DoubleValue v, int n) {
  if (n > 0) p[0] = v[0];
  if (n > 1) p[1] = v[1];
}

template <int N>
FASTNN_INLINE FloatValue look_up(const float (&table)[N], FloatBits index) {
  constexpr int mask = N - 1;
  return FloatValue{table[index[0] & mask], table[index[1] & mask], table[index[2] & mask], table[index[3] & mask]};
}
#endif

// 1.5 * 2^52: adding it leaves the rounded integer in the low bits of the sum.
constexpr double double_shift = 6755399441055744.0;
constexpr int64_t double_shift_bits = 0x4338000000000000;

FASTNN_INLINE DoubleBits to_bits(DoubleValue v) { return (DoubleBits)(v + double_shift) - double_shift_bits; }
FASTNN_INLINE DoubleValue to_value(DoubleBits v) { return (DoubleValue)(v + double_shift_bits) - double_shift; }

}  // namespace
}  // namespace fastnn::FASTNN_ISA
