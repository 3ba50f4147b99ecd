// Depthwise convolutions, one channel of x for each of y: vectors run along channels. Taps beyond the edges are left
// out.
#pragma once

#include "kernels/conv/images.h"
#include "kernels/conv/pack.h"
#include "kernels/fold.h"

namespace fastnn::FASTNN_ISA {
namespace {

// Taps [begin, end) of output q that lie inside.
FASTNN_INLINE Range taps_inside(const ConvAxis& a, int64_t q) {
  const int64_t at = q * a.stride + a.offset;
  if (at >= 0 && at + (a.taps - 1) * a.dilation < a.length) return {0, a.taps};  // mostly, without a division
  const int64_t begin = smaller(a.taps, ceil_div(-at < 0 ? 0 : -at, larger(1, a.dilation)));
  const int64_t end = smaller(a.taps, ceil_div(a.length - at, larger(1, a.dilation)));
  return {begin, larger(begin, end)};
}

// A row of outputs, and which rows it reads: for each row of the kernel that lies inside, its number and the row of
// what is read, in pixels. One follows the other: to divide for each took as long as the products of 5 pixels.
struct DepthwiseRow {
  const ConvPass& p;
  int64_t number, image, q[2];
  int64_t next;  // the first row that the next row of outputs reads and this one does not
  int count;
  int64_t kernel_row[depthwise_rows], pixel[depthwise_rows];

  FASTNN_INLINE DepthwiseRow(const ConvPass& pass, int64_t row) : p(pass), number(row) {
    q[1] = row % p.axis[1].count;
    q[0] = row / p.axis[1].count % p.axis[0].count;
    image = row / p.axis[1].count / p.axis[0].count;
    find();
  }
  FASTNN_INLINE void advance() {
    number++;
    if (++q[1] == p.axis[1].count) {
      q[1] = 0;
      if (++q[0] == p.axis[0].count) {
        q[0] = 0;
        image++;
      }
    }
    find();
  }

 private:
  FASTNN_INLINE void find() {
    const ConvAxis &depth = p.axis[0], &height = p.axis[1];
    count = 0;
    const Range inside[2] = {taps_inside(depth, q[0]), taps_inside(height, q[1])};
    const int64_t at = image * depth.length + q[0] * depth.stride + depth.offset;
    const int64_t h = q[1] * height.stride + height.offset, length = p.axis[2].length;
    for (int64_t d = inside[0].begin; d < inside[0].end; d++)
      for (int64_t k = inside[1].begin; k < inside[1].end; k++) {
        kernel_row[count] = d * height.taps + k;
        pixel[count++] = ((at + d * depth.dilation) * height.length + h + k * height.dilation) * length;
      }
    next = (at * height.length + h + (height.taps - 1) * height.dilation + 1) * length;
  }
};

// The pixels that N neighboring outputs read with the W taps of a row, `Stride` pixels from output to output. The first
// and the last W / 2 may lie beyond the edges: those are left out by masks, which cost nothing on AVX-512, and what is
// loaded for them is a neighbor.
template <class T, int N, int W, int Stride>
struct DepthwiseReach {
  static constexpr int all = (N - 1) * Stride + W, edge = W / 2;

  int64_t first, end;  // inside
  Mask<T> before[edge + 1], behind[edge + 1];

  FASTNN_INLINE DepthwiseReach(const ConvAxis& a, int64_t q) {
    const int64_t at = q * a.stride + a.offset;
    first = larger(0, -at);
    end = smaller(all, a.length - at);
    unroll<edge>([&](auto i) FASTNN_INLINED {
      before[i] = Mask<T>::first(i >= first ? Vec<T>::lanes : 0);
      behind[i] = Mask<T>::first(all - 1 - i < end ? Vec<T>::lanes : 0);
    });
  }
  // Whether that is all that is missing for the outputs from q on.
  FASTNN_INLINE static bool holds(const ConvAxis& a, int64_t q) {
    const int64_t at = q * a.stride + a.offset;
    return -at <= edge && at + all - a.length <= edge && a.length >= 1 && at + edge < a.length && at + all - edge > 0;
  }
  template <int I>
  FASTNN_INLINE int64_t place() const {
    return I < edge ? larger(I, first) : I >= all - edge ? smaller(I, end - 1) : I;
  }
  // sum + a b where pixel I is inside.
  template <int I>
  FASTNN_INLINE Vec<T> add(Vec<T> a, Vec<T> b, Vec<T> sum) const {
    Vec<T> more = fma(a, b, sum);
    if constexpr (I < edge) more = select(before[I], more, sum);
    if constexpr (I >= all - edge) more = select(behind[all - 1 - I], more, sum);
    return more;
  }
};

// Channels before the first cache line of a pixel, where all pixels lie alike: vectors across lines fetched each line
// twice, since pixels 4 KB apart had driven it out before the next vector. Not for few channels: one vector more takes
// 1.8 times as long for 16 of them, 1.1 for 128.
template <class T>
FASTNN_INLINE int64_t channels_before_line(Images<const T> x, int64_t channels) {
  constexpr int64_t line = 64 / int64_t(sizeof(T));
  if (x.pixel % line != 0 || channels < 16 * line) return 0;
  const int64_t past = int64_t(reinterpret_cast<uintptr_t>(x.p) / sizeof(T)) % line;
  return smaller(channels, past == 0 ? 0 : (line - past) % Vec<T>::lanes);
}

// f(c, m) for all channels in vectors of m, the whole ones from `first` on.
template <class T, class F>
FASTNN_INLINE void for_channels(int64_t first, int64_t channels, F f) {
  constexpr int lanes = Vec<T>::lanes;
  int64_t c = first;
  for (; c + lanes <= channels; c += lanes) f(c, lanes);
  if (first == 0 && c == channels) return;  // 32 channels took 6 % longer without
  const Range parts[2] = {{0, first}, {c, channels}};
  for (const Range& part : parts)
    if (part.size() > 0) f(part.begin, int(part.size()));
}

// Whether the row behind is fetched while one is computed, of images of this many bytes at least: .5 to .7 of the time
// where they come from memory, 1.05 to 1.3 times where they are in a cache. What a pass reads was mostly written just
// before, unlike where it writes, and unlike both factors of a gradient of weights. (For a tile all at once: .85 of
// that for 64 channels, 1.4 times for 128 by steps of 2. By a call, to need no registers otherwise: 1.2 times.)
constexpr int64_t fetched_bytes = 2 << 20, fetched_bytes_read = 4 << 20;
template <class T>
bool fetches_rows(const ConvPass& p, Images<const T> x, int64_t least) {
  const int64_t pixels = p.images * p.axis[0].length * p.axis[1].length * p.axis[2].length;
  return pixels * x.pixel * int64_t(sizeof(T)) > least;
}

constexpr int depthwise_pixels = vector_bytes == 64 ? 6 : 4;  // outputs whose sums stay in registers

// A row of outputs in tiles of nearly equal length, `Most` at most: tile(N, first) where no more is missing than
// DepthwiseReach knows of, else one(output) for each of them, as in rows of less than half a tile.
template <class T, int Most, int W, int Stride, class F, class G>
FASTNN_INLINE void in_tiles(const ConvAxis& a, const EvenSplit& tiles, F tile, G one) {
  for (int64_t n = 0; n < tiles.count; n++) {
    const int64_t q = tiles.begin(n), size = tiles.size(n);
    bool done = false;
    if constexpr (W > 0) {
      unroll<Most - Most / 2 + 1>([&](auto i) FASTNN_INLINED {
        constexpr int n = i + Most / 2;
        if (size != n || !DepthwiseReach<T, n, W, Stride>::holds(a, q)) return;
        tile(std::integral_constant<int, n>{}, q);
        done = true;
      });
    }
    for (int64_t i = 0; i < size && !done; i++) one(q + i);
  }
}

template <class T>
struct Depthwise {
  const ConvPass& p;
  int64_t channels, width, first_channel;  // width: of a row of packed weights
  Images<const T> x;
  Images<T> y;
  const int64_t* y_length;
  const T* weights;  // [tap][width]
  const T* bias;
  bool relu, fetch_x, fetch_y;

  // N neighboring outputs from q on, each of which has W taps in a row.
  template <int N, int W, int Stride>
  FASTNN_INLINE void pixels(const DepthwiseRow& row, T* to, int64_t to_pixel, int64_t to_row, int64_t q) const {
    const ConvAxis& a = p.axis[2];
    const int64_t pixel = x.pixel, line = a.length * pixel;
    const DepthwiseReach<T, N, W, Stride> reach(a, q);
    const T* const base = x.p + (q * Stride + a.offset) * pixel;
    const T* const next = x.p + (row.next + q * Stride) * pixel;
    const int64_t kernel_row = W * width, tap = width, ahead = fetch_x ? p.axis[1].stride : 0;
    const T *const taps = weights, *const shift = bias;
    const bool rectify = relu;
    const int rows = row.count;
    for_channels<T>(first_channel, channels, [&](int64_t c, int m) FASTNN_INLINED {
      Vec<T> sums[N];
      unroll<N>([&](auto i) FASTNN_INLINED { sums[i] = Vec<T>{}; });
      for (int64_t r = 0; r < ahead; r++)
        unroll<N * Stride>([&](auto i) FASTNN_INLINED { __builtin_prefetch(next + r * line + i * pixel + c, 0, 2); });
      if (fetch_y) unroll<N>([&](auto i) FASTNN_INLINED { __builtin_prefetch(to + to_row + i * to_pixel + c, 1, 2); });
      for (int r = 0; r < rows; r++) {
        const T* const from = base + row.pixel[r] * pixel + c;
        const T* const w = taps + row.kernel_row[r] * kernel_row + c;
        Vec<T> values[reach.all];  // every pixel is loaded once for all of its taps
        unroll<reach.all>([&](auto i)
                              FASTNN_INLINED { values[i] = load(from + reach.template place<i>() * pixel, m); });
        unroll<W>([&](auto j) FASTNN_INLINED {
          const Vec<T> factor = Vec<T>::load(w + j * tap);
          unroll<N>([&](auto i) FASTNN_INLINED {
            sums[i] = reach.template add<i * Stride + j>(values[i * Stride + j], factor, sums[i]);
          });
        });
      }
      if (shift) {
        const Vec<T> add = load(shift + c, m);
        unroll<N>([&](auto i) FASTNN_INLINED { sums[i] = add + sums[i]; });
      }
      if (rectify) unroll<N>([&](auto i) FASTNN_INLINED { sums[i] = rectified(sums[i]); });
      unroll<N>([&](auto i) FASTNN_INLINED { store(sums[i], to + i * to_pixel + c, m); });
    });
  }

  // One output, with the taps [t.begin, t.end) of its row.
  FASTNN_INLINE void pixel(const DepthwiseRow& row, T* to, int64_t q, Range t) const {
    const ConvAxis& a = p.axis[2];
    const T* const base = x.p + (q * a.stride + a.offset + t.begin * a.dilation) * x.pixel;
    for_channels<T>(first_channel, channels, [&](int64_t c, int m) FASTNN_INLINED {
      Vec<T> sum{};
      for (int r = 0; r < row.count; r++) {
        const T* from = base + row.pixel[r] * x.pixel + c;
        const T* w = weights + (row.kernel_row[r] * a.taps + t.begin) * width + c;
        for (int64_t j = t.begin; j < t.end; j++, from += a.dilation * x.pixel, w += width)
          sum = fma(load(from, m), Vec<T>::load(w), sum);
      }
      put(sum, to, c, m);
    });
  }

  FASTNN_INLINE void put(Vec<T> sum, T* to, int64_t c, int m) const {
    if (bias) sum = load(bias + c, m) + sum;
    store(relu ? rectified(sum) : sum, to + c, m);
  }

  template <int W, int Stride>
  FASTNN_INLINE void row(const DepthwiseRow& r, const EvenSplit& tiles) const {
    const ConvAxis& a = p.axis[2];
    int64_t at = r.image;
    for (int i = 0; i < 2; i++) at = at * y_length[i] + p.axis[i].first + r.q[i] * p.axis[i].step;
    T* const to = y.p + (at * y_length[2] + a.first) * y.pixel;
    const int64_t pixels_apart = a.step * y.pixel, to_row = p.axis[1].step * y_length[2] * y.pixel;
    in_tiles<T, depthwise_pixels, W, Stride>(
        a, tiles,
        [&](auto n, int64_t q)
            FASTNN_INLINED { pixels<n.value, W, Stride>(r, to + q * pixels_apart, pixels_apart, to_row, q); },
        [&](int64_t q) FASTNN_INLINED { pixel(r, to + q * pixels_apart, q, taps_inside(a, q)); });
  }

  template <int W, int Stride>
  void rows(int64_t lo, int64_t hi) const {
    const EvenSplit tiles(p.axis[2].count, parts(p.axis[2].count, depthwise_pixels));
    for (DepthwiseRow r(p, lo); r.number < hi; r.advance()) row<W, Stride>(r, tiles);
  }
};

template <class T>
struct DepthwiseWeights {
  const ConvPass& p;  // the forward one
  int64_t channels, width, first_channel;
  Images<const T> x, dy;
  bool fetch;

  // Adds to sums [tap][width] the products of N neighboring outputs from q on, as Depthwise::pixels reads them.
  template <int N, int W, int Stride>
  FASTNN_INLINE void pixels(const DepthwiseRow& row, int64_t q, T* sums) const {
    const ConvAxis& a = p.axis[2];
    const int64_t pixel = x.pixel, line = a.length * pixel;
    const DepthwiseReach<T, N, W, Stride> reach(a, q);
    const T* const base = x.p + (q * Stride + a.offset) * pixel;
    const T* const next = x.p + (row.next + q * Stride) * pixel;
    const T* const slopes = dy.p + (row.number * a.count + q) * dy.pixel;
    const int64_t kernel_row = W * width, tap = width, ahead = fetch ? p.axis[1].stride : 0;
    const int rows = row.count;
    for_channels<T>(first_channel, channels, [&](int64_t c, int m) FASTNN_INLINED {
      Vec<T> slope[N];
      unroll<N>([&](auto i) FASTNN_INLINED { slope[i] = load(slopes + i * dy.pixel + c, m); });
      for (int64_t r = 0; r < ahead; r++)
        unroll<N * Stride>([&](auto i) FASTNN_INLINED { __builtin_prefetch(next + r * line + i * pixel + c, 0, 2); });
      if (fetch)
        unroll<N>([&](auto i) FASTNN_INLINED { __builtin_prefetch(slopes + (a.count + i) * dy.pixel + c, 0, 2); });
      for (int r = 0; r < rows; r++) {
        const T* const from = base + row.pixel[r] * pixel + c;
        T* const sum = sums + row.kernel_row[r] * kernel_row + c;
        Vec<T> values[reach.all];
        unroll<reach.all>([&](auto i)
                              FASTNN_INLINED { values[i] = load(from + reach.template place<i>() * pixel, m); });
        unroll<W>([&](auto j) FASTNN_INLINED {
          Vec<T> chain{};
          unroll<N>([&](auto i) FASTNN_INLINED {
            chain = reach.template add<i * Stride + j>(values[i * Stride + j], slope[i], chain);
          });
          (Vec<T>::load(sum + j * tap) + chain).store(sum + j * tap);
        });
      }
    });
  }

  // Those of one output, with the taps [t.begin, t.end) of its row.
  FASTNN_INLINE void pixel(const DepthwiseRow& row, int64_t q, Range t, T* sums) const {
    const ConvAxis& a = p.axis[2];
    const T* const base = x.p + (q * a.stride + a.offset + t.begin * a.dilation) * x.pixel;
    const T* const slopes = dy.p + (row.number * a.count + q) * dy.pixel;
    for_channels<T>(first_channel, channels, [&](int64_t c, int m) FASTNN_INLINED {
      const Vec<T> slope = load(slopes + c, m);
      for (int r = 0; r < row.count; r++) {
        const T* from = base + row.pixel[r] * x.pixel + c;
        T* sum = sums + (row.kernel_row[r] * a.taps + t.begin) * width + c;
        for (int64_t j = t.begin; j < t.end; j++, from += a.dilation * x.pixel, sum += width)
          (Vec<T>::load(sum) + load(from, m) * slope).store(sum);
      }
    });
  }

  template <int W, int Stride>
  void rows(int64_t lo, int64_t hi, T* sums) const {
    constexpr int together = 8;  // for every level: it is part of the order of sums
    const ConvAxis& a = p.axis[2];
    const EvenSplit tiles(a.count, parts(a.count, together));
    for (DepthwiseRow r(p, lo); r.number < hi; r.advance()) {
      in_tiles<T, together, W, Stride>(
          a, tiles, [&](auto k, int64_t q) FASTNN_INLINED { pixels<k.value, W, Stride>(r, q, sums); },
          [&](int64_t q) FASTNN_INLINED { pixel(r, q, taps_inside(a, q), sums); });
    }
  }
};

// f(W, Stride) for the shapes of rows that have code of their own, zeros for any other. Each shape of a pass adds some
// 16 KB to the library, for each dtype and each level.
template <int W, int Stride, class F>
FASTNN_INLINE bool try_taps(const ConvAxis& a, F f) {
  const bool fits = a.taps == W && a.stride == Stride && a.dilation == 1;
  if (fits) f(std::integral_constant<int, W>{}, std::integral_constant<int, Stride>{});
  return fits;
}

template <class F>
FASTNN_INLINE void any_taps(F f) {
  f(std::integral_constant<int, 0>{}, std::integral_constant<int, 0>{});
}

// Kernels of 3, and for float32 of 5.
template <class T, class F>
FASTNN_INLINE bool try_usual_taps(const ConvAxis& a, F f) {
  if constexpr (std::is_same_v<T, float>)
    if (try_taps<5, 1>(a, f) || try_taps<5, 2>(a, f)) return true;
  return try_taps<3, 1>(a, f) || try_taps<3, 2>(a, f);
}

// What the gradient of 3 taps by steps of 2 falls into.
template <class F>
FASTNN_INLINE bool try_phase_taps(const ConvAxis& a, F f) {
  return try_taps<1, 1>(a, f) || try_taps<2, 1>(a, f);
}

// Weights (channels, taps) as rows of channels, at their places.
template <class T>
void pack_depthwise(const ConvShape& s, const T* weights, const int32_t* place, T* to) {
  const int64_t taps = s.taps();
  pack_chunk(ConvWeights<T>{weights, taps, taps, taps}, place, 0, s.groups, depthwise_width(s, sizeof(T)), 0, 1, to);
}

// All groups of a pass; weights: packed, from the first tap of the pass on.
template <class T>
void depthwise(Context& context, const ConvShape& s, const ConvPass& p, const T* weights, Images<const T> x,
               Images<T> y, const int64_t (&y_length)[conv_axes], const T* bias, bool relu) {
  const int64_t rows = p.images * p.axis[0].count * p.axis[1].count;
  if (rows == 0 || p.axis[2].count == 0) return;
  const Depthwise<T> each{p,
                          s.groups,
                          depthwise_width(s, sizeof(T)),
                          channels_before_line(x, s.groups),
                          x,
                          y,
                          y_length,
                          weights,
                          bias,
                          relu,
                          fetches_rows(p, x, fetched_bytes_read),
                          fetches_rows(p, x, fetched_bytes)};
  parallel_for(context, rows, 65536 / (p.axis[2].count * s.groups * larger(1, p.taps())) + 1,
               [&](int64_t lo, int64_t hi) {
                 const auto rows_of = [&](auto taps, auto stride) { each.template rows<taps, stride>(lo, hi); };
                 if (!try_usual_taps<T>(p.axis[2], rows_of) && !try_phase_taps(p.axis[2], rows_of)) any_taps(rows_of);
               });
}

// dw (channels, taps); p is the forward pass. Scratch: the sums of the splits, [tap][width] each.
template <class T>
void depthwise_weight_gradient(Context& context, const ConvShape& s, const ConvPass& p, Images<const T> x,
                               Images<const T> dy, T* dw, char* scratch) {
  const int64_t rows = p.images * p.axis[0].count * p.axis[1].count, taps = s.taps(), channels = s.groups;
  const int64_t width = depthwise_width(s, sizeof(T)), all = depthwise_sums(s, sizeof(T));
  T* const sums = reinterpret_cast<T*>(scratch);
  const EvenSplit splits(rows, larger(1, smaller(rows / 8, depthwise_splits)));
  const DepthwiseWeights<T> each{
      p, channels, width, channels_before_line(x, channels), x, dy, fetches_rows(p, x, fetched_bytes)};
  parallel_for(context, splits.count, 1, [&](int64_t lo, int64_t hi) {
    for (int64_t n = lo; n < hi; n++) {
      T* const own = sums + n * all;
      __builtin_memset(own, 0, size_t(all) * sizeof(T));
      const Range range = splits.part(n);
      const auto rows_of = [&](auto taps, auto stride) {
        each.template rows<taps, stride>(range.begin, range.end, own);
      };
      if (!try_usual_taps<T>(p.axis[2], rows_of)) any_taps(rows_of);
    }
  });
  for (int64_t n = 1; n < splits.count; n++)
    for_vectors<T>(all, [&](int64_t i, int) FASTNN_INLINED {
      (Vec<T>::load(sums + i) + Vec<T>::load(sums + n * all + i)).store(sums + i);
    });
  for (int64_t k = 0; k < taps; k++)
    for (int64_t c = 0; c < channels; c++) dw[c * taps + k] = sums[k * width + c];
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
