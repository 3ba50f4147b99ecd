// relu and its derivative, for its own kernel and for those that take it in; NaN stays NaN.
#pragma once
#include "simd/vec.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class V>
FASTNN_INLINE V rectified(V x) {
  return select(x < V{}, V{}, x);
}
// dy where the relu's result is greater than 0.
template <class V>
FASTNN_INLINE V masked(V dy, V y) {
  return select(y > V{}, dy, V{});
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
