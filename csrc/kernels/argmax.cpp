// The position of the largest value along one axis: the first of equal ones, or of the first NaN.
#include "kernels/reduce.h"
#include "kernels/table.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
FASTNN_INLINE bool is_nan(T v) {
  return v != v;
}

// Whether a later value takes over from the best so far.
template <class T>
FASTNN_INLINE bool beats(T v, T best) {
  return v > best || (is_nan(v) && !is_nan(best));
}

// The first element for which a vector is `wanted`; there is one.
template <class T, class F>
FASTNN_INLINE int64_t first_where(const T* p, int64_t n, F wanted) {
  constexpr int64_t lanes = Vec<T>::lanes;
  for (int64_t i = 0;; i += lanes)
    if (const uint32_t hits = lane_bits(wanted(load(p + i, int(n - i < lanes ? n - i : lanes)))))
      return i + __builtin_ctz(hits);
}

template <class T>
FASTNN_INLINE int64_t first_of(const T* p, int64_t n, T value) {
  if (is_nan(value)) return first_where(p, n, [](Vec<T> v) FASTNN_INLINED { return v != v; });
  return first_where(p, n, [w = Vec<T>(value)](Vec<T> v) FASTNN_INLINED { return v == w; });
}

// The fold of what is no NaN: to pass NaN on would take three operations for each vector, not one, and in the end two
// for each halving. To look at all vectors of 128 elements, without a branch for each, lost (21 -> 30 us).
struct Most {
  template <class T>
  static constexpr T identity = T(-__builtin_inf());
  template <class T>
  FASTNN_INLINE static Vec<T> combine(Vec<T> a, Vec<T> b) {
    return max(a, b);
  }
  template <class T>
  FASTNN_INLINE static T reduce(const Wide<T>& w) {
    const auto f = [](Vec<T> a, Vec<T> b) FASTNN_INLINED { return max(a, b); };
    return fold_halves<Vec<T>::lanes / 2>(fold_parts<Wide<T>::parts / 2>(w, f), f);
  }
};

// The largest value, NaN where there is one: 1,000 rows of 100 doubles in 16 us instead of 21.
template <class T>
FASTNN_INLINE T most_of(const T* p, int64_t n) {
  Mask<T> nan = Mask<T>::first(0);
  const T most = fold_neighbors<Most, T>(n, [&](Vec<T> so_far, int64_t i, int m) FASTNN_INLINED {
    const Vec<T> v = m == Vec<T>::lanes ? Vec<T>::load_halves(p + i) : load(p + i, m);
    nan = nan | (v != v);
    return max(v, so_far);
  });
  return any(nan) ? T(__builtin_nan("")) : most;
}

// The largest value of a block of a row, and its position when `position` asks for it.
template <class T>
T largest(const Reduction& r, int64_t k, int64_t block, T best, int64_t* position) {
  T room[row_block];
  const int64_t from = block * row_block, n = r.inner - from < row_block ? r.inner - from : row_block;
  const T* p = dense(r.base + r.kept.offset(k) + from * r.stride, r.stride, n, room);
  const T most = most_of(p, n);
  if (position && (block == 0 || beats(most, best))) *position = from + first_of(p, n, most);
  return most;
}

template <class T>
void argmax_rows(const Reduction& r, Context& x, T* partial, int64_t* out) {
  const int64_t each = blocks(r.inner, row_block);
  constexpr int64_t enough = 16;  // rows, for every thread to have some
  if (each > 1 && r.outer < enough) {
    parallel_for(x, r.outer * each, reduction_grain / row_block, [&](int64_t lo, int64_t hi) {
      for (int64_t i = lo; i < hi; i++) partial[i] = largest<T>(r, i / each, i % each, T(0), nullptr);
    });
    for (int64_t k = 0; k < r.outer; k++) {
      int64_t winner = 0;
      for (int64_t b = 1; b < each; b++)
        if (beats(partial[k * each + b], partial[k * each + winner])) winner = b;
      const T before = winner ? -T(__builtin_inf()) : T(0);
      largest<T>(r, k, winner, before, out + k);
    }
    return;
  }
  parallel_for(x, r.outer, reduction_grain / r.inner + 1, [&](int64_t lo, int64_t hi) {
    for (int64_t k = lo; k < hi; k++) {
      T best{};
      for (int64_t b = 0; b < each; b++) {
        const T most = largest<T>(r, k, b, best, out + k);
        if (b == 0 || beats(most, best)) best = most;
      }
    }
  });
}

// Rows one after another, the best values and positions of n columns at hand.
template <class T>
void argmax_columns(const Reduction& r, const char* p, int64_t* out, int64_t n) {
  using Int = typename IVec<T>::Int;
  constexpr int64_t width = panel_bytes / int64_t(sizeof(T));
  T room[width], best[width];
  Int at[width];
  __builtin_memcpy(best, dense(p, r.stride, n, room), size_t(n) * sizeof(T));
  __builtin_memset(at, 0, size_t(n) * sizeof(Int));
  for (int64_t row = 1; row < r.rows; row++) {
    const T* v = dense(p + r.reduced.offset(row), r.stride, n, room);
    const IVec<T> here(static_cast<Int>(row));
    for_vectors<T>(n, [&](int64_t i, int m) FASTNN_INLINED {
      const Vec<T> x = load(v + i, m), b = load(best + i, m), position = load(reinterpret_cast<const T*>(at) + i, m);
      const Mask<T> better = (x > b) | ((x != x) & (b == b));
      store(select(better, x, b), best + i, m);
      store(from_bits(select(better, here, bits(position))), reinterpret_cast<T*>(at) + i, m);
    });
  }
  for (int64_t i = 0; i < n; i++) out[i] = at[i];
}

template <class T>
int64_t argmax_run(const Call& c, Context& x) noexcept {
  const Reduction r(c);
  int64_t* const y = c.out(0).as<int64_t>();
  if (r.neighbors) {
    argmax_rows(r, x, reinterpret_cast<T*>(x.scratch), y);
    return -1;
  }
  constexpr int64_t panel = panel_bytes / int64_t(sizeof(T));
  const int64_t panels = blocks(r.inner, panel), width = r.inner < panel ? r.inner : panel;
  parallel_for(x, r.outer * panels, reduction_grain / (width * r.rows) + 1, [&](int64_t lo, int64_t hi) {
    for (int64_t i = lo; i < hi; i++) {
      const int64_t k = i / panels, column = i % panels * panel;
      argmax_columns<T>(r, r.base + r.kept.offset(k) + column * r.stride, y + k * r.inner + column,
                        r.inner - column < panel ? r.inner - column : panel);
    }
  });
  return -1;
}

}  // namespace

const Run argmax_kernel[2] = {argmax_run<float>, argmax_run<double>};

}  // namespace fastnn::FASTNN_ISA
