// The register tile on which everything that multiplies is built: M rows of V vectors of C.
//
// Order of sums: every element of C is one chain of fma in increasing k. Pieces of k continue the chain
// by starting from the sums of the piece before.
#pragma once

#include "kernels/gemm/gemm.h"
#include "kernels/rectify.h"
#include "simd/half.h"

namespace fastnn::FASTNN_ISA {
namespace {

// Addresses of M rows that lie `stride` bytes apart. Groups of five rows share a base pointer: x86
// addresses base + {0, 1, 2, 4} * stride and base + 3 * stride with two index registers, so that a tile
// needs one pointer per group instead of one per row.
template <class T, int M>
struct Rows {
  static constexpr int group = 5;
  static constexpr int groups = (M + group - 1) / group;

  const char* base[groups];
  int64_t once;
  int64_t thrice;

  FASTNN_INLINE Rows(const T* p, int64_t stride) {
    once = stride * static_cast<int64_t>(sizeof(T));
    thrice = 3 * once;
    const char* first = reinterpret_cast<const char*>(p);
    unroll<groups>([&](auto g) FASTNN_INLINED { base[g] = first + g * group * once; });
  }

  template <int I>
  FASTNN_INLINE const T* row() const {
    constexpr int place = I % group;
    return reinterpret_cast<const T*>(base[I / group] + (place == 3 ? thrice : place * once));
  }

  FASTNN_INLINE void advance(int64_t bytes) {
    unroll<groups>([&](auto g) FASTNN_INLINED { base[g] += bytes; });
  }
};

// The last vector of a row of V: whole where Tail is 0, otherwise of `last` elements, which fit in half a register
// where Tail is `in_half`.
constexpr int in_half = 2;

template <class T, int V, int Tail, int J>
FASTNN_INLINE Vec<T> load_part(const T* row, int last) {
  const T* p = row + J * Vec<T>::lanes;
  if constexpr (Tail && J == V - 1) {
    return Vec<T>::load(p, last);
  } else {
    return Vec<T>::load(p);
  }
}

template <class T, int V, int Tail, int J>
FASTNN_INLINE void store_part(Vec<T> v, T* row, int last) {
  T* p = row + J * Vec<T>::lanes;
  if constexpr (Tail && J == V - 1) {
    v.store(p, last);
  } else {
    v.store(p);
  }
}

// sums += A B over k steps: the rows of A step by a_col elements, row p of B begins at b + p * b_row.
template <class T, int M, int V, int Tail, class RowsOfA>
FASTNN_INLINE void multiply_rows(Vec<T> (&sums)[M][V], int64_t k, RowsOfA rows, int64_t a_col, const T* b,
                                 int64_t b_row, int last) {
  // Steps in bytes: of steps in elements the compiler makes a second loop for a step of one.
  const int64_t a_step = a_col * static_cast<int64_t>(sizeof(T));
  const int64_t b_step = b_row * static_cast<int64_t>(sizeof(T));
  const char* right_row = reinterpret_cast<const char*>(b);
#if defined(__AVX512F__)
  if constexpr (Tail == in_half) {
    Half<T> ends[M];
    unroll<M>([&](auto i) FASTNN_INLINED { ends[i] = Half<T>(sums[i][V - 1]); });
    for (; k > 0; --k) {
      const T* from = reinterpret_cast<const T*>(right_row);
      Vec<T> right[V];
      unroll<V>([&](auto j) FASTNN_INLINED { right[j] = load_part<T, V, Tail, j>(from, last); });
      const Half<T> end(right[V - 1]);
      unroll<M>([&](auto i) FASTNN_INLINED {
        const T* number = rows.template row<i>();
        if constexpr (V == 1) {
          ends[i] = fma(Half<T>(*number), end, ends[i]);
        } else {
          const Vec<T> left(*number);
          unroll<V - 1>([&](auto j) FASTNN_INLINED { sums[i][j] = fma(left, right[j], sums[i][j]); });
          ends[i] = fma(Half<T>(left), end, ends[i]);
        }
      });
      rows.advance(a_step);
      right_row += b_step;
    }
    unroll<M>([&](auto i) FASTNN_INLINED { sums[i][V - 1] = ends[i].widened(); });
    return;
  }
#endif
  for (; k > 0; --k) {
    const T* from = reinterpret_cast<const T*>(right_row);
    Vec<T> right[V];
    unroll<V>([&](auto j) FASTNN_INLINED { right[j] = load_part<T, V, Tail, j>(from, last); });
    unroll<M>([&](auto i) FASTNN_INLINED {
      const Vec<T> left(*rows.template row<i>());
      unroll<V>([&](auto j) FASTNN_INLINED { sums[i][j] = fma(left, right[j], sums[i][j]); });
    });
    rows.advance(a_step);
    right_row += b_step;
  }
}

// The same where A(i, p) = a[i * a_row + p * a_col].
template <class T, int M, int V, int Tail>
FASTNN_INLINE void multiply_tile(Vec<T> (&sums)[M][V], int64_t k, const T* a, int64_t a_row, int64_t a_col, const T* b,
                                 int64_t b_row, int last) {
  multiply_rows<T, M, V, Tail>(sums, k, Rows<T, M>(a, a_row), a_col, b, b_row, last);
}

// Something to be added to a finished tile, in order; row 0 apart for a row that all rows share.
template <class T>
struct Addend {
  const T* p;
  int64_t row;
};

// C tile = epilogue(addends + (start + A B)).
template <class T>
struct TileCall {
  int64_t k;
  const T* a;
  int64_t a_row;
  int64_t a_col;
  const T* b;
  int64_t b_row;
  T* c;
  int64_t c_row;
  const T* start;  // sums from which the chains go on; null: from zero
  int64_t start_row;
  int last;  // columns in the last vector
  int addends;
  Addend<T> addend[3];
  Epilogue epilogue;
  const T* mask;
  int64_t mask_row;
};

template <class T>
using Kernel = void (*)(const TileCall<T>&);

template <class T, int M, int V, int Tail>
FASTNN_INLINE void begin_tile(const TileCall<T>& call, Vec<T> (&sums)[M][V]) {
  if (call.start) {
    unroll<M>([&](auto i) FASTNN_INLINED {
      unroll<V>([&](auto j) FASTNN_INLINED {
        sums[i][j] = load_part<T, V, Tail, j>(call.start + i * call.start_row, call.last);
      });
    });
  } else {
    unroll<M>([&](auto i) FASTNN_INLINED { unroll<V>([&](auto j) FASTNN_INLINED { sums[i][j] = Vec<T>{}; }); });
  }
}

template <class T, int M, int V, int Tail>
FASTNN_INLINE void finish_tile(const TileCall<T>& call, Vec<T> (&sums)[M][V]) {
  for (int n = 0; n < call.addends; ++n) {
    const Addend<T> add = call.addend[n];
    unroll<M>([&](auto i) FASTNN_INLINED {
      unroll<V>([&](auto j) FASTNN_INLINED {
        sums[i][j] = load_part<T, V, Tail, j>(add.p + i * add.row, call.last) + sums[i][j];
      });
    });
  }
  if (call.epilogue == Epilogue::relu) {
    unroll<M>([&](auto i)
                  FASTNN_INLINED { unroll<V>([&](auto j) FASTNN_INLINED { sums[i][j] = rectified(sums[i][j]); }); });
  } else if (call.epilogue == Epilogue::mask) {
    unroll<M>([&](auto i) FASTNN_INLINED {
      unroll<V>([&](auto j) FASTNN_INLINED {
        sums[i][j] = masked(sums[i][j], load_part<T, V, Tail, j>(call.mask + i * call.mask_row, call.last));
      });
    });
  }
  unroll<M>([&](auto i) FASTNN_INLINED {
    T* row = call.c + i * call.c_row;
    unroll<V>([&](auto j) FASTNN_INLINED { store_part<T, V, Tail, j>(sums[i][j], row, call.last); });
  });
}

template <class T, int M, int V, int Tail>
void run_tile(const TileCall<T>& call) {
  Vec<T> sums[M][V];
  begin_tile<T, M, V, Tail>(call, sums);
  multiply_tile<T, M, V, Tail>(sums, call.k, call.a, call.a_row, call.a_col, call.b, call.b_row, call.last);
  finish_tile<T, M, V, Tail>(call, sums);
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
