// Products of a matrix with one row or one column where its rows are contiguous along the result: whole rows of the
// matrix pass by, while the result, or its chains, stay in a cache. Memory is read from end to end, as a sum reads it:
// tiles of registers and squares to transpose read scattered lines, at half the speed and less.
#pragma once

#include "kernels/gemm/narrow.h"
#include "kernels/gemm/sums.h"

namespace fastnn::FASTNN_ISA {
namespace {

// sums[j] goes on by fma over Rows rows of the matrix, in order, each times its number. Whole vectors begin behind
// `head` elements.
template <int Rows, class T>
void sweep_rows(const T* a, int64_t a_row, const T* x, int64_t x_step, int64_t head, int64_t width, T* sums) {
  constexpr int lanes = Vec<T>::lanes;
  Vec<T> number[Rows];
  unroll<Rows>([&](auto r) FASTNN_INLINED { number[r] = Vec<T>(x[r * x_step]); });
  const auto some = [&](int64_t j, int n) FASTNN_INLINED {
    Vec<T> sum = Vec<T>::load(sums + j, n);
    unroll<Rows>([&](auto r) FASTNN_INLINED { sum = fma(number[r], Vec<T>::load(a + r * a_row + j, n), sum); });
    sum.store(sums + j, n);
  };
  if (head > 0) some(0, static_cast<int>(head));
  int64_t j = head;
  for (; j + lanes <= width; j += lanes) {
    Vec<T> sum = Vec<T>::load(sums + j);
    unroll<Rows>([&](auto r) FASTNN_INLINED { sum = fma(number[r], Vec<T>::load(a + r * a_row + j), sum); });
    sum.store(sums + j);
  }
  if (j < width) some(j, static_cast<int>(width - j));
}

template <class T>
void add_to(T* sums, const T* more, int64_t width) {
  for (int64_t j = 0; j < width; ++j) sums[j] = sums[j] + more[j];
}

// Rows at a time: the sums are loaded and stored once for all of them. 2 and 8 are slower.
constexpr int at_once = 4;

// A^T times a column, some elements of the result. Their chains are k modulo `wide_lanes`, as in narrow.h: rows of one
// chain follow each other, so that its sums stay in the first cache, and the fixed tree comes in the end. `depth` rows
// at a time: with all 2048 of a matrix of 16 MB a product took 1.2 times as long, with 64 of one of 1 MB 1.15 times.
template <class T>
void run_column_sweep(const GemmArgs<T>& g, Range rows, T* scratch) {
  constexpr int64_t chains = wide_lanes<T>;
  constexpr int64_t depth = 512;
  for (int64_t i = rows.begin; i < rows.end; i += sweep_width) {
    const int64_t width = smaller(sweep_width, rows.end - i);
    const int64_t head = smaller(width, misaligned<T>(g.a + i, g.a_col, vector_bytes));
    const int64_t line = round_up(width, chains);
    T* sums = scratch + (head > 0 ? chains - head : 0);
    T* total = sums + chains * line;
    for (int64_t k0 = 0; k0 < g.k; k0 += k_block) {
      const int64_t end = smaller(k0 + k_block, g.k);
      for (int64_t j = 0; j < chains * line; ++j) sums[j] = T(0);
      for (int64_t p = k0; p < end; p += depth) {
        const int64_t stop = smaller(p + depth, end);
        for (int64_t c = 0; c < smaller(chains, stop - p); ++c) {
          T* own = sums + c * line;
          int64_t q = p + c;
          for (; q + (at_once - 1) * chains < stop; q += at_once * chains) {
            sweep_rows<at_once>(g.a + i + q * g.a_col, chains * g.a_col, g.b + q * g.b_row, chains * g.b_row, head,
                                width, own);
          }
          for (; q < stop; q += chains) sweep_rows<1>(g.a + i + q * g.a_col, 0, g.b + q * g.b_row, 0, head, width, own);
        }
      }
      for (int64_t half = chains / 2; half > 0; half /= 2) {
        for (int64_t c = 0; c < half; ++c) add_to(sums + c * line, sums + (c + half) * line, width);
      }
      if (k0 == 0) {
        for (int64_t j = 0; j < width; ++j) total[j] = sums[j];
      } else {
        add_to(total, sums, width);
      }
    }
    for (int64_t j = 0; j < width; ++j) {
      T& c = g.c[(i + j) * g.c_row];
      const T value = g.bias ? g.bias[0] + total[j] : total[j];
      c = finished(g, g.accumulate ? c + value : value, i + j, 0);
    }
  }
}

// A row times B, some columns of the result: each is one chain.
template <class T>
void run_row_sweep(const GemmArgs<T>& g, const Plan& x, Range columns, T* scratch) {
  constexpr int lanes = Vec<T>::lanes;
  const Pieces pieces(g.k, k_block);
  for (int64_t j = columns.begin; j < columns.end; j += sweep_width) {
    const int64_t width = smaller(sweep_width, columns.end - j);
    const int64_t head = smaller(width, misaligned<T>(g.b + j, g.b_row, vector_bytes));
    T* chains = scratch + (head > 0 ? wide_lanes<T> - head : 0);
    const Sums<T> sums(g, x, {0, 1}, {j, j + width}, scratch + x.packed_b);
    for (int64_t q = 0; q < pieces.count; ++q) {
      const Piece piece = pieces.at(q);
      for (int64_t i = 0; i < width; ++i) chains[i] = T(0);
      const int64_t end = piece.begin + piece.size;
      int64_t p = piece.begin;
      for (; p + at_once <= end; p += at_once) {
        sweep_rows<at_once>(g.b + p * g.b_row + j, g.b_row, g.a + p * g.a_col, g.a_col, head, width, chains);
      }
      for (; p < end; ++p) sweep_rows<1>(g.b + p * g.b_row + j, 0, g.a + p * g.a_col, 0, head, width, chains);
      TileCall<T> call;
      for (int64_t i = 0; i < width; i += lanes) {
        call.last = static_cast<int>(smaller(lanes, width - i));
        sums.direct(call, piece, 0, i);
        Vec<T> finished[1][1] = {{Vec<T>::load(chains + i, call.last)}};
        finish_tile<T, 1, 1, true>(call, finished);
      }
    }
  }
}

// M rows of C from V vectors of K rows of B, which are read once for all of them.
template <int K, int M, int V, bool Tail, class T>
FASTNN_INLINE void outer_tile(const Vec<T> (&number)[M][K], const T* b, int64_t b_row, const TileCall<T>& call) {
  Vec<T> tile[M][V];
  unroll<V>([&](auto v) FASTNN_INLINED {
    unroll<M>([&](auto r) FASTNN_INLINED { tile[r][v] = Vec<T>{}; });
    unroll<K>([&](auto p) FASTNN_INLINED {
      const Vec<T> right = load_part<T, V, Tail, v>(b + p * b_row, call.last);
      unroll<M>([&](auto r) FASTNN_INLINED { tile[r][v] = fma(number[r][p], right, tile[r][v]); });
    });
  });
  finish_tile<T, M, V, Tail>(call, tile);
}

// K columns times K rows: M rows of C at a time are written from end to end. One at a time is as fast for K = 1 only;
// from K = 8 on the register tiles are faster.
template <int K, int M, class T>
void run_outer(const GemmArgs<T>& g, const Sums<T>& sums, Range rows) {
  constexpr int lanes = Vec<T>::lanes;
  constexpr int together = 4;
  const Piece piece{0, K, true, true, true, true};
  TileCall<T> call{};
  int64_t i = rows.begin;
  for (; i + M <= rows.end; i += M) {
    Vec<T> number[M][K];
    unroll<M>([&](auto r) FASTNN_INLINED {
      unroll<K>([&](auto p) FASTNN_INLINED { number[r][p] = Vec<T>(g.a[(i + r) * g.a_row + p * g.a_col]); });
    });
    int64_t j = 0;
    for (; j + together * lanes <= g.n; j += together * lanes) {
      sums.direct(call, piece, i, j);
      outer_tile<K, M, together, false>(number, g.b + j, g.b_row, call);
    }
    for (; j < g.n; j += lanes) {
      call.last = static_cast<int>(smaller(lanes, g.n - j));
      sums.direct(call, piece, i, j);
      outer_tile<K, M, 1, true>(number, g.b + j, g.b_row, call);
    }
  }
  if constexpr (M > 1) {
    if (i < rows.end) run_outer<K, 1>(g, sums, {i, rows.end});
  }
}

template <class T>
void run_outer(const GemmArgs<T>& g, const Plan& x, Range rows) {
  const Sums<T> sums(g, x, {0, g.m}, {0, g.n}, nullptr);
  unroll<outer_depth>([&](auto k) FASTNN_INLINED {
    if (g.k == k + 1) run_outer<k + 1, 2>(g, sums, rows);
  });
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
