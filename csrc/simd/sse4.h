// Primitives of the baseline (x86-64-v2, SSE4.2): 16-byte vectors, no fused multiply-add.
#pragma once

#include <immintrin.h>

#include "simd/portable.h"

namespace fastnn::FASTNN_ISA {
namespace {

FASTNN_INLINE uint32_t lane_bits(FloatMask m) { return static_cast<uint32_t>(_mm_movemask_ps((__m128)m)); }
FASTNN_INLINE uint32_t lane_bits(DoubleMask m) { return static_cast<uint32_t>(_mm_movemask_pd((__m128d)m)); }
FASTNN_INLINE bool any_lane(FloatMask m) { return lane_bits(m) != 0; }
FASTNN_INLINE bool any_lane(DoubleMask m) { return lane_bits(m) != 0; }

FASTNN_INLINE FloatValue blend(FloatMask m, FloatValue a, FloatValue b) { return _mm_blendv_ps(b, a, (__m128)m); }
FASTNN_INLINE DoubleValue blend(DoubleMask m, DoubleValue a, DoubleValue b) { return _mm_blendv_pd(b, a, (__m128d)m); }
FASTNN_INLINE FloatBits blend(FloatMask m, FloatBits a, FloatBits b) {
  return (FloatBits)_mm_blendv_epi8((__m128i)b, (__m128i)a, (__m128i)m);
}
FASTNN_INLINE DoubleBits blend(DoubleMask m, DoubleBits a, DoubleBits b) {
  return (DoubleBits)_mm_blendv_epi8((__m128i)b, (__m128i)a, (__m128i)m);
}

FASTNN_INLINE FloatValue lower(FloatValue a, FloatValue b) { return _mm_min_ps(a, b); }
FASTNN_INLINE DoubleValue lower(DoubleValue a, DoubleValue b) { return _mm_min_pd(a, b); }
FASTNN_INLINE FloatValue higher(FloatValue a, FloatValue b) { return _mm_max_ps(a, b); }
FASTNN_INLINE DoubleValue higher(DoubleValue a, DoubleValue b) { return _mm_max_pd(a, b); }

// a * b + c, c - a * b and a * b - c, rounded twice.
FASTNN_INLINE FloatValue multiply_add(FloatValue a, FloatValue b, FloatValue c) { return a * b + c; }
FASTNN_INLINE DoubleValue multiply_add(DoubleValue a, DoubleValue b, DoubleValue c) { return a * b + c; }
FASTNN_INLINE FloatValue subtract_product(FloatValue a, FloatValue b, FloatValue c) { return c - a * b; }
FASTNN_INLINE DoubleValue subtract_product(DoubleValue a, DoubleValue b, DoubleValue c) { return c - a * b; }
FASTNN_INLINE FloatValue multiply_subtract(FloatValue a, FloatValue b, FloatValue c) { return a * b - c; }
FASTNN_INLINE DoubleValue multiply_subtract(DoubleValue a, DoubleValue b, DoubleValue c) { return a * b - c; }

FASTNN_INLINE FloatValue square_root(FloatValue v) { return _mm_sqrt_ps(v); }
FASTNN_INLINE DoubleValue square_root(DoubleValue v) { return _mm_sqrt_pd(v); }

// To an integer: Mode is one of _MM_FROUND_TO_NEAREST_INT, _TO_NEG_INF, _TO_POS_INF, _TO_ZERO.
template <int Mode>
FASTNN_INLINE FloatValue round_to(FloatValue v) {
  return _mm_round_ps(v, Mode | _MM_FROUND_NO_EXC);
}
template <int Mode>
FASTNN_INLINE DoubleValue round_to(DoubleValue v) {
  return _mm_round_pd(v, Mode | _MM_FROUND_NO_EXC);
}

FASTNN_INLINE FloatBits to_bits(FloatValue v) { return (FloatBits)_mm_cvtps_epi32(v); }
FASTNN_INLINE FloatValue to_value(FloatBits v) { return _mm_cvtepi32_ps((__m128i)v); }

FASTNN_INLINE DoubleValue load_wide(const float* p) { return _mm_cvtps_pd(_mm_castsi128_ps(_mm_loadu_si64(p))); }
FASTNN_INLINE DoubleValue widen_low(FloatValue v) { return _mm_cvtps_pd(v); }
FASTNN_INLINE DoubleValue widen_high(FloatValue v) { return _mm_cvtps_pd(_mm_movehl_ps(v, v)); }
FASTNN_INLINE FloatValue narrow_both(DoubleValue low, DoubleValue high) {
  return _mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high));
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
