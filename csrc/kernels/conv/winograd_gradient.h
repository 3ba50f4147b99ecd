// The gradient of the weights by Winograd's way: tiles of x and of dy to 36 planes each, for each plane the products of
// channels of x and channels of dy summed over the tiles, and those sums to the nine taps.
#pragma once

#include "kernels/conv/tile.h"
#include "kernels/conv/winograd_transforms.h"
#include "kernels/gemm/pack.h"
#include "kernels/slots.h"

namespace fastnn::FASTNN_ISA {
namespace {

struct WinogradGradient {
  const ConvPass& p;  // the forward one
  Images<const float> x, dy;
  WinogradTiles tiles;
  EvenSplit panels;  // of channels of dy
  // Transformed tiles lie in groups of 32 channels of x, and in panels of dy: [group][point][tile][channel]. Were all
  // channels of a tile side by side, AVX2, which takes 6 of them at a time, took twice the time for 512.
  int64_t x_plane, dy_plane;
  float *x_data, *dy_data;
  const float* zeros;

  static constexpr int64_t lanes = Floats::lanes, panel_width = conv_vectors * lanes, group = winograd_gradient_rows;

  // Tiles of x and dy, at their places in a block.
  void transform_tiles(TileRange block, Range range) const {
    transform_data_tiles(x, p.in, tiles, block, range, p, zeros, x_data, {group, winograd_points * x_plane, x_plane});
    const int64_t length[2] = {p.axis[1].count, p.axis[2].count}, offset[2] = {0, 0};
    for_each_square<4>(
        dy, tiles, block, range, length, offset, zeros,
        [&](const TilePlace& place, const auto& from, auto fetch) FASTNN_INLINED {
          for (int64_t n = 0; n < panels.count; n++) {
            const Range v = panels.part(n);
            const int64_t width = v.size() * lanes, plane = dy_plane;
            float* to = dy_data + n * winograd_points * plane + place.next[place.kind(tiles)] * width;
            for (int64_t o = v.begin * lanes; o < v.end * lanes; o += lanes, to += lanes) {
              const int present = static_cast<int>(smaller(lanes, p.out - o));
              fetch(o);
              const auto square = [&](auto load) FASTNN_INLINED {
                place.with_points(tiles, [&](auto down, auto across) FASTNN_INLINED {
                  transform_square<down - 2, down, across - 2, across>(
                      [](const auto& g, auto& d) FASTNN_INLINED { transform_slopes(g, d); }, load,
                      [&](auto i, auto j, Floats d) FASTNN_INLINED {
                        constexpr int a = point_number<down>(i), b = point_number<across>(j);
                        d.store(to + (a * 6 + b) * plane);
                      });
                });
              };
              if (present == lanes)
                square([&](auto i, auto j) FASTNN_INLINED { return Floats::load(from.at[i][j] + o); });
              else
                square([&](auto i, auto j) FASTNN_INLINED { return Floats::load(from.at[i][j] + o, present); });
            }
          }
        });
  }

  // The products of some channels of x and a panel of dy over a block.
  void multiply(TileRange block, bool first, Range c, int64_t panel, float* sums, int64_t sums_plane) const {
    const int vectors = static_cast<int>(panels.size(panel));
    const int64_t width = vectors * lanes;
    const EvenSplit heights(c.size(), parts(c.size(), conv_rows[vectors]));
    const ConvKernel<float>* const kernels = conv_kernels<float>(vectors, lanes);
    ConvTile<float> tile{};
    tile.segments[0] = tile.segments[1] = tile.segments[2] = 1;
    tile.a_row = 1;
    tile.a_col = group;
    tile.b_row = tile.c_row = width;
    tile.accumulate = !first;
    tile.last = lanes;
    const WinogradTiles::Counts counts = tiles.of(block);
    for (int q = 0; q < winograd_points; q++) {
      const TileRange needing = winograd_needing(counts, q / 6, q % 6);
      const int64_t count = needing.end - needing.begin;
      tile.k = count;
      tile.b = dy_data + (panel * winograd_points + q) * dy_plane + needing.begin * width;
      const float* const data = x_data + (c.begin / group * winograd_points + q) * x_plane + needing.begin * group;
      Fetch fetch{reinterpret_cast<const char*>(data + x_plane), q + 1 < winograd_points ? count * group * 4 : 0};
      for (int64_t h = 0; h < heights.count; h++) {
        const int64_t begin = heights.begin(h), height = heights.size(h), half = (height + 1) / 2;
        tile.a = data + begin;
        tile.c = sums + q * sums_plane + begin * width;
        tile.a_second = half;
        tile.c_second = half * width;
        fetch.share(tile, count);
        kernels[height](tile);
      }
    }
  }

  // From sums [point][channel of x][channel of dy] to dw (out, in, 9).
  void finish(const float* sums, int64_t sums_plane, Range c, int64_t panel, float* dw) const {
    constexpr int64_t taps = 9;
    const Range v = panels.part(panel);
    const int64_t width = v.size() * lanes;
    for (int64_t o = v.begin * lanes; o < v.end * lanes; o += lanes, sums += lanes) {
      const int64_t present = smaller(lanes, p.out - o);
      for (int64_t first = 0; first < c.size(); first += lanes) {
        const int64_t channels = smaller(lanes, c.size() - first);
        float rows[lanes * taps * lanes];  // one for each channel and tap
        for (int64_t i = 0; i < channels; i++) {
          const float* const from = sums + (first + i) * width;
          float* const to = rows + i * taps * lanes;
          transform_square<6, 3, 6, 3>(
              [](const auto& m, auto& t) FASTNN_INLINED { transform_back(m, t); },
              [&](auto a, auto b) FASTNN_INLINED { return Floats::load(from + (a * 6 + b) * sums_plane); },
              [&](auto a, auto b, Floats sum) FASTNN_INLINED { sum.store(to + (a * 3 + b) * lanes); });
        }
        float* const to = dw + (o * p.in + c.begin + first) * taps;
        for (int64_t f = 0; f < channels * taps; f += lanes) {
          const int64_t valid = smaller(lanes, channels * taps - f);
          Floats square[lanes];
          for (int64_t i = 0; i < lanes; i++) square[i] = i < valid ? Floats::load(rows + (f + i) * lanes) : Floats{};
          transpose(square);
          for (int64_t i = 0; i < present; i++) square[i].store(to + i * p.in * taps + f, static_cast<int>(valid));
        }
      }
    }
  }
};

// Adds the sums of the last span to those of the spans before, which the first one begins.
FASTNN_INLINE void add_span(const float* sums, float* total, int64_t n, bool first) {
  for (int64_t i = 0; i < n; i += Floats::lanes) {
    const Floats own = Floats::load(sums + i);
    (first ? own : Floats::load(total + i) + own).store(total + i);
  }
}

// dw (out, in, 3, 3); `scratch` has the room that winograd_gradient_room tells.
inline void winograd_gradient(Context& context, const ConvPass& p, Images<const float> x, Images<const float> dy,
                              float* dw, char* scratch) {
  const WinogradTiles tiles = winograd_tiles(p);
  if (tiles.all == 0) {
    __builtin_memset(dw, 0, size_t(p.out * p.in * 9) * sizeof(float));
    return;
  }
  const WinogradGradientRoom room = winograd_gradient_room(p);
  const EvenSplit blocks(tiles.all, parts(tiles.all, winograd_gradient_block));
  float* const zeros = reinterpret_cast<float*>(scratch + room.x + room.dy);
  float* const sums = reinterpret_cast<float*>(scratch + room.x + room.dy + room.zeros);
  __builtin_memset(zeros, 0, room.zeros);
  constexpr int64_t group = WinogradGradient::group, width = WinogradGradient::panel_width;
  const WinogradGradient g{p,
                           x,
                           dy,
                           tiles,
                           conv_panels<float>(p.out),
                           winograd_plane(blocks.size(0) * group),
                           winograd_plane(blocks.size(0) * width),
                           reinterpret_cast<float*>(scratch),
                           reinterpret_cast<float*>(scratch + room.x),
                           zeros};
  const int64_t sums_plane = winograd_plane(group * width), groups = parts(p.in, group);
  const int64_t jobs = groups * g.panels.count, size = winograd_points * sums_plane;
  for (int64_t b = 0; b < blocks.count; b++) {
    const int64_t first = blocks.begin(b), count = blocks.size(b);
    parallel_for(context, count, larger(4, parts(count, conv_jobs)), [&](int64_t lo, int64_t hi) {
      g.transform_tiles({first, first + count}, {first + lo, first + hi});
    });
    const int64_t products = winograd_points * count * group * width;
    Slots slots;
    parallel_for(context, jobs, larger(parts(jobs, conv_jobs), 1000000 / products + 1), [&](int64_t lo, int64_t hi) {
      const int slot = slots.take();
      for (int64_t n = lo; n < hi; n++) {
        const int64_t first_channel = n % groups * group, panel = n / groups;
        const Range c{first_channel, smaller(first_channel + group, p.in)};
        constexpr int64_t span = winograd_gradient_span;
        float* const own = sums + (blocks.count == 1 ? slot : n) * size;
        float* const total = sums + (jobs + n) * size;
        const bool opens = b % span == 0;
        if (opens && b > 0) add_span(own, total, size, b == span);
        g.multiply({first, first + count}, opens, c, panel, own, sums_plane);
        if (b < blocks.count - 1) continue;
        if (b >= span) add_span(own, total, size, false);
        g.finish(b >= span ? total : own, sums_plane, c, panel, dw);
      }
      slots.give(slot);
    });
  }
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
