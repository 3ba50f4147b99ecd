// The gradient of the weights for images with many zeros: for each tap, channels of x as rows that skip the
// pixels where they have none. The same bits as tiles compute.
#pragma once

#include "kernels/conv/masked.h"
#include "kernels/conv/weight_gradient.h"

namespace fastnn::FASTNN_ISA {
namespace {

// Some channels of x, a vector of them, for some pixels: as rows, and where those have values, or everywhere. What the
// next piece reads is fetched if `ahead`. Masks from the registers, instead of from the rows, took 1.06 times as long.
template <class T>
void mask_channels(const T* from, const int64_t* offsets, int64_t pixels, int channels, bool every, bool ahead, T* rows,
                   uint64_t* masks) {
  constexpr int lanes = Vec<T>::lanes;
  for (int64_t p = 0; p < pixels; p += lanes) {
    Vec<T> square[lanes];
    const int64_t last = pixels - 1 - p;
    unroll<lanes>([&](auto i)
                      FASTNN_INLINED { square[i] = Vec<T>::load(from + offsets[p + smaller(i, last)], channels); });
    transpose(square);
    if (ahead)
      for (int i = 0; i < lanes; i++) __builtin_prefetch(from + offsets[p + smaller(i, last) + masked_steps], 0, 2);
    unroll<lanes>([&](auto i) FASTNN_INLINED { square[i].store(rows + i * masked_steps + p); });
  }
  for (int i = 0; i < channels; i++)
    masks[i] = every ? ~uint64_t{0} >> (64 - pixels) : mask_of(rows + i * masked_steps, pixels);
}

template <class T>
void WeightGradient<T>::masked_box(int64_t number, bool first, Range c, Range of_panels, T* own, T* x_copy,
                                   char* room) const {
  constexpr int64_t lanes = Vec<T>::lanes, columns = masked_columns<T>;
  const Images<const T> from = x.channels(c.begin);
  const ReadBox read(p, boxes, number);
  const int64_t *const size = read.size, *const at = read.at;
  const int64_t pixels = size[0] * size[1] * size[2] * size[3], taps = p.taps();
  int64_t step[conv_axes + 1];
  step[3] = boxes.staged ? c.size() : x.pixel;
  for (int i = 3; i-- > 0;) step[i] = step[i + 1] * (boxes.staged ? read.extent[i + 1] : p.axis[i].length);
  const T* a0 = boxes.staged ? x_copy : from.p;
  if (boxes.staged)
    copy_box(p, boxes, read, from, c.size(), x_copy);
  else
    for (int i = 0; i <= conv_axes; i++) a0 += read.first[i] * step[i];
  // Where pixels lie in x and in dy; the last one again where a piece behind it is fetched.
  const MaskedRoom rooms(boxes, c.size(), taps);
  int64_t* const offsets = reinterpret_cast<int64_t*>(room);
  int64_t* const lines = offsets + pixels + masked_steps;
  T* const partial = reinterpret_cast<T*>(room + rooms.offsets);
  int64_t next = 0;
  for (int64_t n = 0; n < size[0]; n++)
    for (int64_t d = 0; d < size[1]; d++)
      for (int64_t h = 0; h < size[2]; h++)
        for (int64_t w = 0; w < size[3]; w++, next++) {
          offsets[next] =
              n * step[0] + d * read.pace[0] * step[1] + h * read.pace[1] * step[2] + w * read.pace[2] * step[3];
          const int64_t row = ((at[0] + n) * p.axis[0].count + at[1] + d) * p.axis[1].count + at[2] + h;
          lines[next] = (row * p.axis[2].count + at[3] + w) * dy.pixel;
        }
  for (; next < pixels + masked_steps; next++) {
    offsets[next] = offsets[pixels - 1];
    lines[next] = lines[pixels - 1];
  }
  alignas(64) T rows[lanes * masked_steps], slopes[masked_steps * columns];
  uint64_t masks[lanes];
  const EvenSplit pieces(pixels, parts(pixels, masked_steps));
  TileCall<T> call{};
  call.a = rows;
  call.a_row = masked_steps;
  call.b = slopes;
  call.start_row = columns;
  call.c_row = columns;
  call.last = lanes;
  for (int64_t n = of_panels.begin; n < of_panels.end; n++)
    for (int64_t q = 0; q < pieces.count; q++) {
      const int64_t begin = pieces.begin(q), count = pieces.size(q);
      for (int64_t i = 0; i < count; i++)
        for (int64_t j = 0; j < columns; j += lanes) {
          __builtin_prefetch(dy.p + lines[begin + i + masked_steps] + n * columns + j, 0, 2);
          Vec<T>::load(dy.p + lines[begin + i] + n * columns + j).store(slopes + i * columns + j);
        }
      const bool every = !finite(slopes, count * columns), last = q + 1 == pieces.count;
      call.addends = last && !first;
      int64_t tap = 0;
      for (int64_t d = 0; d < p.axis[0].taps; d++)
        for (int64_t h = 0; h < p.axis[1].taps; h++)
          for (int64_t w = 0; w < p.axis[2].taps; w++, tap++) {
            const T* const a =
                a0 + d * read.reach[0] * step[1] + h * read.reach[1] * step[2] + w * read.reach[2] * step[3];
            for (int64_t i = 0; i < c.size(); i += lanes) {
              const int channels = static_cast<int>(smaller(lanes, c.size() - i));
              mask_channels(a + i, offsets + begin, count, channels, every, !boxes.staged, rows, masks);
              const int64_t place = (tap * c.size() + i) * columns;
              call.start = q > 0 ? partial + place : nullptr;
              call.c = last ? own + n * columns * c.size() * taps + place : partial + place;
              call.addend[0] = {call.c, columns};
              run_masked<T, masked_panel_vectors, 0>(call, masks, channels);
            }
          }
    }
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
