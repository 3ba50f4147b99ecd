// Pooling of images in channels-last memory: vectors run over the channels. dim = {samples, channels}; the axes of
// space are three, see windows.h. Images in C order come through planes.h, dim[4] planes at a time.
//
// The gradient of a maximum looks for the winner again, so that nothing but x is kept: two sweeps over a window that is
// in cache cost less than an array of positions.
#include "kernels/fold.h"
#include "kernels/planes.h"
#include "kernels/rectify.h"
#include "kernels/strips.h"
#include "kernels/table.h"
#include "kernels/windows.h"

namespace fastnn::FASTNN_ISA {
namespace {

constexpr int64_t pool_grain = 16384;      // values of x
constexpr int64_t pool_panel_bytes = 256;  // channels that are taken through all windows that overlap
constexpr int pool_vectors = 4;

struct Pool {
  int64_t samples, channels;
  PoolAxis depth, height, width;

  FASTNN_INLINE explicit Pool(const Call& c)
      : samples(c.dim[0]),
        channels(c.dim[1]),
        depth(PoolAxis::of(c, 0)),
        height(PoolAxis::of(c, 1)),
        width(PoolAxis::of(c, 2)) {}

  FASTNN_INLINE int64_t x_size() const { return depth.in * height.in * width.in * channels; }  // of a sample
  FASTNN_INLINE int64_t lines() const { return samples * depth.out * height.out; }
  FASTNN_INLINE int64_t grain() const { return pool_grain * lines() / (samples * x_size() + 1) + 1; }
  FASTNN_INLINE bool apart() const { return depth.apart() && height.apart() && width.apart(); }
  // Windows of 2 x 2 that have no value in common, all of them whole.
  FASTNN_INLINE bool quads() const {
    return apart() && depth.whole() && height.whole() && width.whole() && depth.kernel == 1 && height.span() == 2 &&
           width.span() == 2;
  }
  FASTNN_INLINE bool covered() const { return depth.covered() && height.covered() && width.covered(); }

  // body(x offset of the sample, y offset of the window, the window on each axis) for a line of windows.
  template <class F>
  FASTNN_INLINE void line(int64_t number, F body) const {
    const int64_t oh = number % height.out, od = number / height.out % depth.out;
    const Window d = depth.window(od), h = height.window(oh);
    for (int64_t ow = 0; ow < width.out; ow++)
      body(number / height.out / depth.out * x_size(), (number * width.out + ow) * channels, d, h, width.window(ow));
  }
  // f(position) for all values of a window; between lines of neighbors end().
  template <class F, class End>
  FASTNN_INLINE void taps(const Window& d, const Window& h, const Window& w, F f, End end) const {
    for (int64_t i = d.first; i < d.end; i += d.step)
      for (int64_t j = h.first; j < h.end; j += h.step) {
        const int64_t row = (i * height.in + j) * width.in;
        for (int64_t k = w.first; k < w.end; k += w.step) f(row + k);
        end();
      }
  }
  template <class F>
  FASTNN_INLINE void taps(const Window& d, const Window& h, const Window& w, F f) const {
    taps(d, h, w, f, []() FASTNN_INLINED {});
  }
  FASTNN_INLINE int64_t position(const Window& d, const Window& h, const Window& w) const {
    return (d.first * height.in + h.first) * width.in + w.first;
  }
};

// A later value takes over if it is greater, or NaN; equal ones do not.
template <class T>
FASTNN_INLINE Vec<T> larger(Vec<T> best, Vec<T> v) {
  return select(v != v, v, max(v, best));
}
template <class T>
FASTNN_INLINE Mask<T> takes_over(Vec<T> v, Vec<T> best) {
  return (v > best) | (v != v);
}

// The positions of the winners of V vectors of channels.
template <int V, class T>
struct Winners {
  using Int = typename IVec<T>::Int;
  IVec<T> at[V];
  Vec<T> best[V];

  FASTNN_INLINE Winners(const Pool& p, const T* x, int64_t wide, const Window& d, const Window& h, const Window& w) {
    for_strip<V, T>(wide, [&](auto j, int, int) FASTNN_INLINED {
      best[j] = Vec<T>(Max::identity<T>);
      at[j] = IVec<T>(static_cast<Int>(p.position(d, h, w)));
    });
    p.taps(d, h, w, [&](int64_t i) FASTNN_INLINED {
      const IVec<T> here(static_cast<Int>(i));
      for_strip<V, T>(wide, [&](auto j, int c, int m) FASTNN_INLINED {
        const Vec<T> v = load(x + i * p.channels + c, m);
        const Mask<T> better = takes_over(v, best[j]);
        best[j] = select(better, v, best[j]);
        at[j] = select(better, here, at[j]);
      });
    });
  }
};

// A window of 2 x 2: its maximum, and by which comparisons that won. Without loops over taps and positions in between,
// forward takes .9 of the time in the cache and backward .67.
template <class T>
struct Quad {
  Vec<T> best;
  Mask<T> right_above, right_below, below;  // the second of a pair won, the lower pair won

  FASTNN_INLINE Quad(const T* x, int64_t right, int64_t down, int m) {
    const auto pair = [&](const T* p, Mask<T>& second) FASTNN_INLINED {
      const Vec<T> a = load(p, m), b = load(p + right, m);
      second = takes_over(b, a);
      return select(second, b, a);
    };
    const Vec<T> above = pair(x, right_above), lower = pair(x + down, right_below);
    below = takes_over(lower, above);
    best = select(below, lower, above);
  }
};

// f(offset in x, offset in y, number of channels) for vectors of channels of the windows of a line. The two rows behind
// are fetched in the order of memory: windows take four places at a time, which the processor does not see through, and
// from beyond the caches forward took 2.7 times as long, backward, with dx to be written, 1.9 times.
template <class T, class F>
FASTNN_INLINE void quads_of(const Pool& p, int64_t line, const T* x, T* dx, F f) {
  constexpr int step = 64 / sizeof(T), fetched = 4 * Vec<T>::lanes / step;
  int64_t next = -1;
  p.line(line, [&](int64_t from, int64_t to, const Window& d, const Window& h, const Window& w) FASTNN_INLINED {
    const int64_t at = from + p.position(d, h, w) * p.channels;
    if (next < 0) next = at + 2 * p.width.in * p.channels;
    for_vectors<T>(p.channels, [&](int64_t k, int m) FASTNN_INLINED {
      unroll<fetched>([&](auto i) FASTNN_INLINED {
        __builtin_prefetch(x + next + i * step);
        if (dx) __builtin_prefetch(dx + next + i * step, 1);
      });
      next += fetched * step;
      f(at + k, to + k, m);
    });
  });
}

template <class T>
int64_t max_run(const Call& c, Context& context) noexcept {
  if (c.dim[4]) return through_planes<T>(c, context, max_run<T>);
  const Pool p(c);
  const T* const x = c.in(0).as<T>();
  T* const y = c.out(0).as<T>();
  if (p.quads()) {
    const int64_t right = p.channels, down = p.width.in * p.channels;
    parallel_for(context, p.lines(), p.grain(), [&](int64_t lo, int64_t hi) {
      for (int64_t n = lo; n < hi; n++)
        quads_of(p, n, x, static_cast<T*>(nullptr), [&](int64_t from, int64_t to, int m) FASTNN_INLINED {
          store(Quad<T>(x + from, right, down, m).best, y + to, m);
        });
    });
    return -1;
  }
  parallel_for(context, p.lines(), p.grain(), [&](int64_t lo, int64_t hi) {
    for (int64_t n = lo; n < hi; n++)
      p.line(n, [&](int64_t from, int64_t to, const Window& d, const Window& h, const Window& w) FASTNN_INLINED {
        for_strips<pool_vectors, T>(0, p.channels, [&](auto vectors, int64_t k, int64_t wide) FASTNN_INLINED {
          constexpr int V = vectors.value;
          Vec<T> best[V];
          for_strip<V, T>(wide, [&](auto j, int, int) FASTNN_INLINED { best[j] = Vec<T>(Max::identity<T>); });
          p.taps(d, h, w, [&](int64_t i) FASTNN_INLINED {
            for_strip<V, T>(wide, [&](auto j, int at, int m) FASTNN_INLINED {
              best[j] = larger(best[j], load(x + from + i * p.channels + k + at, m));
            });
          });
          for_strip<V, T>(wide, [&](auto j, int at, int m) FASTNN_INLINED { store(best[j], y + to + k + at, m); });
        });
      });
  });
  return -1;
}

template <class T>
int64_t indices_run(const Call& c, Context& context) noexcept {
  const Pool p(c);
  const T* const x = c.in(0).as<T>();
  int64_t* const y = c.out(0).as<int64_t>();
  parallel_for(context, p.lines(), p.grain(), [&](int64_t lo, int64_t hi) {
    for (int64_t n = lo; n < hi; n++)
      p.line(n, [&](int64_t from, int64_t to, const Window& d, const Window& h, const Window& w) FASTNN_INLINED {
        for_strips<1, T>(0, p.channels, [&](auto, int64_t k, int64_t wide) FASTNN_INLINED {
          const Winners<1, T> winners(p, x + from + k, wide, d, h, w);
          typename IVec<T>::Int at[Vec<T>::lanes];
          from_bits(winners.at[0]).store(reinterpret_cast<T*>(at));
          for (int64_t i = 0; i < wide; i++) y[to + k + i] = at[i];
        });
      });
  });
  return -1;
}

// What a window's sum is multiplied with; dim[2] says whether padding counts, dim[3] is a divisor for all windows or 0.
template <class T>
FASTNN_INLINE T mean_factor(const Call& c, const Pool& p, int64_t number, const Window& d, const Window& h,
                            const Window& w) {
  int64_t n = c.dim[3];
  const auto length = [](const Window& window) FASTNN_INLINED { return window.end - window.first; };
  if (n == 0 && c.dim[2] == 0) n = length(d) * length(h) * length(w);
  if (n == 0) {
    const int64_t line = number / p.width.out;
    n = p.width.padded_length(number % p.width.out) * p.height.padded_length(line % p.height.out) *
        p.depth.padded_length(line / p.height.out % p.depth.out);
  }
  return static_cast<T>(1 / static_cast<double>(n));
}

// Sums of lines of neighbors, then of those: a mean over a whole image is a sum of short sums.
template <class T>
int64_t avg_run(const Call& c, Context& context) noexcept {
  if (c.dim[4]) return through_planes<T>(c, context, avg_run<T>);
  const Pool p(c);
  const T* const x = c.in(0).as<T>();
  T* const y = c.out(0).as<T>();
  parallel_for(context, p.lines(), p.grain(), [&](int64_t lo, int64_t hi) {
    for (int64_t n = lo; n < hi; n++) {
      int64_t number = n * p.width.out;
      p.line(n, [&](int64_t from, int64_t to, const Window& d, const Window& h, const Window& w) FASTNN_INLINED {
        const Vec<T> factor(mean_factor<T>(c, p, number++, d, h, w));
        for_strips<pool_vectors, T>(0, p.channels, [&](auto vectors, int64_t k, int64_t wide) FASTNN_INLINED {
          constexpr int V = vectors.value;
          Vec<T> total[V], part[V];
          unroll<V>([&](auto j) FASTNN_INLINED { total[j] = part[j] = Vec<T>(Add::identity<T>); });
          p.taps(
              d, h, w,
              [&](int64_t i) FASTNN_INLINED {
                for_strip<V, T>(wide, [&](auto j, int at, int m)
                                          FASTNN_INLINED { part[j] += load(x + from + i * p.channels + k + at, m); });
              },
              [&]() FASTNN_INLINED {
                unroll<V>([&](auto j) FASTNN_INLINED {
                  total[j] += part[j];
                  part[j] = Vec<T>(Add::identity<T>);
                });
              });
          for_strip<V, T>(wide,
                          [&](auto j, int at, int m) FASTNN_INLINED { store(total[j] * factor, y + to + k + at, m); });
        });
      });
    }
  });
  return -1;
}

// windows(line, first channel, end, whether dx is written for the first time there) for all lines, dx being zero where
// no window is. Windows that overlap are taken one after the other for some channels; others in any order.
template <class T, class F>
FASTNN_INLINE void scatter(const Pool& p, Context& context, T* dx, F windows) {
  if (p.apart()) {
    const int64_t all = p.samples * p.x_size();
    if (!p.covered())
      parallel_for(context, all, pool_grain,
                   [&](int64_t lo, int64_t hi) { __builtin_memset(dx + lo, 0, size_t(hi - lo) * sizeof(T)); });
    parallel_for(context, p.lines(), p.grain(), [&](int64_t lo, int64_t hi) {
      for (int64_t n = lo; n < hi; n++) windows(n, int64_t(0), p.channels, std::true_type{});
    });
    return;
  }
  constexpr int64_t panel = pool_panel_bytes / int64_t(sizeof(T));
  const int64_t panels = (p.channels + panel - 1) / panel, lines = p.depth.out * p.height.out;
  parallel_for(context, p.samples * panels, pool_grain * panels / (p.x_size() + 1) + 1, [&](int64_t lo, int64_t hi) {
    for (int64_t item = lo; item < hi; item++) {
      const int64_t sample = item / panels, k = item % panels * panel;
      const int64_t end = p.channels < k + panel ? p.channels : k + panel;
      T* const to = dx + sample * p.x_size();
      for (int64_t i = 0; i < p.x_size(); i += p.channels) __builtin_memset(to + i + k, 0, size_t(end - k) * sizeof(T));
      for (int64_t n = 0; n < lines; n++) windows(sample * lines + n, k, end, std::false_type{});
    }
  });
}

template <bool first, class T>
FASTNN_INLINE void put(Vec<T> v, T* to, int m) {
  store(first ? v : load(to, m) + v, to, m);
}

// Arguments dy, x. With `relu`, x is the result of a relu, whose derivative is taken in: nothing goes to a maximum
// that is not greater than 0.
template <class T, bool relu>
int64_t max_backward_run(const Call& c, Context& context) noexcept {
  if (c.dim[4]) return through_planes<T>(c, context, max_backward_run<T, relu>);
  const Pool p(c);
  const T *const dy = c.in(0).as<T>(), *const x = c.in(1).as<T>();
  T* const dx = c.out(0).as<T>();
  const auto slope = [&](int64_t at, Vec<T> best, int m) FASTNN_INLINED {
    const Vec<T> g = load(dy + at, m);
    return relu ? masked(g, best) : g;
  };
  if (p.quads()) {
    const int64_t right = p.channels, down = p.width.in * p.channels;
    scatter(p, context, dx, [&](int64_t n, int64_t, int64_t, auto) FASTNN_INLINED {
      quads_of(p, n, x, dx, [&](int64_t from, int64_t to, int m) FASTNN_INLINED {
        const Quad<T> quad(x + from, right, down, m);
        const Vec<T> g = slope(to, quad.best, m), nothing{};
        const Vec<T> above = select(quad.below, nothing, g), below = select(quad.below, g, nothing);
        T* const at = dx + from;
        store(select(quad.right_above, nothing, above), at, m);
        store(select(quad.right_above, above, nothing), at + right, m);
        store(select(quad.right_below, nothing, below), at + down, m);
        store(select(quad.right_below, below, nothing), at + down + right, m);
      });
    });
    return -1;
  }
  scatter(p, context, dx, [&](int64_t n, int64_t lo, int64_t hi, auto first) FASTNN_INLINED {
    p.line(n, [&](int64_t from, int64_t to, const Window& d, const Window& h, const Window& w) FASTNN_INLINED {
      for_strips<pool_vectors, T>(lo, hi, [&](auto vectors, int64_t k, int64_t wide) FASTNN_INLINED {
        constexpr int V = vectors.value;
        const Winners<V, T> winners(p, x + from + k, wide, d, h, w);
        Vec<T> g[V];
        for_strip<V, T>(wide,
                        [&](auto j, int at, int m) FASTNN_INLINED { g[j] = slope(to + k + at, winners.best[j], m); });
        p.taps(d, h, w, [&](int64_t i) FASTNN_INLINED {
          const IVec<T> here(static_cast<typename IVec<T>::Int>(i));
          for_strip<V, T>(wide, [&](auto j, int at, int m) FASTNN_INLINED {
            put<first.value>(select(winners.at[j] == here, g[j], Vec<T>{}), dx + from + i * p.channels + k + at, m);
          });
        });
      });
    });
  });
  return -1;
}

// Argument dy.
template <class T>
int64_t avg_backward_run(const Call& c, Context& context) noexcept {
  if (c.dim[4]) return through_planes<T>(c, context, avg_backward_run<T>);
  const Pool p(c);
  const T* const dy = c.in(0).as<T>();
  T* const dx = c.out(0).as<T>();
  scatter(p, context, dx, [&](int64_t n, int64_t lo, int64_t hi, auto first) FASTNN_INLINED {
    int64_t number = n * p.width.out;
    p.line(n, [&](int64_t from, int64_t to, const Window& d, const Window& h, const Window& w) FASTNN_INLINED {
      const Vec<T> factor(mean_factor<T>(c, p, number++, d, h, w));
      for_strips<pool_vectors, T>(lo, hi, [&](auto vectors, int64_t k, int64_t wide) FASTNN_INLINED {
        constexpr int V = vectors.value;
        Vec<T> g[V];
        for_strip<V, T>(wide, [&](auto j, int at, int m) FASTNN_INLINED { g[j] = load(dy + to + k + at, m) * factor; });
        p.taps(d, h, w, [&](int64_t i) FASTNN_INLINED {
          for_strip<V, T>(wide, [&](auto j, int at, int m)
                                    FASTNN_INLINED { put<first.value>(g[j], dx + from + i * p.channels + k + at, m); });
        });
      });
    });
  });
  return -1;
}

}  // namespace

const Run max_pool_kernel[2] = {max_run<float>, max_run<double>};
const Run max_pool_indices_kernel[2] = {indices_run<float>, indices_run<double>};
const Run max_pool_backward_kernel[2] = {max_backward_run<float, false>, max_backward_run<double, false>};
const Run max_pool_backward_relu_kernel[2] = {max_backward_run<float, true>, max_backward_run<double, true>};
const Run avg_pool_kernel[2] = {avg_run<float>, avg_run<double>};
const Run avg_pool_backward_kernel[2] = {avg_backward_run<float>, avg_backward_run<double>};

}  // namespace fastnn::FASTNN_ISA
