// The registers of one ISA level: width, vector types, and the helpers that keep code in registers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#ifndef FASTNN_ISA
#error "FASTNN_ISA names the namespace of one ISA level (baseline, avx2, avx512, neon)"
#endif

// Everything in simd/ and kernels/ is compiled once per level; a function that is neither inlined
// nor in an unnamed namespace could win at link time over that of an older level.
#define FASTNN_INLINE [[gnu::always_inline]] inline

// After the parameters of a lambda: `[&](auto i) FASTNN_INLINED { ... }`.
#define FASTNN_INLINED __attribute__((always_inline))

namespace fastnn::FASTNN_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16;
#endif

// Vector types of exactly one register: a wider one would be split by the compiler, badly.
template <class T>
struct Native;

template <>
struct Native<float> {
  using Int = int32_t;
  typedef float Value __attribute__((vector_size(vector_bytes)));
  typedef int32_t Bits __attribute__((vector_size(vector_bytes)));
  typedef uint32_t Unsigned __attribute__((vector_size(vector_bytes)));
  typedef float Unaligned __attribute__((vector_size(vector_bytes), aligned(1), may_alias));
};

template <>
struct Native<double> {
  using Int = int64_t;
  typedef double Value __attribute__((vector_size(vector_bytes)));
  typedef int64_t Bits __attribute__((vector_size(vector_bytes)));
  typedef uint64_t Unsigned __attribute__((vector_size(vector_bytes)));
  typedef double Unaligned __attribute__((vector_size(vector_bytes), aligned(1), may_alias));
};

using FloatValue = Native<float>::Value;
using FloatBits = Native<float>::Bits;
using DoubleValue = Native<double>::Value;
using DoubleBits = Native<double>::Bits;

// Calls f(integral_constant<int, 0>) ... f(integral_constant<int, N - 1>). Arrays of vectors stay in
// registers only if every index is a constant before the compiler splits aggregates; ordinary loops
// are unrolled too late for that and leave the array on the stack.
template <int N, class F>
FASTNN_INLINE void unroll(F&& f) {
  [&]<int... I>(std::integer_sequence<int, I...>) FASTNN_INLINED { (f(std::integral_constant<int, I>{}), ...); }
  (std::make_integer_sequence<int, N>{});
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
