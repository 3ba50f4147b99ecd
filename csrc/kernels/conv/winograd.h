// A pass over images by Winograd's way: tiles of data and weights to 36 planes each, a product of matrices for each
// plane, and back; panel by panel of channels of the result, for a strip of tiles.
#pragma once

#include "kernels/conv/pack.h"
#include "kernels/conv/winograd_transforms.h"
#include "kernels/slots.h"

namespace fastnn::FASTNN_ISA {
namespace {

struct Winograd {
  const ConvPass& p;
  ConvWeights<float> w;
  Images<const float> x;
  Images<float> y;
  const float* bias;  // or null
  bool relu;          // of the result
  WinogradTiles tiles;
  EvenSplit panels;
  int64_t row, plane;  // of transformed data

  static constexpr int64_t lanes = Floats::lanes, panel_width = conv_vectors * lanes;

  FASTNN_INLINE int64_t panel_plane() const { return winograd_plane(p.in * panel_width); }

  // The weights of a panel, a row for each channel of x.
  void transform_weights(int64_t panel, float* to) const {
    const Range v = panels.part(panel);
    const int64_t width = v.size() * lanes, step = panel_plane();
    const bool turned = p.axis[1].index_step < 0;  // in a gradient
    for (int64_t o = v.begin * lanes; o < v.end * lanes; o += lanes, to += lanes) {
      const int64_t present = smaller(lanes, p.out - o);
      for (int64_t c = 0; c < p.in; c++) {
        constexpr int64_t taps = 9, squares = (taps + lanes - 1) / lanes;
        float rows[squares * lanes * lanes];
        const float* const from = w.p + o * w.out + c * w.in;
        for (int64_t f = 0; f < taps; f += lanes)
          transpose_square<float, false>(from + f, w.out, present, static_cast<int>(smaller(lanes, taps - f)),
                                         rows + f * lanes, lanes);
        const float* const last = rows + 8 * lanes;
        const int64_t turn = turned ? -lanes : lanes;
        float* const target = to + c * width;
        Floats between[3][6];
        unroll<3>([&](auto j) FASTNN_INLINED {
          Floats column[3];
          unroll<3>([&](auto i)
                        FASTNN_INLINED { column[i] = Floats::load((turned ? last : rows) + (i * 3 + j) * turn); });
          transform_kernel(column, between[j]);
        });
        unroll<6>([&](auto i) FASTNN_INLINED {
          Floats line[3] = {between[0][i], between[1][i], between[2][i]}, done[6];
          transform_kernel(line, done);
          unroll<6>([&](auto j) FASTNN_INLINED { done[j].store(target + (i * 6 + j) * step); });
        });
      }
    }
  }

  // The products of a strip of data and a panel of weights, for all points.
  void multiply(const float* data, Range strip, const float* weights, int vectors, float* sums,
                int64_t sums_plane) const {
    const int64_t width = vectors * lanes;
    const EvenSplit chunks(p.in, parts(p.in, winograd_chain));
    const WinogradTiles::Counts counts = tiles.of({strip.begin, strip.end});
    const ConvKernel<float>* const kernels = conv_kernels<float>(vectors, lanes);
    ConvTile<float> tile{};
    tile.segments[0] = tile.segments[1] = tile.segments[2] = 1;
    tile.a_row = row;
    tile.a_col = 1;
    tile.b_row = tile.c_row = width;
    tile.last = lanes;
    for (int q = 0; q < winograd_points; q++) {
      const TileRange needing = winograd_needing(counts, q / 6, q % 6);
      const int64_t count = needing.end - needing.begin;
      if (count == 0) continue;
      const float* const own = data + q * plane + needing.begin * row;
      float* const to = sums + q * sums_plane + needing.begin * width;
      const EvenSplit heights(count, parts(count, conv_rows[vectors]));
      Fetch fetch{reinterpret_cast<const char*>(own + plane), q + 1 < winograd_points ? count * row * 4 : 0};
      for (int64_t n = 0; n < chunks.count; n++) {
        const Range c = chunks.part(n);
        tile.k = c.size();
        tile.b = weights + q * panel_plane() + c.begin * width;
        tile.accumulate = n > 0;
        for (int64_t h = 0; h < heights.count; h++) {
          const int64_t first = heights.begin(h), height = heights.size(h), half = (height + 1) / 2;
          tile.a = own + first * row + c.begin;
          tile.c = to + first * width;
          tile.a_second = half * row;
          tile.c_second = half * width;
          fetch.share(tile, tile.k);
          kernels[height](tile);
        }
      }
    }
  }

  // From the sums of some tiles to the result, for a panel of channels.
  void transform_sums(Range range, Range v, const float* sums, int64_t sums_plane) const {
    const int64_t width = v.size() * lanes, height = p.axis[1].count, length = p.axis[2].count;
    TilePlace at(tiles, {range.begin, range.end}, range.begin);
    for (int64_t t = range.begin; t < range.end; t++, at.advance(tiles)) {
      const int64_t rows = height - at.row, columns = length - at.column;
      for (int64_t n = 0; n < v.size(); n++) {
        const int64_t o = (v.begin + n) * lanes;
        const int present = static_cast<int>(smaller(lanes, p.out - o));
        float* const to = y.p + ((at.image * height + at.row) * length + at.column) * y.pixel + o;
        const float* const from = sums + at.next[at.kind(tiles)] * width + n * lanes;
        const Floats shift = bias ? Floats::load(bias + o, present) : Floats{};
        const auto finished = [&](Floats sum) FASTNN_INLINED {
          const Floats shifted = bias ? shift + sum : sum;
          return relu ? rectified(shifted) : shifted;
        };
        const auto square = [&](auto down, auto across, auto store) FASTNN_INLINED {
          transform_square<down, down - 2, across, across - 2>(
              [](const auto& m, auto& t) FASTNN_INLINED { transform_back(m, t); },
              [&](auto i, auto j) FASTNN_INLINED {
                constexpr int a = point_number<down>(i), b = point_number<across>(j);
                return Floats::load(from + (a * 6 + b) * sums_plane);
              },
              store);
        };
        using std::integral_constant;
        if (rows >= winograd_tile && columns >= winograd_tile && present == lanes) {
          square(integral_constant<int, 6>{}, integral_constant<int, 6>{},
                 [&](auto i, auto j, Floats sum)
                     FASTNN_INLINED { finished(sum).store(to + (i * length + j) * y.pixel); });
        } else {
          at.with_points(tiles, [&](auto down, auto across) FASTNN_INLINED {
            square(down, across, [&](auto i, auto j, Floats sum) FASTNN_INLINED {
              if (i < rows && j < columns) finished(sum).store(to + (i * length + j) * y.pixel, present);
            });
          });
        }
      }
    }
  }

  // The result of a strip, whose data are at `data`, for a panel of channels.
  void panel(int64_t number, Range range, const float* data, const float* weights, float* sums) const {
    const Range v = panels.part(number);
    const int64_t sums_plane = winograd_plane(range.size() * v.size() * lanes);
    multiply(data, range, weights, static_cast<int>(v.size()), sums, sums_plane);
    transform_sums(range, v, sums, sums_plane);
  }
};

// All of a pass; `scratch` has the room that winograd_room tells.
inline void winograd(Context& context, const ConvPass& p, const ConvWeights<float>& w, Images<const float> x,
                     Images<float> y, const float* bias, bool relu, char* scratch) {
  const WinogradTiles tiles = winograd_tiles(p);
  if (tiles.all == 0) return;
  const WinogradBlocks sizes = winograd_blocks(p);
  const WinogradRoom room = winograd_room(p);
  float* const weights = reinterpret_cast<float*>(scratch);
  float* const shared = reinterpret_cast<float*>(scratch + room.weights);
  float* const zeros = reinterpret_cast<float*>(scratch + room.weights + room.tiles);
  char* const jobs = scratch + room.weights + room.tiles + room.zeros;
  __builtin_memset(zeros, 0, room.zeros);
  const EvenSplit blocks(tiles.all, parts(tiles.all, sizes.block));
  const int64_t row = winograd_row(p.in), plane = winograd_plane(blocks.size(0) * row);
  const Winograd g{p, w, x, y, bias, relu, tiles, conv_panels<float>(p.out), row, plane};
  const int64_t panel = winograd_points * g.panel_plane(), panels = g.panels.count;
  Slots slots;
  // Jobs that a thread takes at a time: a million products at least.
  const auto grain = [&](int64_t all, int64_t count, int64_t columns) {
    return larger(parts(all, conv_jobs), 1000000 / (winograd_points * count * p.in * columns) + 1);
  };
  const auto transform = [&](Range strip, Range range, float* to) {
    transform_data_tiles(x, p.in, tiles, {strip.begin, strip.end}, range, p, zeros, to, {row, 32, plane});
  };
  // body(data, sums, weights) with a job's own room for each.
  const auto with_room = [&](auto body) {
    const int slot = slots.take();
    char* const own = jobs + static_cast<size_t>(slot) * room.job();
    body(reinterpret_cast<float*>(own), reinterpret_cast<float*>(own + room.job_tiles),
         reinterpret_cast<float*>(own + room.job_tiles + room.job_sums));
    slots.give(slot);
  };
  if (!sizes.passing) {
    parallel_for(context, panels, larger(1, 128 / p.in), [&](int64_t lo, int64_t hi) {
      for (int64_t n = lo; n < hi; n++) g.transform_weights(n, weights + n * panel);
    });
  }
  if (!sizes.shared) {
    return parallel_for(context, blocks.count, grain(blocks.count, blocks.size(0), p.out), [&](int64_t lo, int64_t hi) {
      with_room([&](float* data, float* sums, float*) {
        for (int64_t b = lo; b < hi; b++) {
          const Range range = blocks.part(b);
          transform(range, range, data);
          for (int64_t n = 0; n < panels; n++) g.panel(n, range, data, weights + n * panel, sums);
        }
      });
    });
  }
  for (int64_t b = 0; b < blocks.count; b++) {
    const int64_t first = blocks.begin(b), count = blocks.size(b);
    const EvenSplit strips(count, parts(count, sizes.strip));
    const auto strip = [&](int64_t n) { return Range{first + strips.begin(n), first + strips.begin(n + 1)}; };
    parallel_for(context, count, larger(4, parts(count, conv_jobs)), [&](int64_t lo, int64_t hi) {
      for (int64_t n = 0; n < strips.count; n++) {
        const Range all = strip(n), own{larger(all.begin, first + lo), smaller(all.end, first + hi)};
        if (own.size() > 0) transform(all, own, shared + (all.begin - first) * row);
      }
    });
    const int64_t apart = sizes.passing ? 1 : strips.count, all = apart * panels;
    parallel_for(context, all, grain(all, parts(count, apart), Winograd::panel_width), [&](int64_t lo, int64_t hi) {
      with_room([&](float*, float* sums, float* passing) {
        for (int64_t n = lo; n < hi; n++) {
          const int64_t number = n % panels;
          const float* own = weights + number * panel;
          if (sizes.passing) {
            g.transform_weights(number, passing);
            own = passing;
          }
          for (int64_t s = n / panels; s < (sizes.passing ? strips.count : n / panels + 1); s++) {
            const Range range = strip(s);
            g.panel(number, range, shared + (range.begin - first) * row, own, sums);
          }
        }
      });
    });
  }
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
