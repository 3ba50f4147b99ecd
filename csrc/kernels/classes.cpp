// Losses over class numbers: cross_entropy on logits, nll on log-probabilities, and their gradients.
//
// dim = {rows, classes, elements between rows of x}. A label that is neither a class nor ignored ends the run with its
// position, before anything is computed.
#include "kernels/axes.h"
#include "kernels/call.h"
#include "kernels/loss.h"
#include "kernels/shifted.h"
#include "kernels/table.h"

namespace fastnn::FASTNN_ISA {
namespace {

constexpr int64_t class_grain = 16384;  // elements
constexpr int64_t log_group = 16;       // rows whose logarithms are taken together
enum LossReduction : int64_t { none, mean, sum };

// Labels with their weights.
template <class T>
struct Labels {
  const int64_t* label;
  const T* weight;  // null: 1 for each class
  int64_t rows, classes, ignored;

  FASTNN_INLINE bool counts(int64_t row) const { return label[row] != ignored; }
  FASTNN_INLINE T weight_of(int64_t row) const { return weight ? weight[label[row]] : T(1); }

  // The position of the first bad label, -1 where there is none; and the sum of all weights that count.
  int64_t check(double& total) const {
    int64_t count = 0;
    double weights = 0;
    for (int64_t r = 0; r < rows; r++) {
      if (!counts(r)) continue;
      if (static_cast<uint64_t>(label[r]) >= static_cast<uint64_t>(classes)) return r;
      count++;
      if (weight) weights += static_cast<double>(weight[label[r]]);
    }
    total = weight ? weights : static_cast<double>(count);
    return -1;
  }
};

// The labels of a call whose arguments `labels` and `labels + 1` are labels and weight.
template <class T>
FASTNN_INLINE Labels<T> labels_of(const Call& c, int labels, int64_t ignored) {
  return {c.in(labels).as<int64_t>(), c.has(labels + 1) ? c.in(labels + 1).as<T>() : nullptr, c.dim[0], c.dim[1],
          ignored};
}

// What a reduced loss is divided by goes out as `norm`, the loss of terms[0 .. rows) as `loss`.
template <class T>
void reduce_terms(Context& x, const T* terms, int64_t rows, bool is_mean, double norm, double* partial, T* loss) {
  const int64_t count = blocks(rows, row_block);
  parallel_for(x, count, 8, [&](int64_t lo, int64_t hi) {
    for (int64_t b = lo; b < hi; b++) {
      const T* p = terms + b * row_block;
      partial[b] = sum_as_double<T>(rows - b * row_block < row_block ? rows - b * row_block : row_block,
                                    [&](int64_t i, int m) FASTNN_INLINED { return load(p + i, m); });
    }
  });
  fold_blocks<Add>(partial, count, 1, 1);
  const double total = rows ? partial[0] : 0;
  *loss = static_cast<T>(is_mean ? total / norm : total);
}

// Attributes: label smoothing, ignored label, reduction.
template <class T>
struct CrossEntropy {
  Labels<T> labels;
  T smoothing, share;  // of the label's own term, and of each class

  FASTNN_INLINE CrossEntropy(const Call& c, int first)
      : labels(labels_of<T>(c, first, c.attr[1].i)),
        smoothing(static_cast<T>(c.attr[0].f)),
        share(static_cast<T>(c.attr[0].f / static_cast<double>(c.dim[1]))) {}

  FASTNN_INLINE T own() const { return T(1) - smoothing; }

  // The sum of log(sum) - z over all classes, weighted.
  FASTNN_INLINE T even(const T* x, T most, T log_sum) const {
    return fold_neighbors<Add, T>(labels.classes, [&](Vec<T> total, int64_t i, int m) FASTNN_INLINED {
      const Vec<T> surprise = Vec<T>(log_sum) - shifted(load(x + i, m), Vec<T>(most));
      return total + (labels.weight ? surprise * load(labels.weight + i, m) : surprise);
    });
  }

  // The terms of a few rows; p gets their softmax.
  FASTNN_INLINE void rows(const T* x, int64_t stride, T* p, T* terms, int64_t lo, int64_t hi) const {
    T most[log_group], log_sum[log_group];
    softmax_rows(x, stride, labels.classes, p, lo, hi, [&](int64_t r, RowSum<T> row) FASTNN_INLINED {
      most[r - lo] = row.most;
      log_sum[r - lo] = row.sum;
    });
    log_each(log_sum, int(hi - lo));
    for (int64_t r = lo; r < hi; r++) {
      terms[r] = 0;
      if (!labels.counts(r)) continue;
      const T v = x[r * stride + labels.label[r]];
      const T z = v == T(__builtin_inf()) ? T(0) : v - most[r - lo];
      terms[r] = labels.weight_of(r) * (log_sum[r - lo] - z);
      if (smoothing != 0) terms[r] = own() * terms[r] + share * even(x + r * stride, most[r - lo], log_sum[r - lo]);
    }
  }
};

// Outputs: loss, softmax p, norm.
template <class T>
int64_t cross_entropy_run(const Call& c, Context& x) noexcept {
  const CrossEntropy<T> f(c, 1);
  const int64_t rows = c.dim[0], classes = c.dim[1], stride = c.dim[2];
  const Over over{c.attr[2].i};
  double norm;
  if (const int64_t bad = f.labels.check(norm); bad >= 0) return bad;
  const T* const logits = c.in(0).as<T>();
  T *const loss = c.out(0).as<T>(), *const p = c.out(1).as<T>();
  double* const partial = reinterpret_cast<double*>(x.scratch);
  T* const terms = over == Over::none ? loss : reinterpret_cast<T*>(partial + blocks(rows, row_block));
  parallel_for(x, blocks(rows, log_group), class_grain / (log_group * classes) + 1, [&](int64_t lo, int64_t hi) {
    for (int64_t r = lo * log_group; r < rows && r < hi * log_group; r += log_group)
      f.rows(logits, stride, p, terms, r, r + log_group < rows ? r + log_group : rows);
  });
  *c.out(2).as<double>() = over == Over::mean ? norm : 1;
  if (over != Over::none) reduce_terms(x, terms, rows, over == Over::mean, norm, partial, loss);
  return -1;
}

// dx = (p total - target) dy / norm, with target the label's share and everyone's, total their sum. Arguments: dy, p,
// labels, weight, norm.
template <class T>
int64_t cross_entropy_backward_run(const Call& c, Context& x) noexcept {
  const CrossEntropy<T> f(c, 2);
  const Labels<T>& labels = f.labels;
  const int64_t rows = c.dim[0], classes = c.dim[1];
  double unused;
  if (const int64_t bad = labels.check(unused); bad >= 0) return bad;
  const T *const dy = c.in(0).as<T>(), *const p = c.in(1).as<T>(), norm = static_cast<T>(*c.in(4).as<double>());
  T* const dx = c.out(0).as<T>();
  const bool each = Over{c.attr[2].i} == Over::none, smooth = f.smoothing != 0;
  T even = 0;  // what all classes get together
  if (smooth && labels.weight) {
    double weights = 0;
    for (int64_t i = 0; i < classes; i++) weights += static_cast<double>(labels.weight[i]);
    even = static_cast<T>(c.attr[0].f / static_cast<double>(classes) * weights);
  } else if (smooth) {
    even = f.smoothing;
  }
  parallel_for(x, rows, class_grain / classes + 1, [&](int64_t lo, int64_t hi) {
    for (int64_t r = lo; r < hi; r++) {
      const T* const q = p + r * classes;
      T* const to = dx + r * classes;
      if (!labels.counts(r)) {
        for_vectors<T>(classes, [&](int64_t i, int m) FASTNN_INLINED { store(Vec<T>{}, to + i, m); });
        continue;
      }
      const T scale = (each ? dy[r] : *dy) / norm, own = f.own() * labels.weight_of(r), total = own + even;
      const int64_t label = labels.label[r];
      T target = own;
      if (smooth) {
        const Vec<T> share(f.share), all(total), by(scale);
        for_vectors<T>(classes, [&](int64_t i, int m) FASTNN_INLINED {
          const Vec<T> aim = labels.weight ? share * load(labels.weight + i, m) : share;
          store((load(q + i, m) * all - aim) * by, to + i, m);
        });
        target += labels.weight ? f.share * labels.weight[label] : f.share;
      } else {
        const Vec<T> by(total * scale);
        for_vectors<T>(classes, [&](int64_t i, int m) FASTNN_INLINED { store(load(q + i, m) * by, to + i, m); });
      }
      to[label] = (q[label] * total - target) * scale;
    }
  });
  return -1;
}

// Attributes: ignored label, reduction. Outputs: loss, norm.
template <class T>
int64_t nll_run(const Call& c, Context& x) noexcept {
  const Labels<T> labels = labels_of<T>(c, 1, c.attr[0].i);
  const int64_t rows = c.dim[0], step = c.dim[2];
  const Over over{c.attr[1].i};
  double norm;
  if (const int64_t bad = labels.check(norm); bad >= 0) return bad;
  const Axes row{c.loop.shape, c.loop.stride[0], c.loop.rank};
  const char* const base = c.in(0).data;
  T* const loss = c.out(0).as<T>();
  double* const partial = reinterpret_cast<double*>(x.scratch);
  T* const terms = over == Over::none ? loss : reinterpret_cast<T*>(partial + blocks(rows, row_block));
  parallel_for(x, rows, class_grain / 4, [&](int64_t lo, int64_t hi) {
    for (int64_t r = lo; r < hi; r++) {
      terms[r] = 0;
      if (labels.counts(r))
        terms[r] = -labels.weight_of(r) * load_element<T>(base + row.offset(r) + labels.label[r] * step);
    }
  });
  *c.out(1).as<double>() = over == Over::mean ? norm : 1;
  if (over != Over::none) reduce_terms(x, terms, rows, over == Over::mean, norm, partial, loss);
  return -1;
}

// Arguments: dy, labels, weight, norm. Attributes: the shape, ignored label, reduction.
template <class T>
int64_t nll_backward_run(const Call& c, Context& x) noexcept {
  const Labels<T> labels = labels_of<T>(c, 1, c.attr[1].i);
  const int64_t rows = c.dim[0], classes = c.dim[1];
  double unused;
  if (const int64_t bad = labels.check(unused); bad >= 0) return bad;
  const T *const dy = c.in(0).as<T>(), norm = static_cast<T>(*c.in(3).as<double>());
  T* const dx = c.out(0).as<T>();
  const bool each = Over{c.attr[2].i} == Over::none;
  parallel_for(x, rows, class_grain / classes + 1, [&](int64_t lo, int64_t hi) {
    __builtin_memset(dx + lo * classes, 0, size_t((hi - lo) * classes) * sizeof(T));
    for (int64_t r = lo; r < hi; r++)
      if (labels.counts(r)) dx[r * classes + labels.label[r]] = -labels.weight_of(r) * ((each ? dy[r] : *dy) / norm);
  });
  return -1;
}

}  // namespace

const Run cross_entropy_kernel[2] = {cross_entropy_run<float>, cross_entropy_run<double>};
const Run cross_entropy_backward_kernel[2] = {cross_entropy_backward_run<float>, cross_entropy_backward_run<double>};
const Run nll_kernel[2] = {nll_run<float>, nll_run<double>};
const Run nll_backward_kernel[2] = {nll_backward_run<float>, nll_backward_run<double>};

}  // namespace fastnn::FASTNN_ISA
