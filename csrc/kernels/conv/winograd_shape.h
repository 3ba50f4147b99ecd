// Winograd's way to convolve with 3x3 kernels, in numbers: where it is taken, how tiles are cut into blocks, scratch.
//
// Four outputs in a row of a kernel of three need 6 products instead of 12: both are transformed to values of
// polynomials at the six points 0, 1, -1, 1/2, -2 and infinity, and those are multiplied. In two dimensions 4x4 outputs
// take 36 products instead of 144. For all channels, each of the 36 points is a product of matrices. The gradient of
// the weights takes tiles of x as 6x6 and of dy as 4x4 values to 3x3 sums. (Lavin and Gray, Fast Algorithms for
// Convolutional Neural Networks, 2015; the points are those of Barabasz et al., Error Analysis and Improving the
// Accuracy of Winograd Convolution, 2020: with 2 for 1/2 the error is 1.5 times as large, and 3 times in the corner of
// a tile.)
#pragma once

#include "kernels/conv/shape.h"

namespace fastnn {

constexpr int winograd_points = 36;
constexpr int64_t winograd_tile = 4;  // outputs, in each direction

// Part of the order of sums: a chain takes in so many channels at most. One of 512 would have twice the error.
constexpr int64_t winograd_chain = 128;

// More than half of the products are saved, the places of tiles beyond the edges counted; two results or one at an edge
// have four points in place of six. Of 2x2 images, too, but then one of them pays most for the transform of the
// weights.
FASTNN_INLINE int64_t winograd_axis(int64_t n) {
  return 4 * ceil_div(n, winograd_tile) + 2 * ((n + 1) / winograd_tile);
}
FASTNN_INLINE bool winograd_saves(int64_t height, int64_t width) {
  return height * width > 8 && 9 * height * width > 2 * winograd_axis(height) * winograd_axis(width);
}
// Where it pays: 16 channels on both sides, and images whose tiles save enough; never by the batch, on which no result
// may depend. One thread, times of the direct way over Winograd's for forward, gradients of x and of weights, batch of
// 8 to 64:
//
//   channels       image   AVX-512           AVX2              channels       image   AVX-512
//   64 -> 64       224     2.8  2.8  2.3                       512 -> 512     4       2.6  2.6  3.2
//   64 -> 128      112     2.9  2.7  2.6     2.5  2.7  2.6     128 -> 128     3       1.8  1.9  1.8
//   64 -> 64       56      2.7  2.7  2.5     2.5  2.5  2.4     128 -> 128     6       2.6  2.5  2.5
//   256 -> 256     14      3.0  3.0  3.1                       128 -> 128     9       2.5  2.5  2.5
//   512 -> 512     14      2.7  2.8  3.2                       256 -> 256     5       1.6  1.8  1.9
//   32 -> 64       14      2.4  2.8  2.2                       8 -> 16        32      1.2  1.3  1.4   not taken
//   16 -> 32       32      1.7  1.4  1.5     1.6  1.6  1.6     8 -> 8         32      1.2  1.0  1.3   not taken
//   16 -> 16       32      1.7  1.4  1.6     1.5  1.7  1.5
//
// The baseline gains more, from 1.9 times on (512 -> 512 at 14x14: 2.6, 2.4). A batch of one pays for the transform of
// the weights: 256 channels at 14x14 are 1.4 times as fast, 512 at 7x7 as fast, 512 at 4x4 0.65 times.
FASTNN_INLINE bool winograd_pays(const ConvShape& s) {
  bool fits = s.groups == 1 && s.kernel[0] == 1 && s.kernel[1] == 3 && s.kernel[2] == 3;
  fits = fits && s.x[0] == 1 && s.y[0] == 1 && s.before[0] == 0;
  for (int i = 1; i < conv_axes; i++) fits = fits && s.stride[i] == 1 && s.dilation[i] == 1;
  return fits && s.in >= 16 && s.out >= 16 && winograd_saves(s.x[1], s.x[2]) && winograd_saves(s.y[1], s.y[2]);
}

struct TileRange {
  int64_t begin, end;
};

// Tiles of all images of a pass; those of an image row after row. A tile at an edge that holds one or two outputs in a
// direction is served there by the points 0, 1, -1 and infinity: 14x14 images take 484 products for each 576 of whole
// tiles. So tiles are of four kinds, 1 for whole down and 2 for whole across, and in a strip those that need a point
// lie together: first kind 1, then 3, 2 and 0.
struct WinogradTiles {
  int64_t down, across, all;
  int64_t whole_down, whole_across;

  // Tiles before a number: all of them, those whole down, across, and both ways.
  struct Counts {
    int64_t of[4];
  };
  FASTNN_INLINE Counts before(int64_t number) const {
    const int64_t image = number / (down * across), rest = number % (down * across);
    const int64_t row = rest / across, column = rest % across, columns = column < whole_across ? column : whole_across;
    const int64_t rows = row < whole_down ? row : whole_down, own = row < whole_down;
    return {{number, (image * whole_down + rows) * across + own * column, (image * down + row) * whole_across + columns,
             (image * whole_down + rows) * whole_across + own * columns}};
  }
  FASTNN_INLINE Counts of(TileRange strip) const {
    Counts n = before(strip.end);
    const Counts less = before(strip.begin);
    for (int i = 0; i < 4; i++) n.of[i] -= less.of[i];
    return n;
  }
};
FASTNN_INLINE WinogradTiles winograd_tiles(const ConvPass& p) {
  const int64_t height = p.axis[1].count, width = p.axis[2].count;
  const int64_t down = ceil_div(height, winograd_tile), across = ceil_div(width, winograd_tile);
  return {down, across, p.images * down * across, (height + 1) / winograd_tile, (width + 1) / winograd_tile};
}

// The tiles of a strip that need a point, by their places; points 3 and 4 of the six are those that edges do without.
FASTNN_INLINE TileRange winograd_needing(const WinogradTiles::Counts& n, int down, int across) {
  const int need = (down == 3 || down == 4 ? 1 : 0) + (across == 3 || across == 4 ? 2 : 0);
  const int64_t begin = need < 2 ? 0 : n.of[1] - n.of[3];
  return {begin, begin + n.of[need]};
}

// Elements from point to point of an array that has n for each: an odd number of cache lines, or the 36 would share a
// few lines of the first cache.
FASTNN_INLINE int64_t winograd_plane(int64_t n) { return (ceil_div(n, 16) | 1) * 16; }
// Elements from tile to tile: those of neighbors in different lines of the first cache, too.
FASTNN_INLINE int64_t winograd_row(int64_t channels) { return ceil_div(channels, 16) * 16 + 16; }

// Bounds for all levels: panels have 8, 16 or 32 columns.
FASTNN_INLINE int64_t winograd_panels(int64_t rows, int64_t columns) {
  return winograd_points * (rows * (ceil_div(columns, 16) + 1) * 16 + 32 * (columns / 8 + 2));
}
FASTNN_INLINE int64_t winograd_panel(int64_t rows) { return winograd_points * winograd_plane(rows * 32); }

// The pass itself goes through strips of tiles, for each of which a job transforms the data and takes all weights:
// these stay in the second cache. Many channels: through blocks, whose transformed data all jobs share, and a job takes
// a strip and a panel of weights; where those are more than the third cache holds, each panel is transformed when its
// turn has come, for each block again. No result depends on any of this. Sizes were tried from 14 tiles to 196.
struct WinogradBlocks {
  int64_t strip, block;  // tiles
  bool shared, passing;
};
FASTNN_INLINE WinogradBlocks winograd_blocks(const ConvPass& p) {
  const int64_t all = winograd_tiles(p).all, tile_bytes = winograd_points * winograd_row(p.in) * 4;
  if (p.in <= 128) {
    const int64_t strip = all < 8 * 28 ? 14 : 28;
    return {strip, strip, false, false};
  }
  const int64_t strip = 112, fits = (10 << 20) / tile_bytes / strip * strip;
  return {strip, fits < strip ? strip : fits, true, winograd_points * 4 * p.in * p.out > 16 << 20};
}
struct WinogradRoom {
  size_t weights, tiles, zeros, job_tiles, job_sums, job_weights;
  FASTNN_INLINE size_t job() const { return job_tiles + job_sums + job_weights; }
  FASTNN_INLINE size_t all() const { return weights + tiles + zeros + conv_jobs * job(); }
};
FASTNN_INLINE WinogradRoom winograd_room(const ConvPass& p) {
  const WinogradBlocks b = winograd_blocks(p);
  const int64_t all = winograd_tiles(p).all, tiles = all < b.block ? all : b.block;
  const size_t data = conv_align(winograd_points * winograd_plane(tiles * winograd_row(p.in)) * 4);
  return {b.passing ? 0 : conv_align(winograd_panels(p.in, p.out) * 4),
          b.shared ? data : 0,
          conv_align(winograd_row(p.in) * 4),
          b.shared ? 0 : data,
          conv_align(winograd_panel(b.strip) * 4),
          b.passing ? conv_align(winograd_panel(p.in) * 4) : 0};
}

// The gradient of the weights goes through blocks of tiles, whose products are added to the sums of the blocks before:
// part of the order of sums. With 56 tiles 512 channels take a third more time, for their sums.
// Every 16 blocks their sums are added to those of the blocks before: 32 images of 224x224 had twice the error.
constexpr int64_t winograd_gradient_block = 128, winograd_gradient_span = 16;
constexpr int64_t winograd_gradient_rows = 32;  // channels of x that a job takes
struct WinogradGradientRoom {
  size_t x, dy, zeros, sums;
  FASTNN_INLINE size_t all() const { return x + dy + zeros + sums; }
};
FASTNN_INLINE WinogradGradientRoom winograd_gradient_room(const ConvPass& p) {
  const int64_t all = winograd_tiles(p).all, block = winograd_gradient_block, tiles = all < block ? all : block;
  const int64_t zeros = winograd_row(p.in > p.out ? p.in : p.out);
  const int64_t jobs = ceil_div(p.in, winograd_gradient_rows);
  const int64_t kept = all <= block ? 0 : all <= winograd_gradient_span * block ? 1 : 2;
  const int64_t sums = kept ? kept * jobs * winograd_panels(winograd_gradient_rows, p.out)
                            : conv_jobs * winograd_panel(winograd_gradient_rows);
  return {conv_align(jobs * winograd_panel(tiles) * 4), conv_align(winograd_panels(tiles, p.out) * 4),
          conv_align(zeros * 4), conv_align(sums * 4)};
}

}  // namespace fastnn
