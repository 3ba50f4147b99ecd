// Primitives of the AVX-512 level (F, DQ, BW, VL): 64-byte vectors, masks in mask registers.
#pragma once

#include <immintrin.h>

#include "simd/native.h"

namespace fastnn::FASTNN_ISA {
namespace {

using FloatMask = __mmask16;
using DoubleMask = __mmask8;

// GCC 12 warns of an uninitialized operand inside many unmasked intrinsics; with a constant full mask
// the masked ones compile to the same instruction.
constexpr FloatMask all_floats = 0xffff;
constexpr DoubleMask all_doubles = 0xff;

FASTNN_INLINE FloatMask first_lanes(float, int n) {
  return static_cast<FloatMask>(_bzhi_u32(0xffffu, static_cast<unsigned>(n)));
}
FASTNN_INLINE DoubleMask first_lanes(double, int n) {
  return static_cast<DoubleMask>(_bzhi_u32(0xffu, static_cast<unsigned>(n)));
}

FASTNN_INLINE FloatValue load_first(const float* p, int n) { return _mm512_maskz_loadu_ps(first_lanes(0.0f, n), p); }
FASTNN_INLINE DoubleValue load_first(const double* p, int n) { return _mm512_maskz_loadu_pd(first_lanes(0.0, n), p); }
FASTNN_INLINE FloatValue load_halves(const float* p) {
  const __m512 low = _mm512_castps256_ps512(_mm256_loadu_ps(p));
  return _mm512_maskz_insertf32x8(all_floats, low, _mm256_loadu_ps(p + 8), 1);
}
FASTNN_INLINE DoubleValue load_halves(const double* p) {
  const __m512d low = _mm512_castpd256_pd512(_mm256_loadu_pd(p));
  return _mm512_maskz_insertf64x4(all_doubles, low, _mm256_loadu_pd(p + 4), 1);
}
FASTNN_INLINE void store_first(float* p, FloatValue v, int n) { _mm512_mask_storeu_ps(p, first_lanes(0.0f, n), v); }
FASTNN_INLINE void store_first(double* p, DoubleValue v, int n) { _mm512_mask_storeu_pd(p, first_lanes(0.0, n), v); }

FASTNN_INLINE FloatMask less(FloatValue a, FloatValue b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
FASTNN_INLINE DoubleMask less(DoubleValue a, DoubleValue b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ); }
FASTNN_INLINE FloatMask less_equal(FloatValue a, FloatValue b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
FASTNN_INLINE DoubleMask less_equal(DoubleValue a, DoubleValue b) { return _mm512_cmp_pd_mask(a, b, _CMP_LE_OQ); }
FASTNN_INLINE FloatMask equal(FloatValue a, FloatValue b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
FASTNN_INLINE DoubleMask equal(DoubleValue a, DoubleValue b) { return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ); }
FASTNN_INLINE FloatMask not_equal(FloatValue a, FloatValue b) { return _mm512_cmp_ps_mask(a, b, _CMP_NEQ_UQ); }
FASTNN_INLINE DoubleMask not_equal(DoubleValue a, DoubleValue b) { return _mm512_cmp_pd_mask(a, b, _CMP_NEQ_UQ); }
FASTNN_INLINE FloatMask less(FloatBits a, FloatBits b) { return _mm512_cmplt_epi32_mask((__m512i)a, (__m512i)b); }
FASTNN_INLINE DoubleMask less(DoubleBits a, DoubleBits b) { return _mm512_cmplt_epi64_mask((__m512i)a, (__m512i)b); }
FASTNN_INLINE FloatMask equal(FloatBits a, FloatBits b) { return _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b); }
FASTNN_INLINE DoubleMask equal(DoubleBits a, DoubleBits b) { return _mm512_cmpeq_epi64_mask((__m512i)a, (__m512i)b); }
FASTNN_INLINE bool any_lane(FloatMask m) { return m != 0; }
FASTNN_INLINE bool any_lane(DoubleMask m) { return m != 0; }
FASTNN_INLINE uint32_t lane_bits(FloatMask m) { return m; }
FASTNN_INLINE uint32_t lane_bits(DoubleMask m) { return m; }

FASTNN_INLINE FloatValue blend(FloatMask m, FloatValue a, FloatValue b) { return _mm512_mask_blend_ps(m, b, a); }
FASTNN_INLINE DoubleValue blend(DoubleMask m, DoubleValue a, DoubleValue b) { return _mm512_mask_blend_pd(m, b, a); }
FASTNN_INLINE FloatBits blend(FloatMask m, FloatBits a, FloatBits b) {
  return (FloatBits)_mm512_mask_blend_epi32(m, (__m512i)b, (__m512i)a);
}
FASTNN_INLINE DoubleBits blend(DoubleMask m, DoubleBits a, DoubleBits b) {
  return (DoubleBits)_mm512_mask_blend_epi64(m, (__m512i)b, (__m512i)a);
}

FASTNN_INLINE FloatValue lower(FloatValue a, FloatValue b) { return _mm512_maskz_min_ps(all_floats, a, b); }
FASTNN_INLINE DoubleValue lower(DoubleValue a, DoubleValue b) { return _mm512_maskz_min_pd(all_doubles, a, b); }
FASTNN_INLINE FloatValue higher(FloatValue a, FloatValue b) { return _mm512_maskz_max_ps(all_floats, a, b); }
FASTNN_INLINE DoubleValue higher(DoubleValue a, DoubleValue b) { return _mm512_maskz_max_pd(all_doubles, a, b); }

// a * b + c, c - a * b and a * b - c, rounded once.
FASTNN_INLINE FloatValue multiply_add(FloatValue a, FloatValue b, FloatValue c) { return _mm512_fmadd_ps(a, b, c); }
FASTNN_INLINE DoubleValue multiply_add(DoubleValue a, DoubleValue b, DoubleValue c) { return _mm512_fmadd_pd(a, b, c); }
FASTNN_INLINE FloatValue subtract_product(FloatValue a, FloatValue b, FloatValue c) {
  return _mm512_fnmadd_ps(a, b, c);
}
FASTNN_INLINE DoubleValue subtract_product(DoubleValue a, DoubleValue b, DoubleValue c) {
  return _mm512_fnmadd_pd(a, b, c);
}
FASTNN_INLINE FloatValue multiply_subtract(FloatValue a, FloatValue b, FloatValue c) {
  return _mm512_fmsub_ps(a, b, c);
}
FASTNN_INLINE DoubleValue multiply_subtract(DoubleValue a, DoubleValue b, DoubleValue c) {
  return _mm512_fmsub_pd(a, b, c);
}

FASTNN_INLINE FloatValue square_root(FloatValue v) { return _mm512_maskz_sqrt_ps(all_floats, v); }
FASTNN_INLINE DoubleValue square_root(DoubleValue v) { return _mm512_maskz_sqrt_pd(all_doubles, v); }

// To an integer: Mode is one of _MM_FROUND_TO_NEAREST_INT, _TO_NEG_INF, _TO_POS_INF, _TO_ZERO.
template <int Mode>
FASTNN_INLINE FloatValue round_to(FloatValue v) {
  return _mm512_maskz_roundscale_ps(all_floats, v, Mode | _MM_FROUND_NO_EXC);
}
template <int Mode>
FASTNN_INLINE DoubleValue round_to(DoubleValue v) {
  return _mm512_maskz_roundscale_pd(all_doubles, v, Mode | _MM_FROUND_NO_EXC);
}

FASTNN_INLINE FloatBits to_bits(FloatValue v) { return (FloatBits)_mm512_maskz_cvtps_epi32(all_floats, v); }
FASTNN_INLINE DoubleBits to_bits(DoubleValue v) { return (DoubleBits)_mm512_maskz_cvtpd_epi64(all_doubles, v); }
FASTNN_INLINE FloatValue to_value(FloatBits v) { return _mm512_maskz_cvtepi32_ps(all_floats, (__m512i)v); }
FASTNN_INLINE DoubleValue to_value(DoubleBits v) { return _mm512_maskz_cvtepi64_pd(all_doubles, (__m512i)v); }

// The one nearer to 0; that which is a number.
FASTNN_INLINE FloatValue nearer(FloatValue a, FloatValue b) { return _mm512_maskz_range_ps(all_floats, a, b, 2); }
FASTNN_INLINE DoubleValue nearer(DoubleValue a, DoubleValue b) { return _mm512_maskz_range_pd(all_doubles, a, b, 2); }

FASTNN_INLINE FloatValue scale_by(FloatValue v, FloatValue n) { return _mm512_maskz_scalef_ps(all_floats, v, n); }
FASTNN_INLINE DoubleValue scale_by(DoubleValue v, DoubleValue n) { return _mm512_maskz_scalef_pd(all_doubles, v, n); }

// The fraction in [0.75, 1.5); see split in exponent.h.
FASTNN_INLINE FloatValue split_exponent(FloatValue v, FloatValue& exponent) {
  const __m512 fraction = _mm512_maskz_getmant_ps(all_floats, v, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_nan);
  exponent = _mm512_maskz_getexp_ps(all_floats, v) - _mm512_maskz_getexp_ps(all_floats, fraction);
  return fraction;
}
FASTNN_INLINE DoubleValue split_exponent(DoubleValue v, DoubleValue& exponent) {
  const __m512d fraction = _mm512_maskz_getmant_pd(all_doubles, v, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_nan);
  exponent = _mm512_maskz_getexp_pd(all_doubles, v) - _mm512_maskz_getexp_pd(all_doubles, fraction);
  return fraction;
}

FASTNN_INLINE FloatValue look_up(const float (&table)[16], FloatBits index) {
  return _mm512_maskz_permutexvar_ps(all_floats, (__m512i)index, _mm512_loadu_ps(table));
}
FASTNN_INLINE FloatValue look_up(const float (&table)[8], FloatBits index) {
  const __m512 twice = _mm512_maskz_broadcast_f32x8(all_floats, _mm256_loadu_ps(table));
  return _mm512_maskz_permutexvar_ps(all_floats, (__m512i)index, twice);
}

FASTNN_INLINE DoubleValue load_wide(const float* p) { return _mm512_maskz_cvtps_pd(all_doubles, _mm256_loadu_ps(p)); }
FASTNN_INLINE DoubleValue widen_low(FloatValue v) {
  const auto half = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);
  return _mm512_maskz_cvtps_pd(all_doubles, half);
}
FASTNN_INLINE DoubleValue widen_high(FloatValue v) {
  const auto half = __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  return _mm512_maskz_cvtps_pd(all_doubles, half);
}
FASTNN_INLINE FloatValue narrow_both(DoubleValue low, DoubleValue high) {
  const __m512 lower = _mm512_castps256_ps512(_mm512_maskz_cvtpd_ps(all_doubles, low));
  return _mm512_maskz_insertf32x8(all_floats, lower, _mm512_maskz_cvtpd_ps(all_doubles, high), 1);
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
