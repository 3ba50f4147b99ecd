// Sizes of products that skip zeros (zeros.h), the same on all levels: for `run` and for `prepare`.
#pragma once
#include "kernels/call.h"

namespace fastnn {

constexpr int64_t skipping_rows = 16;       // of a block of A; of a transposed A they are copied first
constexpr int64_t skipping_jobs = 8;        // at most so many blocks at a time
constexpr int64_t skipping_work = 1 << 19;  // smaller products are not looked at

// Elements of a row of a copy: whole vectors on every level.
FASTNN_INLINE constexpr int64_t skipping_row(int64_t n) { return (n + 15) / 16 * 16; }

// Chains of k that gemm does not cut, and a copy of B that lies in the second cache, or nearly.
FASTNN_INLINE constexpr bool may_skip_zeros(int64_t m, int64_t n, int64_t k, int64_t itemsize) {
  return m >= skipping_rows && n >= 32 && k >= 16 && k <= 4096 && m * n * k >= skipping_work &&
         k * n * itemsize <= 2 << 20;
}

// Bytes for the copies of B and of blocks of A.
FASTNN_INLINE constexpr size_t skipping_scratch(int64_t m, int64_t n, int64_t k, int64_t itemsize) {
  if (!may_skip_zeros(m, n, k, itemsize)) return 0;
  return size_t((skipping_row(n) + skipping_jobs * skipping_rows) * skipping_row(k) * itemsize);
}

}  // namespace fastnn
