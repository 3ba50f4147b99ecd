// Arrays put into a larger one: pad and scatter fill it first, concatenate covers it. Only bytes are moved, so whole
// numbers travel as floats of their size.
#include "kernels/elementwise.h"
#include "kernels/table.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
FASTNN_INLINE void fill(Context& x, T* p, int64_t n, T value) {
  parallel_for(x, n, elementwise_grain, [&](int64_t lo, int64_t hi) {
    for (int64_t i = lo; i < hi; i++) p[i] = value;
  });
}

// c.loop walks x and its place in y; dim: the place's offset in bytes; number[1]: what the rest is filled with.
template <class T>
int64_t place_run(const Call& c, Context& x) noexcept {
  const View& y = c.out(0);
  fill(x, y.as<T>(), y.size(), static_cast<T>(c.number[1]));
  const int last = c.loop.rank - 1;
  const int64_t sx = c.loop.stride[0][last], sy = c.loop.stride[1][last];
  char* const base[2] = {c.in(0).data, y.data + c.dim[0]};
  if (c.in(0).size() == 0) return -1;
  for_rows(c.loop, base, x, elementwise_grain, [&](char* const* p, int64_t n) {
    if (sx == int64_t(sizeof(T)) && sy == int64_t(sizeof(T))) {
      __builtin_memcpy(p[1], p[0], size_t(n) * sizeof(T));
      return;
    }
    for (int64_t i = 0; i < n; i++) __builtin_memcpy(p[1] + i * sy, p[0] + i * sx, sizeof(T));
  });
  return -1;
}

// dim: rows before the axis, bytes of a row of y. Each input is dense.
int64_t concatenate_run(const Call& c, Context& x) noexcept {
  const int64_t outer = c.dim[0], row = c.dim[1];
  char* to = c.out(0).data;
  for (int i = 0; i < c.count(0); i++) {
    const View& v = c.in(0, i);
    const int64_t bytes = outer ? v.size() * v.itemsize() / outer : 0;
    if (!bytes) continue;
    parallel_for(x, outer, 1 + (1 << 18) / bytes, [&](int64_t lo, int64_t hi) {
      for (int64_t o = lo; o < hi; o++) __builtin_memcpy(to + o * row, v.data + o * bytes, size_t(bytes));
    });
    to += bytes;
  }
  return -1;
}

}  // namespace

const Run place_kernel[2] = {place_run<float>, place_run<double>};
const Run concatenate_kernel[2] = {concatenate_run, concatenate_run};

}  // namespace fastnn::FASTNN_ISA
