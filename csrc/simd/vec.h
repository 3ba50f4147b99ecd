// Vec<T>: one register of floats or doubles. Mask<T> chooses lanes, IVec<T> holds the bits of a Vec<T> or integers of
// the same width.
//
// Operators act on each lane; nothing is contracted behind the caller's back (write fma); partial loads and stores
// touch exactly the first n elements; pointers need no alignment.
#pragma once

#include "simd/native.h"

#if defined(__x86_64__)
#include "simd/x86.h"
#elif defined(__aarch64__)
#include "simd/neon.h"
#else
#error "fastnn has vector code for x86-64 and AArch64"
#endif

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
struct Mask {
  using Value = std::conditional_t<std::is_same_v<T, float>, FloatMask, DoubleMask>;

  Value m;

  Mask() = default;
  FASTNN_INLINE Mask(Value lanes) : m(lanes) {}

  // The first n lanes, 0 <= n <= lanes.
  FASTNN_INLINE static Mask first(int n) { return first_lanes(T{}, n); }

  FASTNN_INLINE friend Mask operator&(Mask a, Mask b) { return static_cast<Value>(a.m & b.m); }
  FASTNN_INLINE friend Mask operator|(Mask a, Mask b) { return static_cast<Value>(a.m | b.m); }
  FASTNN_INLINE friend Mask operator~(Mask a) { return static_cast<Value>(~a.m); }
};

template <class T>
FASTNN_INLINE bool any(Mask<T> m) {
  return any_lane(m.m);
}
template <class T>
FASTNN_INLINE bool all(Mask<T> m) {
  return !any_lane((~m).m);
}
// Bit i: lane i.
template <class T>
FASTNN_INLINE uint32_t lane_bits(Mask<T> m) {
  return lane_bits(m.m);
}

template <class T>
struct IVec {
  using Int = typename Native<T>::Int;
  using Value = typename Native<T>::Bits;
  using Unsigned = typename Native<T>::Unsigned;
  static constexpr int lanes = vector_bytes / static_cast<int>(sizeof(T));

  Value v;

  IVec() = default;
  FASTNN_INLINE IVec(Value bits) : v(bits) {}
  FASTNN_INLINE explicit IVec(Int s) : v(s - Value{}) {}

  FASTNN_INLINE friend IVec operator+(IVec a, IVec b) { return (Value)((Unsigned)a.v + (Unsigned)b.v); }
  FASTNN_INLINE friend IVec operator-(IVec a, IVec b) { return (Value)((Unsigned)a.v - (Unsigned)b.v); }
  FASTNN_INLINE friend IVec operator&(IVec a, IVec b) { return a.v & b.v; }
  FASTNN_INLINE friend IVec operator|(IVec a, IVec b) { return a.v | b.v; }
  FASTNN_INLINE friend IVec operator^(IVec a, IVec b) { return a.v ^ b.v; }
  FASTNN_INLINE friend IVec operator~(IVec a) { return ~a.v; }
  FASTNN_INLINE friend IVec operator<<(IVec a, int n) { return (Value)((Unsigned)a.v << n); }
  // Arithmetic; on 64-bit lanes below AVX-512 a logical_shift is cheaper.
  FASTNN_INLINE friend IVec operator>>(IVec a, int n) { return a.v >> n; }
  FASTNN_INLINE friend IVec logical_shift(IVec a, int n) { return (Value)((Unsigned)a.v >> n); }

  FASTNN_INLINE friend Mask<T> operator<(IVec a, IVec b) { return less(a.v, b.v); }
  FASTNN_INLINE friend Mask<T> operator>(IVec a, IVec b) { return less(b.v, a.v); }
  FASTNN_INLINE friend Mask<T> operator==(IVec a, IVec b) { return equal(a.v, b.v); }
};

// The address sanitizer of GCC does not see the accesses of masked instructions: these are its own checks.
#if defined(__SANITIZE_ADDRESS__)
extern "C" void __asan_loadN(const void*, size_t);
extern "C" void __asan_storeN(void*, size_t);
template <class T>
FASTNN_INLINE void check_load(const T* p, int n) {
  __asan_loadN(p, static_cast<size_t>(n) * sizeof(T));
}
template <class T>
FASTNN_INLINE void check_store(T* p, int n) {
  __asan_storeN(p, static_cast<size_t>(n) * sizeof(T));
}
#else
template <class T>
FASTNN_INLINE void check_load(const T*, int) {}
template <class T>
FASTNN_INLINE void check_store(T*, int) {}
#endif

template <class T>
struct Vec {
  using Value = typename Native<T>::Value;
  static constexpr int lanes = vector_bytes / static_cast<int>(sizeof(T));

  Value v;

  Vec() = default;  // undefined lanes; Vec<T>{} is zero
  FASTNN_INLINE Vec(Value value) : v(value) {}
  // Subtracting zero keeps the sign of -0.0, adding it would not.
  FASTNN_INLINE explicit Vec(T s) : v(s - Value{}) {}

  FASTNN_INLINE static Vec load(const T* p) {
    return (Value) * reinterpret_cast<const typename Native<T>::Unaligned*>(p);
  }
  // A vector of 64 bytes in two loads: where arrays lie 16 bytes behind a cache line, as NumPy's large ones do, only
  // one of them touches two lines.
  FASTNN_INLINE static Vec load_halves(const T* p) {
#if defined(__AVX512F__)
    return fastnn::FASTNN_ISA::load_halves(p);
#else
    return load(p);
#endif
  }
  // The first n lanes, 0 <= n <= lanes; the other lanes are zero, or those of `rest`.
  FASTNN_INLINE static Vec load(const T* p, int n) {
    check_load(p, n);
    return load_first(p, n);
  }
  FASTNN_INLINE static Vec load(const T* p, int n, Vec rest) { return select(Mask<T>::first(n), load(p, n), rest); }

  FASTNN_INLINE void store(T* p) const { *reinterpret_cast<typename Native<T>::Unaligned*>(p) = v; }
  FASTNN_INLINE void store(T* p, int n) const {
    check_store(p, n);
    store_first(p, v, n);
  }

  FASTNN_INLINE friend Vec operator+(Vec a, Vec b) { return a.v + b.v; }
  FASTNN_INLINE friend Vec operator-(Vec a, Vec b) { return a.v - b.v; }
  FASTNN_INLINE friend Vec operator*(Vec a, Vec b) { return a.v * b.v; }
  FASTNN_INLINE friend Vec operator/(Vec a, Vec b) { return a.v / b.v; }
  FASTNN_INLINE friend Vec operator-(Vec a) { return -a.v; }

  FASTNN_INLINE friend Vec operator+(Vec a, T b) { return a + Vec(b); }
  FASTNN_INLINE friend Vec operator-(Vec a, T b) { return a - Vec(b); }
  FASTNN_INLINE friend Vec operator*(Vec a, T b) { return a * Vec(b); }
  FASTNN_INLINE friend Vec operator/(Vec a, T b) { return a / Vec(b); }
  FASTNN_INLINE friend Vec operator+(T a, Vec b) { return Vec(a) + b; }
  FASTNN_INLINE friend Vec operator-(T a, Vec b) { return Vec(a) - b; }
  FASTNN_INLINE friend Vec operator*(T a, Vec b) { return Vec(a) * b; }
  FASTNN_INLINE friend Vec operator/(T a, Vec b) { return Vec(a) / b; }

  FASTNN_INLINE Vec& operator+=(Vec b) { return *this = *this + b; }
  FASTNN_INLINE Vec& operator-=(Vec b) { return *this = *this - b; }
  FASTNN_INLINE Vec& operator*=(Vec b) { return *this = *this * b; }
  FASTNN_INLINE Vec& operator/=(Vec b) { return *this = *this / b; }

  // False where a lane is NaN, but for != which is true there.
  FASTNN_INLINE friend Mask<T> operator<(Vec a, Vec b) { return less(a.v, b.v); }
  FASTNN_INLINE friend Mask<T> operator>(Vec a, Vec b) { return less(b.v, a.v); }
  FASTNN_INLINE friend Mask<T> operator<=(Vec a, Vec b) { return less_equal(a.v, b.v); }
  FASTNN_INLINE friend Mask<T> operator>=(Vec a, Vec b) { return less_equal(b.v, a.v); }
  FASTNN_INLINE friend Mask<T> operator==(Vec a, Vec b) { return equal(a.v, b.v); }
  FASTNN_INLINE friend Mask<T> operator!=(Vec a, Vec b) { return not_equal(a.v, b.v); }

  // The second operand if either is NaN or both are zero (the rule of x86): min(limit, x) keeps a
  // NaN in x, min(x, limit) removes it.
  FASTNN_INLINE friend Vec min(Vec a, Vec b) { return lower(a.v, b.v); }
  FASTNN_INLINE friend Vec max(Vec a, Vec b) { return higher(a.v, b.v); }
  // NaN if either is NaN.
  FASTNN_INLINE friend Vec minimum(Vec a, Vec b) { return select(a != a, a, min(a, b)); }
  FASTNN_INLINE friend Vec maximum(Vec a, Vec b) { return select(a != a, a, max(a, b)); }

  // a * b + c; fnma: c - a * b; fms: a * b - c. One rounding, except on the baseline, which has two.
  FASTNN_INLINE friend Vec fma(Vec a, Vec b, Vec c) { return multiply_add(a.v, b.v, c.v); }
  FASTNN_INLINE friend Vec fnma(Vec a, Vec b, Vec c) { return subtract_product(a.v, b.v, c.v); }
  FASTNN_INLINE friend Vec fms(Vec a, Vec b, Vec c) { return multiply_subtract(a.v, b.v, c.v); }

  FASTNN_INLINE friend Vec sqrt(Vec a) { return square_root(a.v); }
  FASTNN_INLINE friend Vec round(Vec a) { return round_to<0>(a.v); }  // halves to even
  FASTNN_INLINE friend Vec floor(Vec a) { return round_to<1>(a.v); }
  FASTNN_INLINE friend Vec ceil(Vec a) { return round_to<2>(a.v); }
  FASTNN_INLINE friend Vec trunc(Vec a) { return round_to<3>(a.v); }

  FASTNN_INLINE friend IVec<T> bits(Vec a) { return (typename Native<T>::Bits)a.v; }
  FASTNN_INLINE friend Vec abs(Vec a) { return from_bits(bits(a) & ~bits(Vec(T(-0.0)))); }
  FASTNN_INLINE friend Vec copysign(Vec magnitude, Vec sign) {
    return from_bits(bits(abs(magnitude)) | sign_bit(sign));
  }
  FASTNN_INLINE friend IVec<T> sign_bit(Vec a) { return bits(a) & bits(Vec(T(-0.0))); }
};

template <class T>
FASTNN_INLINE Vec<T> select(Mask<T> m, Vec<T> a, Vec<T> b) {
  return blend(m.m, a.v, b.v);
}
template <class T>
FASTNN_INLINE IVec<T> select(Mask<T> m, IVec<T> a, IVec<T> b) {
  return blend(m.m, a.v, b.v);
}

template <class T>
FASTNN_INLINE Vec<T> from_bits(IVec<T> a) {
  return (typename Native<T>::Value)a.v;
}
// To the nearest integer, halves to even; |a| < 2^31 (float) or 2^51 (double).
template <class T>
FASTNN_INLINE IVec<T> to_integer(Vec<T> a) {
  return to_bits(a.v);
}
// From an integer; of magnitude below 2^51 in 64-bit lanes.
template <class T>
FASTNN_INLINE Vec<T> from_integer(IVec<T> a) {
  return to_value(a.v);
}

// table[index mod N], where N is 8 or 16.
template <int N>
FASTNN_INLINE Vec<float> look_up(const float (&table)[N], IVec<float> index) {
  return look_up(table, index.v);
}

// The lower and the upper half of a float vector as doubles, and back (rounding to nearest).
FASTNN_INLINE Vec<double> widen_lower(Vec<float> a) { return widen_low(a.v); }
FASTNN_INLINE Vec<double> widen_upper(Vec<float> a) { return widen_high(a.v); }
// Half a vector of floats from memory.
FASTNN_INLINE Vec<double> load_widened(const float* p) { return load_wide(p); }
FASTNN_INLINE Vec<float> narrow(Vec<double> lower_half, Vec<double> upper_half) {
  return narrow_both(lower_half.v, upper_half.v);
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA

#include "simd/exponent.h"
#include "simd/lanes.h"
#include "simd/wide.h"
