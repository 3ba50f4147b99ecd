// Gradient clipping over tables of tensors. Norms are summed in double, in blocks of a fixed size, so that threads do
// not change them.
#include "kernels/table.h"
#include "simd/vec.h"

namespace fastnn::FASTNN_ISA {
namespace {

constexpr int64_t clip_grain = 16384;

// sum of f(x) over a block, in eight chains.
template <class T, class F>
FASTNN_INLINE double block_sum(const T* p, int64_t n, F f) {
  double chain[8] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int j = 0; j < 8; j++) chain[j] += f(static_cast<double>(p[i + j]));
  for (int j = 0; i < n; i++, j++) chain[j] += f(static_cast<double>(p[i]));
  return ((chain[0] + chain[1]) + (chain[2] + chain[3])) + ((chain[4] + chain[5]) + (chain[6] + chain[7]));
}

template <class T, class F>
FASTNN_INLINE double table_sum(const Call& c, F f) {
  double total = 0;
  for (int q = 0; q < c.count(0); q++) {
    const View& v = c.in(0, q);
    const int64_t n = v.size();
    for (int64_t i = 0; i < n; i += 4096) total += block_sum(v.as<T>() + i, n - i < 4096 ? n - i : 4096, f);
  }
  return total;
}

template <class T>
double largest(const Call& c) {
  double top = 0;
  for (int q = 0; q < c.count(0); q++)
    for (int64_t i = 0, n = c.in(0, q).size(); i < n; i++) {
      const double x = __builtin_fabs(static_cast<double>(c.in(0, q).as<T>()[i]));
      if (!(x <= top)) top = x;
      if (x != x) return x;
    }
  return top;
}

template <class T>
double norm(const Call& c, double p) {
  if (__builtin_isinf(p)) return largest<T>(c);
  if (p == 2) return __builtin_sqrt(table_sum<T>(c, [](double x) FASTNN_INLINED { return x * x; }));
  if (p == 1) return table_sum<T>(c, [](double x) FASTNN_INLINED { return __builtin_fabs(x); });
  return __builtin_pow(table_sum<T>(c, [p](double x) FASTNN_INLINED { return __builtin_pow(__builtin_fabs(x), p); }),
                       1 / p);
}

// f(vector) in place over all tensors.
template <class T, class F>
FASTNN_INLINE void change_each(const Call& c, Context& x, F f) {
  constexpr int lanes = Vec<T>::lanes;
  for (int q = 0; q < c.count(0); q++) {
    T* p = c.in(0, q).as<T>();
    parallel_for(x, c.in(0, q).size(), clip_grain, [&](int64_t lo, int64_t hi) {
      int64_t i = lo;
      for (; i + lanes <= hi; i += lanes) f(Vec<T>::load(p + i)).store(p + i);
      if (i < hi) f(Vec<T>::load(p + i, int(hi - i))).store(p + i, int(hi - i));
    });
  }
}

// g <- g min(1, max_norm / (norm + 1e-6)). Source: Pascanu, Mikolov and Bengio, On the difficulty of training
// recurrent neural networks, ICML 2013.
template <class T>
int64_t clip_grad_norm_run(const Call& c, Context& x) noexcept {
  const double total = norm<T>(c, c.attr[1].f), ratio = c.attr[0].f / (total + 1e-6);
  *c.out(0).as<T>() = static_cast<T>(total);
  const Vec<T> factor(static_cast<T>(ratio > 1 ? 1 : ratio));
  change_each<T>(c, x, [&](Vec<T> g) FASTNN_INLINED { return g * factor; });
  return -1;
}

template <class T>
int64_t clip_grad_value_run(const Call& c, Context& x) noexcept {
  const Vec<T> high(static_cast<T>(c.attr[0].f)), low(static_cast<T>(-c.attr[0].f));
  change_each<T>(c, x, [&](Vec<T> g) FASTNN_INLINED { return min(high, max(low, g)); });
  return -1;
}

}  // namespace

const Run clip_grad_norm_kernel[2] = {clip_grad_norm_run<float>, clip_grad_norm_run<double>};
const Run clip_grad_value_kernel[2] = {clip_grad_value_run<float>, clip_grad_value_run<double>};

}  // namespace fastnn::FASTNN_ISA
