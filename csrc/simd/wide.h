// Wide<T>: a fixed 64 bytes (16 floats or 8 doubles) whatever the register width. Sums kept in one
// have the same order, so the same bits, on every level with fused multiply-add.
#pragma once

#include "simd/lanes.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
struct Wide {
  static constexpr int lanes = 64 / static_cast<int>(sizeof(T));
  static constexpr int parts = 64 / vector_bytes;

  Vec<T> part[parts];

  Wide() = default;  // undefined lanes; Wide<T>{} is zero
  FASTNN_INLINE explicit Wide(T s) {
    unroll<parts>([&](auto i) FASTNN_INLINED { part[i] = Vec<T>(s); });
  }

  FASTNN_INLINE static Wide load(const T* p) {
    return make([&](auto i) FASTNN_INLINED { return Vec<T>::load(p + i * Vec<T>::lanes); });
  }
  // The first n lanes, 0 <= n <= lanes; the other lanes are those of `rest`.
  FASTNN_INLINE static Wide load(const T* p, int n, T rest = T(0)) {
    return make([&](auto i) FASTNN_INLINED {
      const int left = remaining(n, i);
      return left == 0 ? Vec<T>(rest) : Vec<T>::load(p + i * Vec<T>::lanes, left, Vec<T>(rest));
    });
  }
  FASTNN_INLINE void store(T* p) const {
    unroll<parts>([&](auto i) FASTNN_INLINED { part[i].store(p + i * Vec<T>::lanes); });
  }
  FASTNN_INLINE void store(T* p, int n) const {
    unroll<parts>([&](auto i) FASTNN_INLINED {
      const int left = remaining(n, i);
      if (left > 0) part[i].store(p + i * Vec<T>::lanes, left);
    });
  }

  // f(i) gives part i.
  template <class F>
  FASTNN_INLINE static Wide make(F&& f) {
    Wide w;
    unroll<parts>([&](auto i) FASTNN_INLINED { w.part[i] = f(i); });
    return w;
  }
  // f applied to each part.
  template <class F>
  FASTNN_INLINE Wide map(F&& f) const {
    return make([&](auto i) FASTNN_INLINED { return f(part[i]); });
  }

  FASTNN_INLINE friend Wide operator+(const Wide& a, const Wide& b) {
    return make([&](auto i) FASTNN_INLINED { return a.part[i] + b.part[i]; });
  }
  FASTNN_INLINE friend Wide operator-(const Wide& a, const Wide& b) {
    return make([&](auto i) FASTNN_INLINED { return a.part[i] - b.part[i]; });
  }
  FASTNN_INLINE friend Wide operator*(const Wide& a, const Wide& b) {
    return make([&](auto i) FASTNN_INLINED { return a.part[i] * b.part[i]; });
  }
  FASTNN_INLINE friend Wide operator/(const Wide& a, const Wide& b) {
    return make([&](auto i) FASTNN_INLINED { return a.part[i] / b.part[i]; });
  }
  FASTNN_INLINE Wide& operator+=(const Wide& b) { return *this = *this + b; }

  FASTNN_INLINE friend Wide fma(const Wide& a, const Wide& b, const Wide& c) {
    return make([&](auto i) FASTNN_INLINED { return fma(a.part[i], b.part[i], c.part[i]); });
  }
  FASTNN_INLINE friend Wide max(const Wide& a, const Wide& b) {
    return make([&](auto i) FASTNN_INLINED { return max(a.part[i], b.part[i]); });
  }
  FASTNN_INLINE friend Wide min(const Wide& a, const Wide& b) {
    return make([&](auto i) FASTNN_INLINED { return min(a.part[i], b.part[i]); });
  }
  FASTNN_INLINE friend Wide maximum(const Wide& a, const Wide& b) {
    return make([&](auto i) FASTNN_INLINED { return maximum(a.part[i], b.part[i]); });
  }
  FASTNN_INLINE friend Wide minimum(const Wide& a, const Wide& b) {
    return make([&](auto i) FASTNN_INLINED { return minimum(a.part[i], b.part[i]); });
  }

 private:
  FASTNN_INLINE static int remaining(int n, int i) {
    const int left = n - i * Vec<T>::lanes;
    return left < 0 ? 0 : left < Vec<T>::lanes ? left : Vec<T>::lanes;
  }
};

// Folds the parts as fold_halves folds lanes: upper half onto lower.
template <int Half, class T, class F>
FASTNN_INLINE Vec<T> fold_parts(Wide<T> w, F&& combine) {
  if constexpr (Half == 0) {
    return w.part[0];
  } else {
    unroll<Half>([&](auto i) FASTNN_INLINED { w.part[i] = combine(w.part[i], w.part[i.value + Half]); });
    return fold_parts<Half / 2>(w, combine);
  }
}

template <class T>
FASTNN_INLINE T reduce_add(const Wide<T>& w) {
  return reduce_add(fold_parts<Wide<T>::parts / 2>(w, [](Vec<T> a, Vec<T> b) FASTNN_INLINED { return a + b; }));
}
// NaN if any lane is NaN.
template <class T>
FASTNN_INLINE T reduce_max(const Wide<T>& w) {
  return reduce_max(fold_parts<Wide<T>::parts / 2>(w, [](Vec<T> a, Vec<T> b) FASTNN_INLINED { return maximum(a, b); }));
}
template <class T>
FASTNN_INLINE T reduce_min(const Wide<T>& w) {
  return reduce_min(fold_parts<Wide<T>::parts / 2>(w, [](Vec<T> a, Vec<T> b) FASTNN_INLINED { return minimum(a, b); }));
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
