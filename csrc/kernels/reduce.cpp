// sum, mean, max, min over any axes, and the gradients of the choices.
#include "kernels/reduce.h"

#include "kernels/table.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class P, class T>
int64_t fold_run(const Call& c, Context& x) noexcept {
  const Reduction r(c);
  if (r.count() == 0) return fill(c, x, T(0));  // a sum: prepare refuses to choose from nothing
  fold<P, T, T>(r, x, nullptr, reinterpret_cast<T*>(x.scratch), c.out(0).as<T>());
  return -1;
}

template <class T>
int64_t mean_run(const Call& c, Context& x) noexcept {
  const Reduction r(c);
  if (r.count() == 0) return fill(c, x, T(__builtin_nan("")));
  T* y = c.out(0).as<T>();
  fold<Sum, T, T>(r, x, nullptr, reinterpret_cast<T*>(x.scratch), y);
  const Vec<T> count(static_cast<T>(r.count()));
  each_result(x, r.results(), y, [&](int64_t i, int m) FASTNN_INLINED { return load(y + i, m) / count; });
  return -1;
}

// How many values equal the chosen one.
struct Equal : Add {
  template <class T>
  FASTNN_INLINE static Vec<T> step(Vec<T> count, Vec<T> x, Vec<T> chosen) {
    return select(x == chosen, count + T(1), count);
  }
};

// dx = dy / (how many values equal y) where x equals y, else 0; NaN throughout where y is NaN.
template <class T>
int64_t choice_backward_run(const Call& c, Context& x) noexcept {
  const Reduction r(c, 1);
  const T *const dy = c.in(0).as<T>(), *const y = c.in(2).as<T>();
  T* const each = reinterpret_cast<T*>(x.scratch);
  fold<Equal, T>(r, x, y, each + r.results(), each);
  each_result(x, r.results(), each,
              [&](int64_t i, int m) FASTNN_INLINED { return load(dy + i, m) / load(each + i, m); });
  each_value<T, T, 2>(c, x, {each, y}, [](Vec<T> v, Vec<T>(&result)[2]) FASTNN_INLINED {
    return select(v == result[1], result[0], result[0] * T(0));
  });
  return -1;
}

}  // namespace

const Run sum_kernel[2] = {fold_run<Sum, float>, fold_run<Sum, double>};
const Run mean_kernel[2] = {mean_run<float>, mean_run<double>};
const Run max_kernel[2] = {fold_run<Max, float>, fold_run<Max, double>};
const Run min_kernel[2] = {fold_run<Min, float>, fold_run<Min, double>};
const Run choice_backward_kernel[2] = {choice_backward_run<float>, choice_backward_run<double>};

}  // namespace fastnn::FASTNN_ISA
