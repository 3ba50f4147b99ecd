// Arrays put into a larger one: pad and scatter fill it first, concatenate covers it. Only bytes are moved, so whole
// numbers travel as floats of their size.
#include "kernels/elementwise.h"
#include "kernels/strided.h"
#include "kernels/table.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
FASTNN_INLINE void fill(Context& x, T* p, int64_t n, T value) {
  parallel_for(x, n, elementwise_grain, [&](int64_t lo, int64_t hi) {
    for (int64_t i = lo; i < hi; i++) p[i] = value;
  });
}

// Every other element, with `between` between them, where no other row has anything: pairs are stored by vectors, where
// n elements would take a cycle each (1,000 rows of 100 spread over 200: floats in 27 us instead of 39, doubles in 41
// instead of 50).
template <class T>
FASTNN_INLINE void spread(T* __restrict to, const T* __restrict from, int64_t n, T between) {
  for (int64_t i = 0; i + 1 < n; i++) {
    to[2 * i] = from[i];
    to[2 * i + 1] = between;
  }
  if (n > 0) to[2 * n - 2] = from[n - 1];
}

constexpr int64_t near_bytes = 16384;

// Where the first axis of x and y is the same, a few slabs at a time are filled and written into while they are near;
// else y is one slab. c.loop walks x and its place in a slab; dim: the place's offset in bytes, how many slabs, bytes
// between those of x and of y; number[1]: what the rest is filled with.
template <class T>
int64_t place_run(const Call& c, Context& x) noexcept {
  const View &from = c.in(0), &y = c.out(0);
  const int64_t slabs = c.dim[1], size = slabs ? y.size() / slabs : 0;
  const int last = c.loop.rank - 1;
  const int64_t sx = c.loop.stride[0][last], sy = c.loop.stride[1][last];
  const auto row = [&](char* const* p, int64_t n) FASTNN_INLINED {
    if (sx == int64_t(sizeof(T)) && sy == int64_t(sizeof(T)))
      __builtin_memcpy(p[1], p[0], size_t(n) * sizeof(T));
    else if (sx == int64_t(sizeof(T)) && sy == 2 * int64_t(sizeof(T)))
      spread(reinterpret_cast<T*>(p[1]), reinterpret_cast<const T*>(p[0]), n, static_cast<T>(c.number[1]));
    else
      move<T>(p[1], sy, p[0], sx, n);
  };
  const auto fill_slabs = [&](int64_t k, int64_t n, Context& how) FASTNN_INLINED {
    fill(how, y.as<T>() + k * size, n * size, static_cast<T>(c.number[1]));
  };
  const auto place_slab = [&](int64_t k, Context& how) {
    if (from.size() == 0) return;
    char* const base[2] = {from.data + k * c.dim[2], y.data + k * c.dim[3] + c.dim[0]};
    if (last == 0 && !how.parallel)  // without the 15 ns that begin a loop nest
      row(base, c.loop.shape[0]);
    else
      for_rows(c.loop, base, how, elementwise_grain, row);
  };
  if (slabs == 1) {
    fill_slabs(0, 1, x);
    place_slab(0, x);
    return -1;
  }
  const int64_t group = near_bytes / (size * int64_t(sizeof(T)) + 1) + 1;
  parallel_for(x, slabs, elementwise_grain / (size + 1) + 1, [&](int64_t lo, int64_t hi) {
    Context alone{nullptr, nullptr, nullptr};
    for (int64_t k = lo; k < hi; k += group) {
      const int64_t end = hi - k < group ? hi : k + group;
      fill_slabs(k, end - k, alone);
      for (int64_t i = k; i < end; i++) place_slab(i, alone);
    }
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
