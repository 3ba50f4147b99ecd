// Weights as the tiles read them: panels of output channels, in them chunks of input channels, in those a row for each
// tap and channel.
#pragma once

#include "kernels/conv/shape.h"
#include "kernels/conv/tile.h"
#include "kernels/gemm/pack.h"

namespace fastnn::FASTNN_ISA {
namespace {

// One group's weights where they lie: element (o, c, k) at p[o * out + c * in + k]; k counts the taps of the kernel.
template <class T>
struct ConvWeights {
  const T* p;
  int64_t out, in, taps;
};

// The same packed: of all groups, each `group` elements from the one before, with so many taps, `first` of which belong
// to phases before this one.
template <class T>
struct ConvPacked {
  const T* p;
  int64_t group, taps, first;
};

// place[k]: the number of tap k of the kernel among those of a pass, behind `first` others. Phases of a gradient share
// all taps among them.
FASTNN_INLINE void tap_places(const ConvShape& s, const ConvPass& p, int64_t first, int32_t* place) {
  const auto number = [&](int i, int64_t k) FASTNN_INLINED {
    const ConvAxis& a = p.axis[i];
    for (int64_t j = 0; j < a.taps; j++)
      if (a.index + j * a.index_step == k) return j;
    return int64_t(-1);
  };
  int64_t k = 0;
  for (int64_t d = 0; d < s.kernel[0]; d++) {
    const int64_t pd = number(0, d);
    for (int64_t h = 0; h < s.kernel[1]; h++) {
      const int64_t ph = number(1, h);
      for (int64_t w = 0; w < s.kernel[2]; w++, k++) {
        const int64_t pw = number(2, w);
        if (pd < 0 || ph < 0 || pw < 0) continue;
        place[k] = int32_t(first + (pd * p.axis[1].taps + ph) * p.axis[2].taps + pw);
      }
    }
  }
}

// `count` channels from c0 on, for `present` of `width` outputs from o0 on; row (place, channel) at `to`.
template <class T>
void pack_chunk(const ConvWeights<T>& w, const int32_t* place, int64_t o0, int64_t present, int64_t width, int64_t c0,
                int64_t count, T* to) {
  constexpr int lanes = Vec<T>::lanes;
  const T* const from = w.p + o0 * w.out + c0 * w.in;
  if (w.out == 1) {
    copy_rows(Matrix<T>{from, w.in, 1}, count, present, to, width, width);
    return;
  }
  // Runs of taps (and channels, where those of one output follow one another), transposed in squares.
  const bool one_run = w.in == w.taps;
  const int64_t length = one_run ? count * w.taps : w.taps, runs = one_run ? 1 : count;
  for (int64_t run = 0; run < runs; run++) {
    const T* const source = from + run * w.in;
    for (int64_t o = 0; o < present; o += lanes) {
      const int64_t rows = smaller(lanes, present - o);
      int64_t channel = run, tap = 0;
      for (int64_t f = 0; f < length; f += lanes) {
        T square[lanes * lanes];
        const int valid = static_cast<int>(smaller(lanes, length - f));
        transpose_square<T, false>(source + o * w.out + f, w.out, rows, valid, square, lanes);
        for (int i = 0; i < valid; i++) {
          Vec<T>::load(square + i * lanes).store(to + (place[tap] * count + channel) * width + o);
          if (++tap == w.taps) {
            tap = 0;
            channel++;
          }
        }
      }
    }
  }
}

// All groups, panels and chunks, one after the other: in a group that of vector v and channel c begins at
// (v * in + c * its vectors) * taps * lanes.
template <class T>
void pack_weights(Context& x, const ConvWeights<T>& w, int64_t groups, const ConvPass& p, const EvenSplit& panels,
                  const int32_t* place, T* to) {
  constexpr int lanes = Vec<T>::lanes;
  const EvenSplit chunks(p.in, p.chunks);
  const int64_t each = p.in * w.taps * smaller(panels.size(0) * lanes, p.out) / chunks.count;
  const int64_t group = p.in * p.out * w.taps, packed = conv_packed(p, w.taps, sizeof(T));
  parallel_for(x, groups * panels.count * chunks.count, 65536 / larger(1, each) + 1, [&](int64_t lo, int64_t hi) {
    for (int64_t n = lo; n < hi; n++) {
      const int64_t g = n / chunks.count / panels.count;
      const Range v = panels.part(n / chunks.count % panels.count), c = chunks.part(n % chunks.count);
      const int64_t o = v.begin * lanes, width = v.size() * lanes;
      pack_chunk(ConvWeights<T>{w.p + g * group, w.out, w.in, w.taps}, place, o, smaller(width, p.out - o), width,
                 c.begin, c.size(), to + g * packed + (o * p.in + c.begin * width) * w.taps);
    }
  });
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
