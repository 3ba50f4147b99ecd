// Sums over the rows of a matrix: the gradients of biases.
#pragma once
#include "kernels/reduce.h"

namespace fastnn::FASTNN_ISA {
namespace {

// Over m rows of n values each, `step` elements apart; scratch: a row for each of blocks(m, column_block), if several.
template <class T>
FASTNN_INLINE void sum_rows(Context& x, int64_t m, int64_t n, const T* p, int64_t step, T* out) {
  if (m == 0) {
    __builtin_memset(out, 0, size_t(n) * sizeof(T));
    return;
  }
  const int64_t bytes = step * int64_t(sizeof(T));
  const Reduction r(reinterpret_cast<const char*>(p), m, bytes, n, sizeof(T));
  fold_columns<Sum, T, T>(r, x, nullptr, reinterpret_cast<T*>(x.scratch), out);
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
