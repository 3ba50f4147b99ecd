// Few rows against a B whose columns are contiguous: squares of B are transposed in registers and used at
// once, since a copy would cost more than the products.
//
// One row of it is what other libraries compute by dot products, which read memory as fast as a sum does: 1.1 times the
// speed of this for 128 x 128 and twice that for 1024 x 1024. Their chains lie side by side in a vector, though, and an
// element's order of sums may not depend on the rows beside it: large products would need such chains, too. In the
// order of one chain, 1 KB of B takes 64 shuffles of 64 bytes, a cycle each on Zen 4, where a sum takes 36 cycles: 59
// GB/s at most, 53 measured in the second cache and 43 beyond it. Half the shuffles by blends (55 and 41), squares of
// 32 bytes put together by loads of 16 or 32 (58 and 37), two squares in turns (61 and 37) and fetching ahead by rows
// or by lines (46 and 27: a core waits for 24 lines at a time) were no better. Nor were diagonals picked by blends, a
// column a step behind the next (29 with 8 columns, 47 with 16). A chain of 16 columns takes 4 cycles for 64 bytes,
// which is 59 GB/s, too, and even a plain sum over 16 rows that lie 4 KB apart reads 60 where from end to end it reads
// 100.
#pragma once

#include "kernels/gemm/microkernel.h"
#include "kernels/gemm/pack.h"

namespace fastnn::FASTNN_ISA {
namespace {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int thin_rows = 8;
#else
constexpr int thin_rows = 3;
#endif
// Vectors of a tile: a single row has as many chains under way, and those of one vector take 4 cycles a step.
constexpr int thin_vectors = vector_bytes == 64 ? 1 : 2;

// Whole lines of 64 bytes of V x lanes columns, k a multiple of `wide_lanes`.
template <class T, int M, int V>
FASTNN_INLINE void multiply_squares(Vec<T> (&sums)[M][V], int64_t k, const T* a, int64_t a_row, const T* b,
                                    int64_t b_col) {
  constexpr int lanes = Vec<T>::lanes;
  constexpr int64_t line = 64 / static_cast<int64_t>(sizeof(T));
  Rows<T, V * lanes> columns(b, b_col);
  for (int64_t p = 0; p < k; p += line) {
    unroll<V>([&](auto v) FASTNN_INLINED {
      unroll<line / lanes>([&](auto part) FASTNN_INLINED {
        Vec<T> square[lanes];
        unroll<lanes>([&](auto l) FASTNN_INLINED {
          square[l] = in_register(Vec<T>::load(columns.template row<v * lanes + l>() + part * lanes));
        });
        transpose(square);
        unroll<lanes>([&](auto l) FASTNN_INLINED {
          unroll<M>([&](auto i) FASTNN_INLINED {
            sums[i][v] = fma(Vec<T>(a[i * a_row + part * lanes + l]), square[l], sums[i][v]);
          });
        });
      });
    });
    columns.advance(64);
    a += line;
  }
}

// Column j of B begins at b + j * b_row.
template <class T, int M, int V, bool Tail>
void run_thin(const TileCall<T>& call) {
  constexpr int lanes = Vec<T>::lanes;
  constexpr int64_t line = 64 / static_cast<int64_t>(sizeof(T));
  Vec<T> sums[M][V];
  begin_tile<T, M, V, Tail>(call, sums);
  // Whole squares begin at `head`: lines of which a part is read now and the rest later are fetched twice where columns
  // alias (2048 x 2048: twice the time).
  const int64_t head = Tail || call.a_col != 1 ? call.k : call.k < 256 ? 0 : misaligned(call.b, call.b_row, 64);
  const T* a = call.a;
  for (int64_t p = 0; p < call.k;) {
    if (p == head) {
      const int64_t whole = (call.k - p) / line * line;
      multiply_squares(sums, whole, a, call.a_row, call.b + p, call.b_row);
      p += whole;
      a += whole;
      if (p == call.k) break;
    }
    // Others pass through memory.
    const int64_t end = p < head ? head : call.k;
    const int valid = static_cast<int>(end - p < lanes ? end - p : lanes);
    alignas(64) T squares[lanes * V * lanes];
    unroll<V>([&](auto v) FASTNN_INLINED {
      const int present = Tail && v == V - 1 ? call.last : lanes;
      transpose_square<T, false>(call.b + v * lanes * call.b_row + p, call.b_row, present, valid, squares + v * lanes,
                                 V * lanes);
    });
    multiply_tile<T, M, V, false>(sums, valid, a, call.a_row, call.a_col, squares, V * lanes, lanes);
    p += valid;
    a += valid * call.a_col;
  }
  finish_tile<T, M, V, Tail>(call, sums);
}

template <class T, bool Tail>
struct ThinTable {
  Kernel<T> of[thin_vectors + 1][thin_rows + 1];

  template <int V, int M>
  constexpr void fill() {
    of[V][M] = run_thin<T, M, V, Tail>;
    if constexpr (M > 1) {
      fill<V, M - 1>();
    } else if constexpr (V > 1) {
      fill<V - 1, thin_rows>();
    }
  }
  constexpr ThinTable() : of{} { fill<thin_vectors, thin_rows>(); }
};
template <class T, bool Tail>
constexpr ThinTable<T, Tail> thin_kernels{};

}  // namespace
}  // namespace fastnn::FASTNN_ISA
