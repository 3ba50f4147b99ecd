// Sums over the values of each channel, and passes over all values with numbers that belong to their channel: what
// normalization by channels is made of.
//
// Memory is [sample][outer][channel][inner]. Where inner is 1, channels are neighbors (images in channels-last memory,
// rows of a table) and vectors run over them; else (images in C order) vectors run over the inner values.
#pragma once
#include "kernels/call.h"
#include "kernels/fold.h"
#include "kernels/norms.h"
#include "kernels/strips.h"

namespace fastnn::FASTNN_ISA {
namespace {

constexpr int64_t channel_grain = 32768;                 // elements
constexpr int64_t channel_panel = 512;                   // neighboring channels that are summed together
constexpr int sum_vectors = vector_bytes == 64 ? 8 : 4;  // whose sums fit registers
constexpr int sum_rows_at_once = 8;
constexpr int value_vectors = vector_bytes == 64 ? 4 : 2;  // of whose channels six numbers each fit them, too
constexpr int64_t value_rows = vector_bytes == 64 ? 32 : 8;

// f.at(k, m) gives numbers of the m channels from k on (k counts samples, too), f.all(k) those of one channel for a
// whole vector; f.step(at, i, m, a, b) adds the m elements from i on to two sums.
//
// Rows are read from end to end, as prefetchers follow best; strips of columns, each for many rows, were slower.

// Both sums of n columns over rows one after the other, in registers.
template <int V, class State, class F>
FASTNN_INLINE void sum_strip(const F& f, int64_t channel, int64_t i, int64_t step, int64_t rows, int64_t n, State* a,
                             State* b) {
  decltype(f.at(0, 0)) at[V];
  Vec<State> sum_a[V], sum_b[V];
  for_strip<V, State>(n, [&](auto j, int c, int m) FASTNN_INLINED {
    at[j] = f.at(channel + c, m);
    sum_a[j] = sum_b[j] = Vec<State>(Add::identity<State>);
  });
  for (int64_t r = 0; r < rows; r++)
    for_strip<V, State>(
        n, [&](auto j, int c, int m) FASTNN_INLINED { f.step(at[j], i + r * step + c, m, sum_a[j], sum_b[j]); });
  for_strip<V, State>(n, [&](auto j, int c, int m) FASTNN_INLINED {
    store(sum_a[j], a + c, m);
    store(sum_b[j], b + c, m);
  });
}

// N more rows.
template <int N, bool first, class State, class F>
FASTNN_INLINE void sum_group(const F& f, int64_t channel, int64_t i, int64_t step, int64_t n, State* a, State* b) {
  for_vectors<State>(n, [&](int64_t c, int m) FASTNN_INLINED {
    const Vec<State> nothing(Add::identity<State>);
    const auto at = f.at(channel + c, m);
    Vec<State> sum_a = first ? nothing : load(a + c, m), sum_b = first ? nothing : load(b + c, m);
    unroll<N>([&](auto r) FASTNN_INLINED { f.step(at, i + r * step + c, m, sum_a, sum_b); });
    store(sum_a, a + c, m);
    store(sum_b, b + c, m);
  });
}

template <class State, class F>
void sum_columns(const F& f, int64_t channel, int64_t i, int64_t step, int64_t rows, int64_t n, State* a, State* b) {
  if (n <= sum_vectors * Vec<State>::lanes) {
    with_vectors<sum_vectors, State>(
        n, [&](auto vectors) FASTNN_INLINED { sum_strip<vectors.value, State>(f, channel, i, step, rows, n, a, b); });
    return;
  }
  int64_t r = 1;
  sum_group<1, true>(f, channel, i, step, n, a, b);
  for (; r + sum_rows_at_once <= rows; r += sum_rows_at_once)
    sum_group<sum_rows_at_once, false>(f, channel, i + r * step, step, n, a, b);
  for (; r < rows; r++) sum_group<1, false>(f, channel, i + r * step, step, n, a, b);
}

// One channel's n neighbors from i on: blocks of row_block, one after the other.
template <class State, class F>
FASTNN_INLINE void sum_row(const F& f, int64_t channel, int64_t i, int64_t n, State& a, State& b) {
  const auto at = f.all(channel);
  double total[2] = {};
  for (int64_t from = 0; from < n; from += row_block) {
    const int64_t count = n - from < row_block ? n - from : row_block;
    total[0] +=
        static_cast<double>(fold_neighbors<Add, State>(count, [&](Vec<State> sum, int64_t k, int m) FASTNN_INLINED {
          Vec<State> other{};
          f.step(at, i + from + k, m, sum, other);
          return sum;
        }));
    total[1] +=
        static_cast<double>(fold_neighbors<Add, State>(count, [&](Vec<State> sum, int64_t k, int m) FASTNN_INLINED {
          Vec<State> other{};
          f.step(at, i + from + k, m, other, sum);
          return sum;
        }));
  }
  a = static_cast<State>(total[0]);
  b = static_cast<State>(total[1]);
}

// Both sums of all channels. Afterwards those of sample s begin at partial + s * blocks * 2 * channels: the first sums,
// then the second ones.
template <class State, class F>
void channel_sums(const Channels& s, Context& x, const F& f, State* partial) {
  const int64_t n = s.channels, each = s.sum_blocks(), row = 2 * n;
  if (s.columns()) {
    const int64_t panels = blocks(n, channel_panel), wide = n < channel_panel ? n : channel_panel;
    const int64_t height = s.outer < column_block ? s.outer : column_block;
    parallel_for(x, s.samples * each * panels, channel_grain / (height * wide) + 1, [&](int64_t lo, int64_t hi) {
      for (int64_t item = lo; item < hi; item++) {
        const int64_t block = item / panels, sample = block / each, first = block % each * column_block;
        const int64_t k = item % panels * channel_panel;
        State* const to = partial + block * row + k;
        sum_columns(f, sample * n + k, (sample * s.outer + first) * n + k, n,
                    s.outer - first < column_block ? s.outer - first : column_block,
                    n - k < channel_panel ? n - k : channel_panel, to, to + n);
      }
    });
  } else {
    parallel_for(x, s.samples * s.outer * n, channel_grain / s.inner + 1, [&](int64_t lo, int64_t hi) {
      for (int64_t item = lo; item < hi; item++) {
        State* const to = partial + item / n * row + item % n;
        sum_row(f, item / n / s.outer * n + item % n, item * s.inner, s.inner, to[0], to[n]);
      }
    });
  }
  for (int64_t sample = 0; sample < s.samples; sample++)
    fold_blocks<Add>(partial + sample * each * row, each, row, row);
}

// f.each(at, i, m) for some rows of n columns, a few vectors of them at most.
template <class T, class F>
FASTNN_INLINE void value_strip(const F& f, int64_t channel, int64_t i, int64_t step, int64_t rows, int64_t n) {
  constexpr int lanes = Vec<T>::lanes;
  decltype(f.at(0, 0)) at[value_vectors];
  unroll<value_vectors>([&](auto j) FASTNN_INLINED {
    const int64_t left = n - j * lanes;
    at[j] = f.at(channel + j * lanes, left > lanes ? lanes : left > 0 ? int(left) : 0);
  });
  for (int64_t r = 0; r < rows; r++, i += step)
    unroll<value_vectors>([&](auto j) FASTNN_INLINED {
      if (const int64_t left = n - j * lanes; left > 0) f.each(at[j], i + j * lanes, left < lanes ? int(left) : lanes);
    });
}

// f.each(at, i, m) for all values, in strips: the numbers of their channels stay in registers, and what is read of a
// page is near. A vector of 4 whole rows at a time took 1.1 to 1.3 times as long; strips of all rows 1.3 times with
// AVX2 and 256 channels.
template <class T, class F>
void each_channel_value(const Channels& s, Context& x, const F& f) {
  const int64_t n = s.channels;
  if (!s.columns()) {
    parallel_for(x, s.samples * s.outer * n, channel_grain / s.inner + 1, [&](int64_t lo, int64_t hi) {
      for (int64_t item = lo; item < hi; item++) {
        const auto at = f.all(item / n / s.outer * n + item % n);
        for_vectors<T>(s.inner, [&](int64_t i, int m) FASTNN_INLINED { f.each(at, item * s.inner + i, m); });
      }
    });
    return;
  }
  parallel_for(x, s.samples * s.outer, channel_grain / n + 1, [&](int64_t lo, int64_t hi) {
    const F own = f;  // which no store can change
    for (int64_t r = lo, stop = lo; r < hi; r = stop) {
      const int64_t end = (r / s.outer + 1) * s.outer;  // of the rows of one sample
      stop = r + value_rows < end ? r + value_rows : end;
      if (stop > hi) stop = hi;
      for (int64_t k = 0; k < n; k += value_vectors * Vec<T>::lanes)
        value_strip<T>(own, r / s.outer * n + k, r * n + k, n, stop - r, n - k);
    }
  });
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
