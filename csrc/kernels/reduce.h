// Folding a view of any layout over any axes. Prepare (ops/reductions.cpp) has sorted the axes by their strides; where
// the innermost is reduced, rows of neighbors are folded, else rows under one another, whatever the axes' names.
//
// Results are dense in the order of `Reduction::kept`: result k, or for columns results k * columns ... .
#pragma once
#include "kernels/axes.h"
#include "kernels/call.h"
#include "kernels/fold.h"
#include "kernels/rows.h"

namespace fastnn::FASTNN_ISA {
namespace {

constexpr int64_t reduction_grain = 65536;  // elements
constexpr int64_t panel_bytes = 16384;      // columns that are summed together

// Vectors of results that stay in registers.
template <class P>
constexpr int strip_vectors = vector_bytes == 64 ? 14 : 8;

struct Reduction {
  const char* base;
  Axes kept, reduced;     // all but the innermost axis
  int64_t outer, rows;    // their sizes
  int64_t inner, stride;  // the innermost axis
  bool neighbors;         // which is reduced

  FASTNN_INLINE explicit Reduction(const Call& c, int argument = 0) {
    const Loop& l = c.loop;
    const int outer_axes = int(c.dim[0]), last = l.rank - 1;
    base = c.in(argument).data + c.dim[1];
    outer = c.dim[2];
    rows = c.dim[3];
    neighbors = c.dim[4] != 0;
    inner = l.shape[last];
    stride = l.stride[0][last];
    kept = {l.shape, l.stride[0], outer_axes};
    reduced = {l.shape + outer_axes, l.stride[0] + outer_axes, last - outer_axes};
  }
  // The columns of a matrix of m rows, `step` bytes apart, of n neighbors of `size` bytes.
  FASTNN_INLINE Reduction(const char* p, const int64_t& m, const int64_t& step, int64_t n, int64_t size)
      : base(p),
        kept{nullptr, nullptr, 0},
        reduced{&m, &step, 1},
        outer(1),
        rows(m),
        inner(n),
        stride(size),
        neighbors(false) {}
  FASTNN_INLINE int64_t results() const { return neighbors ? outer : outer * inner; }
  FASTNN_INLINE int64_t count() const { return neighbors ? rows * inner : rows; }
  FASTNN_INLINE int64_t blocks_of_result() const {
    return neighbors ? rows * blocks(inner, row_block) : blocks(rows, column_block);
  }
};

// n elements of T as neighbors: where they lie, or copied to `room`.
template <class T>
FASTNN_INLINE const T* dense(const char* p, int64_t stride, int64_t n, T* room) {
  if (stride == int64_t(sizeof(T))) return reinterpret_cast<const T*>(p);
  for (int64_t i = 0; i < n; i++) room[i] = load_element<T>(p + i * stride);
  return room;
}

// State is the type of results while they are folded: T, or double for more accuracy.
template <class P, class State, class T>
State neighbors_block(const T* p, int64_t n, State state) {
  const Vec<State> s(state);
  // From memory halves come faster: sums of 10^7 doubles 35.0 GB/s instead of 32.1; two and four blocks side by
  // side 29.5 and 30.0.
  const auto values = [&](int64_t i, int m) FASTNN_INLINED {
    if constexpr (std::is_same_v<State, T>)
      if (m == Vec<T>::lanes) return Vec<T>::load_halves(p + i);
    return load_as<State>(p + i, m);
  };
  return fold_neighbors<P, State>(
      n, [&](Vec<State> so_far, int64_t i, int m) FASTNN_INLINED { return P::step(so_far, values(i, m), s); });
}

// state: one value for each result, which P::step sees; null where it needs none.
template <class P, class T, class State>
void fold_rows(const Reduction& r, Context& x, const State* state, State* partial, State* out) {
  const int64_t row_blocks = blocks(r.inner, row_block), each = r.rows * row_blocks;
  const int64_t block = r.inner < row_block ? r.inner : row_block;
  const auto fold = [&](const char* p, int64_t n, int64_t k) {
    T room[row_block];
    return neighbors_block<P>(dense(p, r.stride, n, room), n, state ? state[k] : State(0));
  };
  if (each == 1) {
    parallel_for(x, r.outer, reduction_grain / block + 1, [&](int64_t lo, int64_t hi) {
      for (int64_t k = lo; k < hi; k++) out[k] = fold(r.base + r.kept.offset(k), r.inner, k);
    });
    return;
  }
  parallel_for(x, r.outer * each, reduction_grain / block + 1, [&](int64_t lo, int64_t hi) {
    for (int64_t item = lo; item < hi; item++) {
      const int64_t k = item / each, at = item % each, from = at % row_blocks * row_block;
      const char* p = r.base + r.kept.offset(k) + r.reduced.offset(at / row_blocks) + from * r.stride;
      partial[item] = fold(p, r.inner - from < row_block ? r.inner - from : row_block, k);
    }
  });
  parallel_for(x, r.outer, reduction_grain / each + 1, [&](int64_t lo, int64_t hi) {
    for (int64_t k = lo; k < hi; k++) {
      fold_blocks<P>(partial + k * each, each, 1, 1);
      out[k] = partial[k * each];
    }
  });
}

// Folds a row into the results of n columns; First: there are none yet.
template <class P, bool First, class T, class State>
FASTNN_INLINE void fold_row(const T* row, const State* state, State* out, int64_t n) {
  for_vectors<State>(n, [&](int64_t i, int m) FASTNN_INLINED {
    const Vec<State> s = state ? load(state + i, m) : Vec<State>{};
    const Vec<State> v = First ? Vec<State>(P::template identity<State>) : load(out + i, m);
    store(P::step(v, load_as<State>(row + i, m), s), out + i, m);
  });
}

// Folds rows of n columns, `step` bytes apart, one after the other; V vectors of results stay in registers. Fewer than
// V vectors take the function for those.
template <class P, int V, class T, class State>
FASTNN_INLINE void fold_strip(const char* p, int64_t step, int64_t rows, const State* state, State* out, int64_t n) {
  constexpr int lanes = Vec<State>::lanes;
  if constexpr (V > 1)
    if (n <= (V - 1) * lanes) return fold_strip<P, V - 1, T>(p, step, rows, state, out, n);
  Vec<State> v[V], s[V];
  const auto each = [&](auto f) FASTNN_INLINED {
    unroll<V>([&](auto j) FASTNN_INLINED { f(j, j * lanes, j < V - 1 ? lanes : int(n - j * lanes)); });
  };
  each([&](auto j, int at, int m) FASTNN_INLINED {
    v[j] = Vec<State>(P::template identity<State>);
    s[j] = state ? load(state + at, m) : Vec<State>{};
  });
  for (int64_t i = 0; i < rows; i++, p += step)
    each([&](auto j, int at, int m)
             FASTNN_INLINED { v[j] = P::step(v[j], load_as<State>(reinterpret_cast<const T*>(p) + at, m), s[j]); });
  each([&](auto j, int at, int m) FASTNN_INLINED { store(v[j], out + at, m); });
}

// Rows [lo, hi) of n columns from p on, one after the other. Rows side by side would save loads and stores of results,
// but what comes from memory comes best in its order: 8 rows took 1.7 times as long.
template <class P, class T, class State>
void fold_panel(const Reduction& r, const char* p, int64_t lo, int64_t hi, const State* state, State* out, int64_t n) {
  T room[panel_bytes / sizeof(T)];
  const auto row = [&](int64_t i) FASTNN_INLINED { return dense(p + r.reduced.offset(i), r.stride, n, room); };
  fold_row<P, true>(row(lo), state, out, n);
  for (int64_t i = lo + 1; i < hi; i++) fold_row<P, false>(row(i), state, out, n);
}

// Rows [lo, hi) of n columns from p on.
template <class P, class T, class State>
void columns_block(const Reduction& r, const char* p, int64_t lo, int64_t hi, const State* state, State* out,
                   int64_t n) {
  const bool plain = r.reduced.rank == 1 && r.stride == int64_t(sizeof(T));
  if (plain && n <= strip_vectors<P> * Vec<State>::lanes)
    fold_strip<P, strip_vectors<P>, T>(p + lo * r.reduced.stride[0], r.reduced.stride[0], hi - lo, state, out, n);
  else
    fold_panel<P, T>(r, p, lo, hi, state, out, n);
}

template <class P, class T, class State>
void fold_columns(const Reduction& r, Context& x, const State* state, State* partial, State* out) {
  constexpr int64_t panel = panel_bytes / int64_t(sizeof(T));
  const int64_t each = blocks(r.rows, column_block), panels = blocks(r.inner, panel);
  const int64_t width = r.inner < panel ? r.inner : panel, height = r.rows < column_block ? r.rows : column_block;
  State* const to = each == 1 ? out : partial;
  parallel_for(x, r.outer * each * panels, reduction_grain / (width * height) + 1, [&](int64_t lo, int64_t hi) {
    for (int64_t item = lo; item < hi; item++) {
      const int64_t k = item / panels / each, b = item / panels % each, column = item % panels * panel;
      const int64_t first = b * column_block, end = first + column_block;
      columns_block<P, T>(r, r.base + r.kept.offset(k) + column * r.stride, first, end < r.rows ? end : r.rows,
                          state ? state + k * r.inner + column : nullptr, to + (k * each + b) * r.inner + column,
                          r.inner - column < panel ? r.inner - column : panel);
    }
  });
  if (each == 1) return;
  parallel_for(x, r.outer * panels, reduction_grain / (width * each) + 1, [&](int64_t lo, int64_t hi) {
    for (int64_t item = lo; item < hi; item++) {
      const int64_t k = item / panels, column = item % panels * panel;
      const int64_t n = r.inner - column < panel ? r.inner - column : panel;
      State* first = partial + k * each * r.inner + column;
      fold_blocks<P>(first, each, n, r.inner);
      __builtin_memcpy(out + k * r.inner + column, first, size_t(n) * sizeof(State));
    }
  });
}

// All results of a reduction into `out`; partial has room for the results of all blocks where there are several.
template <class P, class T, class State>
FASTNN_INLINE void fold(const Reduction& r, Context& x, const State* state, State* partial, State* out) {
  if (r.neighbors)
    fold_rows<P, T>(r, x, state, partial, out);
  else
    fold_columns<P, T>(r, x, state, partial, out);
}

// out[i] = f(i, m) in vectors of m, for n results.
template <class T, class F>
FASTNN_INLINE void each_result(Context& x, int64_t n, T* out, F f) {
  parallel_for(x, n, reduction_grain / 2, [&](int64_t lo, int64_t hi) {
    for_vectors<T>(hi - lo, [&](int64_t i, int m) FASTNN_INLINED { store(f(lo + i, m), out + lo + i, m); });
  });
}

// Results of nothing.
template <class T>
int64_t fill(const Call& c, Context& x, T value) {
  each_result(x, c.out(0).size(), c.out(0).as<T>(), [&](int64_t, int) FASTNN_INLINED { return Vec<T>(value); });
  return -1;
}

// Gradients: dx = f(x, values of N arrays of results), computed in State, for each value of x. x and dx have the same
// layout; the loop of the call walks x, results and dx.
template <class T, class State, int N, class F>
void each_value(const Call& c, Context& x, const State* const (&results)[N], F f) {
  const int last = c.loop.rank - 1;
  const int64_t step = c.loop.stride[0][last];
  const bool one_result = c.loop.stride[1][last] == 0;
  char* const base[3] = {c.in(1).data, c.in(1).data, c.out(0).data};  // operand 1 counts results, in bytes of T
  for_bands(c.loop, base, x, -1, 1, [&](char* const* p, int64_t, int64_t n) FASTNN_INLINED {
    const int64_t first = (p[1] - base[1]) / int64_t(sizeof(T));
    for_vectors<State>(n, [&](int64_t i, int m) FASTNN_INLINED {
      Vec<State> r[N];
      unroll<N>([&](auto k) FASTNN_INLINED {
        r[k] = one_result ? Vec<State>(results[k][first]) : load(results[k] + first + i, m);
      });
      char *const from = p[0] + i * step, *const to = p[2] + i * step;
      T room[Vec<State>::lanes];
      const bool near = step == int64_t(sizeof(T));
      Vec<State> dx = f(load_as<State>(dense(from, step, m, room), m), r);
      store_as(dx, near ? reinterpret_cast<T*>(to) : room, m);
      if (near) return;
      for (int k = 0; k < m; k++) __builtin_memcpy(to + k * step, room + k, sizeof(T));
    });
  });
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
