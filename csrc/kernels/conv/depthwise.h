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
  const int64_t begin = smaller(a.taps, ceil_div(-at < 0 ? 0 : -at, larger(1, a.dilation)));
  const int64_t end = smaller(a.taps, ceil_div(a.length - at, larger(1, a.dilation)));
  return {begin, larger(begin, end)};
}

// Outputs [begin, end) for which tap j lies inside.
FASTNN_INLINE Range outputs_inside(const ConvAxis& a, int64_t j) {
  const int64_t at = a.offset + j * a.dilation;
  const int64_t begin = smaller(a.count, larger(0, ceil_div(-at, a.stride)));
  const int64_t end = smaller(a.count, ceil_div(a.length - at, a.stride));
  return {begin, larger(begin, end)};
}

// A row of outputs, and which rows it reads: for each row of the kernel that lies inside, its number and the row of
// what is read, in pixels.
struct DepthwiseRow {
  int64_t image, q[2];
  int64_t next;  // the first row that the next row of outputs reads and this one does not
  int count = 0;
  int64_t kernel_row[depthwise_rows], pixel[depthwise_rows];

  FASTNN_INLINE DepthwiseRow(const ConvPass& p, int64_t row) {
    const ConvAxis &depth = p.axis[0], &height = p.axis[1];
    q[1] = row % height.count;
    q[0] = row / height.count % depth.count;
    image = row / height.count / depth.count;
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

template <class T>
struct Depthwise {
  const ConvPass& p;
  int64_t channels, width;  // width: of a row of packed weights
  Images<const T> x;
  Images<T> y;
  const int64_t* y_length;
  const T* weights;  // [tap][width]
  const T* bias;
  bool relu;

  // N neighboring outputs from q on, with the taps [t.begin, t.end) of their row: W of them, `Stride` pixels from
  // output to output, where W is not 0.
  template <int N, int W, int Stride>
  FASTNN_INLINE void pixels(const DepthwiseRow& row, T* to, int64_t to_pixel, int64_t to_row, int64_t q,
                            Range t) const {
    const ConvAxis& a = p.axis[2];
    const int64_t pixel = x.pixel, from_pixel = a.stride * pixel, dilation = a.dilation * pixel;
    const T* const base = x.p + (q * a.stride + a.offset + t.begin * a.dilation) * pixel;
    const T* const first = weights + t.begin * width;
    const T* const next = x.p + (row.next + q * a.stride) * pixel;
    const int64_t line = a.length * pixel;
    for_vectors<T>(channels, [&](int64_t c, int m) FASTNN_INLINED {
      Vec<T> sums[N];
      unroll<N>([&](auto i) FASTNN_INLINED { sums[i] = Vec<T>{}; });
      if constexpr (N > 1) {
        for (int64_t r = 0; r < p.axis[1].stride; r++)
          unroll<N * Stride>([&](auto i) FASTNN_INLINED { __builtin_prefetch(next + r * line + i * pixel + c, 0, 2); });
        unroll<N>([&](auto i) FASTNN_INLINED { __builtin_prefetch(to + to_row + i * to_pixel + c, 1, 2); });
      }
      for (int r = 0; r < row.count; r++) {
        const T* from = base + row.pixel[r] * pixel + c;
        const T* w = first + row.kernel_row[r] * a.taps * width + c;
        if constexpr (W > 0) {  // every pixel is loaded once for all of its taps
          Vec<T> values[(N - 1) * Stride + W];
          unroll<(N - 1) * Stride + W>([&](auto i) FASTNN_INLINED { values[i] = load(from + i * pixel, m); });
          unroll<W>([&](auto j) FASTNN_INLINED {
            const Vec<T> factor = Vec<T>::load(w + j * width);
            unroll<N>([&](auto i) FASTNN_INLINED { sums[i] = fma(values[i * Stride + j], factor, sums[i]); });
          });
        } else {
          for (int64_t j = t.begin; j < t.end; j++, from += dilation, w += width) {
            const Vec<T> factor = Vec<T>::load(w);
            unroll<N>([&](auto i) FASTNN_INLINED { sums[i] = fma(load(from + i * from_pixel, m), factor, sums[i]); });
          }
        }
      }
      const Vec<T> more = bias ? load(bias + c, m) : Vec<T>{};
      unroll<N>([&](auto i) FASTNN_INLINED {
        const Vec<T> sum = bias ? more + sums[i] : sums[i];
        store(relu ? rectified(sum) : sum, to + i * to_pixel + c, m);
      });
    });
  }

  template <int W, int Stride>
  void row(int64_t number) const {
    constexpr int together = 4;
    const DepthwiseRow r(p, number);
    const ConvAxis& a = p.axis[2];
    int64_t at = r.image;
    for (int i = 0; i < 2; i++) at = at * y_length[i] + p.axis[i].first + r.q[i] * p.axis[i].step;
    T* const to = y.p + (at * y_length[2] + a.first) * y.pixel;
    const int64_t pixel = a.step * y.pixel, to_row = p.axis[1].step * y_length[2] * y.pixel;
    const Range whole{a.taps ? outputs_inside(a, 0).begin : 0, a.taps ? outputs_inside(a, a.taps - 1).end : 0};
    int64_t q = 0;
    while (q < a.count) {
      if (q >= whole.begin && q + together <= whole.end) {
        pixels<together, W, Stride>(r, to + q * pixel, pixel, to_row, q, {0, a.taps});
        q += together;
      } else {
        pixels<1, 0, 0>(r, to + q * pixel, pixel, to_row, q, taps_inside(a, q));
        q++;
      }
    }
  }

  template <int W, int Stride>
  void rows(int64_t lo, int64_t hi) const {
    for (int64_t n = lo; n < hi; n++) row<W, Stride>(n);
  }
};

template <class T>
struct DepthwiseWeights {
  const ConvPass& p;  // the forward one
  int64_t channels, width;
  Images<const T> x, dy;

  // Adds to sums [tap][width] the products of N neighboring outputs from q on, with the taps of their row as in
  // Depthwise::pixels.
  template <int N, int W, int Stride>
  FASTNN_INLINE void pixels(const DepthwiseRow& row, int64_t number, int64_t q, Range t, T* sums) const {
    const ConvAxis& a = p.axis[2];
    const int64_t pixel = x.pixel, from_pixel = a.stride * pixel, dilation = a.dilation * pixel;
    const T* const base = x.p + (q * a.stride + a.offset + t.begin * a.dilation) * pixel;
    const T* const next = x.p + (row.next + q * a.stride) * pixel;
    const T* const slopes = dy.p + (number * a.count + q) * dy.pixel;
    const int64_t line = a.length * pixel;
    for_vectors<T>(channels, [&](int64_t c, int m) FASTNN_INLINED {
      Vec<T> slope[N];
      unroll<N>([&](auto i) FASTNN_INLINED { slope[i] = load(slopes + i * dy.pixel + c, m); });
      if constexpr (N > 1) {
        for (int64_t r = 0; r < p.axis[1].stride; r++)
          unroll<N * Stride>([&](auto i) FASTNN_INLINED { __builtin_prefetch(next + r * line + i * pixel + c, 0, 2); });
        unroll<N>([&](auto i) FASTNN_INLINED { __builtin_prefetch(slopes + (a.count + i) * dy.pixel + c, 0, 2); });
      }
      for (int r = 0; r < row.count; r++) {
        const T* from = base + row.pixel[r] * pixel + c;
        T* sum = sums + (row.kernel_row[r] * a.taps + t.begin) * width + c;
        if constexpr (W > 0) {
          Vec<T> values[(N - 1) * Stride + W];
          unroll<(N - 1) * Stride + W>([&](auto i) FASTNN_INLINED { values[i] = load(from + i * pixel, m); });
          unroll<W>([&](auto j) FASTNN_INLINED {
            Vec<T> chain{};
            unroll<N>([&](auto i) FASTNN_INLINED { chain = fma(values[i * Stride + j], slope[i], chain); });
            (Vec<T>::load(sum + j * width) + chain).store(sum + j * width);
          });
        } else {
          for (int64_t j = t.begin; j < t.end; j++, from += dilation, sum += width) {
            Vec<T> chain{};
            unroll<N>([&](auto i) FASTNN_INLINED { chain = fma(load(from + i * from_pixel, m), slope[i], chain); });
            (Vec<T>::load(sum) + chain).store(sum);
          }
        }
      }
    });
  }

  template <int W, int Stride>
  void rows(int64_t lo, int64_t hi, T* sums) const {
    constexpr int together = 8;
    const ConvAxis& a = p.axis[2];
    const int64_t begin = outputs_inside(a, 0).begin, end = outputs_inside(a, a.taps - 1).end;
    for (int64_t n = lo; n < hi; n++) {
      const DepthwiseRow r(p, n);
      for (int64_t q = 0; q < a.count;) {
        if (q >= begin && q + together <= end) {
          pixels<together, W, Stride>(r, n, q, {0, a.taps}, sums);
          q += together;
        } else {
          pixels<1, 0, 0>(r, n, q, taps_inside(a, q), sums);
          q++;
        }
      }
    }
  }
};

// f(W, Stride) for the shape of the rows of a kernel; zeros for any other.
template <class F>
FASTNN_INLINE void with_taps(const ConvAxis& a, F f) {
  using std::integral_constant;
  const int64_t kind = a.dilation == 1 && a.stride <= 2 ? a.taps * 10 + a.stride : 0;
  if (kind == 31)
    f(integral_constant<int, 3>{}, integral_constant<int, 1>{});
  else if (kind == 32)
    f(integral_constant<int, 3>{}, integral_constant<int, 2>{});
  else if (kind == 51)
    f(integral_constant<int, 5>{}, integral_constant<int, 1>{});
  else if (kind == 52)
    f(integral_constant<int, 5>{}, integral_constant<int, 2>{});
  else
    f(integral_constant<int, 0>{}, integral_constant<int, 0>{});
}

// All groups of a pass; weights: those of the first channel. Scratch: a number for each tap, packed weights.
template <class T>
void depthwise(Context& context, const ConvShape& s, const ConvPass& p, const T* weights, Images<const T> x,
               Images<T> y, const int64_t (&y_length)[conv_axes], const T* bias, bool relu, char* scratch) {
  const int64_t rows = p.images * p.axis[0].count * p.axis[1].count;
  if (rows == 0 || p.axis[2].count == 0) return;
  int32_t* const place = reinterpret_cast<int32_t*>(scratch);
  T* const packed = reinterpret_cast<T*>(scratch + conv_align(s.taps() * 4));
  const int64_t width = round_up(s.groups, Vec<T>::lanes);
  tap_places(s, p, place);
  pack_chunk(ConvWeights<T>{weights, s.taps(), s.taps(), s.taps()}, place, 0, s.groups, width, 0, 1, packed);
  const Depthwise<T> each{p, s.groups, width, x, y, y_length, packed, bias, relu};
  parallel_for(context, rows, 65536 / (p.axis[2].count * s.groups * larger(1, p.taps())) + 1,
               [&](int64_t lo, int64_t hi) {
                 with_taps(p.axis[2], [&](auto taps, auto stride) { each.template rows<taps, stride>(lo, hi); });
               });
}

// dw (channels, taps); p is the forward pass. Scratch: the sums of the splits, [tap][width] each.
template <class T>
void depthwise_weight_gradient(Context& context, const ConvShape& s, const ConvPass& p, Images<const T> x,
                               Images<const T> dy, T* dw, char* scratch) {
  const int64_t rows = p.images * p.axis[0].count * p.axis[1].count, taps = s.taps(), channels = s.groups;
  const int64_t width = round_up(channels, Vec<T>::lanes), all = taps * width;
  T* const sums = reinterpret_cast<T*>(scratch);
  const EvenSplit splits(rows, larger(1, smaller(rows, depthwise_splits)));
  const DepthwiseWeights<T> each{p, channels, width, x, dy};
  parallel_for(context, splits.count, 1, [&](int64_t lo, int64_t hi) {
    for (int64_t n = lo; n < hi; n++) {
      T* const own = sums + n * all;
      __builtin_memset(own, 0, size_t(all) * sizeof(T));
      const Range range = splits.part(n);
      with_taps(p.axis[2],
                [&](auto tap, auto stride) { each.template rows<tap, stride>(range.begin, range.end, own); });
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
