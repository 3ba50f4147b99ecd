// A pass over images: every box of outputs, for all panels of channels, by register tiles that sum over the taps and
// channels straight from channels-last memory, or from a copy of the box where that needs zeros around it.
#pragma once

#include "kernels/conv/images.h"
#include "kernels/conv/masked.h"
#include "kernels/conv/pack.h"
#include "kernels/slots.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
struct Correlation {
  const ConvPass& p;
  const ConvBoxes& boxes;
  Images<const T> x;
  Images<T> y;
  int64_t y_length[conv_axes];  // of what is written
  ConvPacked<T> weights;
  const T* bias;      // or null
  bool relu;          // of the result
  bool beyond_cache;  // the result: its lines are fetched before they are written
  bool masked;        // zeros of x are skipped, with the weights in panels for that

  // Where a box is read.
  struct Source {
    const T* p;
    int64_t step[conv_axes + 1];  // from position to position
    int64_t pace[conv_axes];      // positions from output to output
  };

  // Tiles of some rows of outputs for a chunk of channels and a panel.
  void rows(ConvTile<T>& tile, const int64_t* size, const Source& source, const T* a0, T* c0, int vectors, Fetch& fetch,
            Fetch& image) const {
    const int64_t width = size[3], count = size[0] * size[1] * size[2];
    const int64_t y_row[3] = {y_length[0] * y_length[1] * y_length[2] * y.pixel,
                              y_length[1] * y_length[2] * p.axis[0].step * y.pixel,
                              y_length[2] * p.axis[1].step * y.pixel};
    const int64_t x_row[3] = {source.step[0], source.step[1] * source.pace[0], source.step[2] * source.pace[1]};
    if constexpr (std::is_same_v<T, float>) {
      if (masked) {
        tile.a = a0;
        tile.c = c0;
        return masked_outputs(tile, size, x_row, y_row);
      }
    }
    int64_t place[3] = {0, 0, 0}, a_at = 0, c_at = 0;
    const auto advance = [&]() FASTNN_INLINED {
      for (int i = 3; i-- > 0;) {
        a_at += x_row[i];
        c_at += y_row[i];
        if (++place[i] < size[i]) return;
        a_at -= place[i] * x_row[i];
        c_at -= place[i] * y_row[i];
        place[i] = 0;
      }
    };
    const int64_t steps = tile.k * tile.segments[0] * tile.segments[1] * tile.segments[2];
    const int most = conv_rows[vectors];
    const ConvKernel<T>* const kernels = conv_kernels<T>(vectors, tile.last);
    const EvenSplit tiles(width, parts(width, most));
    const bool pairs = 2 * width <= most;
    for (int64_t row = 0; row < count; row++) {
      const T* const a = a0 + a_at;
      T* const c = c0 + c_at;
      if (pairs && row + 1 < count) {
        const int64_t a_before = a_at, c_before = c_at;
        advance();
        tile.a = a;
        tile.c = c;
        tile.a_second = a_at - a_before;
        tile.c_second = c_at - c_before;
        (fetch.bytes > 0 ? fetch : image).share(tile, steps);
        kernels[2 * width](tile);
        row++;
      } else {
        for (int64_t t = 0; t < tiles.count; t++) {
          const int64_t first = tiles.begin(t), height = tiles.size(t), half = (height + 1) / 2;
          tile.a = a + first * tile.a_row;
          tile.c = c + first * tile.c_row;
          tile.a_second = half * tile.a_row;
          tile.c_second = half * tile.c_row;
          if (beyond_cache) {
            for (int64_t r = height; r < 2 * height; r++)
              for (int v = 0; v < vectors; v++) __builtin_prefetch(tile.c + r * tile.c_row + v * Vec<T>::lanes, 1, 2);
          }
          (fetch.bytes > 0 ? fetch : image).share(tile, steps);
          kernels[height](tile);
        }
      }
      advance();
    }
  }

  // What the box after this one reads, to be fetched meanwhile: its copy took 2 to 4 % of the time. To fetch it in the
  // last panels only is no faster.
  Fetch behind(int64_t number, Images<const T> from) const {
    if (number + 1 >= boxes.all || x.pixel != p.in) return {reinterpret_cast<const char*>(from.p), 0};
    const ReadBox read(p, boxes, number + 1);
    int64_t at = read.first[0], count = read.extent[0];
    for (int i = 0; i < conv_axes; i++) {
      const int64_t length = p.axis[i].length;
      at = at * length + larger(0, read.first[i + 1]);
      count *= smaller(length, p.axis[i].span(read.size[i + 1]));
    }
    return {reinterpret_cast<const char*>(from.p + at * x.pixel), count * x.pixel * int64_t(sizeof(T))};
  }

  void box(int64_t number, int64_t group, Range of_panels, const EvenSplit& panels, T* copy) const {
    constexpr int64_t lanes = Vec<T>::lanes;
    const Images<const T> from = x.channels(group * p.in);
    const T* const own_weights = weights.p + group * weights.group;
    const T* const own_bias = bias ? bias + group * p.out : nullptr;
    const ReadBox read(p, boxes, number);
    const EvenSplit chunks(p.in, p.chunks);
    ConvTile<T> tile;
    tile.a_col = 1;
    Fetch image = behind(number, from);
    for (int64_t q = 0; q < chunks.count; q++) {
      const Range c = chunks.part(q);
      Source source;
      for (int i = 0; i < conv_axes; i++) source.pace[i] = read.pace[i];
      if (boxes.staged) {
        copy_box(p, boxes, read, from.channels(c.begin), c.size(), copy);
        source.p = copy;
        source.step[3] = c.size();
        for (int i = 3; i-- > 0;) source.step[i] = source.step[i + 1] * read.extent[i + 1];
      } else {
        source.step[3] = x.pixel;
        for (int i = 3; i-- > 0;) source.step[i] = source.step[i + 1] * p.axis[i].length;
        source.p = from.p + c.begin;
        for (int i = 0; i <= conv_axes; i++) source.p += read.first[i] * source.step[i];
      }
      // Taps of a row are one run of numbers where they touch.
      const bool touching = source.step[3] * read.reach[2] == c.size();
      tile.k = touching ? c.size() * p.axis[2].taps : c.size();
      for (int i = 0; i < 3; i++) {
        tile.segments[i] = p.axis[i].taps;
        tile.a_step[i] = source.step[i + 1] * read.reach[i];
      }
      if (touching && p.axis[2].taps > 0) tile.segments[2] = 1;
      tile.a_row = source.step[3] * source.pace[2];
      tile.c_row = y.pixel * p.axis[2].step;
      tile.accumulate = q > 0;
      T* c0 = y.p + group * p.out + (read.at[0] * y_length[0] * y_length[1] * y_length[2]) * y.pixel;
      const int64_t steps[3] = {y_length[1] * y_length[2], y_length[2], 1};
      for (int i = 0; i < 3; i++) c0 += (p.axis[i].first + read.at[i + 1] * p.axis[i].step) * steps[i] * y.pixel;
      Fetch fetch{image.at, 0}, none{image.at, 0};
      // The weights of the next panel, where they do not stay in the second cache.
      const bool passing = conv_packed(p, p.taps(), sizeof(T)) * int64_t(sizeof(T)) > 1 << 20;
      for (int64_t n = of_panels.begin; n < of_panels.end; n++) {
        const Range v = panels.part(n);
        const int64_t o = v.begin * lanes, width = v.size() * lanes;
        tile.b = own_weights + (o * p.in + c.begin * width) * weights.taps + weights.first * c.size() * width;
        tile.b_row = width;
        tile.b_step[2] = tile.k * width;
        tile.b_step[1] = tile.segments[2] * tile.b_step[2];
        tile.b_step[0] = tile.segments[1] * tile.b_step[1];
        tile.bias = own_bias && q == chunks.count - 1 ? own_bias + o : nullptr;
        tile.relu = relu && q == chunks.count - 1;
        tile.last = static_cast<int>(smaller(lanes, p.out - o - width + lanes));
        if (passing) {
          const int64_t bytes = c.size() * p.taps() * width * int64_t(sizeof(T));
          fetch = {reinterpret_cast<const char*>(tile.b + p.in * weights.taps * width), bytes};
        }
        rows(tile, read.size, source, source.p, c0 + o, static_cast<int>(v.size()), fetch,
             q + 1 == chunks.count ? image : none);
      }
    }
  }
};

// Outputs that no tap reaches: zeros, or the bias. Tiles without steps would write them panel by panel.
template <class T>
void fill_outputs(Context& context, const ConvPass& p, Images<T> y, const int64_t (&y_length)[conv_axes],
                  const T* bias) {
  const int64_t rows = p.images * p.axis[0].count * p.axis[1].count, width = p.axis[2].count;
  parallel_for(context, rows, 65536 / (width * p.out_all + 1) + 1, [&](int64_t lo, int64_t hi) {
    for (int64_t n = lo; n < hi; n++) {
      const int64_t h = n % p.axis[1].count, d = n / p.axis[1].count % p.axis[0].count;
      int64_t at = n / p.axis[1].count / p.axis[0].count;
      at = at * y_length[0] + p.axis[0].first + d * p.axis[0].step;
      at = at * y_length[1] + p.axis[1].first + h * p.axis[1].step;
      T* to = y.p + (at * y_length[2] + p.axis[2].first) * y.pixel;
      for (int64_t i = 0; i < width; i++, to += p.axis[2].step * y.pixel) {
        if (bias)
          __builtin_memcpy(to, bias, size_t(p.out_all) * sizeof(T));
        else
          __builtin_memset(to, 0, size_t(p.out_all) * sizeof(T));
      }
    }
  });
}

// All groups of a pass; y_length: that of y's axes; masked: what skips_zeros has found. `copies` has room for the boxes
// of conv_jobs threads.
template <class T>
void correlate(Context& context, const ConvPass& p, int64_t groups, const ConvPacked<T>& weights, Images<const T> x,
               Images<T> y, const int64_t (&y_length)[conv_axes], const T* bias, bool relu, bool masked, char* copies) {
  const ConvBoxes boxes = conv_boxes(p, sizeof(T));
  if (boxes.all == 0) return;
  if (p.taps() == 0) return fill_outputs(context, p, y, y_length, bias);
  const size_t room = conv_align(boxes.staged * int64_t(sizeof(T)));
  // To leave out fetching of results up to 12 MB saves 2 to 10 % where they are in the third cache, as in most steps,
  // but takes 1.2 to 2 times as long where they are not.
  Correlation<T> c{p,
                   boxes,
                   x,
                   y,
                   {y_length[0], y_length[1], y_length[2]},
                   weights,
                   bias,
                   relu,
                   p.images * y_length[0] * y_length[1] * y_length[2] * y.pixel * int64_t(sizeof(T)) > 1 << 20,
                   masked};
  const EvenSplit panels = masked ? masked_panels<T>(p.out) : conv_panels<T>(p.out);
  const int64_t all = boxes.all * groups;
  const double work = double(all) * double(boxes.size[0] * boxes.size[1] * boxes.size[2] * boxes.size[3]) *
                      double(p.in * p.out) * double(larger(1, p.taps()));
  const int64_t worth = work < 1e6 ? 1 : work < 1e6 * conv_jobs ? static_cast<int64_t>(work / 1e6) : conv_jobs;
  const int64_t box_jobs = smaller(worth, all);
  const EvenSplit of_boxes(all, box_jobs);
  const EvenSplit of_panels(panels.count, larger(1, smaller(worth / box_jobs, panels.count)));
  Slots slots;
  parallel_for(context, of_boxes.count * of_panels.count, 1, [&](int64_t lo, int64_t hi) {
    const int slot = slots.take();
    T* const copy = reinterpret_cast<T*>(copies + static_cast<size_t>(slot) * room);
    for (int64_t n = lo; n < hi; n++) {
      const Range range = of_boxes.part(n / of_panels.count);
      for (int64_t b = range.begin; b < range.end; b++)
        c.box(b / groups, b % groups, of_panels.part(n % of_panels.count), panels, copy);
    }
    slots.give(slot);
  });
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
