// Softmax and its logarithm along any axis of a dense array, and their gradients.
//
// dim = {outer, n, inner}. With inner = 1 rows are next to each other, else columns go through vectors side by side,
// summed over rows in blocks of 256, block sums in order.
#include "kernels/call.h"
#include "kernels/shifted.h"
#include "kernels/table.h"

namespace fastnn::FASTNN_ISA {
namespace {

constexpr int64_t softmax_grain = 16384;  // elements
constexpr int64_t panel = 256;            // columns side by side
constexpr int64_t row_group = 16;         // rows whose logarithms are taken together

// row(i) for all outer rows, or panels(offset of a panel's first element, its width), in parallel.
template <class Row, class Panel>
FASTNN_INLINE void along_axis(const Call& c, Context& x, int64_t group, Row row, Panel columns) {
  const int64_t outer = c.dim[0], n = c.dim[1], inner = c.dim[2];
  if (inner == 1) {
    const int64_t groups = blocks(outer, group);
    parallel_for(x, groups, softmax_grain / (n * group) + 1, [&](int64_t lo, int64_t hi) {
      for (int64_t g = lo; g < hi; g++) row(g * group, (g + 1) * group < outer ? (g + 1) * group : outer);
    });
    return;
  }
  const int64_t panels = blocks(inner, panel), width = inner < panel ? inner : panel;
  parallel_for(x, outer * panels, softmax_grain / (n * width) + 1, [&](int64_t lo, int64_t hi) {
    for (int64_t i = lo; i < hi; i++) {
      const int64_t column = i % panels * panel;
      columns(i / panels * n * inner + column, inner - column < panel ? inner - column : panel);
    }
  });
}

// f(i, at, m): vectors of m columns i of each of n rows, whose first lies at offset `at`.
template <class T, class F>
FASTNN_INLINE void each_row(int64_t n, int64_t stride, int64_t width, F f) {
  for (int64_t r = 0; r < n; r++)
    for_vectors<T>(width, [&](int64_t i, int m) FASTNN_INLINED { f(i, r * stride + i, m); });
}

// total[i] = sum over n rows of f(i, at, m).
template <class T, class F>
FASTNN_INLINE void sum_rows(int64_t n, int64_t stride, int64_t width, T* total, F f) {
  T sum[panel];
  for (int64_t first = 0; first < n; first += column_block) {
    const int64_t rows = n - first < column_block ? n - first : column_block;
    for_vectors<T>(width, [&](int64_t i, int m) FASTNN_INLINED { store(Vec<T>{}, sum + i, m); });
    each_row<T>(rows, stride, width, [&](int64_t i, int64_t at, int m) FASTNN_INLINED {
      store(load(sum + i, m) + f(i, first * stride + at, m), sum + i, m);
    });
    for_vectors<T>(width, [&](int64_t i, int m) FASTNN_INLINED {
      const Vec<T> s = load(sum + i, m);
      store(first ? load(total + i, m) + s : s, total + i, m);
    });
  }
}

template <class T>
FASTNN_INLINE void largest_rows(const T* p, int64_t n, int64_t stride, int64_t width, T* most) {
  const Vec<T> least(T(-__builtin_inf()));
  for_vectors<T>(width, [&](int64_t i, int m) FASTNN_INLINED { store(least, most + i, m); });
  each_row<T>(n, stride, width, [&](int64_t i, int64_t at, int m) FASTNN_INLINED {
    store(max(load(p + at, m), load(most + i, m)), most + i, m);
  });
}

template <class T>
int64_t softmax_run(const Call& c, Context& x) noexcept {
  const T* const p = c.in(0).as<T>();
  T* const y = c.out(0).as<T>();
  const int64_t n = c.dim[1], inner = c.dim[2];
  const auto rows = [&](int64_t lo, int64_t hi) {
    softmax_rows(p, n, n, y, lo, hi, [](int64_t, RowSum<T>) FASTNN_INLINED {});
  };
  along_axis(c, x, row_group, rows, [&](int64_t first, int64_t width) {
    T most[panel], total[panel];
    largest_rows(p + first, n, inner, width, most);
    sum_rows<T>(n, inner, width, total, [&](int64_t i, int64_t at, int m) FASTNN_INLINED {
      const Vec<T> e = exp_below(shifted(load(p + first + at, m), load(most + i, m)));
      store(e, y + first + at, m);
      return e;
    });
    for_vectors<T>(width, [&](int64_t i, int m) FASTNN_INLINED { store(T(1) / load(total + i, m), total + i, m); });
    each_row<T>(n, inner, width, [&](int64_t i, int64_t at, int m) FASTNN_INLINED {
      store(load(y + first + at, m) * load(total + i, m), y + first + at, m);
    });
  });
  return -1;
}

// dx = y (dy - sum(dy y))
template <class T>
int64_t softmax_backward_run(const Call& c, Context& x) noexcept {
  const T *const dy = c.in(0).as<T>(), *const y = c.in(1).as<T>();
  T* const dx = c.out(0).as<T>();
  const int64_t n = c.dim[1], inner = c.dim[2];
  const auto rows = [&](int64_t lo, int64_t hi) {
    for (int64_t r = lo * n; r < hi * n; r += n) {
      const Vec<T> mean(fold_neighbors<Add, T>(n, [&](Vec<T> sum, int64_t i, int m) FASTNN_INLINED {
        return fma(load(dy + r + i, m), load(y + r + i, m), sum);
      }));
      for_vectors<T>(n, [&](int64_t i, int m) FASTNN_INLINED {
        store(load(y + r + i, m) * (load(dy + r + i, m) - mean), dx + r + i, m);
      });
    }
  };
  along_axis(c, x, row_group, rows, [&](int64_t first, int64_t width) {
    T mean[panel];
    sum_rows<T>(n, inner, width, mean, [&](int64_t, int64_t at, int m) FASTNN_INLINED {
      return load(dy + first + at, m) * load(y + first + at, m);
    });
    each_row<T>(n, inner, width, [&](int64_t i, int64_t at, int m) FASTNN_INLINED {
      store(load(y + first + at, m) * (load(dy + first + at, m) - load(mean + i, m)), dx + first + at, m);
    });
  });
  return -1;
}

// x - most - log(sum of exp(x - most))
template <class T>
int64_t log_softmax_run(const Call& c, Context& x) noexcept {
  const T* const p = c.in(0).as<T>();
  T* const y = c.out(0).as<T>();
  const int64_t n = c.dim[1], inner = c.dim[2];
  const auto rows = [&](int64_t lo, int64_t hi) {
    T most[row_group], sum[row_group];
    for (int64_t r = lo; r < hi; r++) {
      most[r - lo] = largest(p + r * n, n);
      sum[r - lo] = sum_exp(p + r * n, n, most[r - lo], [](Vec<T>, int64_t, int) FASTNN_INLINED {});
    }
    log_each(sum, int(hi - lo));
    for (int64_t r = lo; r < hi; r++) {
      const Vec<T> shift(most[r - lo]), rest(sum[r - lo]);
      for_vectors<T>(n, [&](int64_t i, int m)
                            FASTNN_INLINED { store(shifted(load(p + r * n + i, m), shift) - rest, y + r * n + i, m); });
    }
  };
  along_axis(c, x, row_group, rows, [&](int64_t first, int64_t width) {
    T most[panel], total[panel];
    largest_rows(p + first, n, inner, width, most);
    sum_rows<T>(n, inner, width, total, [&](int64_t i, int64_t at, int m) FASTNN_INLINED {
      return exp_below(shifted(load(p + first + at, m), load(most + i, m)));
    });
    log_each(total, int(width));
    each_row<T>(n, inner, width, [&](int64_t i, int64_t at, int m) FASTNN_INLINED {
      store(shifted(load(p + first + at, m), load(most + i, m)) - load(total + i, m), y + first + at, m);
    });
  });
  return -1;
}

// dx = dy - exp(y) sum(dy)
template <class T>
int64_t log_softmax_backward_run(const Call& c, Context& x) noexcept {
  const T *const dy = c.in(0).as<T>(), *const y = c.in(1).as<T>();
  T* const dx = c.out(0).as<T>();
  const int64_t n = c.dim[1], inner = c.dim[2];
  const auto rows = [&](int64_t lo, int64_t hi) {
    for (int64_t r = lo * n; r < hi * n; r += n) {
      const Vec<T> total(fold_neighbors<Add, T>(
          n, [&](Vec<T> sum, int64_t i, int m) FASTNN_INLINED { return sum + load(dy + r + i, m); }));
      for_vectors<T>(n, [&](int64_t i, int m) FASTNN_INLINED {
        store(fnma(exp(load(y + r + i, m)), total, load(dy + r + i, m)), dx + r + i, m);
      });
    }
  };
  along_axis(c, x, row_group, rows, [&](int64_t first, int64_t width) {
    T total[panel];
    sum_rows<T>(n, inner, width, total,
                [&](int64_t, int64_t at, int m) FASTNN_INLINED { return load(dy + first + at, m); });
    each_row<T>(n, inner, width, [&](int64_t i, int64_t at, int m) FASTNN_INLINED {
      store(fnma(exp(load(y + first + at, m)), load(total + i, m), load(dy + first + at, m)), dx + first + at, m);
    });
  });
  return -1;
}

}  // namespace

const Run softmax_kernel[2] = {softmax_run<float>, softmax_run<double>};
const Run softmax_backward_kernel[2] = {softmax_backward_run<float>, softmax_backward_run<double>};
const Run log_softmax_kernel[2] = {log_softmax_run<float>, log_softmax_run<double>};
const Run log_softmax_backward_kernel[2] = {log_softmax_backward_run<float>, log_softmax_backward_run<double>};

}  // namespace fastnn::FASTNN_ISA
