// where: a condition in bytes chooses between two operands. It is made a number first, 0 or 1, and then is an operand
// like others.
#include "kernels/elementwise.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <>
struct Formula<Kernel::where> : Plain {
  template <class T>
  FASTNN_INLINE Vec<T> operator()(Vec<T> condition, Vec<T> a, Vec<T> b) const {
    return select(condition == Vec<T>{}, b, a);
  }
};

template <class T>
void where_block(const Attr* attributes, const Operand* in, char* out, int64_t n) {
  constexpr int64_t chunk = 512;
  alignas(64) T condition[chunk];
  for (int64_t i = 0; i < n; i += chunk) {
    const int64_t m = n - i < chunk ? n - i : chunk;
    const uint8_t* bytes = reinterpret_cast<const uint8_t*>(in[0].p) + i * in[0].step;
    if (in[0].step == 1)
      for (int64_t j = 0; j < m; j++) condition[j] = bytes[j] != 0;
    else
      for (int64_t j = 0; j < m; j++) condition[j] = *bytes != 0;
    const auto later = [&](const Operand& x) FASTNN_INLINED {
      return Operand{x.p + i * x.step * int64_t(sizeof(T)), x.step};
    };
    const Operand operands[] = {{reinterpret_cast<const char*>(condition), 1}, later(in[1]), later(in[2])};
    block<Kernel::where, T, 3>(attributes, operands, out + i * int64_t(sizeof(T)), m);
  }
}

template <class T>
int64_t where_run(const Call& c, Context& x) noexcept {
  lift(c, x, 3, where_block<T>);
  return -1;
}

}  // namespace

const Run where_kernel[2] = {where_run<float>, where_run<double>};

}  // namespace fastnn::FASTNN_ISA
