// One table of kernels per instruction-set level; a kernel is a pair, for float32 and float64.
#pragma once
#include "kernels/call.h"

namespace fastnn {

#define UNARY(name, letters) KERNEL(name)
#define BINARY(name, letters) KERNEL(name)
#define TERNARY(name, letters) KERNEL(name)
#define KERNEL(name) name,
enum class Kernel : uint16_t {
#include "kernels/kernels.def"
  count
};
#undef KERNEL

// Sizes and element strides of a product: what its scratch depends on.
struct GemmShape {
  int64_t m, n, k, a_row, a_col, b_row, b_col;
};

struct Table {
  const Run* run[size_t(Kernel::count)];                  // run[kernel][dtype]
  size_t (*const* gemm_scratch)(const GemmShape& shape);  // gemm_scratch[dtype]
  size_t (*const* zeros_scratch)(const GemmShape& shape);
  // fma_loop[dtype]: does that many rounds of fused multiply-adds and returns the flops.
  int64_t (*const* fma_loop)(int64_t rounds, double& sum) noexcept;
};

#ifdef FASTNN_ISA
namespace FASTNN_ISA {
extern size_t (*const gemm_scratch_bytes[2])(const GemmShape&);
extern size_t (*const zeros_scratch_bytes[2])(const GemmShape&);
extern int64_t (*const fma_loop[2])(int64_t, double&) noexcept;
#define KERNEL(name) extern const Run name##_kernel[2];
#include "kernels/kernels.def"
#undef KERNEL
}  // namespace FASTNN_ISA
#endif
#undef UNARY
#undef BINARY
#undef TERNARY

}  // namespace fastnn
