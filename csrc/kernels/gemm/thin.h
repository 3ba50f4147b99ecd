// Few rows against a B whose columns are contiguous: squares of B are transposed in registers and used at
// once, since a copy would cost more than the products.
#pragma once

#include "kernels/gemm/microkernel.h"
#include "kernels/gemm/pack.h"

namespace fastnn::FASTNN_ISA {
namespace {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int thin_rows = 8;
#else
constexpr int thin_rows = 4;
#endif

// A tile of one vector; column j of B begins at b + j * b_row. The next square is transposed while the
// products of this one are under way.
template <class T, int M, bool Tail>
void run_thin(const TileCall<T>& call) {
  constexpr int lanes = Vec<T>::lanes;
  alignas(64) T square[lanes * lanes];
  Vec<T> sums[M][1];
  begin_tile<T, M, 1, Tail>(call, sums);
  const T* a = call.a;
  for (int64_t p = 0; p < call.k; p += lanes) {
    const int valid = static_cast<int>(call.k - p < lanes ? call.k - p : lanes);
    if (!Tail && valid == lanes) {
      transpose_square<T, true>(call.b + p, call.b_row, lanes, lanes, square, lanes);
    } else {
      transpose_square<T, false>(call.b + p, call.b_row, call.last, valid, square, lanes);
    }
    multiply_tile<T, M, 1, false>(sums, valid, a, call.a_row, call.a_col, square, lanes, lanes);
    a += lanes * call.a_col;
  }
  finish_tile<T, M, 1, Tail>(call, sums);
}

template <class T, bool Tail>
struct ThinTable {
  Kernel<T> of[thin_rows + 1];

  template <int M>
  constexpr void fill() {
    of[M] = run_thin<T, M, Tail>;
    if constexpr (M > 1) fill<M - 1>();
  }
  constexpr ThinTable() : of{} { fill<thin_rows>(); }
};
template <class T, bool Tail>
constexpr ThinTable<T, Tail> thin_kernels{};

}  // namespace
}  // namespace fastnn::FASTNN_ISA
