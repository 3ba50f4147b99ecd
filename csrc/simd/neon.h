// Primitives of AArch64's NEON: 16-byte vectors, fused multiply-add, masks of all-ones or zero.
#pragma once

#include <arm_neon.h>

#include "simd/portable.h"

namespace fastnn::FASTNN_ISA {
namespace {

FASTNN_INLINE bool any_lane(FloatMask m) { return vmaxvq_u32((uint32x4_t)m) != 0; }
FASTNN_INLINE bool any_lane(DoubleMask m) { return vmaxvq_u32((uint32x4_t)m) != 0; }
FASTNN_INLINE uint32_t lane_bits(FloatMask m) { return vaddvq_u32((uint32x4_t)m & uint32x4_t{1, 2, 4, 8}); }
FASTNN_INLINE uint32_t lane_bits(DoubleMask m) {
  return static_cast<uint32_t>(vaddvq_u64((uint64x2_t)m & uint64x2_t{1, 2}));
}

FASTNN_INLINE FloatBits blend(FloatMask m, FloatBits a, FloatBits b) {
  return (FloatBits)vbslq_s32((uint32x4_t)m, (int32x4_t)a, (int32x4_t)b);
}
FASTNN_INLINE DoubleBits blend(DoubleMask m, DoubleBits a, DoubleBits b) {
  return (DoubleBits)vbslq_s64((uint64x2_t)m, (int64x2_t)a, (int64x2_t)b);
}
FASTNN_INLINE FloatValue blend(FloatMask m, FloatValue a, FloatValue b) {
  return (FloatValue)blend(m, (FloatBits)a, (FloatBits)b);
}
FASTNN_INLINE DoubleValue blend(DoubleMask m, DoubleValue a, DoubleValue b) {
  return (DoubleValue)blend(m, (DoubleBits)a, (DoubleBits)b);
}

// The rule of x86 instead of NEON's own: the second operand if either is NaN.
FASTNN_INLINE FloatValue lower(FloatValue a, FloatValue b) { return blend(less(a, b), a, b); }
FASTNN_INLINE DoubleValue lower(DoubleValue a, DoubleValue b) { return blend(less(a, b), a, b); }
FASTNN_INLINE FloatValue higher(FloatValue a, FloatValue b) { return blend(less(b, a), a, b); }
FASTNN_INLINE DoubleValue higher(DoubleValue a, DoubleValue b) { return blend(less(b, a), a, b); }

// a * b + c, c - a * b and a * b - c, rounded once.
FASTNN_INLINE FloatValue multiply_add(FloatValue a, FloatValue b, FloatValue c) {
  return (FloatValue)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
FASTNN_INLINE DoubleValue multiply_add(DoubleValue a, DoubleValue b, DoubleValue c) {
  return (DoubleValue)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
}
FASTNN_INLINE FloatValue subtract_product(FloatValue a, FloatValue b, FloatValue c) {
  return (FloatValue)vfmsq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
FASTNN_INLINE DoubleValue subtract_product(DoubleValue a, DoubleValue b, DoubleValue c) {
  return (DoubleValue)vfmsq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
}
FASTNN_INLINE FloatValue multiply_subtract(FloatValue a, FloatValue b, FloatValue c) { return multiply_add(a, b, -c); }
FASTNN_INLINE DoubleValue multiply_subtract(DoubleValue a, DoubleValue b, DoubleValue c) {
  return multiply_add(a, b, -c);
}

FASTNN_INLINE FloatValue square_root(FloatValue v) { return (FloatValue)vsqrtq_f32((float32x4_t)v); }
FASTNN_INLINE DoubleValue square_root(DoubleValue v) { return (DoubleValue)vsqrtq_f64((float64x2_t)v); }

// To an integer: the nearest (0), down (1), up (2) or toward zero (3).
template <int Mode>
FASTNN_INLINE FloatValue round_to(FloatValue v) {
  const float32x4_t x = (float32x4_t)v;
  if constexpr (Mode == 0) return (FloatValue)vrndnq_f32(x);
  if constexpr (Mode == 1) return (FloatValue)vrndmq_f32(x);
  if constexpr (Mode == 2) return (FloatValue)vrndpq_f32(x);
  if constexpr (Mode == 3) return (FloatValue)vrndq_f32(x);
}
template <int Mode>
FASTNN_INLINE DoubleValue round_to(DoubleValue v) {
  const float64x2_t x = (float64x2_t)v;
  if constexpr (Mode == 0) return (DoubleValue)vrndnq_f64(x);
  if constexpr (Mode == 1) return (DoubleValue)vrndmq_f64(x);
  if constexpr (Mode == 2) return (DoubleValue)vrndpq_f64(x);
  if constexpr (Mode == 3) return (DoubleValue)vrndq_f64(x);
}

FASTNN_INLINE FloatBits to_bits(FloatValue v) { return (FloatBits)vcvtnq_s32_f32((float32x4_t)v); }
FASTNN_INLINE FloatValue to_value(FloatBits v) { return (FloatValue)vcvtq_f32_s32((int32x4_t)v); }

FASTNN_INLINE DoubleValue load_wide(const float* p) { return (DoubleValue)vcvt_f64_f32(vld1_f32(p)); }
FASTNN_INLINE DoubleValue widen_low(FloatValue v) { return (DoubleValue)vcvt_f64_f32(vget_low_f32((float32x4_t)v)); }
FASTNN_INLINE DoubleValue widen_high(FloatValue v) { return (DoubleValue)vcvt_high_f64_f32((float32x4_t)v); }
FASTNN_INLINE FloatValue narrow_both(DoubleValue low, DoubleValue high) {
  return (FloatValue)vcvt_high_f32_f64(vcvt_f32_f64((float64x2_t)low), (float64x2_t)high);
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
