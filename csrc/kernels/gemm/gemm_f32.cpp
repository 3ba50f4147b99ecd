// C = A B in float; see gemm.h.
#include "kernels/gemm/driver.h"

namespace fastnn::FASTNN_ISA {

size_t gemm_scratch(const GemmArgs<float>& args) noexcept { return scratch_bytes(args); }

void gemm(Context& context, const GemmArgs<float>& args) noexcept { run_gemm(context, args); }

}  // namespace fastnn::FASTNN_ISA
