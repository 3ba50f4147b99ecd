// Images in another size, in channels-last memory: vectors run over the channels. Each value of the result is a sum of
// at most eight of x; dim = {samples, channels, whether linear, whether corners stay}. Images in C order come through
// planes.h, dim[4] planes at a time; their scratch begins dim[5] bytes later.
#include "kernels/fold.h"
#include "kernels/planes.h"
#include "kernels/resampling.h"
#include "kernels/strips.h"
#include "kernels/table.h"

namespace fastnn::FASTNN_ISA {
namespace {

constexpr int64_t resample_grain = 16384;  // values of the result
constexpr int64_t resample_panel = 256;    // bytes of channels that are taken through a whole image
constexpr int most_taps = 8;

template <class T>
struct Tap {
  int64_t at;  // position in the image
  T weight;
};

// Where the result's positions along an axis lie.
template <class T>
void places(const ResampledAxis& a, bool linear, bool corners, Between<T>* to) {
  const int64_t last = a.in - 1;
  for (int64_t o = 0; o < a.out; o++) {
    if (a.in == a.out) {
      to[o] = {o, o, T(1), T(0)};
      continue;
    }
    if (!linear) {  // in float32 whatever the dtype, as the definition
      const float step = a.top ? static_cast<float>(a.step()) : static_cast<float>(a.in) / static_cast<float>(a.out);
      const int64_t low = static_cast<int64_t>(static_cast<float>(o) * step);
      to[o] = {low < last ? low : last, 0, T(1), T(0)};
      continue;
    }
    const double aligned = a.out > 1 ? double(last) / double(a.out - 1) : 0;
    const double place = corners ? double(o) * aligned : (double(o) + 0.5) * a.step() - 0.5, at = place < 0 ? 0 : place;
    const int64_t low = int64_t(at) < last ? int64_t(at) : last;
    const T second = low < last ? static_cast<T>(at - double(low)) : T(0);
    to[o] = {low, low + 1, T(1) - second, second};
  }
}

template <class T>
struct Resampling {
  int64_t samples, channels;
  ResampledAxis axis[resampled_axes];
  Between<T>* place[resampled_axes];

  Resampling(const Call& c, Context& x) : samples(c.dim[0]), channels(c.dim[1]) {
    Between<T>* next = reinterpret_cast<Between<T>*>(x.scratch);
    for (int i = 0; i < resampled_axes; i++) {
      axis[i] = ResampledAxis::of(c, i);
      place[i] = next;
      places(axis[i], c.dim[2] != 0, c.dim[3] != 0, next);
      next += axis[i].out;
    }
  }
  FASTNN_INLINE int64_t x_size() const { return axis[0].in * axis[1].in * axis[2].in * channels; }
  FASTNN_INLINE int64_t lines() const { return axis[0].out * axis[1].out; }  // of the result, in an image
  FASTNN_INLINE int64_t width() const { return axis[2].out; }

  // f(position, weight) of one or two neighbors.
  template <class F>
  FASTNN_INLINE static void along(const Between<T>& b, F f) {
    f(b.low, b.first);
    if (b.second != T(0)) f(b.high, b.second);
  }
  // What line i of an image is made of: rows of x; how many.
  FASTNN_INLINE int rows(int64_t i, Tap<T>* to) const {
    int n = 0;
    along(place[0][i / axis[1].out], [&](int64_t j, T u) FASTNN_INLINED {
      along(place[1][i % axis[1].out], [&](int64_t k, T v) FASTNN_INLINED {
        to[n++] = {(j * axis[1].in + k) * axis[2].in * channels, u * v};
      });
    });
    return n;
  }
  // What pixel i of a line is made of, from the line's rows; how many values.
  FASTNN_INLINE int taps(int64_t i, const Tap<T>* row, int rows, Tap<T>* to) const {
    int n = 0;
    for (int r = 0; r < rows; r++)
      along(place[2][i], [&](int64_t l, T t) FASTNN_INLINED {
        to[n++] = {row[r].at + l * channels, row[r].weight * t};
      });
    return n;
  }
};

// f for a Call over channels-last images, or for such parts of one over images in C order.
template <class T, class F>
int64_t resample(const Call& c, Context& x, const F& f) noexcept {
  const Resampling<T> s(c, x);
  if (!c.dim[4]) return f(s, c, x);
  Context rest{x.scratch + c.dim[5], x.parallel, x.pool};
  return through_planes<T>(c, rest, [&](const Call& part, Context& alone) {
    Resampling<T> near = s;
    near.samples = 1;
    near.channels = part.dim[1];
    f(near, part, alone);
  });
}

template <class T>
int64_t forward(const Resampling<T>& s, const Call& c, Context& context) noexcept {
  const T* const x = c.in(0).as<T>();
  T* const y = c.out(0).as<T>();
  const int64_t line = s.width() * s.channels;
  parallel_for(context, s.samples * s.lines(), resample_grain / (line + 1) + 1, [&](int64_t lo, int64_t hi) {
    for (int64_t i = lo; i < hi; i++) {
      Tap<T> row[most_taps / 2], tap[most_taps];
      const int rows = s.rows(i % s.lines(), row);
      const T* const from = x + i / s.lines() * s.x_size();
      for (int64_t o = 0; o < s.width(); o++) {
        const int n = s.taps(o, row, rows, tap);
        T* const to = y + i * line + o * s.channels;
        for_strips<4, T>(0, s.channels, [&](auto vectors, int64_t k, int64_t wide) FASTNN_INLINED {
          constexpr int V = vectors.value;
          Vec<T> sum[V];
          const auto add = [&](int t, bool first) FASTNN_INLINED {
            const Vec<T> w(tap[t].weight);
            for_strip<V, T>(wide, [&](auto j, int at, int m) FASTNN_INLINED {
              const Vec<T> v = load(from + tap[t].at + k + at, m);
              sum[j] = first ? v * w : fma(v, w, sum[j]);
            });
          };
          add(0, true);
          for (int t = 1; t < n; t++) add(t, false);
          for_strip<V, T>(wide, [&](auto j, int at, int m) FASTNN_INLINED { store(sum[j], to + k + at, m); });
        });
      }
    }
  });
  return -1;
}

// Each dy goes to what its pixel was made of, pixel after pixel.
template <class T>
int64_t backward(const Resampling<T>& s, const Call& c, Context& context) noexcept {
  const T* const dy = c.in(0).as<T>();
  T* const dx = c.out(0).as<T>();
  constexpr int64_t panel = resample_panel / int64_t(sizeof(T));
  const int64_t panels = (s.channels + panel - 1) / panel, pixels = s.lines() * s.width();
  const int64_t grain = resample_grain / (pixels * panel) + 1;
  parallel_for(context, s.samples * panels, grain, [&](int64_t lo, int64_t hi) {
    for (int64_t item = lo; item < hi; item++) {
      const int64_t sample = item / panels, k = item % panels * panel;
      const int64_t end = s.channels < k + panel ? s.channels : k + panel;
      T* const to = dx + sample * s.x_size();
      for (int64_t i = 0; i < s.x_size(); i += s.channels) __builtin_memset(to + i + k, 0, size_t(end - k) * sizeof(T));
      Tap<T> row[most_taps / 2], tap[most_taps];
      for (int64_t i = 0, o = 0, rows = 0; i < pixels; i++, o = o + 1 < s.width() ? o + 1 : 0) {
        if (o == 0) rows = s.rows(i / s.width(), row);
        const int n = s.taps(o, row, int(rows), tap);
        for_strips<4, T>(k, end, [&](auto vectors, int64_t first, int64_t wide) FASTNN_INLINED {
          constexpr int V = vectors.value;
          Vec<T> g[V];
          for_strip<V, T>(wide, [&](auto j, int at, int m) FASTNN_INLINED {
            g[j] = load(dy + (sample * pixels + i) * s.channels + first + at, m);
          });
          for (int t = 0; t < n; t++) {
            const Vec<T> w(tap[t].weight);
            T* const put = to + tap[t].at + first;
            for_strip<V, T>(wide, [&](auto j, int at, int m)
                                      FASTNN_INLINED { store(fma(g[j], w, load(put + at, m)), put + at, m); });
          }
        });
      }
    }
  });
  return -1;
}

template <class T>
int64_t interpolate_run(const Call& c, Context& x) noexcept {
  return resample<T>(c, x, forward<T>);
}

template <class T>
int64_t interpolate_backward_run(const Call& c, Context& x) noexcept {
  return resample<T>(c, x, backward<T>);
}

}  // namespace

const Run interpolate_kernel[2] = {interpolate_run<float>, interpolate_run<double>};
const Run interpolate_backward_kernel[2] = {interpolate_backward_run<float>, interpolate_backward_run<double>};

}  // namespace fastnn::FASTNN_ISA
