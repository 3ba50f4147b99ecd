// C = A B in double; see gemm.h.
#include "kernels/gemm/driver.h"

namespace fastnn::FASTNN_ISA {

size_t gemm_scratch(const GemmArgs<double>& args) noexcept { return scratch_bytes(args); }

void gemm(Context& context, const GemmArgs<double>& args) noexcept { run_gemm(context, args); }

}  // namespace fastnn::FASTNN_ISA
