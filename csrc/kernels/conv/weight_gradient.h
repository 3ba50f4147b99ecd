// The gradient of the weights: for each tap, x^T dy over all pixels, in tiles of channels of x times channels of y.
#pragma once

#include "kernels/conv/images.h"
#include "kernels/conv/masked.h"
#include "kernels/conv/tile.h"
#include "kernels/slots.h"
#include "simd/lanes.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
struct WeightGradient {
  const ConvPass& p;  // the forward one
  const ConvBoxes& boxes;
  Images<const T> x, dy;
  int64_t all, width;  // those of a split; channels of y, whole vectors
  EvenSplit splits, chunks, panels;

  // What is to be fetched meanwhile, by each tile a line of every pixel: of the whole of a box ahead, most was gone
  // again from the second cache when its turn came.
  struct Lines {
    const T* at;
    int64_t channels, pixel;

    FASTNN_INLINE void share(ConvTile<T>& t) {
      constexpr int64_t line = 64 / int64_t(sizeof(T));
      t.fetch = reinterpret_cast<const char*>(channels > 0 ? at : t.a);
      t.fetch_step = channels > 0 ? pixel * int64_t(sizeof(T)) : 0;
      at += line;
      channels -= line;
    }
  };

  // Adds the products of a box, for some channels of x and panels of dy, to the sums of its split.
  void box(int64_t number, int64_t group, bool first, Range c, Range of_panels, T* own, T* x_copy, T* y_copy) const {
    constexpr int64_t lanes = Vec<T>::lanes, most = conv_rows[conv_vectors], tile_pixel = round_up(most, 8);
    const Images<const T> from = x.channels(group * p.in + c.begin), slopes = dy.channels(group * p.out);
    const ReadBox read(p, boxes, number);
    const int64_t *const at = read.at, *const size = read.size, *const pace = read.pace, *const reach = read.reach;
    int64_t step[conv_axes + 1];
    // Few channels: the taps of a row, which touch then, are one run of rows of the tile.
    const bool touching = boxes.staged && c.size() < 8 && reach[2] == 1;
    const int64_t runs = touching ? 1 : p.axis[2].taps, run = touching ? c.size() * p.axis[2].taps : c.size();
    const EvenSplit tiles(run, parts(run, most));
    const bool pairs = touching && 2 * run <= most;  // of rows of the kernel, in one tile
    step[3] = !boxes.staged ? x.pixel : touching ? c.size() : tile_pixel;
    for (int i = 3; i-- > 0;) step[i] = step[i + 1] * (boxes.staged ? read.extent[i + 1] : p.axis[i].length);
    const int64_t copied = step[0] * read.extent[0];
    const T* a0 = x_copy;
    if (!boxes.staged) {
      a0 = from.p;
      for (int i = 0; i <= conv_axes; i++) a0 += read.first[i] * step[i];
    } else if (touching) {
      copy_box(p, boxes, read, from, c.size(), x_copy);
    } else {
      copy_tiles(read, from, tiles, x_copy, copied, tile_pixel);
    }
    ConvTile<T> tile;
    const int64_t pixels = size[0] * size[1] * size[2] * size[3];
    tile.k = size[3];
    for (int i = 0; i < 3; i++) {
      tile.segments[i] = size[i];
      tile.a_step[i] = step[i] * (i == 0 ? 1 : pace[i - 1]);
    }
    tile.a_col = step[3] * pace[2];
    tile.a_row = 1;
    tile.accumulate = !first;
    tile.bias = nullptr;
    tile.relu = false;
    const int64_t first_pixel = ((at[0] * p.axis[0].count + at[1]) * p.axis[1].count + at[2]) * p.axis[2].count + at[3];
    // The next box, where it lies behind this one.
    const bool alike = p.taps() == 1 && p.axis[1].length == p.axis[1].count && p.axis[2].length == p.axis[2].count;
    Lines next_x{from.p + (first_pixel + pixels) * x.pixel, alike ? c.size() : 0, x.pixel};
    for (int64_t n = of_panels.begin; n < of_panels.end; n++) {
      const Range v = panels.part(n);
      const int64_t o = v.begin * lanes, columns = v.size() * lanes;
      const int64_t present = smaller(columns, p.out - o);
      // A copy pays for more than a few tiles, unless the panel lies like one.
      const bool copied_y = dy.pixel != columns && c.size() * p.taps() >= 64;
      tile.c_row = columns;
      const int64_t last = present - columns + lanes;
      tile.last = static_cast<int>(copied_y && 2 * last > lanes ? lanes : last);
      if (copied_y) {
        copy_panel(slopes, at, size, o, present, columns, y_copy);
        tile.b = y_copy;
        tile.b_row = columns;
        tile.b_step[2] = size[3] * columns;
        tile.b_step[1] = size[2] * tile.b_step[2];
        tile.b_step[0] = size[1] * tile.b_step[1];
      } else {
        tile.b_row = dy.pixel;
        tile.b_step[2] = p.axis[2].count * dy.pixel;
        tile.b_step[1] = p.axis[1].count * tile.b_step[2];
        tile.b_step[0] = p.axis[0].count * tile.b_step[1];
        tile.b =
            slopes.p + o + at[0] * tile.b_step[0] + at[1] * tile.b_step[1] + at[2] * tile.b_step[2] + at[3] * dy.pixel;
      }
      const bool more = n + 1 < of_panels.end;
      const T* const behind = slopes.p + first_pixel * dy.pixel + (more ? o + columns : pixels * dy.pixel);
      Lines next_y{behind, present, dy.pixel};
      const ConvKernel<T>* const kernels = conv_kernels<T>(static_cast<int>(v.size()), tile.last);
      for (int64_t t = 0; t < tiles.count; t++) {
        const int64_t height = tiles.size(t), half = (height + 1) / 2;
        const T* const a = a0 + (boxes.staged && !touching ? t * copied : tiles.begin(t));
        tile.c = own + o * c.size() * p.taps() + tiles.begin(t) * columns;
        for (int64_t d = 0; d < p.axis[0].taps; d++)
          for (int64_t h = 0; h < p.axis[1].taps; h++) {
            const bool pair = pairs && h + 1 < p.axis[1].taps;
            tile.a_second = pair ? reach[1] * step[2] : half;
            tile.c_second = (pair ? run : half) * columns;
            for (int64_t w = 0; w < runs; w++) {
              tile.a = a + d * reach[0] * step[1] + h * reach[1] * step[2] + w * reach[2] * step[3];
              (next_y.channels > 0 ? next_y : next_x).share(tile);
              // Sums of 256 x 1024 channels come from the third cache.
              const int64_t rows = pair ? 2 * run : height;
              for (int64_t i = 0; i < rows * v.size(); i++) __builtin_prefetch(tile.c + i * lanes, 1, 3);
              kernels[rows](tile);
              tile.c += (pair ? 2 * run : run) * columns;
            }
            if (pair) h++;
          }
      }
    }
  }

  // The same without zeros of x, in panels for that; see masked_gradient.h.
  void masked_box(int64_t number, bool first, Range c, Range of_panels, T* own, T* x_copy, char* room) const;

  // Channels of x for the pixels of a box, tile after tile. A few pixels at a time, for all tiles: their lines are read
  // once, in the order of memory.
  void copy_tiles(const ReadBox& read, Images<const T> from, const EvenSplit& tiles, T* to, int64_t tile,
                  int64_t pixel) const {
    constexpr int64_t few = 4;
    copy_box(
        p, boxes, read,
        [&](int64_t at, int64_t step, int64_t position, int64_t n) FASTNN_INLINED {
          for (int64_t i = 0; i < n; i += few)
            for (int64_t t = 0; t < tiles.count; t++)
              copy_pixels(from.p + (at + i * step) * from.pixel + tiles.begin(t), from.pixel * step,
                          to + t * tile + (position + i) * pixel, pixel, smaller(few, n - i), tiles.size(t));
        },
        [&](int64_t position, int64_t n) FASTNN_INLINED {
          for (int64_t t = 0; t < tiles.count; t++)
            __builtin_memset(to + t * tile + position * pixel, 0, size_t(n * pixel) * sizeof(T));
        });
  }

  // A panel of channels of dy for the pixels of a box.
  void copy_panel(Images<const T> from, const int64_t* at, const int64_t* size, int64_t o, int64_t present,
                  int64_t columns, T* to) const {
    for (int64_t n = at[0]; n < at[0] + size[0]; n++)
      for (int64_t d = at[1]; d < at[1] + size[1]; d++)
        for (int64_t h = at[2]; h < at[2] + size[2]; h++, to += size[3] * columns) {
          const int64_t pixel = ((n * p.axis[0].count + d) * p.axis[1].count + h) * p.axis[2].count + at[3];
          copy_pixels(from.p + pixel * dy.pixel + o, dy.pixel, to, columns, size[3], present);
        }
  }

  // Sums of all splits for vector v of channels of y, and from [tap][channel of x][channel of y] to dw.
  void finish(int64_t v, const T* own, T* dw) const {
    constexpr int lanes = Vec<T>::lanes;
    int64_t n = 0;
    while (panels.begin(n + 1) <= v) n++;
    const int64_t taps = p.taps(), o = v * lanes, present = smaller(lanes, p.out - o);
    const int64_t columns = panels.size(n) * lanes, first = panels.begin(n) * lanes;
    for (int64_t q = 0; q < chunks.count; q++) {
      const Range c = chunks.part(q);
      const T* const from = own + (c.begin * width + first * c.size()) * taps + o - first;
      const int64_t length = c.size() * taps;
      int64_t channel = 0, tap = 0;
      for (int64_t f = 0; f < length; f += lanes) {
        const int valid = static_cast<int>(smaller(lanes, length - f));
        Vec<T> square[lanes];
        for (int i = 0; i < lanes; i++) {
          if (i >= valid) {
            square[i] = Vec<T>{};
            continue;
          }
          const T* row = from + (tap * c.size() + channel) * columns;
          Vec<T> sum = Vec<T>::load(row);
          for (int64_t s = 1; s < splits.count; s++) sum = sum + Vec<T>::load(row + s * all);
          square[i] = sum;
          if (++tap == taps) {
            tap = 0;
            channel++;
          }
        }
        transpose(square);
        for (int64_t i = 0; i < present; i++) square[i].store(dw + (o + i) * p.in * taps + c.begin * taps + f, valid);
      }
    }
  }
};

// dw (groups * out, in, taps); `scratch` has the room that conv_weight_room tells.
template <class T>
void weight_gradient(Context& context, const ConvPass& p, int64_t groups, Images<const T> x, Images<const T> dy, T* dw,
                     char* scratch) {
  const ConvBoxes boxes = conv_weight_boxes(p, sizeof(T));
  if (boxes.all == 0) {
    __builtin_memset(dw, 0, size_t(groups * p.out * p.in * p.taps()) * sizeof(T));
    return;
  }
  constexpr int64_t lanes = Vec<T>::lanes;
  const int64_t count = conv_splits(p, boxes.all, sizeof(T)), all = conv_sums(p, sizeof(T));
  const bool masked = skips_zeros(p, groups, x, most_values_weights);
  const ConvWeightRoom room = conv_weight_room(p, groups, sizeof(T));
  T* const sums = reinterpret_cast<T*>(scratch);
  const WeightGradient<T> g{p,
                            boxes,
                            x,
                            dy,
                            all,
                            all / (p.taps() * p.in),
                            EvenSplit(boxes.all, count),
                            EvenSplit(p.in, p.chunks),
                            masked ? masked_panels<T>(p.out) : conv_panels<T>(p.out)};
  // A few jobs more, over panels, where there are few others: each copies its boxes for itself.
  const double work = double(p.images * p.axis[0].count * p.axis[1].count * p.axis[2].count) * double(p.in * p.out);
  const int64_t worth =
      work * double(p.taps()) < 1e6 ? 1 : smaller(8 / (groups * count * p.chunks), g.panels.count / 4);
  const EvenSplit of_panels(g.panels.count, larger(1, smaller(worth, g.panels.count)));
  const int64_t each = count * p.chunks * of_panels.count, jobs = groups * each;
  Slots slots;
  parallel_for(context, jobs, parts(jobs, conv_jobs), [&](int64_t lo, int64_t hi) {
    const int slot = slots.take();
    char* const copies = scratch + room.sums + static_cast<size_t>(slot) * (room.x + room.y);
    for (int64_t n = lo; n < hi; n++) {
      const int64_t group = n / each, split = n % each / of_panels.count / p.chunks;
      const Range range = g.splits.part(split), c = g.chunks.part(n / of_panels.count % p.chunks);
      T* const own = sums + (group * count + split) * all + c.begin * p.taps() * g.width;
      T* const x_copy = reinterpret_cast<T*>(copies);
      for (int64_t b = range.begin; b < range.end; b++) {
        const Range some = of_panels.part(n % of_panels.count);
        if constexpr (std::is_same_v<T, float>) {
          if (masked) {
            g.masked_box(b, b == range.begin, c, some, own, x_copy, copies + room.x);
            continue;
          }
        }
        g.box(b, group, b == range.begin, c, some, own, x_copy, reinterpret_cast<T*>(copies + room.x));
      }
    }
    slots.give(slot);
  });
  const int64_t vectors = parts(p.out, lanes), group_size = p.out * p.in * p.taps();
  parallel_for(context, groups * vectors, 65536 / larger(1, p.in * p.taps() * lanes) + 1, [&](int64_t lo, int64_t hi) {
    for (int64_t n = lo; n < hi; n++)
      g.finish(n % vectors, sums + n / vectors * count * all, dw + n / vectors * group_size);
  });
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
