#include "kernels/table.h"

namespace fastnn::FASTNN_ISA {

extern const Table table;
const Table table = {
    {
#define UNARY(name, letters) KERNEL(name)
#define BINARY(name, letters) KERNEL(name)
#define TERNARY(name, letters) KERNEL(name)
#define KERNEL(name) name##_kernel,
#include "kernels/kernels.def"
    },
    gemm_scratch_bytes,
    zeros_scratch_bytes,
    fma_loop,
};

}  // namespace fastnn::FASTNN_ISA
