// Reductions that look twice: var, std (about the mean), logsumexp (about the largest value), and their gradients.
//
// For either dtype the mean and the squares about it are summed in float64: a mean rounded to float32 would show where
// it is far from 0.
#include "kernels/reduce.h"
#include "kernels/shifted.h"
#include "kernels/table.h"

namespace fastnn::FASTNN_ISA {
namespace {

struct Differences : Add {
  template <class T>
  FASTNN_INLINE static Vec<T> step(Vec<T> sum, Vec<T> x, Vec<T> mean) {
    return sum + (x - mean);
  }
};

struct Squares : Add {
  template <class T>
  FASTNN_INLINE static Vec<T> step(Vec<T> sum, Vec<T> x, Vec<T> mean) {
    const Vec<T> d = x - mean;
    return fma(d, d, sum);
  }
};

struct Exponentials : Add {
  template <class T>
  FASTNN_INLINE static Vec<T> step(Vec<T> sum, Vec<T> x, Vec<T> most) {
    return sum + exp(shifted(x, most));
  }
};
// Beside exponentials it matters less where sums lie (1.1 times for 200 columns); strips of up to 14 were 80 KB of
// code.
template <>
constexpr int strip_vectors<Exponentials> = 4;

// What the sum of squares is divided by.
FASTNN_INLINE double freedom(const Reduction& r, double ddof) {
  const double n = static_cast<double>(r.count()) - ddof;
  return n > 0 ? n : 0;
}

// The means of all results, in scratch; the rest of it follows. A mean of doubles is corrected by that of the
// differences, so that equal values have no spread; sums of floats are exact enough. NaN where it is infinite.
template <class T>
FASTNN_INLINE double* means(const Reduction& r, Context& x, double* rest, double* partial) {
  double* mean = reinterpret_cast<double*>(x.scratch);
  const Vec<double> count(static_cast<double>(r.count()));
  fold<Sum, T, double>(r, x, nullptr, partial, mean);
  each_result(x, r.results(), mean, [&](int64_t i, int m) FASTNN_INLINED {
    const Vec<double> v = load(mean + i, m) / count;
    return v + (v - v);
  });
  if constexpr (std::is_same_v<T, double>) {
    fold<Differences, T, double>(r, x, mean, partial, rest);
    each_result(x, r.results(), mean,
                [&](int64_t i, int m) FASTNN_INLINED { return load(mean + i, m) + load(rest + i, m) / count; });
  }
  return mean;
}

template <bool root, class T>
int64_t variance_run(const Call& c, Context& x) noexcept {
  const Reduction r(c);
  if (r.count() == 0) return fill(c, x, T(__builtin_nan("")));
  double* const squares = reinterpret_cast<double*>(x.scratch) + r.results();
  double* const partial = squares + r.results();
  const double* const mean = means<T>(r, x, squares, partial);
  fold<Squares, T>(r, x, mean, partial, squares);
  const Vec<double> n(freedom(r, c.attr[1].f));
  T* const y = c.out(0).as<T>();
  for_vectors<double>(r.results(), [&](int64_t i, int m) FASTNN_INLINED {
    const Vec<double> v = load(squares + i, m) / n;
    store_as(root ? sqrt(v) : v, y + i, m);
  });
  return -1;
}

// dx = each (x - mean), where each is 2 dy / n for var and dy / (y n) for std (0 where y is).
template <bool root, class T>
int64_t variance_backward_run(const Call& c, Context& x) noexcept {
  using D = Vec<double>;
  const Reduction r(c, 1);
  double *const each = reinterpret_cast<double*>(x.scratch) + r.results(), *const partial = each + r.results();
  const double* const mean = means<T>(r, x, each, partial);
  const T *const dy = c.in(0).as<T>(), *const y = root ? c.in(2).as<T>() : nullptr;
  const double n = freedom(r, c.attr[1].f);
  each_result(x, r.results(), each, [&](int64_t i, int m) FASTNN_INLINED {
    const D g = load_as<double>(dy + i, m);
    if constexpr (!root) return 2.0 * g / n;
    const D deviation = load_as<double>(y + i, m);
    return select(deviation == D{}, D{}, g / deviation) / n;
  });
  each_value<T, double, 2>(c, x, {each, mean},
                           [](D v, D(&result)[2]) FASTNN_INLINED { return result[0] * (v - result[1]); });
  return -1;
}

template <class T>
int64_t logsumexp_run(const Call& c, Context& x) noexcept {
  const Reduction r(c);
  const Vec<T> least(T(-__builtin_inf()));
  if (r.count() == 0) return fill(c, x, T(-__builtin_inf()));
  T* const most = reinterpret_cast<T*>(x.scratch);
  T *const partial = most + r.results(), *const y = c.out(0).as<T>();
  fold<Max, T, T>(r, x, nullptr, partial, most);
  fold<Exponentials, T>(r, x, most, partial, y);
  each_result(x, r.results(), y, [&](int64_t i, int m) FASTNN_INLINED {
    const Vec<T> largest = load(most + i, m);
    return select(largest == least, least, largest + log(load(y + i, m)));
  });
  return -1;
}

// dx = dy exp(x - y), and dy where x is +inf.
template <class T>
int64_t logsumexp_backward_run(const Call& c, Context& x) noexcept {
  each_value<T, T, 2>(c, x, {c.in(0).as<T>(), c.in(2).as<T>()}, [](Vec<T> v, Vec<T>(&result)[2]) FASTNN_INLINED {
    return result[0] * exp(shifted(v, result[1]));
  });
  return -1;
}

}  // namespace

const Run var_kernel[2] = {variance_run<false, float>, variance_run<false, double>};
const Run std_kernel[2] = {variance_run<true, float>, variance_run<true, double>};
const Run var_backward_kernel[2] = {variance_backward_run<false, float>, variance_backward_run<false, double>};
const Run std_backward_kernel[2] = {variance_backward_run<true, float>, variance_backward_run<true, double>};
const Run logsumexp_kernel[2] = {logsumexp_run<float>, logsumexp_run<double>};
const Run logsumexp_backward_kernel[2] = {logsumexp_backward_run<float>, logsumexp_backward_run<double>};

}  // namespace fastnn::FASTNN_ISA
