// Primitives of the AVX2 level (with FMA): 32-byte vectors, masks are vectors of all-ones or zero.
#pragma once

#include <immintrin.h>

#include "simd/portable.h"

namespace fastnn::FASTNN_ISA {
namespace {

// A window that starts 8 - n words into this table has its first n lanes set.
alignas(64) constexpr int32_t lane_table[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

FASTNN_INLINE FloatMask first_lanes(float, int n) {
  return (FloatMask)_mm256_loadu_si256(reinterpret_cast<const __m256i*>(lane_table + 8 - n));
}
FASTNN_INLINE DoubleMask first_lanes(double, int n) {
  return (DoubleMask)_mm256_loadu_si256(reinterpret_cast<const __m256i*>(lane_table + 8 - 2 * n));
}

FASTNN_INLINE uint32_t lane_bits(FloatMask m) { return static_cast<uint32_t>(_mm256_movemask_ps((__m256)m)); }
FASTNN_INLINE uint32_t lane_bits(DoubleMask m) { return static_cast<uint32_t>(_mm256_movemask_pd((__m256d)m)); }
FASTNN_INLINE bool any_lane(FloatMask m) { return lane_bits(m) != 0; }
FASTNN_INLINE bool any_lane(DoubleMask m) { return lane_bits(m) != 0; }

FASTNN_INLINE FloatValue blend(FloatMask m, FloatValue a, FloatValue b) { return _mm256_blendv_ps(b, a, (__m256)m); }
FASTNN_INLINE DoubleValue blend(DoubleMask m, DoubleValue a, DoubleValue b) {
  return _mm256_blendv_pd(b, a, (__m256d)m);
}
FASTNN_INLINE FloatBits blend(FloatMask m, FloatBits a, FloatBits b) {
  return (FloatBits)_mm256_blendv_epi8((__m256i)b, (__m256i)a, (__m256i)m);
}
FASTNN_INLINE DoubleBits blend(DoubleMask m, DoubleBits a, DoubleBits b) {
  return (DoubleBits)_mm256_blendv_epi8((__m256i)b, (__m256i)a, (__m256i)m);
}

FASTNN_INLINE FloatValue load_first(const float* p, int n) {
  return _mm256_maskload_ps(p, (__m256i)first_lanes(0.0f, n));
}
FASTNN_INLINE DoubleValue load_first(const double* p, int n) {
  return _mm256_maskload_pd(p, (__m256i)first_lanes(0.0, n));
}
FASTNN_INLINE void store_first(float* p, FloatValue v, int n) {
  _mm256_maskstore_ps(p, (__m256i)first_lanes(0.0f, n), v);
}
FASTNN_INLINE void store_first(double* p, DoubleValue v, int n) {
  _mm256_maskstore_pd(p, (__m256i)first_lanes(0.0, n), v);
}

FASTNN_INLINE FloatValue lower(FloatValue a, FloatValue b) { return _mm256_min_ps(a, b); }
FASTNN_INLINE DoubleValue lower(DoubleValue a, DoubleValue b) { return _mm256_min_pd(a, b); }
FASTNN_INLINE FloatValue higher(FloatValue a, FloatValue b) { return _mm256_max_ps(a, b); }
FASTNN_INLINE DoubleValue higher(DoubleValue a, DoubleValue b) { return _mm256_max_pd(a, b); }

// a * b + c, c - a * b and a * b - c, rounded once.
FASTNN_INLINE FloatValue multiply_add(FloatValue a, FloatValue b, FloatValue c) { return _mm256_fmadd_ps(a, b, c); }
FASTNN_INLINE DoubleValue multiply_add(DoubleValue a, DoubleValue b, DoubleValue c) { return _mm256_fmadd_pd(a, b, c); }
FASTNN_INLINE FloatValue subtract_product(FloatValue a, FloatValue b, FloatValue c) {
  return _mm256_fnmadd_ps(a, b, c);
}
FASTNN_INLINE DoubleValue subtract_product(DoubleValue a, DoubleValue b, DoubleValue c) {
  return _mm256_fnmadd_pd(a, b, c);
}
FASTNN_INLINE FloatValue multiply_subtract(FloatValue a, FloatValue b, FloatValue c) {
  return _mm256_fmsub_ps(a, b, c);
}
FASTNN_INLINE DoubleValue multiply_subtract(DoubleValue a, DoubleValue b, DoubleValue c) {
  return _mm256_fmsub_pd(a, b, c);
}

FASTNN_INLINE FloatValue square_root(FloatValue v) { return _mm256_sqrt_ps(v); }
FASTNN_INLINE DoubleValue square_root(DoubleValue v) { return _mm256_sqrt_pd(v); }

// To an integer: Mode is one of _MM_FROUND_TO_NEAREST_INT, _TO_NEG_INF, _TO_POS_INF, _TO_ZERO.
template <int Mode>
FASTNN_INLINE FloatValue round_to(FloatValue v) {
  return _mm256_round_ps(v, Mode | _MM_FROUND_NO_EXC);
}
template <int Mode>
FASTNN_INLINE DoubleValue round_to(DoubleValue v) {
  return _mm256_round_pd(v, Mode | _MM_FROUND_NO_EXC);
}

FASTNN_INLINE FloatBits to_bits(FloatValue v) { return (FloatBits)_mm256_cvtps_epi32(v); }
FASTNN_INLINE FloatValue to_value(FloatBits v) { return _mm256_cvtepi32_ps((__m256i)v); }

FASTNN_INLINE FloatValue look_up(const float (&table)[8], FloatBits index) {
  return _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), (__m256i)index);
}
FASTNN_INLINE FloatValue look_up(const float (&table)[16], FloatBits index) {
  const __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), (__m256i)index);
  const __m256 high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), (__m256i)index);
  return _mm256_blendv_ps(low, high, (__m256)(index << 28));  // by the sign
}

FASTNN_INLINE DoubleValue load_wide(const float* p) { return _mm256_cvtps_pd(_mm_loadu_ps(p)); }
FASTNN_INLINE DoubleValue widen_low(FloatValue v) { return _mm256_cvtps_pd(_mm256_castps256_ps128(v)); }
FASTNN_INLINE DoubleValue widen_high(FloatValue v) { return _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1)); }
FASTNN_INLINE FloatValue narrow_both(DoubleValue low, DoubleValue high) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(low)), _mm256_cvtpd_ps(high), 1);
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
