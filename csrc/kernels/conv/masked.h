// Passes over images with many zeros, as a relu leaves them: rows of outputs that read only the weights which values
// meet, in float32. A zero adds nothing to a chain, so that the bits are those of tiles; see gemm/zeros.h. Weights hold
// no infinity and no NaN then.
#pragma once

#include "kernels/conv/images.h"
#include "kernels/conv/tile.h"
#include "kernels/gemm/masked.h"

namespace fastnn::FASTNN_ISA {
namespace {

// Panels of 64 channels with AVX, in pieces of as many steps as a mask has bits: 16 KB, which stay in the
// first cache. Pieces of 96 are as fast forward, 3 % slower for the gradient of the weights.
constexpr int masked_panel_vectors = vector_bytes == 64 ? 4 : 8;
template <class T>
constexpr int64_t masked_columns = masked_panel_vectors* Vec<T>::lanes;
constexpr int64_t masked_rows = 16;  // at a time

// Of what a pass reads, at most this share are values where skipping pays.
constexpr double most_values_forward = 0.72, most_values_weights = 0.62;

template <class T>
EvenSplit masked_panels(int64_t channels) {
  return EvenSplit(parts(channels, Vec<T>::lanes), parts(channels, masked_columns<T>));
}

// Whether skipping pays in a pass over x.
template <class T>
bool skips_zeros(const ConvPass& p, int64_t groups, Images<const T> x, double most) {
  const int64_t pixels = p.images * p.axis[0].length * p.axis[1].length * p.axis[2].length;
  return may_skip_zeros(p, groups, sizeof(T)) && share_of_values(x.p, pixels, x.pixel, p.in, 32) < most;
}

// Outputs size[0] * size[1] * size[2] * size[3] in a panel; x_row and y_row are the steps of the first three axes.
// Kernels of one tap fetch the rows of x behind: .95 of the time in a captured step. Those of 3 x 3 took 1.02.
template <class T>
void masked_outputs(const ConvTile<T>& tile, const int64_t* size, const int64_t (&x_row)[3],
                    const int64_t (&y_row)[3]) {
  const EvenSplit pieces(tile.k, parts(tile.k, masked_steps));
  const int64_t all = tile.segments[0] * tile.segments[1] * tile.segments[2] * pieces.count;
  TileCall<T> call{};
  call.a_row = tile.a_row;
  call.c_row = call.start_row = tile.c_row;
  call.last = Vec<T>::lanes;
  const auto row = [&](const T* a, T* c, int64_t steps) {
    uint64_t masks[masked_rows];
    for (int64_t i = 0; i < size[3]; i += masked_rows) {
      const int64_t count = smaller(masked_rows, size[3] - i);
      call.a = a + i * tile.a_row;
      call.c = c + i * tile.c_row;
      if (call.start) call.start = call.c;
      for (int64_t n = 0; n < count; n++) {
        masks[n] = mask_of(call.a + n * tile.a_row, steps);
        for (int64_t j = 0; j < steps && all == pieces.count; j += Vec<T>::lanes)
          __builtin_prefetch(call.a + (n + masked_rows) * tile.a_row + j, 0, 2);
      }
      run_masked<T, masked_panel_vectors, 0>(call, masks, count);
    }
  };
  for (int64_t n = 0; n < all; n++) {
    const int64_t q = n % pieces.count, w = n / pieces.count % tile.segments[2];
    const int64_t h = n / pieces.count / tile.segments[2] % tile.segments[1];
    const int64_t d = n / pieces.count / tile.segments[2] / tile.segments[1], step = pieces.begin(q);
    const T* const a = tile.a + d * tile.a_step[0] + h * tile.a_step[1] + w * tile.a_step[2] + step;
    call.b = tile.b + d * tile.b_step[0] + h * tile.b_step[1] + w * tile.b_step[2] + step * tile.b_row;
    call.start = n > 0 ? tile.c : nullptr;
    if (n == all - 1) {
      if (tile.bias) call.addend[call.addends++] = {tile.bias, 0};
      if (tile.relu) call.epilogue = Epilogue::relu;
    }
    for (int64_t i = 0; i < size[0]; i++)
      for (int64_t j = 0; j < size[1]; j++)
        for (int64_t k = 0; k < size[2]; k++)
          row(a + i * x_row[0] + j * x_row[1] + k * x_row[2], tile.c + i * y_row[0] + j * y_row[1] + k * y_row[2],
              pieces.size(q));
  }
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
