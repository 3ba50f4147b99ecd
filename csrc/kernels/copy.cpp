// Copies from any layout to any other: rows that are dense on both sides by memcpy, bands where elements follow one
// another along another dimension, else element by element.
#include "kernels/bytes.h"
#include "kernels/rows.h"
#include "kernels/strided.h"
#include "kernels/table.h"

namespace fastnn::FASTNN_ISA {
namespace {

constexpr int64_t copy_band = 16;
constexpr int64_t long_copy = 32768;  // bytes from which memcpy is slower than a loop: 10^7 doubles in 6.7 ms, not 5.4

template <class T>
void copy_elements(const Call& c, Context& x, const View& from, const View& to) {
  constexpr int64_t size = sizeof(T);
  const int last = c.loop.rank - 1;
  char* const base[2] = {from.data, to.data};
  const int64_t across = c.loop.stride[0][last], out = c.loop.stride[1][last];
  const int band = across == size || out != size ? -1 : nearer_dimension(c.loop, 0);
  const int64_t down = band < 0 ? 0 : c.loop.stride[0][band], out_row = band < 0 ? 0 : c.loop.stride[1][band];
  for_bands(c.loop, base, x, band, band < 0 ? 1 : copy_band, [&](char* const* p, int64_t rows, int64_t n) {
    if (across == size && out == size && n * size >= long_copy)
      copy_vectors(p[1], p[0], n * size);
    else if (across == size && out == size)
      __builtin_memcpy(p[1], p[0], size_t(n * size));
    else if (band >= 0)
      move_band<T>(p[1], out_row, p[0], down, across, rows, n);
    else
      move<T>(p[1], out, p[0], across, n);
  });
}

// The output is the first argument where the op has none.
int64_t copy_run(const Call& c, Context& x) noexcept {
  const View &from = c.n_out > 0 ? c.in(0) : c.in(1), &to = c.n_out > 0 ? c.out(0) : c.in(0);
  with_size(to.itemsize(), [&](auto element) { copy_elements<decltype(element)>(c, x, from, to); });
  return -1;
}

}  // namespace

const Run copy_kernel[2] = {copy_run, copy_run};

}  // namespace fastnn::FASTNN_ISA
