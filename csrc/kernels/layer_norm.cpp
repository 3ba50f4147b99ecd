// Layer normalization of dense rows, RMS normalization, which is the same with 0 for the mean, and their gradients.
//
// Means and squares are summed in float64; what is subtracted is the mean as two numbers of type T, so that x less the
// first is nearly exact. dim = {rows, values per row}.
#include "kernels/blocks.h"
#include "kernels/call.h"
#include "kernels/fold.h"
#include "kernels/table.h"

namespace fastnn::FASTNN_ISA {
namespace {

constexpr int64_t norm_grain = 16384;  // elements
constexpr int64_t norm_panel = 1024;   // columns of a gradient that are summed together
constexpr int group = 4;               // rows swept at once

// x less the mean, times rstd.
template <class T>
struct Normal {
  Vec<T> high, low, rstd;

  FASTNN_INLINE Normal() = default;
  FASTNN_INLINE Normal(double mean, double r)
      : high(static_cast<T>(mean)),
        low(static_cast<T>(mean - static_cast<double>(static_cast<T>(mean)))),
        rstd(static_cast<T>(r)) {}
  FASTNN_INLINE Vec<T> operator()(Vec<T> x) const {
    if constexpr (std::is_same_v<T, double>)
      return (x - high) * rstd;
    else
      return (x - high - low) * rstd;
  }
};

template <class T>
FASTNN_INLINE double mean_of(const T* p, int64_t n) {
  const double count = static_cast<double>(n);
  const auto value = [&](int64_t i, int m) FASTNN_INLINED { return load(p + i, m); };
  const double mean = sum_as_double<T>(n, value) / count;
  if constexpr (std::is_same_v<T, float>) {
    return mean;
  } else {  // equal values have no spread at all
    const Vec<double> shift(mean);
    return mean + sum_as_double<T>(n, value, [&](Vec<double> sum, Vec<double> v) FASTNN_INLINED {
                    return sum + (v - shift);
                  }) / count;
  }
}

template <class T>
FASTNN_INLINE double variance_of(const T* p, int64_t n, double mean) {
  const Vec<double> shift(mean);
  return sum_as_double<T>(
             n, [&](int64_t i, int m) FASTNN_INLINED { return load(p + i, m); },
             [&](Vec<double> sum, Vec<double> v) FASTNN_INLINED { return fma(v - shift, v - shift, sum); }) /
         static_cast<double>(n);
}

template <class T>
struct Rows {
  int64_t count, n;
  const T *x, *weight, *bias;
  T* y;
  double *mean, *rstd;  // no mean: 0
  double eps;

  template <bool has_weight, bool has_bias>
  void normalize(Context& context) const {
    parallel_for(context, count, norm_grain / (n + 1) + 1, [&](int64_t lo, int64_t hi) {
      for (int64_t r = lo; r < hi; r++) {
        const T* const from = x + r * n;
        T* const to = y + r * n;
        const double middle = mean ? mean_of(from, n) : 0;
        if (mean) mean[r] = middle;
        rstd[r] = 1 / __builtin_sqrt(variance_of(from, n, middle) + eps);
        const Normal<T> normal(middle, rstd[r]);
        for_vectors<T>(n, [&](int64_t i, int m) FASTNN_INLINED {
          Vec<T> v = normal(load(from + i, m));
          if constexpr (has_weight && has_bias)
            v = fma(v, load(weight + i, m), load(bias + i, m));
          else if constexpr (has_weight)
            v *= load(weight + i, m);
          else if constexpr (has_bias)
            v += load(bias + i, m);
          store(v, to + i, m);
        });
      }
    });
  }
};

// Arguments x, weight, bias; outputs y, mean, rstd; attribute 1 is eps.
template <class T>
int64_t layer_norm_run(const Call& c, Context& x) noexcept {
  const Rows<T> rows{c.dim[0],
                     c.dim[1],
                     c.in(0).as<T>(),
                     c.has(1) ? c.in(1).as<T>() : nullptr,
                     c.has(2) ? c.in(2).as<T>() : nullptr,
                     c.out(0).as<T>(),
                     c.out(1).as<double>(),
                     c.out(2).as<double>(),
                     c.attr[1].f};
  if (rows.weight)
    rows.bias ? rows.template normalize<true, true>(x) : rows.template normalize<true, false>(x);
  else
    rows.bias ? rows.template normalize<false, true>(x) : rows.template normalize<false, false>(x);
  return -1;
}

// Arguments x, weight; outputs y, rstd; attribute 1 is eps, where negative that of T.
template <class T>
int64_t rms_norm_run(const Call& c, Context& x) noexcept {
  constexpr double epsilon = std::is_same_v<T, double> ? __DBL_EPSILON__ : static_cast<double>(__FLT_EPSILON__);
  const Rows<T> rows{c.dim[0],         c.dim[1], c.in(0).as<T>(),       c.has(1) ? c.in(1).as<T>() : nullptr,   nullptr,
                     c.out(0).as<T>(), nullptr,  c.out(1).as<double>(), c.attr[1].f < 0 ? epsilon : c.attr[1].f};
  rows.weight ? rows.template normalize<true, false>(x) : rows.template normalize<false, false>(x);
  return -1;
}

// What dx of a row depends on beside its values: dx = rstd (g - mean_g - normal slope), g = dy weight.
template <class T>
struct RowGradient {
  T mean_g, slope;
};

template <class T>
struct Gradient {
  const T *dy, *x, *weight;
  const double *mean, *rstd;  // no mean: 0, and it does not depend on x
  T *dx, *dweight, *dbias;    // null where not wanted
  int64_t n;

  FASTNN_INLINE Vec<T> g(Vec<T> d, int64_t i, int m) const { return weight ? d * load(weight + i, m) : d; }

  FASTNN_INLINE Normal<T> normal_of(int64_t r) const { return Normal<T>(mean ? mean[r] : 0, rstd[r]); }

  FASTNN_INLINE RowGradient<T> row(int64_t r) const {
    const T *const d = dy + r * n, *const p = x + r * n;
    const Normal<T> normal = normal_of(r);
    const T sum = !mean ? T(0) : fold_neighbors<Add, T>(n, [&](Vec<T> so_far, int64_t i, int m) FASTNN_INLINED {
      return so_far + g(load(d + i, m), i, m);
    });
    const T product = fold_neighbors<Add, T>(n, [&](Vec<T> so_far, int64_t i, int m) FASTNN_INLINED {
      return fma(g(load(d + i, m), i, m), normal(load(p + i, m)), so_far);
    });
    const T count = static_cast<T>(n);
    return {sum / count, product / count};
  }

  // Columns [lo, hi) of N rows from r on. The rows are added to dweight and dbias one after the other; First: as the
  // first ones there.
  template <int N, bool first>
  FASTNN_INLINE void sweep(int64_t r, const RowGradient<T>* rows, int64_t lo, int64_t hi, T* to_weight,
                           T* to_bias) const {
    Normal<T> normal[N];
    Vec<T> mean_g[N], slope[N];
    unroll<N>([&](auto k) FASTNN_INLINED {
      normal[k] = normal_of(r + k);
      mean_g[k] = Vec<T>(rows[k].mean_g);
      slope[k] = Vec<T>(rows[k].slope);
    });
    for_vectors<T>(hi - lo, [&](int64_t at, int m) FASTNN_INLINED {
      const int64_t i = lo + at;
      const Vec<T> nothing(Add::identity<T>);
      Vec<T> w = first || !to_weight ? nothing : load(to_weight + i, m);
      Vec<T> b = first || !to_bias ? nothing : load(to_bias + i, m);
      unroll<N>([&](auto k) FASTNN_INLINED {
        const Vec<T> d = load(dy + (r + k) * n + i, m), v = normal[k](load(x + (r + k) * n + i, m));
        w = fma(d, v, w);
        b += d;
        if (dx) store(normal[k].rstd * (g(d, i, m) - mean_g[k] - v * slope[k]), dx + (r + k) * n + i, m);
      });
      if (to_weight) store(w, to_weight + i, m);
      if (to_bias) store(b, to_bias + i, m);
    });
  }

  // Rows [first, last) one after the other; rows[] begins with that of `first`, or is null where it is to be computed
  // on the way.
  void block(int64_t first, int64_t last, const RowGradient<T>* rows, int64_t lo, int64_t hi, T* to_weight,
             T* to_bias) const {
    for (int64_t r = first; r < last;) {
      RowGradient<T> own[group];
      const int count = last - r < group ? 1 : group;
      const RowGradient<T>* q = rows ? rows + (r - first) : own;
      if (!rows && dx)
        for (int k = 0; k < count; k++) own[k] = row(r + k);
      if (count == group && r == first)
        sweep<group, true>(r, q, lo, hi, to_weight, to_bias);
      else if (count == group)
        sweep<group, false>(r, q, lo, hi, to_weight, to_bias);
      else if (r == first)
        sweep<1, true>(r, q, lo, hi, to_weight, to_bias);
      else
        sweep<1, false>(r, q, lo, hi, to_weight, to_bias);
      r += count;
    }
  }
};

template <class T>
FASTNN_INLINE void clear(T* p, int64_t n) {
  if (p) __builtin_memset(p, 0, size_t(n) * sizeof(T));
}

// Scratch: the sums of blocks of rows, where there are several, for dweight, then for dbias.
template <class T>
int64_t gradients(const Gradient<T>& f, int64_t rows, Context& x) {
  const int64_t n = f.n, count = blocks(rows, column_block);
  if (rows == 0) {
    clear(f.dweight, n);
    clear(f.dbias, n);
    return -1;
  }
  if (!f.dweight && !f.dbias) {
    parallel_for(x, rows, norm_grain / (n + 1) + 1,
                 [&](int64_t lo, int64_t hi) { f.block(lo, hi, nullptr, 0, n, nullptr, nullptr); });
    return -1;
  }
  if (count == 1 && n > norm_panel) {  // split by columns, after what takes whole rows
    RowGradient<T> of_rows[column_block];
    if (f.dx)
      parallel_for(x, rows, norm_grain / n + 1, [&](int64_t lo, int64_t hi) {
        for (int64_t r = lo; r < hi; r++) of_rows[r] = f.row(r);
      });
    parallel_for(x, blocks(n, norm_panel), norm_grain / (norm_panel * rows) + 1, [&](int64_t lo, int64_t hi) {
      for (int64_t k = lo; k < hi; k++) {
        const int64_t end = (k + 1) * norm_panel;
        f.block(0, rows, of_rows, k * norm_panel, end < n ? end : n, f.dweight, f.dbias);
      }
    });
    return -1;
  }
  T* const partial = reinterpret_cast<T*>(x.scratch);
  T *const of_weight = count == 1 ? f.dweight : partial, *const of_bias = count == 1 ? f.dbias : partial + count * n;
  parallel_for(x, count, norm_grain / (column_block * n + 1) + 1, [&](int64_t lo, int64_t hi) {
    for (int64_t b = lo; b < hi; b++) {
      const int64_t end = (b + 1) * column_block;
      f.block(b * column_block, end < rows ? end : rows, nullptr, 0, n, f.dweight ? of_weight + b * n : nullptr,
              f.dbias ? of_bias + b * n : nullptr);
    }
  });
  if (count == 1) return -1;
  for (const bool bias : {false, true}) {
    T *const from = bias ? of_bias : of_weight, *const to = bias ? f.dbias : f.dweight;
    if (!to) continue;
    fold_blocks<Add>(from, count, n, n);
    __builtin_memcpy(to, from, size_t(n) * sizeof(T));
  }
  return -1;
}

template <class T>
FASTNN_INLINE T* wanted(const Call& c, int j) {
  return c.wants(j) ? c.out(j).as<T>() : nullptr;
}

// Arguments dy, x, weight, mean, rstd.
template <class T>
int64_t layer_norm_backward_run(const Call& c, Context& x) noexcept {
  const T* const weight = c.has(2) ? c.in(2).as<T>() : nullptr;
  const double *const mean = c.in(3).as<double>(), *const rstd = c.in(4).as<double>();
  const Gradient<T> f{c.in(0).as<T>(), c.in(1).as<T>(), weight,          mean,    rstd,
                      wanted<T>(c, 0), wanted<T>(c, 1), wanted<T>(c, 2), c.dim[1]};
  return gradients(f, c.dim[0], x);
}

// Arguments dy, x, weight, rstd.
template <class T>
int64_t rms_norm_backward_run(const Call& c, Context& x) noexcept {
  const T* const weight = c.has(2) ? c.in(2).as<T>() : nullptr;
  const Gradient<T> f{c.in(0).as<T>(), c.in(1).as<T>(), weight,  nullptr, c.in(3).as<double>(),
                      wanted<T>(c, 0), wanted<T>(c, 1), nullptr, c.dim[1]};
  return gradients(f, c.dim[0], x);
}

}  // namespace

const Run layer_norm_kernel[2] = {layer_norm_run<float>, layer_norm_run<double>};
const Run layer_norm_backward_kernel[2] = {layer_norm_backward_run<float>, layer_norm_backward_run<double>};
const Run rms_norm_kernel[2] = {rms_norm_run<float>, rms_norm_run<double>};
const Run rms_norm_backward_kernel[2] = {rms_norm_backward_run<float>, rms_norm_backward_run<double>};

}  // namespace fastnn::FASTNN_ISA
