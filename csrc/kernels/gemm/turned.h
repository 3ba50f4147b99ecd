// Few rows against a B whose columns are contiguous: the transpose of C is computed, columns of B in the place of rows,
// read as they lie. Only A is copied, which is smaller than B, and squares of C are transposed in registers.
#pragma once

#include "kernels/gemm/kernels.h"
#include "kernels/gemm/pack.h"
#include "kernels/gemm/sums.h"

namespace fastnn::FASTNN_ISA {
namespace {

// Columns [j, j + lanes) of C from `lines`, of which line l is column j + l.
template <class T>
void finish_turned(const GemmArgs<T>& g, const Sums<T>& sums, int64_t j, const T* lines, int64_t line) {
  constexpr int lanes = Vec<T>::lanes;
  constexpr int together = 8;
  const Piece piece{0, g.k, true, true, true, true};
  TileCall<T> call{};
  call.last = static_cast<int>(smaller(lanes, g.n - j));
  for (int64_t i = 0; i < g.m; i += lanes) {
    Vec<T> square[lanes];
    unroll<lanes>([&](auto l) FASTNN_INLINED { square[l] = Vec<T>::load(lines + l * line + i); });
    transpose(square);
    unroll<(lanes + together - 1) / together>([&](auto part) FASTNN_INLINED {
      constexpr int first = part * together;
      constexpr int count = first + together <= lanes ? together : lanes - first;
      if (i + first + count <= g.m) {
        Vec<T> tile[count][1];
        unroll<count>([&](auto r) FASTNN_INLINED { tile[r][0] = square[first + r]; });
        sums.direct(call, piece, i + first, j);
        finish_tile<T, count, 1, true>(call, tile);
      } else {
        unroll<count>([&](auto r) FASTNN_INLINED {
          if (i + first + r >= g.m) return;
          Vec<T> tile[1][1] = {{square[first + r]}};
          sums.direct(call, piece, i + first + r, j);
          finish_tile<T, 1, 1, true>(call, tile);
        });
      }
    });
  }
}

template <class T>
void run_turned(Context& context, const GemmArgs<T>& g, const Plan& x) {
  constexpr int64_t lanes = Vec<T>::lanes;
  T* packed = reinterpret_cast<T*>(context.scratch);
  const int64_t width = x.vectors * lanes;
  constexpr int64_t slice = 256;
  const int64_t slices = parts(g.k, slice);
  parallel_for(context, slices, larger(1, slices / x.jobs), [&](int64_t begin, int64_t end) {
    const int64_t k = begin * slice;
    pack_rows(Matrix<T>{g.a + k * g.a_col, g.a_col, g.a_row}, smaller(end * slice, g.k) - k, g.m, packed + k * width,
              width, width);
  });
  const int64_t groups = parts(g.n, lanes);
  const Sums<T> sums(g, x, {0, g.m}, {0, g.n}, nullptr);
  parallel_for(context, groups, larger(1, groups / x.jobs), [&](int64_t begin, int64_t end) {
    alignas(64) T lines[lanes * max_vectors * lanes];
    TileCall<T> call{};
    call.k = g.k;
    call.a_row = g.b_col;
    call.a_col = g.b_row;
    call.b = packed;
    call.b_row = width;
    call.c_row = width;
    call.last = static_cast<int>(g.m - (width - lanes));
    const Kernel<T>* kernels = kernels_for<T>(x.vectors, call.last);
    for (int64_t n = begin; n < end; ++n) {
      const int64_t j = n * lanes;
      const int64_t columns = smaller(lanes, g.n - j);
      const EvenSplit tiles(columns, parts(columns, tile_rows[x.vectors]));
      for (int64_t t = 0; t < tiles.count; ++t) {
        call.a = g.b + (j + tiles.begin(t)) * g.b_col;
        call.c = lines + tiles.begin(t) * width;
        kernels[tiles.size(t)](call);
      }
      finish_turned(g, sums, j, lines, width);
    }
  });
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
