// The gradient of x where it has few channels, which would leave most lanes of vectors idle: each pixel of dy is
// multiplied with all taps at once, taps and channels of x side by side, and the products are added where they overlap.
#pragma once

#include "kernels/conv/images.h"
#include "kernels/conv/tile.h"
#include "kernels/fold.h"
#include "kernels/slots.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
struct Overlap {
  const ConvShape& s;
  Images<const T> dy;
  Images<T> dx;
  const T* weights;  // panel after panel, a row for each channel of dy
  const T* bias;
  EvenSplit panels;
  int64_t columns;  // taps and channels of x, whole vectors

  static constexpr int64_t lanes = Vec<T>::lanes;

  // Row o: of all taps in turn, the channels of x; then zeros.
  static void pack(const ConvShape& s, const T* w, const EvenSplit& panels, T* to) {
    for (int64_t n = 0; n < panels.count; n++)
      for (int64_t o = 0; o < s.out; o++, w += s.in * s.taps()) {
        if (o == 0 && n > 0) w -= s.out * s.in * s.taps();
        for (int64_t i = panels.begin(n) * lanes; i < panels.begin(n + 1) * lanes; i++)
          *to++ = i < s.in * s.taps() ? w[i % s.in * s.taps() + i / s.in] : T(0);
      }
  }

  void multiply(const T* from, int64_t count, T* to) const {
    ConvTile<T> tile{};
    tile.segments[0] = tile.segments[1] = tile.segments[2] = 1;
    tile.k = s.out;
    tile.a_row = dy.pixel;
    tile.a_col = 1;
    tile.c_row = columns;
    tile.last = lanes;
    for (int64_t n = 0; n < panels.count; n++) {
      const int vectors = static_cast<int>(panels.size(n));
      const EvenSplit heights(count, parts(count, conv_rows[vectors]));
      const ConvKernel<T>* const kernels = conv_kernels<T>(vectors, lanes);
      tile.b = weights + panels.begin(n) * lanes * s.out;
      tile.b_row = vectors * lanes;
      for (int64_t h = 0; h < heights.count; h++) {
        const int64_t height = heights.size(h), half = (height + 1) / 2;
        tile.a = from + heights.begin(h) * dy.pixel;
        tile.c = to + heights.begin(h) * columns + panels.begin(n) * lanes;
        tile.a_second = half * dy.pixel;
        tile.c_second = half * columns;
        tile.fetch = reinterpret_cast<const char*>(tile.a + height * dy.pixel);
        tile.fetch_step = 64;
        kernels[height](tile);
      }
    }
  }

  // Adds the products of some outputs of row q to those rows of an image that are in `rows`. Neighbors would read what
  // has just been written in part, and wait for it; so outputs that do not overlap follow one another. Outputs a whole
  // vector apart are no faster.
  void add(const T* products, int64_t q, Range outputs, Range rows, T* image) const {
    const int64_t run = s.kernel[2] * s.in, length = s.x[2] * s.in, apart = ceil_div(s.kernel[2], s.stride[2]);
    const int64_t top = q * s.stride[1] - s.before[1];
    const Range taps{larger(0, rows.begin - top), smaller(s.kernel[1], rows.end - top)};
    for (int64_t phase = 0; phase < apart; phase++) {
      const int64_t first = outputs.begin + (phase + apart - outputs.begin % apart) % apart;
      for (int64_t o = first; o < outputs.end; o += apart) {
        const int64_t at = (o * s.stride[2] - s.before[2]) * s.in;
        const int64_t begin = larger(0, -at), end = smaller(run, length - at);
        for (int64_t k = taps.begin; k < taps.end; k++) {
          const T* const from = products + (o - outputs.begin) * columns + k * run;
          T* const to = image + (top + k) * length + at;
          for (int64_t i = begin; i < end; i += lanes) {
            const int m = static_cast<int>(smaller(lanes, end - i));
            store(load(to + i, m) + load(from + i, m), to + i, m);
          }
        }
      }
    }
  }

  // Some rows of an image.
  void band(int64_t image, Range rows, T* products) const {
    T* const to = dx.p + image * s.x_pixels() * s.in;
    if (bias) {
      for (int64_t i = rows.begin * s.x[2]; i < rows.end * s.x[2]; i++)
        __builtin_memcpy(to + i * s.in, bias, size_t(s.in) * sizeof(T));
    } else {
      __builtin_memset(to + rows.begin * s.x[2] * s.in, 0, size_t(rows.size() * s.x[2] * s.in) * sizeof(T));
    }
    // The rows of dy that reach them, in pieces that are the same for any rows: part of the order of sums.
    const int64_t width = s.y[2], stride = s.stride[1];
    const int64_t top = larger(0, ceil_div(rows.begin + s.before[1] - s.kernel[1] + 1, stride));
    const int64_t bottom = smaller(s.y[1], ceil_div(rows.end + s.before[1], stride));
    const T* const from = dy.p + image * s.y_pixels() * dy.pixel;
    for (int64_t at = top * width; at < bottom * width;) {
      const int64_t end = smaller((at / conv_box_row + 1) * conv_box_row, bottom * width);
      multiply(from + at * dy.pixel, end - at, products);
      for (const T* piece = products; at < end;) {
        const int64_t q = at / width, first = at - q * width, count = smaller(width - first, end - at);
        add(piece, q, {first, first + count}, rows, to);
        piece += count * columns;
        at += count;
      }
    }
  }
};

// dx, or a transposed convolution with its bias; `scratch` has the room that overlap_room tells.
template <class T>
void overlap_gradient(Context& context, const ConvShape& s, Images<const T> dy, const T* w, const T* bias, Images<T> dx,
                      char* scratch) {
  const OverlapRoom room = overlap_room(s, sizeof(T));
  T* const weights = reinterpret_cast<T*>(scratch);
  const EvenSplit panels = conv_panels<T>(s.in * s.taps());
  Overlap<T>::pack(s, w, panels, weights);
  const Overlap<T> g{s, dy, dx, weights, bias, panels, round_up(s.in * s.taps(), Vec<T>::lanes)};
  // Rows between two bands are multiplied twice.
  const EvenSplit bands(s.x[1], larger(1, smaller(conv_jobs / larger(1, s.images), s.x[1] / (8 * s.kernel[1]))));
  const int64_t jobs = s.images * bands.count;
  Slots slots;
  parallel_for(context, jobs, parts(jobs, conv_jobs), [&](int64_t lo, int64_t hi) {
    const int slot = slots.take();
    T* const products = reinterpret_cast<T*>(scratch + room.weights + static_cast<size_t>(slot) * room.products);
    for (int64_t n = lo; n < hi; n++) g.band(n / bands.count, bands.part(n % bands.count), products);
    slots.give(slot);
  });
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
