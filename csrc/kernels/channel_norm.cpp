// Normalization by channels: batch_norm with the batch's or with given statistics, group_norm; and their gradients.
//
// Statistics are float64 for either dtype; what is subtracted is the mean as two numbers of type T, so that x less the
// first is nearly exact. dim is a Channels; mean and rstd have one number for each group of each sample.
//
// In captured steps also with the relu behind: y = relu(norm(x)), and a gradient that comes through that relu, whose
// mask is computed again from x by the same operations, which costs less than reading y.
#include "kernels/channels.h"
#include "kernels/rectify.h"
#include "kernels/table.h"

namespace fastnn::FASTNN_ISA {
namespace {

// Sums of x less a shift, and of its squares. One sweep over floats, in doubles, is exact enough; doubles take a second
// one with their mean as the shift, so that equal values have no spread at all. Adding eight rows in floats before they
// are widened took .20 ns a value instead of .25, but what is kept for backward had no more digits than floats.
template <class T>
struct Moments {
  const T* x;
  const double* shift;

  FASTNN_INLINE Vec<double> at(int64_t k, int m) const { return load(shift + k, m); }
  FASTNN_INLINE Vec<double> all(int64_t k) const { return Vec<double>(shift[k]); }
  FASTNN_INLINE void step(Vec<double> middle, int64_t i, int m, Vec<double>& a, Vec<double>& b) const {
    const Vec<double> d = load_as<double>(x + i, m) - middle;
    a += d;
    b = fma(d, d, b);
  }
};

// x less the mean, in two steps.
template <class T>
FASTNN_INLINE Vec<T> less_mean(Vec<T> x, Vec<T> high, Vec<T> low) {
  if constexpr (std::is_same_v<T, double>)
    return x - high;
  else
    return x - high - low;
}

template <bool relu, class T>
struct Normal {
  const T *x, *high, *low, *scale, *bias;
  T* y;

  struct At {
    Vec<T> high, low, scale, bias;
  };
  FASTNN_INLINE At at(int64_t k, int m) const {
    return {load(high + k, m), load(low + k, m), load(scale + k, m), load(bias + k, m)};
  }
  FASTNN_INLINE At all(int64_t k) const { return {Vec<T>(high[k]), Vec<T>(low[k]), Vec<T>(scale[k]), Vec<T>(bias[k])}; }
  FASTNN_INLINE void each(const At& p, int64_t i, int m) const {
    const Vec<T> normal = fma(less_mean(load(x + i, m), p.high, p.low), p.scale, p.bias);
    store(relu ? rectified(normal) : normal, y + i, m);
  }
};

// Numbers of each channel that both sweeps of a gradient read.
template <class T>
struct Shared {
  const T *dy, *x, *high, *low, *scale, *bias;

  struct At {
    Vec<T> high, low, scale, bias;
  };
  FASTNN_INLINE At at(int64_t k, int m) const {
    return {load(high + k, m), load(low + k, m), load(scale + k, m), load(bias + k, m)};
  }
  FASTNN_INLINE At all(int64_t k) const { return {Vec<T>(high[k]), Vec<T>(low[k]), Vec<T>(scale[k]), Vec<T>(bias[k])}; }

  // x less the mean, and dy as it comes through the relu.
  FASTNN_INLINE Vec<T> centered(const At& p, int64_t i, int m) const {
    return less_mean(load(x + i, m), p.high, p.low);
  }
  template <bool relu>
  FASTNN_INLINE Vec<T> slope(const At& p, Vec<T> v, int64_t i, int m) const {
    const Vec<T> d = load(dy + i, m);
    return relu ? masked(d, fma(v, p.scale, p.bias)) : d;
  }
};

// Sums of dy, and of dy times x less the mean.
template <bool relu, class T>
struct Slopes : Shared<T> {
  using At = typename Shared<T>::At;

  FASTNN_INLINE void step(const At& p, int64_t i, int m, Vec<T>& a, Vec<T>& b) const {
    const Vec<T> v = this->centered(p, i, m), d = this->template slope<relu>(p, v, i, m);
    a += d;
    b = fma(d, v, b);
  }
};

// dx = scale dy - (constant + slope (x - mean)).
template <bool relu, class T>
struct Gradient : Shared<T> {
  const T *constant, *factor;
  T* dx;

  struct At : Shared<T>::At {
    Vec<T> constant, factor;
  };
  FASTNN_INLINE At at(int64_t k, int m) const {
    return {Shared<T>::at(k, m), load(constant + k, m), load(factor + k, m)};
  }
  FASTNN_INLINE At all(int64_t k) const { return {Shared<T>::all(k), Vec<T>(constant[k]), Vec<T>(factor[k])}; }
  FASTNN_INLINE void each(const At& p, int64_t i, int m) const {
    const Vec<T> v = this->centered(p, i, m), d = this->template slope<relu>(p, v, i, m);
    store(fms(p.scale, d, fma(p.factor, v, p.constant)), dx + i, m);
  }
};

// dx = scale dy.
template <class T>
struct Scaled {
  const T *dy, *scale;
  T* dx;

  FASTNN_INLINE Vec<T> at(int64_t k, int m) const { return load(scale + k, m); }
  FASTNN_INLINE Vec<T> all(int64_t k) const { return Vec<T>(scale[k]); }
  FASTNN_INLINE void each(Vec<T> p, int64_t i, int m) const { store(p * load(dy + i, m), dx + i, m); }
};

// f(group, its first channel, weight of that), of all samples; numbers of channels are at sample * channels + channel.
template <class F>
FASTNN_INLINE void each_group(const Channels& s, F f) {
  for (int64_t g = 0; g < s.samples * s.groups; g++)
    f(g, g / s.groups * s.channels + g % s.groups * s.group_size(), g % s.groups * s.group_size());
}

// Mean and variance of each group: the number that is subtracted while summing is the group's first value, then for
// doubles its mean.
template <class T>
void statistics(const Channels& s, Context& x, const T* p, double* shift, double* partial, double* mean, double* var) {
  const int64_t size = s.group_size(), each = s.sum_blocks() * 2 * s.channels;
  const double n = static_cast<double>(s.per_channel() * size);
  each_group(s, [&](int64_t g, int64_t k, int64_t c) {
    mean[g] = static_cast<double>(p[(k / s.channels * s.outer * s.channels + c) * s.inner]);
  });
  for (int sweep = 0; sweep < (std::is_same_v<T, double> ? 2 : 1); sweep++) {
    each_group(s, [&](int64_t g, int64_t k, int64_t) {
      for (int64_t j = 0; j < size; j++) shift[k + j] = mean[g];
    });
    channel_sums(s, x, Moments<T>{p, shift}, partial);
    each_group(s, [&](int64_t g, int64_t k, int64_t c) {
      const double* const sums = partial + k / s.channels * each + c;
      double a = 0, b = 0;
      for (int64_t j = 0; j < size; j++) {
        a += sums[j];
        b += sums[s.channels + j];
      }
      mean[g] += a / n;
      const double v = (b - a * (a / n)) / n;
      var[g] = v < 0 ? 0 : v;
    });
  }
}

template <class T>
FASTNN_INLINE T* numbers_after(double* p, int64_t n) {
  return reinterpret_cast<T*>(p + n);
}

// y from the statistics; `room` takes four numbers for each channel of each sample.
template <bool relu, class T>
void normalize(const Channels& s, Context& x, const T* p, const double* mean, const double* rstd, const T* weight,
               const T* bias, T* room, T* y) {
  const int64_t n = s.numbers();
  T *const high = room, *const low = high + n, *const scale = low + n, *const shift = scale + n;
  each_group(s, [&](int64_t g, int64_t k, int64_t c) {
    for (int64_t j = 0; j < s.group_size(); j++) {
      high[k + j] = static_cast<T>(mean[g]);
      low[k + j] = static_cast<T>(mean[g] - static_cast<double>(high[k + j]));
      scale[k + j] = static_cast<T>(weight ? rstd[g] * static_cast<double>(weight[c + j]) : rstd[g]);
      shift[k + j] = bias ? bias[c + j] : T(0);
    }
  });
  each_channel_value<T>(s, x, Normal<relu, T>{p, high, low, scale, shift, y});
}

template <class T>
FASTNN_INLINE const T* given(const Call& c, int argument) {
  return c.has(argument) ? c.in(argument).as<T>() : nullptr;
}

// Running statistics move towards the batch's, whose variance is divided by n - 1; a negative momentum makes them
// averages over all batches.
template <class T>
void track(const Call& c, const Channels& s, const double* mean, const double* var, double momentum) {
  if (!c.has(3)) return;
  if (c.count(3) == 3) {
    int64_t& count = *c.in(3, 2).as<int64_t>();
    count++;
    if (momentum < 0) momentum = 1 / static_cast<double>(count);
  }
  const double n = static_cast<double>(s.per_channel());
  T *const means = c.in(3, 0).as<T>(), *const vars = c.in(3, 1).as<T>();
  for (int64_t k = 0; k < s.channels; k++) {
    means[k] = static_cast<T>((1 - momentum) * static_cast<double>(means[k]) + momentum * mean[k]);
    vars[k] = static_cast<T>((1 - momentum) * static_cast<double>(vars[k]) + momentum * (var[k] * (n / (n - 1))));
  }
}

// Arguments x, weight, bias (and running statistics); outputs y, mean, rstd; eps is the last attribute. Scratch:
// shifts, partial sums, four numbers for each channel.
template <bool batch, bool relu, class T>
int64_t norm_run(const Call& c, Context& x) noexcept {
  const Channels s = Channels::of(c);
  double *const shift = reinterpret_cast<double*>(x.scratch), *const partial = shift + s.numbers();
  double *const mean = c.out(1).as<double>(), *const rstd = c.out(2).as<double>();
  const T* const p = c.in(0).as<T>();
  statistics(s, x, p, shift, partial, mean, rstd);
  if constexpr (batch) track<T>(c, s, mean, rstd, c.attr[0].f);
  for (int64_t g = 0; g < s.samples * s.groups; g++) rstd[g] = 1 / __builtin_sqrt(rstd[g] + c.attr[1].f);
  normalize<relu>(s, x, p, mean, rstd, given<T>(c, 1), given<T>(c, 2), numbers_after<T>(partial, s.sums()),
                  c.out(0).as<T>());
  return -1;
}

// Mean and rstd from the arrays [mean, var] that are this argument.
template <class T>
void fixed_statistics(const Call& c, int argument, double* mean, double* rstd) {
  const T *const means = c.in(argument, 0).as<T>(), *const vars = c.in(argument, 1).as<T>();
  for (int64_t k = 0; k < c.in(argument).shape[0]; k++) {
    mean[k] = static_cast<double>(means[k]);
    rstd[k] = 1 / __builtin_sqrt(static_cast<double>(vars[k]) + c.attr[0].f);
  }
}

// Arguments x, weight, bias, [mean, var].
template <bool relu, class T>
int64_t inference_run(const Call& c, Context& x) noexcept {
  const Channels s = Channels::of(c);
  double *const mean = reinterpret_cast<double*>(x.scratch), *const rstd = mean + s.channels;
  fixed_statistics<T>(c, 3, mean, rstd);
  normalize<relu>(s, x, c.in(0).as<T>(), mean, rstd, given<T>(c, 1), given<T>(c, 2), numbers_after<T>(rstd, s.channels),
                  c.out(0).as<T>());
  return -1;
}

// What the gradients are made from; fixed statistics do not depend on x.
template <class T>
struct Backward {
  const T *dy, *x, *weight, *bias;
  const double *mean, *rstd;
  T *dx, *dweight, *dbias;  // null where not wanted
  bool fixed;

  // `room` takes six numbers for each channel of each sample, then partial sums.
  template <bool relu>
  void run(const Channels& s, Context& context, T* room) const {
    const int64_t n = s.numbers(), size = s.group_size(), row = s.sum_blocks() * 2 * s.channels;
    T *const high = room, *const low = high + n, *const scale = low + n, *const constant = scale + n;
    T *const slope = constant + n, *const shift = slope + n, *const partial = shift + n;
    const auto factor = [&](int64_t c) { return weight ? static_cast<double>(weight[c]) : 1.0; };
    each_group(s, [&](int64_t g, int64_t k, int64_t c) {
      for (int64_t j = 0; j < size; j++) {
        high[k + j] = static_cast<T>(mean[g]);
        low[k + j] = static_cast<T>(mean[g] - static_cast<double>(high[k + j]));
        scale[k + j] = static_cast<T>(rstd[g] * factor(c + j));
        shift[k + j] = bias ? bias[c + j] : T(0);
      }
    });
    const Shared<T> both{dy, x, high, low, scale, shift};
    if (dweight || dbias || !fixed) channel_sums(s, context, Slopes<relu, T>{both}, partial);
    for (int64_t c = 0; c < s.channels && (dweight || dbias); c++) {
      double a = 0, b = 0;
      for (int64_t sample = 0; sample < s.samples; sample++) {
        const T* const sums = partial + sample * row + c;
        a += static_cast<double>(sums[0]);
        b += static_cast<double>(sums[s.channels]) * rstd[sample * s.groups + c / size];
      }
      if (dbias) dbias[c] = static_cast<T>(a);
      if (dweight) dweight[c] = static_cast<T>(b);
    }
    if (!dx) return;
    if (fixed) return each_channel_value<T>(s, context, Scaled<T>{dy, scale, dx});
    const double count = static_cast<double>(s.per_channel() * size);
    each_group(s, [&](int64_t g, int64_t k, int64_t c) {
      const T* const sums = partial + k / s.channels * row + c;
      double a = 0, b = 0;
      for (int64_t j = 0; j < size; j++) {
        a += factor(c + j) * static_cast<double>(sums[j]);
        b += factor(c + j) * static_cast<double>(sums[s.channels + j]);
      }
      for (int64_t j = 0; j < size; j++) {
        constant[k + j] = static_cast<T>(rstd[g] * (a / count));
        slope[k + j] = static_cast<T>(rstd[g] * rstd[g] * rstd[g] * (b / count));
      }
    });
    each_channel_value<T>(s, context, Gradient<relu, T>{both, constant, slope, dx});
  }
};

template <class T>
FASTNN_INLINE T* wanted(const Call& c, int j) {
  return c.wants(j) ? c.out(j).as<T>() : nullptr;
}

// Arguments dy, x, weight, with relu also bias, mean, rstd.
template <bool relu, class T>
int64_t norm_backward_run(const Call& c, Context& x) noexcept {
  constexpr int at = relu ? 4 : 3;
  const Backward<T> f{c.in(0).as<T>(),       c.in(1).as<T>(),
                      given<T>(c, 2),        relu ? given<T>(c, 3) : nullptr,
                      c.in(at).as<double>(), c.in(at + 1).as<double>(),
                      wanted<T>(c, 0),       wanted<T>(c, 1),
                      wanted<T>(c, 2),       false};
  f.template run<relu>(Channels::of(c), x, reinterpret_cast<T*>(x.scratch));
  return -1;
}

// Arguments dy, x, weight, [mean, var].
template <class T>
int64_t inference_backward_run(const Call& c, Context& x) noexcept {
  const Channels s = Channels::of(c);
  double *const mean = reinterpret_cast<double*>(x.scratch), *const rstd = mean + s.channels;
  fixed_statistics<T>(c, 3, mean, rstd);
  const Backward<T> f{c.in(0).as<T>(), c.in(1).as<T>(), given<T>(c, 2),  nullptr, mean, rstd,
                      wanted<T>(c, 0), wanted<T>(c, 1), wanted<T>(c, 2), true};
  f.template run<false>(s, x, numbers_after<T>(rstd, s.channels));
  return -1;
}

}  // namespace

const Run batch_norm_kernel[2] = {norm_run<true, false, float>, norm_run<true, false, double>};
const Run batch_norm_relu_kernel[2] = {norm_run<true, true, float>, norm_run<true, true, double>};
const Run group_norm_kernel[2] = {norm_run<false, false, float>, norm_run<false, false, double>};
const Run channel_norm_backward_kernel[2] = {norm_backward_run<false, float>, norm_backward_run<false, double>};
const Run batch_norm_backward_relu_kernel[2] = {norm_backward_run<true, float>, norm_backward_run<true, double>};
const Run batch_norm_inference_kernel[2] = {inference_run<false, float>, inference_run<false, double>};
const Run batch_norm_inference_relu_kernel[2] = {inference_run<true, float>, inference_run<true, double>};
const Run batch_norm_inference_backward_kernel[2] = {inference_backward_run<float>, inference_backward_run<double>};

}  // namespace fastnn::FASTNN_ISA
