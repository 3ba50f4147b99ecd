// Half<T>: the lower half of a register of 64 bytes. It takes half the time of a whole one where units are 32 bytes
// wide (Zen 4).
#pragma once

#include "simd/vec.h"

#if defined(__AVX512F__)
namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
struct Half;

template <>
struct Half<float> {
  __m256 v;

  Half() = default;
  FASTNN_INLINE explicit Half(__m256 value) : v(value) {}
  FASTNN_INLINE explicit Half(float s) : v(_mm256_set1_ps(s)) {}
  FASTNN_INLINE explicit Half(Vec<float> lower)
      : v(__builtin_shufflevector(lower.v, lower.v, 0, 1, 2, 3, 4, 5, 6, 7)) {}
  FASTNN_INLINE static Half load(const float* p) { return Half(_mm256_loadu_ps(p)); }
  FASTNN_INLINE void store(float* p) const { _mm256_storeu_ps(p, v); }
  // The upper half is undefined.
  FASTNN_INLINE Vec<float> widened() const { return _mm512_castps256_ps512(v); }
  FASTNN_INLINE friend Half fma(Half a, Half b, Half c) { return Half(_mm256_fmadd_ps(a.v, b.v, c.v)); }
};

template <>
struct Half<double> {
  __m256d v;

  Half() = default;
  FASTNN_INLINE explicit Half(__m256d value) : v(value) {}
  FASTNN_INLINE explicit Half(double s) : v(_mm256_set1_pd(s)) {}
  FASTNN_INLINE explicit Half(Vec<double> lower) : v(__builtin_shufflevector(lower.v, lower.v, 0, 1, 2, 3)) {}
  FASTNN_INLINE static Half load(const double* p) { return Half(_mm256_loadu_pd(p)); }
  FASTNN_INLINE void store(double* p) const { _mm256_storeu_pd(p, v); }
  FASTNN_INLINE Vec<double> widened() const { return _mm512_castpd256_pd512(v); }
  FASTNN_INLINE friend Half fma(Half a, Half b, Half c) { return Half(_mm256_fmadd_pd(a.v, b.v, c.v)); }
};

}  // namespace
}  // namespace fastnn::FASTNN_ISA
#endif
