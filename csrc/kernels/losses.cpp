// Losses between dense arrays of one shape: formulas of a term and of its derivatives, lifted over the arrays. Formulas
// and their sources stand beside the definitions (ops/losses.py).
//
// dim = {values, reduction, what a mean divides by}. Sums are taken in float64 for either dtype, in blocks.
#include "kernels/blocks.h"
#include "kernels/call.h"
#include "kernels/loss.h"
#include "kernels/shifted.h"
#include "kernels/table.h"

namespace fastnn::FASTNN_ISA {
namespace {

constexpr int64_t loss_grain = 16384;

// x and target, and two factors that are 1 where there are none.
template <class T>
struct Values {
  Vec<T> x, target, weight, positive;
};

struct SquaredError {
  static constexpr int factors = 0;
  static constexpr bool logarithms = false;
  FASTNN_INLINE explicit SquaredError(const Attr*) {}
  template <class T>
  FASTNN_INLINE Vec<T> term(const Values<T>& v) const {
    const Vec<T> d = v.x - v.target;
    return d * d;
  }
  template <class T>
  FASTNN_INLINE Vec<T> to_x(const Values<T>& v) const {
    return T(2) * (v.x - v.target);
  }
  template <class T>
  FASTNN_INLINE Vec<T> to_target(const Values<T>& v) const {
    return -to_x(v);
  }
};

struct AbsoluteError {
  static constexpr int factors = 0;
  static constexpr bool logarithms = false;
  FASTNN_INLINE explicit AbsoluteError(const Attr*) {}
  template <class T>
  FASTNN_INLINE Vec<T> term(const Values<T>& v) const {
    return abs(v.x - v.target);
  }
  template <class T>
  FASTNN_INLINE Vec<T> to_x(const Values<T>& v) const {
    const Vec<T> d = v.x - v.target, one(T(1));
    return select(d > Vec<T>{}, one, select(d < Vec<T>{}, -one, d));  // 0 and NaN are their own sign
  }
  template <class T>
  FASTNN_INLINE Vec<T> to_target(const Values<T>& v) const {
    return -to_x(v);
  }
};

struct Huber {
  static constexpr int factors = 0;
  static constexpr bool logarithms = false;
  double delta;
  FASTNN_INLINE explicit Huber(const Attr* a) : delta(a[0].f) {}
  template <class T>
  FASTNN_INLINE Vec<T> term(const Values<T>& v) const {
    const Vec<T> d = abs(v.x - v.target), bound(static_cast<T>(delta)), half(static_cast<T>(0.5 * delta));
    return select(d <= bound, T(0.5) * d * d, bound * (d - half));
  }
  template <class T>
  FASTNN_INLINE Vec<T> to_x(const Values<T>& v) const {
    const Vec<T> bound(static_cast<T>(delta));
    return min(bound, max(-bound, v.x - v.target));
  }
  template <class T>
  FASTNN_INLINE Vec<T> to_target(const Values<T>& v) const {
    return -to_x(v);
  }
};

struct BinaryCrossEntropy {
  static constexpr int factors = 1;
  static constexpr bool logarithms = true;
  FASTNN_INLINE explicit BinaryCrossEntropy(const Attr*) {}
  template <class T>
  FASTNN_INLINE static Vec<T> at_least(double low, Vec<T> v) {  // NaN stays
    return max(Vec<T>(static_cast<T>(low)), v);
  }
  template <class T>
  FASTNN_INLINE Vec<T> term(const Values<T>& v) const {
    const Vec<T> yes = at_least(-100, log(v.x)), no = at_least(-100, log1p(-v.x));
    return ((v.target - T(1)) * no - v.target * yes) * v.weight;
  }
  template <class T>
  FASTNN_INLINE Vec<T> to_x(const Values<T>& v) const {
    return (v.x - v.target) / at_least(1e-12, (T(1) - v.x) * v.x);
  }
  template <class T>
  FASTNN_INLINE Vec<T> to_target(const Values<T>& v) const {
    return at_least(-100, log1p(-v.x)) - at_least(-100, log(v.x));
  }
};

struct BinaryCrossEntropyWithLogits {
  static constexpr int factors = 2;
  static constexpr bool logarithms = true;
  FASTNN_INLINE explicit BinaryCrossEntropyWithLogits(const Attr*) {}

  // log(1 + e^-x) and log(1 + e^x)
  template <class T>
  struct Softplus {
    Vec<T> yes, no;
    FASTNN_INLINE explicit Softplus(Vec<T> x) {
      const Vec<T> rest = log1p(exp_below(-abs(x)));
      yes = max(Vec<T>{}, -x) + rest;
      no = max(Vec<T>{}, x) + rest;
    }
  };
  template <class T>
  FASTNN_INLINE static Vec<T> times(Vec<T> factor, Vec<T> v) {  // 0 inf = 0
    return select(factor == Vec<T>{}, Vec<T>{}, factor * v);
  }
  template <class T>
  FASTNN_INLINE Vec<T> term(const Values<T>& v) const {
    const Softplus<T> s(v.x);
    return (times(T(1) - v.target, s.no) + times(v.target * v.positive, s.yes)) * v.weight;
  }
  template <class T>
  FASTNN_INLINE Vec<T> to_x(const Values<T>& v) const {
    const Vec<T> e = exp_below(-abs(v.x)), more = T(1) / (T(1) + e), less = e / (T(1) + e);
    const Mask<T> is_positive = v.x >= Vec<T>{};
    return (T(1) - v.target) * select(is_positive, more, less) -
           v.target * v.positive * select(is_positive, less, more);
  }
  template <class T>
  FASTNN_INLINE Vec<T> to_target(const Values<T>& v) const {
    const Softplus<T> s(v.x);
    return s.yes * v.positive - s.no;
  }
};

struct Divergence {
  static constexpr int factors = 0;
  static constexpr bool logarithms = true;
  bool log_target;
  FASTNN_INLINE explicit Divergence(const Attr* a) : log_target(a[0].i != 0) {}
  template <class T>
  FASTNN_INLINE Vec<T> target(const Values<T>& v) const {
    return log_target ? exp(v.target) : v.target;
  }
  template <class T>
  FASTNN_INLINE Vec<T> gap(const Values<T>& v) const {
    return (log_target ? v.target : log(v.target)) - v.x;
  }
  template <class T>
  FASTNN_INLINE Vec<T> term(const Values<T>& v) const {
    const Vec<T> t = target(v);
    return select((t == Vec<T>{}) & (v.x == v.x), Vec<T>{}, t * gap(v));
  }
  template <class T>
  FASTNN_INLINE Vec<T> to_x(const Values<T>& v) const {
    return -target(v);
  }
  template <class T>
  FASTNN_INLINE Vec<T> to_target(const Values<T>& v) const {
    const Vec<T> d = gap(v) + T(1), t = target(v);
    return log_target ? select(t == Vec<T>{}, Vec<T>{}, t * d) : d;
  }
};

// The arguments from `first` on, as vectors.
template <class Formula, class T>
struct Reader {
  const T *x, *target, *weight, *positive;

  FASTNN_INLINE Reader(const Call& c, int first) {
    const auto given = [&](int a) { return a - first - 2 < Formula::factors && c.has(a) ? c.in(a).as<T>() : nullptr; };
    x = c.in(first).as<T>();
    target = c.in(first + 1).as<T>();
    weight = given(first + 2);
    positive = given(first + 3);
  }
  FASTNN_INLINE Values<T> read(int64_t i, int m) const {
    const Vec<T> one(T(1));
    Values<T> v{load(x + i, m), load(target + i, m), one, one};
    if (Formula::factors > 0 && weight) v.weight = load(weight + i, m);
    if (Formula::factors > 1 && positive) v.positive = load(positive + i, m);
    return v;
  }
};

// The terms of n elements from `from` on.
template <class Formula, class T>
void write_terms(const Formula& f, const Reader<Formula, T>& values, int64_t from, int64_t n, T* to) {
  for_vectors<T>(n, [&](int64_t i, int m) FASTNN_INLINED { store(f.term(values.read(from + i, m)), to + i, m); });
}

// The sum of the terms of one block. Logarithms are put down before they are summed: among the sums their code would be
// there dozens of times, .35 MB on all levels, at the same speed. Plain terms take 1.6 to 1.9 times as long that way.
template <class Formula, class T>
double sum_terms(const Formula& f, const Reader<Formula, T>& values, int64_t from, int64_t n) {
  if constexpr (Formula::logarithms) {
    T terms[row_block];
    write_terms(f, values, from, n, terms);
    return sum_as_double<T>(n, [&](int64_t i, int m) FASTNN_INLINED { return load(terms + i, m); });
  } else {
    return sum_as_double<T>(n, [&](int64_t i, int m) FASTNN_INLINED { return f.term(values.read(from + i, m)); });
  }
}

template <class Formula, class T>
int64_t loss_run(const Call& c, Context& x) noexcept {
  const Formula f(c.attr);
  const Reader<Formula, T> values(c, 0);
  const int64_t n = c.dim[0];
  T* const y = c.out(0).as<T>();
  if (Over{c.dim[1]} == Over::none) {
    parallel_for(x, n, loss_grain, [&](int64_t lo, int64_t hi) { write_terms(f, values, lo, hi - lo, y + lo); });
    return -1;
  }
  double* const partial = reinterpret_cast<double*>(x.scratch);
  const int64_t count = blocks(n, row_block);
  parallel_for(x, count, loss_grain / row_block, [&](int64_t lo, int64_t hi) {
    for (int64_t b = lo; b < hi; b++) {
      const int64_t from = b * row_block;
      partial[b] = sum_terms(f, values, from, n - from < row_block ? n - from : row_block);
    }
  });
  fold_blocks<Add>(partial, count, 1, 1);
  const double sum = n ? partial[0] : 0;
  *y = static_cast<T>(Over{c.dim[1]} == Over::mean ? sum / static_cast<double>(c.dim[2]) : sum);
  return -1;
}

// Arguments dy, x, target, factors; gradients of x and target.
template <class Formula, class T>
int64_t loss_backward_run(const Call& c, Context& x) noexcept {
  const Formula f(c.attr);
  const Reader<Formula, T> values(c, 1);
  const T* const dy = c.in(0).as<T>();
  T *const dx = c.wants(0) ? c.out(0).as<T>() : nullptr, *const dt = c.wants(1) ? c.out(1).as<T>() : nullptr;
  const bool each = Over{c.dim[1]} == Over::none;
  const Vec<T> share(each ? T(0) : Over{c.dim[1]} == Over::mean ? *dy / static_cast<T>(c.dim[2]) : *dy);
  parallel_for(x, c.dim[0], loss_grain, [&](int64_t lo, int64_t hi) {
    for_vectors<T>(hi - lo, [&](int64_t k, int m) FASTNN_INLINED {
      const int64_t i = lo + k;
      const Values<T> v = values.read(i, m);
      const Vec<T> scale = (each ? load(dy + i, m) : share) * v.weight;
      if (dx) store(f.to_x(v) * scale, dx + i, m);
      if (dt) store(f.to_target(v) * scale, dt + i, m);
    });
  });
  return -1;
}

}  // namespace

const Run mse_kernel[2] = {loss_run<SquaredError, float>, loss_run<SquaredError, double>};
const Run mse_backward_kernel[2] = {loss_backward_run<SquaredError, float>, loss_backward_run<SquaredError, double>};
const Run l1_kernel[2] = {loss_run<AbsoluteError, float>, loss_run<AbsoluteError, double>};
const Run l1_backward_kernel[2] = {loss_backward_run<AbsoluteError, float>, loss_backward_run<AbsoluteError, double>};
const Run huber_kernel[2] = {loss_run<Huber, float>, loss_run<Huber, double>};
const Run huber_backward_kernel[2] = {loss_backward_run<Huber, float>, loss_backward_run<Huber, double>};
const Run binary_cross_entropy_kernel[2] = {loss_run<BinaryCrossEntropy, float>, loss_run<BinaryCrossEntropy, double>};
const Run binary_cross_entropy_backward_kernel[2] = {loss_backward_run<BinaryCrossEntropy, float>,
                                                     loss_backward_run<BinaryCrossEntropy, double>};
const Run binary_cross_entropy_with_logits_kernel[2] = {loss_run<BinaryCrossEntropyWithLogits, float>,
                                                        loss_run<BinaryCrossEntropyWithLogits, double>};
const Run binary_cross_entropy_with_logits_backward_kernel[2] = {
    loss_backward_run<BinaryCrossEntropyWithLogits, float>, loss_backward_run<BinaryCrossEntropyWithLogits, double>};
const Run kl_div_kernel[2] = {loss_run<Divergence, float>, loss_run<Divergence, double>};
const Run kl_div_backward_kernel[2] = {loss_backward_run<Divergence, float>, loss_backward_run<Divergence, double>};

}  // namespace fastnn::FASTNN_ISA
