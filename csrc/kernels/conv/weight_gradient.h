// The gradient of the weights: for each tap, x^T dy over all pixels, in tiles of channels of x times channels of y.
#pragma once

#include "kernels/conv/images.h"
#include "kernels/conv/slots.h"
#include "kernels/conv/tile.h"
#include "simd/lanes.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
struct WeightGradient {
  const ConvPass& p;  // the forward one
  const ConvBoxes& boxes;
  Images<const T> x, dy;
  T* sums;
  int64_t width;  // of a row of sums
  EvenSplit splits, chunks, panels;

  void box(int64_t number, bool first, Range c, Range of_panels, T* own, T* copy) const {
    constexpr int64_t lanes = Vec<T>::lanes;
    int64_t at[conv_axes + 1];
    ReadBox read;
    ConvTile<T> tile;
    int64_t size[conv_axes + 1], y_row[conv_axes + 1], step[conv_axes + 1];
    for (int i = 0; i <= conv_axes; i++) {
      at[i] = boxes.place(number, i);
      size[i] = smaller(boxes.size[i], (i == 0 ? p.images : p.axis[i - 1].count) - at[i]);
      read.first[i] = i == 0 ? at[0] : at[i] * p.axis[i - 1].stride + p.axis[i - 1].offset;
      read.extent[i] = i == 0 ? size[0] : p.axis[i - 1].extent(size[i]);
    }
    const T* a0 = copy;
    step[3] = boxes.staged ? c.size() : x.pixel;
    y_row[3] = dy.pixel;
    for (int i = 3; i-- > 0;) {
      step[i] = step[i + 1] * (boxes.staged ? read.extent[i + 1] : p.axis[i].length);
      y_row[i] = y_row[i + 1] * p.axis[i].count;
    }
    if (boxes.staged) {
      copy_box(p, x.channels(c.begin), read, c.size(), copy);
    } else {
      a0 = x.p + c.begin;
      for (int i = 0; i <= conv_axes; i++) a0 += read.first[i] * step[i];
    }
    const T* b0 = dy.p;
    for (int i = 0; i <= conv_axes; i++) b0 += at[i] * y_row[i];
    for (int i = 0; i < 3; i++) {
      tile.segments[i] = size[i];
      tile.a_step[i] = step[i] * (i == 0 ? 1 : p.axis[i - 1].stride);
      tile.b_step[i] = y_row[i];
    }
    tile.k = size[3];
    tile.a_col = step[3] * p.axis[2].stride;
    tile.a_row = 1;
    tile.b_row = dy.pixel;
    tile.c_row = width;
    tile.accumulate = !first;
    tile.bias = nullptr;
    // Taps of a row are one run of rows of the tile where they touch.
    const bool touching = step[3] * p.axis[2].dilation == c.size();
    const int64_t runs = touching ? 1 : p.axis[2].taps, run = touching ? c.size() * p.axis[2].taps : c.size();
    const int64_t steps = size[0] * size[1] * size[2] * size[3];
    Fetch fetch_y{reinterpret_cast<const char*>(b0 + steps * dy.pixel), steps * dy.pixel * int64_t(sizeof(T))};
    Fetch fetch_x{reinterpret_cast<const char*>(a0 + steps * x.pixel), steps * x.pixel * int64_t(sizeof(T))};
    if (boxes.staged) fetch_x.bytes = 0;
    for (int64_t n = of_panels.begin; n < of_panels.end; n++) {
      const Range v = panels.part(n);
      const int vectors = static_cast<int>(v.size());
      const int64_t o = v.begin * lanes;
      tile.b = b0 + o;
      tile.last = static_cast<int>(smaller(lanes, p.out - o - (vectors - 1) * lanes));
      const ConvKernel<T>* const kernels = conv_kernels<T>(vectors, tile.last);
      const EvenSplit tiles(run, parts(run, conv_rows[vectors]));
      T* c_at = own + o;
      for (int64_t d = 0; d < p.axis[0].taps; d++)
        for (int64_t h = 0; h < p.axis[1].taps; h++)
          for (int64_t w = 0; w < runs; w++) {
            const T* a = a0 + d * p.axis[0].dilation * step[1] + h * p.axis[1].dilation * step[2] +
                         w * p.axis[2].dilation * step[3];
            for (int64_t t = 0; t < tiles.count; t++) {
              const int64_t height = tiles.size(t), half = (height + 1) / 2;
              tile.a = a + tiles.begin(t);
              tile.a_second = half;
              tile.c = c_at + tiles.begin(t) * width;
              tile.c_second = half * width;
              (fetch_y.bytes > 0 ? fetch_y : fetch_x).share(tile, steps);
              kernels[height](tile);
            }
            c_at += run * width;
          }
    }
  }

  // Sums of all splits, and from [tap][channel of x][channel of y] to dw: the other way round.
  void finish(int64_t o, T* dw) const {
    constexpr int lanes = Vec<T>::lanes;
    const int64_t taps = p.taps(), present = smaller(lanes, p.out - o), all = taps * p.in * width;
    for (int64_t q = 0; q < chunks.count; q++) {
      const Range c = chunks.part(q);
      const T* const from = sums + c.begin * taps * width + o;
      const int64_t length = c.size() * taps;
      int64_t channel = 0, tap = 0;
      for (int64_t f = 0; f < length; f += lanes) {
        const int valid = static_cast<int>(smaller(lanes, length - f));
        Vec<T> square[lanes];
        for (int i = 0; i < valid; i++) {
          const T* row = from + (tap * c.size() + channel) * width;
          Vec<T> sum = Vec<T>::load(row);
          for (int64_t s = 1; s < splits.count; s++) sum = sum + Vec<T>::load(row + s * all);
          square[i] = sum;
          if (++tap == taps) {
            tap = 0;
            channel++;
          }
        }
        for (int i = valid; i < lanes; i++) square[i] = Vec<T>{};
        transpose(square);
        for (int64_t i = 0; i < present; i++) square[i].store(dw + (o + i) * p.in * taps + c.begin * taps + f, valid);
      }
    }
  }
};

// dw (out, in, taps) of one group; `scratch` has the room that conv_weight_room tells.
template <class T>
void weight_gradient(Context& context, const ConvPass& p, Images<const T> x, Images<const T> dy, T* dw, char* scratch) {
  const ConvBoxes boxes = conv_boxes(p, sizeof(T));
  if (boxes.all == 0) {
    __builtin_memset(dw, 0, size_t(p.out * p.in * p.taps()) * sizeof(T));
    return;
  }
  constexpr int64_t lanes = Vec<T>::lanes;
  const int64_t count = conv_splits(p, boxes.all, sizeof(T)), all = conv_sums(p, sizeof(T));
  char* const copies = scratch + conv_align(count * all * int64_t(sizeof(T)));
  const size_t copy_bytes = conv_align(boxes.staged * int64_t(sizeof(T)));
  const WeightGradient<T> g{p,
                            boxes,
                            x,
                            dy,
                            reinterpret_cast<T*>(scratch),
                            all / (p.taps() * p.in),
                            EvenSplit(boxes.all, count),
                            EvenSplit(p.in, p.chunks),
                            conv_panels<T>(p.out)};
  // A few jobs more, over panels, where there are few others: each copies its boxes for itself.
  const double work = double(p.images * p.axis[0].count * p.axis[1].count * p.axis[2].count) * double(p.in * p.out);
  const int64_t worth = work * double(p.taps()) < 1e6 ? 1 : 8 / (count * p.chunks);
  const EvenSplit of_panels(g.panels.count, larger(1, smaller(worth, g.panels.count)));
  const int64_t jobs = count * p.chunks * of_panels.count;
  Slots slots;
  parallel_for(context, jobs, parts(jobs, conv_jobs), [&](int64_t lo, int64_t hi) {
    const int slot = slots.take();
    T* const copy = reinterpret_cast<T*>(copies + static_cast<size_t>(slot) * copy_bytes);
    for (int64_t n = lo; n < hi; n++) {
      const int64_t split = n / of_panels.count / p.chunks;
      const Range range = g.splits.part(split), c = g.chunks.part(n / of_panels.count % p.chunks);
      T* const own = g.sums + split * all + c.begin * p.taps() * g.width;
      for (int64_t b = range.begin; b < range.end; b++)
        g.box(b, b == range.begin, c, of_panels.part(n % of_panels.count), own, copy);
    }
    slots.give(slot);
  });
  parallel_for(context, parts(p.out, lanes), 65536 / larger(1, p.in * p.taps() * lanes) + 1,
               [&](int64_t lo, int64_t hi) {
                 for (int64_t n = lo; n < hi; n++) g.finish(n * lanes, dw);
               });
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
