// Copies of bytes by whole vectors.
#pragma once
#include "simd/vec.h"

namespace fastnn::FASTNN_ISA {
namespace {

// At least a vector of bytes. All but the ends go to whole vectors of the output, since a store across two lines of the
// cache takes two turns.
FASTNN_INLINE void copy_vectors(char* to, const char* from, int64_t bytes) {
  using V = Vec<float>;
  constexpr int64_t vector = sizeof(V);
  const auto get = [=](int64_t at) FASTNN_INLINED { return V::load_halves(reinterpret_cast<const float*>(from + at)); };
  const auto put = [=](V v, int64_t at) FASTNN_INLINED { v.store(reinterpret_cast<float*>(to + at)); };
  const V first = get(0), last = get(bytes - vector);
  for (int64_t at = vector - int64_t(reinterpret_cast<uintptr_t>(to) % vector); at < bytes - vector; at += vector)
    put(get(at), at);
  put(first, 0);
  put(last, bytes - vector);
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
