// Between float32, float64, int64 and bool, as NumPy's astype; what stays as it is has been given to copy.
#include "kernels/elementwise.h"

namespace fastnn::FASTNN_ISA {
namespace {

// Floats to whole numbers toward zero; what has no such number, NaN too, is the least one, as x86 processors say.
template <class To, class From>
FASTNN_INLINE To converted(From x) {
  if constexpr (std::is_same_v<To, bool>)
    return x != From(0);
  else if constexpr (std::is_same_v<To, int64_t> && std::is_floating_point_v<From>)
    return x >= From(-0x1p63) && x < From(0x1p63) ? static_cast<int64_t>(x) : INT64_MIN;
  else
    return static_cast<To>(x);
}

template <class To, class From>
void cast_block(const Attr*, const Operand* in, char* out, int64_t n) {
  // A bool is read as a byte: any but 0 is true.
  using Stored = std::conditional_t<std::is_same_v<From, bool>, uint8_t, From>;
  const auto value = [](Stored x) FASTNN_INLINED {
    if constexpr (std::is_same_v<From, bool>)
      return converted<To>(x != 0);
    else
      return converted<To>(x);
  };
  const Stored* x = reinterpret_cast<const Stored*>(in->p);
  To* y = reinterpret_cast<To*>(out);
  if (in->step == 0) {
    const To only = value(*x);
    for (int64_t i = 0; i < n; i++) y[i] = only;
  } else {
    for (int64_t i = 0; i < n; i++) y[i] = value(x[i]);
  }
}

template <class To, class From>
constexpr Block one = std::is_same_v<To, From> ? nullptr : cast_block<To, From>;
template <class From>
constexpr Block blocks_from[] = {one<float, From>, one<double, From>, one<int64_t, From>, one<bool, From>};
constexpr const Block* blocks[] = {blocks_from<float>, blocks_from<double>, blocks_from<int64_t>, blocks_from<bool>};

int64_t cast_run(const Call& c, Context& x) noexcept {
  lift(c, x, 1, blocks[int(c.in(int(c.dim[0])).dtype)][int(written(c).dtype)]);
  return -1;
}

}  // namespace

const Run cast_kernel[2] = {cast_run, cast_run};

}  // namespace fastnn::FASTNN_ISA
