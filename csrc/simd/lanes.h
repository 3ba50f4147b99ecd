// What crosses lanes: reductions, strided access, transposes. Included by vec.h.
#pragma once

#include "simd/vec.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
using LaneIndices = std::make_integer_sequence<int, Vec<T>::lanes>;

// Lane i of the result is lane i ^ Distance of v.
template <int Distance, class T, int... I>
FASTNN_INLINE Vec<T> swap_lanes(Vec<T> v, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(v.v, v.v, (I ^ Distance)...);
}

// Folds the upper half onto the lower, then the upper quarter ... : the order of the sum depends on
// the number of lanes alone.
template <int Half, class T, class F>
FASTNN_INLINE T fold_halves(Vec<T> v, F&& combine) {
  if constexpr (Half == 0) {
    return v.v[0];
  } else {
    return fold_halves<Half / 2>(combine(v, swap_lanes<Half>(v, LaneIndices<T>{})), combine);
  }
}

template <class T>
FASTNN_INLINE T reduce_add(Vec<T> v) {
  return fold_halves<Vec<T>::lanes / 2>(v, [](Vec<T> a, Vec<T> b) FASTNN_INLINED { return a + b; });
}
// NaN if any lane is NaN.
template <class T>
FASTNN_INLINE T reduce_max(Vec<T> v) {
  return fold_halves<Vec<T>::lanes / 2>(v, [](Vec<T> a, Vec<T> b) FASTNN_INLINED { return maximum(a, b); });
}
template <class T>
FASTNN_INLINE T reduce_min(Vec<T> v) {
  return fold_halves<Vec<T>::lanes / 2>(v, [](Vec<T> a, Vec<T> b) FASTNN_INLINED { return minimum(a, b); });
}

template <class T>
FASTNN_INLINE T load_element(const char* p) {
  T element;
  __builtin_memcpy(&element, p, sizeof(T));
  return element;
}

// Lane i comes from stride_bytes * i behind p for i < n, the others repeat lane 0.
template <class T, int... I>
FASTNN_INLINE Vec<T> gather(const T* p, int64_t stride_bytes, int n, std::integer_sequence<int, I...>) {
  const char* base = reinterpret_cast<const char*>(p);
  return typename Vec<T>::Value{load_element<T>(base + (I < n ? I * stride_bytes : 0))...};
}

// Lane i comes from stride_bytes * i behind p.
template <class T>
FASTNN_INLINE Vec<T> load_strided(const T* p, int64_t stride_bytes) {
  return gather(p, stride_bytes, Vec<T>::lanes, LaneIndices<T>{});
}
// The first n lanes, 1 <= n <= lanes, the others are zero.
template <class T>
FASTNN_INLINE Vec<T> load_strided(const T* p, int64_t stride_bytes, int n) {
  return select(Mask<T>::first(n), gather(p, stride_bytes, n, LaneIndices<T>{}), Vec<T>{});
}

// Lane i goes to stride_bytes * i behind p, for i < n.
template <class T>
FASTNN_INLINE void store_strided(Vec<T> v, T* p, int64_t stride_bytes, int n) {
  T elements[Vec<T>::lanes];
  v.store(elements);
  char* base = reinterpret_cast<char*>(p);
  for (int i = 0; i < n; ++i) __builtin_memcpy(base + i * stride_bytes, elements + i, sizeof(T));
}

// Unpacks pairs of `Unit`-sized pieces inside each 128-bit lane: the low (Part 0) or high (Part 1) ones of a and b.
template <class Unit, int Part, class Value, int... I>
FASTNN_INLINE Value interleave(Value a, Value b, std::integer_sequence<int, I...>) {
  using Piece = typename Native<Unit>::Value;
  constexpr int half = 8 / static_cast<int>(sizeof(Unit));
  return (Value)__builtin_shufflevector(
      (Piece)a, (Piece)b, (I / (2 * half) * 2 * half + Part * half + I % (2 * half) / 2 + I % 2 * Vec<Unit>::lanes)...);
}
template <class Unit, int Part, class Value>
FASTNN_INLINE Value interleave(Value a, Value b) {
  return interleave<Unit, Part>(a, b, LaneIndices<Unit>{});
}

// Lanes of 128 bits: the even (Part 0) or odd (Part 1) ones of a, then those of b.
template <int Part, class Value, int... I>
FASTNN_INLINE Value pick_lanes(Value a, Value b, std::integer_sequence<int, I...>) {
  return (Value)__builtin_shufflevector((DoubleValue)a, (DoubleValue)b, (I / 2 * 4 + Part * 2 + I % 2)...);
}
template <int Part, class Value>
FASTNN_INLINE Value pick_lanes(Value a, Value b) {
  return pick_lanes<Part>(a, b, LaneIndices<double>{});
}

// Transposes in place: afterwards r[i] holds lane i of what r[0], r[1] ... were.
template <class T>
FASTNN_INLINE void transpose(Vec<T> (&r)[Vec<T>::lanes]) {
  constexpr int lanes = Vec<T>::lanes;
  constexpr int block = 16 / static_cast<int>(sizeof(T));
  using Value = typename Vec<T>::Value;
  // Blocks of 128 bits: lane l of u[block * g + q] is column block * l + q of rows block * g ...
  Value u[lanes];
  unroll<lanes / block>([&](auto g) FASTNN_INLINED {
    constexpr int row = g.value * block;
    if constexpr (std::is_same_v<T, float>) {
      const Value a = interleave<float, 0>(r[row].v, r[row + 1].v);
      const Value b = interleave<float, 1>(r[row].v, r[row + 1].v);
      const Value c = interleave<float, 0>(r[row + 2].v, r[row + 3].v);
      const Value d = interleave<float, 1>(r[row + 2].v, r[row + 3].v);
      u[row] = interleave<double, 0>(a, c);
      u[row + 1] = interleave<double, 1>(a, c);
      u[row + 2] = interleave<double, 0>(b, d);
      u[row + 3] = interleave<double, 1>(b, d);
    } else {
      u[row] = interleave<double, 0>(r[row].v, r[row + 1].v);
      u[row + 1] = interleave<double, 1>(r[row].v, r[row + 1].v);
    }
  });
  // Then the square of 128-bit lanes.
  unroll<block>([&](auto q) FASTNN_INLINED {
    constexpr int i = q.value;
    if constexpr (lanes / block == 1) {
      r[i] = u[i];
    } else if constexpr (lanes / block == 2) {
      // Of two lanes, "even of a, even of b" is the low halves.
      r[i] = pick_lanes<0>(u[i], u[block + i]);
      r[block + i] = pick_lanes<1>(u[i], u[block + i]);
    } else {
      const Value even_low = pick_lanes<0>(u[i], u[block + i]);
      const Value odd_low = pick_lanes<1>(u[i], u[block + i]);
      const Value even_high = pick_lanes<0>(u[2 * block + i], u[3 * block + i]);
      const Value odd_high = pick_lanes<1>(u[2 * block + i], u[3 * block + i]);
      r[i] = pick_lanes<0>(even_low, even_high);
      r[2 * block + i] = pick_lanes<1>(even_low, even_high);
      r[block + i] = pick_lanes<0>(odd_low, odd_high);
      r[3 * block + i] = pick_lanes<1>(odd_low, odd_high);
    }
  });
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
