#include "kernels/table.h"

namespace fastnn::FASTNN_ISA {

extern const Table table;
const Table table = {
    {
#define UNARY(name, letters) name##_kernel,
#define BINARY(name, letters) name##_kernel,
#define TERNARY(name, letters) name##_kernel,
#define KERNEL(name) name,
#include "kernels/kernels.def"
    },
    gemm_scratch_bytes,
    fma_loop,
};

}  // namespace fastnn::FASTNN_ISA
