// Winograd's transforms, of registers and of tiles of images: each of the 36 results has its own plane.
#pragma once

#include "kernels/conv/images.h"
#include "kernels/conv/winograd_shape.h"
#include "simd/vec.h"

namespace fastnn::FASTNN_ISA {
namespace {

using Floats = Vec<float>;

// The data: coefficients of d(x) times the polynomials that vanish at all points but one.
FASTNN_INLINE void transform_data(const Floats (&d)[6], Floats (&to)[6]) {
  const Floats even = d[4] - d[2], odd = d[3] - d[1];
  to[0] = fma(odd, Floats(1.5f), fma(d[2], Floats(-2.0f), d[0] + d[4]));
  to[1] = odd + fma(d[3], Floats(1.5f), fma(d[2], Floats(0.5f), d[4]));
  to[2] = fma(d[2], Floats(-2.5f), fma(d[3], Floats(0.5f), d[1] + d[4]));
  to[3] = fma(odd, Floats(2.0f), even);
  to[4] = fma(odd, Floats(-0.5f), even);
  to[5] = fma(even, Floats(1.5f), fma(d[3], Floats(-2.0f), d[1] + d[5]));
}

// Of an edge, for the points 0, 1, -1 and infinity; the factor makes up for what kernels are divided by.
FASTNN_INLINE void transform_data(const Floats (&d)[4], Floats (&to)[4]) {
  to[0] = d[0] - d[2];
  to[1] = (d[1] + d[2]) * 1.5f;
  to[2] = (d[1] - d[2]) * 1.5f;
  to[3] = d[3] - d[1];
}

// Kernels of three values, and four of dy: values at the points, over what the polynomials above are there.
FASTNN_INLINE void transform_kernel(const Floats (&g)[3], Floats (&to)[6]) {
  const Floats even = (g[0] + g[2]) * (1 / 3.0f), odd = g[1] * (1 / 3.0f);
  to[0] = g[0];
  to[1] = even + odd;
  to[2] = odd - even;
  to[3] = fma(g[2], Floats(-4 / 15.0f), fma(g[1], Floats(-8 / 15.0f), g[0] * (-16 / 15.0f)));
  to[4] = fma(g[2], Floats(4 / 15.0f), fma(g[1], Floats(-2 / 15.0f), g[0] * (1 / 15.0f)));
  to[5] = g[2];
}
FASTNN_INLINE void transform_slopes(const Floats (&g)[4], Floats (&to)[6]) {
  const Floats even = (g[0] + g[2]) * (1 / 3.0f), odd = (g[1] + g[3]) * (1 / 3.0f);
  to[0] = g[0];
  to[1] = even + odd;
  to[2] = odd - even;
  to[3] = fma(fma(g[3], Floats(0.25f), g[1]), Floats(-8 / 15.0f), fma(g[2], Floats(0.25f), g[0]) * (-16 / 15.0f));
  to[4] = fma(fma(g[3], Floats(4.0f), g[1]), Floats(-2 / 15.0f), fma(g[2], Floats(4.0f), g[0]) * (1 / 15.0f));
  to[5] = g[3];
}
FASTNN_INLINE void transform_slopes(const Floats (&g)[2], Floats (&to)[4]) {
  to[0] = g[0];
  to[1] = (g[0] + g[1]) * (1 / 3.0f);
  to[2] = (g[1] - g[0]) * (1 / 3.0f);
  to[3] = g[1];
}

// Back: four outputs or the two of an edge, and three sums for the taps of a kernel.
FASTNN_INLINE void transform_back(const Floats (&m)[6], Floats (&to)[4]) {
  const Floats sum = m[1] + m[2], difference = m[1] - m[2];
  to[0] = (m[0] + sum) + (m[3] + m[4]);
  to[1] = fma(m[4], Floats(-2.0f), fma(m[3], Floats(0.5f), difference));
  to[2] = fma(m[4], Floats(4.0f), fma(m[3], Floats(0.25f), sum));
  to[3] = fma(m[4], Floats(-8.0f), fma(m[3], Floats(0.125f), difference + m[5]));
}
FASTNN_INLINE void transform_back(const Floats (&m)[4], Floats (&to)[2]) {
  to[0] = m[0] + (m[1] + m[2]);
  to[1] = m[1] - m[2] + m[3];
}
FASTNN_INLINE void transform_back(const Floats (&m)[6], Floats (&to)[3]) {
  const Floats sum = m[1] + m[2], difference = m[1] - m[2];
  to[0] = (m[0] + sum) + (m[3] + m[4]);
  to[1] = fma(m[4], Floats(-2.0f), fma(m[3], Floats(0.5f), difference));
  to[2] = fma(m[4], Floats(4.0f), fma(m[3], Floats(0.25f), sum + m[5]));
}

// The same in both directions: From values to To down, Before to After across.
template <int From, int To, int Before, int After, class Transform, class Load, class Store>
FASTNN_INLINE void transform_square(Transform transform, Load load, Store store) {
  Floats between[From][After];
  unroll<From>([&](auto i) FASTNN_INLINED {
    Floats row[Before];
    unroll<Before>([&](auto j) FASTNN_INLINED { row[j] = load(i, j); });
    transform(row, between[i]);
  });
  unroll<After>([&](auto j) FASTNN_INLINED {
    Floats column[From], done[To];
    unroll<From>([&](auto i) FASTNN_INLINED { column[i] = between[i][j]; });
    transform(column, done);
    unroll<To>([&](auto i) FASTNN_INLINED { store(i, j, done[i]); });
  });
}

// Point i of so many: its number among the six.
template <int Points>
constexpr int point_number(int i) {
  return Points == 4 && i == 3 ? 5 : i;
}

// Where a tile lies: its image and its first output, and its place in a strip. Neighbors come one after the other.
struct TilePlace {
  int64_t image, row, column;
  int64_t next[4];  // places of the next tile of each kind

  TilePlace(const WinogradTiles& tiles, TileRange strip, int64_t number) {
    const int64_t each = tiles.down * tiles.across, rest = number % each;
    image = number / each;
    row = rest / tiles.across * winograd_tile;
    column = rest % tiles.across * winograd_tile;
    const WinogradTiles::Counts all = tiles.of(strip), past = tiles.of({strip.begin, number});
    const int64_t *const n = all.of, *const m = past.of;
    next[1] = m[1] - m[3];
    next[3] = n[1] - n[3] + m[3];
    next[2] = n[1] + m[2] - m[3];
    next[0] = n[1] + n[2] - n[3] + m[0] - m[1] - m[2] + m[3];
  }
  FASTNN_INLINE int kind(const WinogradTiles& tiles) const {
    return (whole_down(tiles) ? 1 : 0) + (whole_across(tiles) ? 2 : 0);
  }
  FASTNN_INLINE bool whole_down(const WinogradTiles& tiles) const { return row < tiles.whole_down * winograd_tile; }
  FASTNN_INLINE bool whole_across(const WinogradTiles& tiles) const {
    return column < tiles.whole_across * winograd_tile;
  }
  // f(points down, points across)
  template <class F>
  FASTNN_INLINE void with_points(const WinogradTiles& tiles, F f) const {
    using std::integral_constant;
    const bool down = whole_down(tiles), across = whole_across(tiles);
    if (down && across)
      f(integral_constant<int, 6>{}, integral_constant<int, 6>{});
    else if (down)
      f(integral_constant<int, 6>{}, integral_constant<int, 4>{});
    else if (across)
      f(integral_constant<int, 4>{}, integral_constant<int, 6>{});
    else
      f(integral_constant<int, 4>{}, integral_constant<int, 4>{});
  }
  FASTNN_INLINE void advance(const WinogradTiles& tiles) {
    next[kind(tiles)]++;
    column += winograd_tile;
    if (column < tiles.across * winograd_tile) return;
    column = 0;
    row += winograd_tile;
    if (row < tiles.down * winograd_tile) return;
    row = 0;
    image++;
  }
};

// The pixels of a square of `Size` rows; those beyond the edges are zeros.
template <int Size>
struct SquarePixels {
  const float* at[Size][Size];

  FASTNN_INLINE void find(Images<const float> x, int64_t image, int64_t height, int64_t width, int64_t row,
                          int64_t column, const float* zeros) {
    const float* const first = x.p + ((image * height + row) * width + column) * x.pixel;
    const int64_t down = width * x.pixel;
    if (row >= 0 && column >= 0 && row + Size <= height && column + Size <= width) {
      for (int i = 0; i < Size; i++)
        for (int j = 0; j < Size; j++) at[i][j] = first + i * down + j * x.pixel;
      return;
    }
    for (int i = 0; i < Size; i++)
      for (int j = 0; j < Size; j++) {
        const bool inside = row + i >= 0 && row + i < height && column + j >= 0 && column + j < width;
        at[i][j] = inside ? first + i * down + j * x.pixel : zeros;
      }
  }
};

// Squares of a run of tiles, one after the other: the pixels of the next one that are new are fetched meanwhile. Where
// images come from memory, that takes a tenth to a third off the time of the transforms. With 16 channels a quarter of
// it went to finding the pixels, when tiles were divided for their places and the next square was copied.
template <int Size, class Body>
FASTNN_INLINE void for_each_square(Images<const float> x, const WinogradTiles& tiles, TileRange strip, Range range,
                                   const int64_t* length, const int64_t* offset, const float* zeros, Body body) {
  if (range.size() == 0) return;
  TilePlace place(tiles, strip, range.begin);
  SquarePixels<Size> both[2];
  const auto find = [&](SquarePixels<Size>& square) FASTNN_INLINED {
    square.find(x, place.image, length[0], length[1], place.row + offset[0], place.column + offset[1], zeros);
  };
  find(both[0]);
  for (int64_t t = 0; t < range.size(); t++) {
    const SquarePixels<Size>& now = both[t % 2];
    SquarePixels<Size>& next = both[(t + 1) % 2];
    const TilePlace own = place;
    if (t + 1 < range.size()) place.advance(tiles);
    find(next);
    body(own, now, [&](int64_t c) FASTNN_INLINED {
      for (int i = Size - 4; i < Size; i++)
        for (int j = Size - 4; j < Size; j++) __builtin_prefetch(next.at[i][j] + c, 0, 3);
    });
  }
}

// Where transformed data go: a row for each tile, in which groups of 32 channels are `group` elements apart.
struct DataLayout {
  int64_t row, group, plane;
};

// All channels of some tiles of data, by their places in a strip.
inline void transform_data_tiles(Images<const float> x, int64_t channels, const WinogradTiles& tiles, TileRange strip,
                                 Range range, const ConvPass& p, const float* zeros, float* to,
                                 const DataLayout& layout) {
  const int64_t length[2] = {p.axis[1].length, p.axis[2].length}, offset[2] = {p.axis[1].offset, p.axis[2].offset};
  constexpr int64_t lanes = Floats::lanes;
  const int64_t whole = channels / lanes * lanes, plane = layout.plane;
  const int rest = static_cast<int>(channels - whole);
  for_each_square<6>(x, tiles, strip, range, length, offset, zeros,
                     [&](const TilePlace& place, const auto& from, auto fetch) FASTNN_INLINED {
                       float* const first = to + place.next[place.kind(tiles)] * layout.row;
                       place.with_points(tiles, [&](auto down, auto across) FASTNN_INLINED {
                         const auto vector = [&](int64_t c, auto load) FASTNN_INLINED {
                           float* const own = first + c / 32 * layout.group + c % 32;
                           fetch(c);
                           transform_square<down, down, across, across>(
                               [](const auto& d, auto& done) FASTNN_INLINED { transform_data(d, done); },
                               [&](auto i, auto j) FASTNN_INLINED { return load(from.at[i][j] + c); },
                               [&](auto i, auto j, Floats v) FASTNN_INLINED {
                                 constexpr int p = point_number<down>(i), q = point_number<across>(j);
                                 v.store(own + (p * 6 + q) * plane);
                               });
                         };
                         for (int64_t c = 0; c < whole; c += lanes)
                           vector(c, [](const float* at) FASTNN_INLINED { return Floats::load(at); });
                         if (rest > 0)
                           vector(whole, [rest](const float* at) FASTNN_INLINED { return Floats::load(at, rest); });
                       });
                     });
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
