// What formulas share. A formula is a specialization for its kernel; it computes a vector of results from vectors of
// the operands and, where it says so, the op's float attributes.
#pragma once
#include "kernels/table.h"
#include "simd/math.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <Kernel>
struct Formula;

struct Plain {
  static constexpr bool heavy = false;  // whether computing takes longer than memory does

  FASTNN_INLINE Plain(const Attr*) {}
};

template <int N>
struct Attributes {
  static constexpr bool heavy = false;
  double value[N];

  FASTNN_INLINE Attributes(const Attr* a) {
    for (int i = 0; i < N; i++) value[i] = a[i].f;
  }
  template <class T>
  FASTNN_INLINE Vec<T> attribute(int i) const {
    return Vec<T>(static_cast<T>(value[i]));
  }
};

template <class T>
FASTNN_INLINE Vec<T> constant(double value) {
  return Vec<T>(static_cast<T>(value));
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
