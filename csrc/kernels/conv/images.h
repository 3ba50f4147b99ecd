// Images in channels-last memory, and copies of them: of whole arrays that lie otherwise, of boxes with zeros around.
#pragma once

#include "kernels/conv/shape.h"
#include "kernels/gemm/blocking.h"
#include "kernels/rows.h"
#include "kernels/strided.h"
#include "simd/vec.h"

namespace fastnn::FASTNN_ISA {
namespace {

// Pixel after pixel, `pixel` elements apart; channels are neighbors. Axes as in ConvShape.
template <class T>
struct Images {
  T* p;
  int64_t pixel;

  FASTNN_INLINE Images channels(int64_t from) const { return {p + from, pixel}; }
};

// A copy of an array (images, channels, *space) of any layout with the channels last, without gaps.
template <class T>
void copy_channels_last(Context& x, const View& from, T* to) {
  constexpr int64_t size = sizeof(T),
                    piece = 256;  // pixels: long rows are copied in pieces, so that they can be shared
  const int64_t channels = from.shape[1], across = from.stride[1], down = from.stride[from.rank - 1];
  int last = from.rank - 1;
  int64_t width = from.shape[last];
  for (; last > 2 && from.stride[last - 1] == down * width; last--) width *= from.shape[last - 1];
  int64_t rows = from.shape[0];
  for (int i = 2; i < last; i++) rows *= from.shape[i];
  const int64_t pieces = ceil_div(width, piece);
  const auto copy = [&](int64_t n) {
    const int64_t first = n % pieces * piece, count = smaller(piece, width - first);
    const char* p = from.data + first * down;
    int64_t row = n / pieces;
    for (int i = last - 1; i >= 0; i--) {
      if (i == 1) continue;
      p += row % from.shape[i] * from.stride[i];
      row /= from.shape[i];
    }
    char* const target = reinterpret_cast<char*>(to + (n / pieces * width + first) * channels);
    if (channels < 6) {  // squares of registers would be nearly empty
      for (int64_t c = 0; c < channels; c++) move<T>(target + c * size, channels * size, p + c * across, down, count);
    } else {
      move_band<T>(target, channels * size, p, down, across, count, channels);
    }
  };
  parallel_for(x, rows * pieces, elementwise_grain / (channels * smaller(width, piece)) + 1,
               [&](int64_t lo, int64_t hi) {
                 for (int64_t n = lo; n < hi; n++) copy(n);
               });
}

// What a pass reads for a box of outputs: `extent` positions of each axis from `first` on. Axis 0 counts images. In
// what is read, output q and tap j of an axis take position q * pace + j * reach.
struct ReadBox {
  int64_t at[conv_axes + 1], size[conv_axes + 1];  // the outputs
  int64_t first[conv_axes + 1], extent[conv_axes + 1];
  int64_t pace[conv_axes], reach[conv_axes];

  ReadBox(const ConvPass& p, const ConvBoxes& boxes, int64_t number) {
    for (int i = 0; i <= conv_axes; i++) {
      at[i] = boxes.place(number, i);
      size[i] = smaller(boxes.size[i], (i == 0 ? p.images : p.axis[i - 1].count) - at[i]);
      first[i] = i == 0 ? at[0] : at[i] * p.axis[i - 1].stride + p.axis[i - 1].offset;
      extent[i] = i == 0 ? size[0] : boxes.extent(p, i - 1, size[i]);
    }
    for (int i = 0; i < conv_axes; i++) {
      const bool apart = boxes.staged && boxes.by_tap[i];
      pace[i] = apart ? 1 : p.axis[i].stride;
      reach[i] = apart ? size[i + 1] : p.axis[i].dilation;
    }
  }
};

// Where the positions of the copy of an axis lie: all in one run, or a run for each tap.
struct CopyAxis {
  int64_t first, each, step, next;

  FASTNN_INLINE CopyAxis(const ConvPass& p, const ConvBoxes& boxes, const ReadBox& box, int i)
      : first(box.first[i + 1]),
        each(boxes.by_tap[i] ? box.size[i + 1] : box.extent[i + 1]),
        step(boxes.by_tap[i] ? p.axis[i].stride : 1),
        next(p.axis[i].dilation) {}
  FASTNN_INLINE int64_t at(int64_t i) const { return first + i / each * next + i % each * step; }
};

// The rest of a pixel of the copy, up to a whole vector, may be filled with zeros.
template <class T>
FASTNN_INLINE void copy_pixels(const T* from, int64_t from_pixel, T* to, int64_t to_pixel, int64_t n,
                               int64_t channels) {
  constexpr int64_t lanes = Vec<T>::lanes;
  if (from_pixel == channels && to_pixel == channels) {
    __builtin_memcpy(to, from, size_t(n * channels) * sizeof(T));
    return;
  }
  // Groups of 4 and of 8: masks would take several times as long.
  const int64_t bytes = channels * int64_t(sizeof(T));
  if (bytes == 16 || bytes == 32) {
    for (int64_t i = 0; i < n; i++, from += from_pixel, to += to_pixel)
      bytes == 16 ? __builtin_memcpy(to, from, 16) : __builtin_memcpy(to, from, 32);
    return;
  }
  const int64_t whole = channels / lanes * lanes;
  const int rest = static_cast<int>(channels - whole);
  const bool room = to_pixel >= whole + lanes;
  for (int64_t i = 0; i < n; i++, from += from_pixel, to += to_pixel) {
    for (int64_t c = 0; c < whole; c += lanes) Vec<T>::load(from + c).store(to + c);
    if (rest == 0) continue;
    if (room)
      Vec<T>::load(from + whole, rest).store(to + whole);
    else
      Vec<T>::load(from + whole, rest).store(to + whole, rest);
  }
}

// The positions of a box in turn, in runs: copy(pixel, step, position, n) for n pixels of the array, `step` of them
// apart, that go to `position` and behind, clear(position, n) for what lies beyond the edges.
template <class F, class G>
FASTNN_INLINE void copy_box(const ConvPass& p, const ConvBoxes& boxes, const ReadBox& box, F copy, G clear) {
  const int64_t *const first = box.first, *const extent = box.extent;
  const ConvAxis* const axis = p.axis;
  const CopyAxis deep(p, boxes, box, 0), high(p, boxes, box, 1), wide(p, boxes, box, 2);
  const int64_t length = axis[2].length, each = wide.each, step = wide.step;
  int64_t position = 0;
  for (int64_t n = first[0]; n < first[0] + extent[0]; n++)
    for (int64_t i = 0; i < extent[1]; i++)
      for (int64_t j = 0; j < extent[2]; j++) {
        const int64_t d = deep.at(i), h = high.at(j);
        const bool inside = d >= 0 && d < axis[0].length && h >= 0 && h < axis[1].length;
        for (int64_t k = 0; k < extent[3]; k += each, position += each) {
          const int64_t w = wide.at(k);
          const int64_t left = inside ? smaller(larger(ceil_div(-w, step), 0), each) : each;
          const int64_t end = smaller(larger(ceil_div(length - w, step), left), each);
          if (left > 0) clear(position, left);
          if (left < end) {
            const int64_t at = ((n * axis[0].length + d) * axis[1].length + h) * length + w + left * step;
            copy(at, step, position + left, end - left);
          }
          if (end < each) clear(position + end, each - end);
        }
      }
}

// Some channels of the box.
template <class T>
void copy_box(const ConvPass& p, const ConvBoxes& boxes, const ReadBox& box, Images<const T> x, int64_t channels,
              T* to) {
  copy_box(
      p, boxes, box,
      [&](int64_t pixel, int64_t step, int64_t position, int64_t n) FASTNN_INLINED {
        copy_pixels(x.p + pixel * x.pixel, x.pixel * step, to + position * channels, channels, n, channels);
      },
      [&](int64_t position, int64_t n)
          FASTNN_INLINED { __builtin_memset(to + position * channels, 0, size_t(n * channels) * sizeof(T)); });
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
