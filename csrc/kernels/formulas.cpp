// Every formula as a kernel.
#include "kernels/activations.h"
#include "kernels/arithmetic.h"
#include "kernels/elementwise.h"

namespace fastnn::FASTNN_ISA {

#define UNARY(name, letters) \
  const Run name##_kernel[2] = {lifted<Kernel::name, float, 1>, lifted<Kernel::name, double, 1>};
#define BINARY(name, letters) \
  const Run name##_kernel[2] = {lifted<Kernel::name, float, 2>, lifted<Kernel::name, double, 2>};
#define TERNARY(name, letters) \
  const Run name##_kernel[2] = {lifted<Kernel::name, float, 3>, lifted<Kernel::name, double, 3>};
#define KERNEL(name)
#include "kernels/kernels.def"

}  // namespace fastnn::FASTNN_ISA
