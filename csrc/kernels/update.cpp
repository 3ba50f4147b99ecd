// Optimizer updates over tables of tensors: one pass, 28 bytes a parameter for Adam. The formulas are PyTorch's;
// g stands for the gradient with its sign and weight decay.
#include "kernels/table.h"
#include "simd/exponent.h"

namespace fastnn::FASTNN_ISA {
namespace {

constexpr int64_t update_grain = 16384;
constexpr int64_t many_tensors = 16;

// step(q) for each tensor q of the table, serially; then body(q, lo, hi) over its elements, in parallel.
template <class Step, class Body>
FASTNN_INLINE void for_table(const Call& c, Context& x, Step step, Body body) {
  const int count = c.count(0);
  int64_t total = 0;
  for (int q = 0; q < count; q++) total += c.in(0, q).size();
  for (int q = 0; q < count; q++) step(q);
  if (count >= many_tensors) {
    const int64_t mean = total / count + 1;
    parallel_for(x, count, 1 + update_grain / mean, [&](int64_t from, int64_t to) {
      for (int64_t q = from; q < to; q++) body(int(q), int64_t(0), c.in(0, int(q)).size());
    });
    return;
  }
  for (int q = 0; q < count; q++)
    parallel_for(x, c.in(0, q).size(), update_grain, [&](int64_t lo, int64_t hi) { body(q, lo, hi); });
}

// f(i, n): n elements from i on, a whole vector but for the last.
template <class T, class F>
FASTNN_INLINE void by_vectors(int64_t lo, int64_t hi, F f) {
  constexpr int lanes = Vec<T>::lanes;
  int64_t i = lo;
  for (; i + lanes <= hi; i += lanes) f(i, std::integral_constant<int, lanes>{});
  if (i < hi) f(i, int(hi - i));
}

template <class T, class N>
FASTNN_INLINE Vec<T> load(const T* p, N n) {
  if constexpr (std::is_same_v<N, int>)
    return Vec<T>::load(p, n);
  else
    return Vec<T>::load(p);
}

template <class T, class N>
FASTNN_INLINE void store(Vec<T> v, T* p, N n) {
  if constexpr (std::is_same_v<N, int>)
    v.store(p, n);
  else
    v.store(p);
}

template <class T>
FASTNN_INLINE Vec<T> number(double x) {
  return Vec<T>(static_cast<T>(x));
}

// An average with 0 for what is less than the least normal number. It would never leave subnormal numbers, since .9 of
// the smallest is rounded to itself, and a step of 17-64-64-6 whose units are dead in part took 7 us for 4.7.
template <class T>
FASTNN_INLINE Vec<T> decayed(Vec<T> x, Vec<T> least = Vec<T>(Format<T>::least_normal)) {
  return select(abs(x) < least, Vec<T>{}, x);
}

// Averages of squares only where eps, which is added to their root, leaves nothing of them.
template <class T>
FASTNN_INLINE Vec<T> least_square(double eps) {
  return Vec<T>(eps > 1e-12 ? Format<T>::least_normal : T(0));
}

// The gradient that a rule sees: maximized means minus, weight decay adds to it.
template <class T>
struct Gradient {
  const T *g, *p;
  Vec<T> sign, decay;

  template <class N>
  FASTNN_INLINE Vec<T> operator()(int64_t i, N n, Vec<T> parameter) const {
    return fma(decay, parameter, sign * load(g + i, n));
  }
};

template <class T>
FASTNN_INLINE T* item(const Call& c, int argument, int q) {
  return c.has(argument) ? c.in(argument, q).as<T>() : nullptr;
}

// p, g, v, n; lr, momentum, dampening, weight_decay, nesterov, maximize
//   v <- momentum v + (1 - dampening) g, at the first step v <- g;   p <- p - lr (nesterov: g + momentum v, else v)
// Source: Sutskever et al., On the importance of initialization and momentum in deep learning, ICML 2013.
template <class T>
int64_t sgd_run(const Call& c, Context& x) noexcept {
  const double lr = c.attr[0].f, momentum = c.attr[1].f, dampening = c.attr[2].f;
  const bool nesterov = c.attr[4].i != 0;
  const Vec<T> step = number<T>(-lr), mu = number<T>(momentum);
  for_table(
      c, x, [&](int q) { ++*item<int64_t>(c, 3, q); },
      [&](int q, int64_t lo, int64_t hi) FASTNN_INLINED {
        T *p = item<T>(c, 0, q), *v = momentum != 0 ? item<T>(c, 2, q) : nullptr;
        const Gradient<T> gradient{item<T>(c, 1, q), p, number<T>(c.attr[5].i ? -1 : 1), number<T>(c.attr[3].f)};
        const bool first = *item<int64_t>(c, 3, q) == 1;
        const Vec<T> keep = first ? Vec<T>{} : mu, take = number<T>(first ? 1 : 1 - dampening);
        by_vectors<T>(lo, hi, [&](int64_t i, auto n) FASTNN_INLINED {
          const Vec<T> old = load(p + i, n), g = gradient(i, n, old);
          Vec<T> move = g;
          if (v) {
            move = decayed(fma(keep, load(v + i, n), take * g));
            store(move, v + i, n);
            if (nesterov) move = fma(mu, move, g);
          }
          store(fma(step, move, old), p + i, n);
        });
      });
  return -1;
}

// Bias corrections of a tensor at step n.
struct Correction {
  double first, second;
};

FASTNN_INLINE Correction correction(double beta1, double beta2, int64_t n) {
  return {1 - __builtin_pow(beta1, double(n)), 1 - __builtin_pow(beta2, double(n))};
}

// p, g, m, v, vmax, n; lr, beta1, beta2, eps, weight_decay, decoupled, amsgrad, maximize, eps_hat
//   m <- m + (1 - beta1)(g - m);   v <- beta2 v + (1 - beta2) g g;
//   p <- p - lr / (1 - beta1^n)  m / (sqrt(v) / sqrt(1 - beta2^n) + eps);   eps_hat: eps / sqrt(1 - beta2^n) for eps
// Sources: Kingma and Ba, Adam, ICLR 2015; Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019;
// Reddi et al., On the convergence of Adam and beyond, ICLR 2018.
template <class T>
int64_t adam_run(const Call& c, Context& x) noexcept {
  const double lr = c.attr[0].f, beta1 = c.attr[1].f, beta2 = c.attr[2].f, weight_decay = c.attr[4].f;
  const bool decoupled = c.attr[5].i != 0, amsgrad = c.attr[6].i != 0;
  const Vec<T> take1 = number<T>(1 - beta1), keep2 = number<T>(beta2), take2 = number<T>(1 - beta2);
  const Vec<T> shrink = number<T>(decoupled ? 1 - lr * weight_decay : 1), least = least_square<T>(c.attr[3].f);
  // Most often all tensors are at one step: two powers, 30 ns, are theirs together.
  const int64_t usual = c.count(0) > 0 ? *item<int64_t>(c, 5, 0) + 1 : 1;
  const Correction usual_bias = correction(beta1, beta2, usual);
  for_table(
      c, x, [&](int q) { ++*item<int64_t>(c, 5, q); },
      [&](int q, int64_t lo, int64_t hi) FASTNN_INLINED {
        T *p = item<T>(c, 0, q), *m = item<T>(c, 2, q), *v = item<T>(c, 3, q);
        T* top = amsgrad ? item<T>(c, 4, q) : nullptr;
        const Gradient<T> gradient{item<T>(c, 1, q), p, number<T>(c.attr[7].i ? -1 : 1),
                                   number<T>(decoupled ? 0 : weight_decay)};
        const int64_t count = *item<int64_t>(c, 5, q);
        const Correction bias = count == usual ? usual_bias : correction(beta1, beta2, count);
        const double root = __builtin_sqrt(bias.second);
        const Vec<T> step = number<T>(-lr / bias.first), scale = number<T>(1 / root);
        const Vec<T> eps = number<T>(c.attr[8].i ? c.attr[3].f / root : c.attr[3].f);
        by_vectors<T>(lo, hi, [&](int64_t i, auto n) FASTNN_INLINED {
          const Vec<T> old = load(p + i, n), g = gradient(i, n, old);
          const Vec<T> m0 = load(m + i, n), m1 = decayed(fma(take1, g - m0, m0));
          const Vec<T> v1 = decayed(fma(take2 * g, g, keep2 * load(v + i, n)), least);
          store(m1, m + i, n);
          store(v1, v + i, n);
          Vec<T> second = v1;
          if (top) {
            second = maximum(load(top + i, n), v1);
            store(second, top + i, n);
          }
          const Vec<T> divisor = fma(sqrt(second), scale, eps);
          store(fma(step, m1 / divisor, old * shrink), p + i, n);
        });
      });
  return -1;
}

// p, g, v, b, a, n; lr, alpha, eps, weight_decay, momentum, centered, maximize
//   v <- alpha v + (1 - alpha) g g;  centered: a <- a + (1 - alpha)(g - a), v - a a for v;
//   b <- momentum b + g / (sqrt(v) + eps);  p <- p - lr b
// Sources: Tieleman and Hinton, lecture 6.5, 2012; Graves, Generating sequences with recurrent neural networks, 2013.
template <class T>
int64_t rmsprop_run(const Call& c, Context& x) noexcept {
  const double alpha = c.attr[1].f;
  const bool centered = c.attr[5].i != 0;
  const Vec<T> step = number<T>(-c.attr[0].f), keep = number<T>(alpha), take = number<T>(1 - alpha);
  const Vec<T> eps = number<T>(c.attr[2].f), mu = number<T>(c.attr[4].f);
  const Vec<T> least = least_square<T>(centered ? 0 : c.attr[2].f);  // squares of means are taken off
  for_table(
      c, x, [&](int q) { ++*item<int64_t>(c, 5, q); },
      [&](int q, int64_t lo, int64_t hi) FASTNN_INLINED {
        T *p = item<T>(c, 0, q), *v = item<T>(c, 2, q), *b = item<T>(c, 3, q);
        T* a = centered ? item<T>(c, 4, q) : nullptr;
        const Gradient<T> gradient{item<T>(c, 1, q), p, number<T>(c.attr[6].i ? -1 : 1), number<T>(c.attr[3].f)};
        by_vectors<T>(lo, hi, [&](int64_t i, auto n) FASTNN_INLINED {
          const Vec<T> old = load(p + i, n), g = gradient(i, n, old);
          const Vec<T> v1 = decayed(fma(take * g, g, keep * load(v + i, n)), least);
          store(v1, v + i, n);
          Vec<T> spread = v1;
          if (a) {
            const Vec<T> a0 = load(a + i, n), a1 = decayed(fma(take, g - a0, a0));
            store(a1, a + i, n);
            spread = fnma(a1, a1, v1);
          }
          Vec<T> move = g / (sqrt(spread) + eps);
          if (b) {
            move = decayed(fma(mu, load(b + i, n), move));
            store(move, b + i, n);
          }
          store(fma(step, move, old), p + i, n);
        });
      });
  return -1;
}

// p, g, s, n; lr, lr_decay, weight_decay, eps, maximize
//   s <- s + g g;   p <- p - lr / (1 + (n - 1) lr_decay)  g / (sqrt(s) + eps)
// Source: Duchi, Hazan and Singer, Adaptive subgradient methods, JMLR 2011.
template <class T>
int64_t adagrad_run(const Call& c, Context& x) noexcept {
  const Vec<T> eps = number<T>(c.attr[3].f);
  for_table(
      c, x, [&](int q) { ++*item<int64_t>(c, 3, q); },
      [&](int q, int64_t lo, int64_t hi) FASTNN_INLINED {
        T *p = item<T>(c, 0, q), *s = item<T>(c, 2, q);
        const Gradient<T> gradient{item<T>(c, 1, q), p, number<T>(c.attr[4].i ? -1 : 1), number<T>(c.attr[2].f)};
        const Vec<T> step = number<T>(-c.attr[0].f / (1 + double(*item<int64_t>(c, 3, q) - 1) * c.attr[1].f));
        by_vectors<T>(lo, hi, [&](int64_t i, auto n) FASTNN_INLINED {
          const Vec<T> old = load(p + i, n), g = gradient(i, n, old);
          const Vec<T> s1 = fma(g, g, load(s + i, n));
          store(s1, s + i, n);
          store(fma(step, g / (sqrt(s1) + eps), old), p + i, n);
        });
      });
  return -1;
}

}  // namespace

const Run sgd_kernel[2] = {sgd_run<float>, sgd_run<double>};
const Run adam_kernel[2] = {adam_run<float>, adam_run<double>};
const Run rmsprop_kernel[2] = {rmsprop_run<float>, rmsprop_run<double>};
const Run adagrad_kernel[2] = {adagrad_run<float>, adagrad_run<double>};

}  // namespace fastnn::FASTNN_ISA
