// The x86 level that the compiler's flags select.
#pragma once

#if defined(__AVX512F__)
#if !defined(__AVX512DQ__) || !defined(__AVX512BW__) || !defined(__AVX512VL__)
#error "the AVX-512 level is -march=x86-64-v4"
#endif
#include "simd/avx512.h"
#elif defined(__AVX2__) && defined(__FMA__)
#include "simd/avx2.h"
#elif defined(__SSE4_2__) && !defined(__AVX__)
#include "simd/sse4.h"
#else
#error "the levels are -march=x86-64-v2, v3 and v4"
#endif
