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

// A row of outputs: where it stands, and the taps of the other two axes that lie inside.
struct DepthwiseRow {
  int64_t image, q[2];
  Range taps[2];

  FASTNN_INLINE DepthwiseRow(const ConvPass& p, int64_t row) {
    q[1] = row % p.axis[1].count;
    q[0] = row / p.axis[1].count % p.axis[0].count;
    image = row / p.axis[1].count / p.axis[0].count;
    for (int i = 0; i < 2; i++) taps[i] = taps_inside(p.axis[i], q[i]);
  }
  // The row of what is read for these taps, in pixels.
  FASTNN_INLINE int64_t read(const ConvPass& p, int64_t d, int64_t h) const {
    const int64_t tap[2] = {d, h};
    int64_t at = image;
    for (int i = 0; i < 2; i++)
      at = at * p.axis[i].length + q[i] * p.axis[i].stride + p.axis[i].offset + tap[i] * p.axis[i].dilation;
    return at * p.axis[2].length;
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

  // N neighboring outputs from q on, with the taps [t.begin, t.end) of their row.
  template <int N>
  FASTNN_INLINE void pixels(const DepthwiseRow& row, T* to, int64_t to_pixel, int64_t q, Range t) const {
    const ConvAxis& a = p.axis[2];
    const int64_t from_pixel = a.stride * x.pixel, at = q * a.stride + a.offset;
    for_vectors<T>(channels, [&](int64_t c, int m) FASTNN_INLINED {
      Vec<T> sums[N];
      unroll<N>([&](auto i) FASTNN_INLINED { sums[i] = Vec<T>{}; });
      for (int64_t d = row.taps[0].begin; d < row.taps[0].end; d++)
        for (int64_t h = row.taps[1].begin; h < row.taps[1].end; h++) {
          const T* from = x.p + (row.read(p, d, h) + at + t.begin * a.dilation) * x.pixel + c;
          const T* w = weights + ((d * p.axis[1].taps + h) * a.taps + t.begin) * width + c;
          for (int64_t j = t.begin; j < t.end; j++, from += a.dilation * x.pixel, w += width) {
            const Vec<T> factor = Vec<T>::load(w);
            unroll<N>([&](auto i) FASTNN_INLINED { sums[i] = fma(load(from + i * from_pixel, m), factor, sums[i]); });
          }
        }
      const Vec<T> more = bias ? load(bias + c, m) : Vec<T>{};
      unroll<N>([&](auto i) FASTNN_INLINED { store(bias ? more + sums[i] : sums[i], to + i * to_pixel + c, m); });
    });
  }

  void row(int64_t number) const {
    constexpr int together = 4;
    const DepthwiseRow r(p, number);
    const ConvAxis& a = p.axis[2];
    int64_t at = r.image;
    for (int i = 0; i < 2; i++) at = at * y_length[i] + p.axis[i].first + r.q[i] * p.axis[i].step;
    T* const to = y.p + (at * y_length[2] + a.first) * y.pixel;
    const int64_t pixel = a.step * y.pixel;
    const Range whole{a.taps ? outputs_inside(a, 0).begin : 0, a.taps ? outputs_inside(a, a.taps - 1).end : 0};
    int64_t q = 0;
    while (q < a.count) {
      if (q >= whole.begin && q + together <= whole.end) {
        pixels<together>(r, to + q * pixel, pixel, q, {0, a.taps});
        q += together;
      } else {
        pixels<1>(r, to + q * pixel, pixel, q, taps_inside(a, q));
        q++;
      }
    }
  }
};

// All groups of a pass; weights: those of the first channel. Scratch: a number for each tap, packed weights.
template <class T>
void depthwise(Context& context, const ConvShape& s, const ConvPass& p, const T* weights, Images<const T> x,
               Images<T> y, const int64_t (&y_length)[conv_axes], const T* bias, char* scratch) {
  const int64_t rows = p.images * p.axis[0].count * p.axis[1].count;
  if (rows == 0 || p.axis[2].count == 0) return;
  int32_t* const place = reinterpret_cast<int32_t*>(scratch);
  T* const packed = reinterpret_cast<T*>(scratch + conv_align(s.taps() * 4));
  const int64_t width = round_up(s.groups, Vec<T>::lanes);
  tap_places(s, p, place);
  pack_chunk(ConvWeights<T>{weights, s.taps(), s.taps(), s.taps()}, place, 0, s.groups, width, 0, 1, packed);
  const Depthwise<T> each{p, s.groups, width, x, y, y_length, packed, bias};
  parallel_for(context, rows, 65536 / (p.axis[2].count * s.groups * larger(1, p.taps())) + 1,
               [&](int64_t lo, int64_t hi) {
                 for (int64_t n = lo; n < hi; n++) each.row(n);
               });
}

// dw (channels, taps); p is the forward pass. Scratch: the sums of the splits, [tap][width] each.
template <class T>
void depthwise_weight_gradient(Context& context, const ConvShape& s, const ConvPass& p, Images<const T> x,
                               Images<const T> dy, T* dw, char* scratch) {
  constexpr int lanes = Vec<T>::lanes, together = 4;
  const int64_t rows = p.images * p.axis[0].count * p.axis[1].count, taps = s.taps(), channels = s.groups;
  const int64_t width = round_up(channels, lanes), all = taps * width;
  T* const sums = reinterpret_cast<T*>(scratch);
  const EvenSplit splits(rows, larger(1, smaller(rows, depthwise_splits)));
  const ConvAxis& a = p.axis[2];
  const auto columns = [&](const DepthwiseRow& r, int64_t number, int64_t c, auto vectors, int last,
                           T* own) FASTNN_INLINED {
    constexpr int V = vectors;
    const auto part = [&](auto v, const T* q) FASTNN_INLINED { return load(q + v * lanes, v == V - 1 ? last : lanes); };
    for (int64_t d = r.taps[0].begin; d < r.taps[0].end; d++)
      for (int64_t h = r.taps[1].begin; h < r.taps[1].end; h++)
        for (int64_t w = 0; w < a.taps; w++) {
          const Range q = outputs_inside(a, w);
          const T* from = x.p + (r.read(p, d, h) + q.begin * a.stride + a.offset + w * a.dilation) * x.pixel + c;
          const T* slope = dy.p + (number * a.count + q.begin) * dy.pixel + c;
          Vec<T> chain[V];
          unroll<V>([&](auto v) FASTNN_INLINED { chain[v] = Vec<T>{}; });
          for (int64_t i = q.begin; i < q.end; i++, from += a.stride * x.pixel, slope += dy.pixel)
            unroll<V>([&](auto v) FASTNN_INLINED { chain[v] = fma(part(v, from), part(v, slope), chain[v]); });
          T* const to = own + ((d * p.axis[1].taps + h) * a.taps + w) * width + c;
          unroll<V>([&](auto v) FASTNN_INLINED { (Vec<T>::load(to + v * lanes) + chain[v]).store(to + v * lanes); });
        }
  };
  parallel_for(context, splits.count, 1, [&](int64_t lo, int64_t hi) {
    for (int64_t n = lo; n < hi; n++) {
      T* const own = sums + n * all;
      __builtin_memset(own, 0, size_t(all) * sizeof(T));
      const Range range = splits.part(n);
      for (int64_t number = range.begin; number < range.end; number++) {
        const DepthwiseRow r(p, number);
        int64_t c = 0;
        for (; c + together * lanes <= channels; c += together * lanes)
          columns(r, number, c, std::integral_constant<int, together>{}, lanes, own);
        for (; c < channels; c += lanes)
          columns(r, number, c, std::integral_constant<int, 1>{}, static_cast<int>(smaller(lanes, channels - c)), own);
      }
    }
  });
  for (int64_t c = 0; c < channels; c++)
    for (int64_t k = 0; k < taps; k++) {
      T sum = sums[k * width + c];
      for (int64_t n = 1; n < splits.count; n++) sum = sum + sums[n * all + k * width + c];
      dw[c * taps + k] = sum;
    }
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
