// Walking some axes of a loop.
#pragma once
#include <cstdint>

#include "simd/native.h"

namespace fastnn::FASTNN_ISA {
namespace {

struct Axes {
  const int64_t *shape, *stride;
  int rank;

  // Byte offset of item i, in C order.
  FASTNN_INLINE int64_t offset(int64_t i) const {
    if (rank == 0) return 0;
    int64_t at = 0;
    for (int d = rank - 1; d > 0; d--) {
      at += i % shape[d] * stride[d];
      i /= shape[d];
    }
    return at + i * stride[0];
  }
};

}  // namespace
}  // namespace fastnn::FASTNN_ISA
