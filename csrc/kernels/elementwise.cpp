// Blocks of elements in arrays of any layout: strided operands are gathered into buffers, a band of rows at a time
// where elements follow one another along another dimension.
#include "kernels/elementwise.h"

#include "kernels/strided.h"

namespace fastnn::FASTNN_ISA {
namespace {

constexpr int64_t band_rows = 16, band_columns = 64, buffered = band_rows * band_columns;

// What a Call's loop is for one run: N operands, the output last.
template <int N>
struct Lift {
  const Call& call;
  Block block;
  char* base[N];
  int64_t size[N], stride[N];  // of an element; along a row

  FASTNN_INLINE bool constant(int q) const { return stride[q] == 0; }
  FASTNN_INLINE bool strided(int q) const { return stride[q] != size[q] && !(q < N - 1 && constant(q)); }

  FASTNN_INLINE void fill(char* to, const char* from, int q) const {
    with_size(size[q], [&](auto element) FASTNN_INLINED {
      __builtin_memcpy(&element, from, sizeof element);
      for (size_t i = 0; i < 64; i += sizeof element) __builtin_memcpy(to + i, &element, sizeof element);
    });
  }

  void simple(Context& x) const {
    for_bands(call.loop, base, x, -1, 1, [&](char* const* p, int64_t, int64_t n) FASTNN_INLINED {
      alignas(64) char filled[N - 1][64];
      Operand in[N - 1];
      for (int q = 0; q < N - 1; q++) {
        in[q] = {p[q], 1};
        if (!constant(q)) continue;
        fill(filled[q], p[q], q);
        in[q] = {filled[q], 0};
      }
      block(call.attr, in, p[N - 1], n);
    });
  }

  void gathered(Context& x) const {
    int band = -1;
    for (int q = N - 1; q-- > 0;)
      if (strided(q) && nearer_dimension(call.loop, q) >= 0) band = nearer_dimension(call.loop, q);
    const int64_t height = band < 0 ? 1 : band_rows, width = buffered / height;
    for_bands(call.loop, base, x, band, height, [&](char* const* p, int64_t rows, int64_t n) {
      for (int64_t k = 0; k < n; k += width) piece(p, k, band, rows, n - k < width ? n - k : width);
    });
  }

  // `rows` rows along dimension `band` of n <= width elements, from element k on.
  void piece(char* const* p, int64_t k, int band, int64_t rows, int64_t n) const {
    alignas(64) char buffer[N][buffered * 8];
    Operand in[N - 1];
    int64_t next[N];
    for (int q = 0; q < N; q++) {
      const char* from = p[q] + k * stride[q];
      next[q] = band < 0 ? 0 : call.loop.stride[q][band];
      if (q == N - 1) break;
      in[q] = {from, 1};
      if (!strided(q)) continue;
      with_size(size[q], [&](auto element) FASTNN_INLINED {
        move_band<decltype(element)>(buffer[q], n * size[q], from, next[q], stride[q], rows, n);
      });
      in[q].p = buffer[q];
      next[q] = n * size[q];
    }
    char* out = p[N - 1] + k * stride[N - 1];
    for (int64_t r = 0; r < rows; r++) {
      Operand row[N - 1];
      for (int q = 0; q < N - 1; q++) {
        row[q] = {in[q].p + r * next[q], 1};
        if (!constant(q)) continue;
        fill(buffer[q], row[q].p, q);
        row[q] = {buffer[q], 0};
      }
      char* to = strided(N - 1) ? buffer[N - 1] : out;
      block(call.attr, row, to, n);
      if (to != out)
        with_size(size[N - 1], [&](auto element)
                                   FASTNN_INLINED { move<decltype(element)>(out, stride[N - 1], to, size[N - 1], n); });
      out += next[N - 1];
    }
  }
};

template <int N>
FASTNN_INLINE void lift_over(const Call& c, Context& x, Block block) {
  Lift<N> l{c, block, {}, {}, {}};
  bool strided = false;
  for (int q = 0; q < N; q++) {
    const View& v = q < N - 1 ? c.in(int(c.dim[q])) : written(c);
    l.base[q] = v.data;
    l.size[q] = v.itemsize();
    l.stride[q] = c.loop.stride[q][c.loop.rank - 1];
    strided |= l.strided(q);
  }
  strided ? l.gathered(x) : l.simple(x);
}

}  // namespace

void lift(const Call& c, Context& x, int inputs, Block block) {
  if (inputs == 1)
    lift_over<2>(c, x, block);
  else if (inputs == 2)
    lift_over<3>(c, x, block);
  else
    lift_over<4>(c, x, block);
}

}  // namespace fastnn::FASTNN_ISA
