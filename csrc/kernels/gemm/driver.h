// The loop nests around the micro-kernels, one body for float and double.
#pragma once

#include "kernels/gemm/kernels.h"
#include "kernels/gemm/narrow.h"
#include "kernels/gemm/pack.h"
#include "kernels/gemm/sums.h"
#include "kernels/gemm/sweep.h"
#include "kernels/gemm/turned.h"

namespace fastnn::FASTNN_ISA {
namespace {

// Panels of a block of columns, in units of vectors. With half registers the wider ones come last: half a vector is
// used better at the end of a wide panel (3 % of 100^3; on AVX2, with masks, that would lose 2 %).
struct Panels {
  static constexpr bool wider_last = vector_bytes == 64;
  int64_t all;
  EvenSplit split;
  int64_t count;

  Panels(int64_t vectors, int64_t most) : all(vectors), split(vectors, parts(vectors, most)), count(split.count) {}
  int64_t begin(int64_t i) const { return wider_last ? all - split.begin(count - i) : split.begin(i); }
  int64_t size(int64_t i) const { return split.size(wider_last ? count - 1 - i : i); }
};

// One panel of C for a piece of k, all register tiles from top to bottom.
template <class T>
void run_tiles(TileCall<T>& call, const Sums<T>& sums, const Piece& piece, int64_t rows, int vectors) {
  const Kernel<T>* kernels = kernels_for<T>(vectors, call.last);
  const EvenSplit tiles(rows, parts(rows, tile_rows[vectors]));
  int64_t i = 0;
  for (int64_t t = 0; t < tiles.count; ++t) {
    const int64_t height = tiles.size(t);
    sums.direct(call, piece, i, 0);
    kernels[height](call);
    call.a += height * call.a_row;
    i += height;
  }
}

// Path::panels: some rows of a range of panels.
template <class T>
void run_panels(const GemmArgs<T>& g, const Plan& x, const Panels& panels, Range range, Range of_rows, T* scratch) {
  constexpr int64_t lanes = Vec<T>::lanes;
  const Pieces pieces(g.k, x.piece);
  TileCall<T> call;
  call.a_row = g.a_row;
  call.a_col = g.a_col;
  for (int64_t p = range.begin; p < range.end; ++p) {
    const int64_t column = panels.begin(p) * lanes;
    const int vectors = static_cast<int>(panels.size(p));
    const int64_t width = vectors * lanes;
    const int64_t present = smaller(width, g.n - column);
    call.last = static_cast<int>(present - (width - lanes));
    for (int64_t i = of_rows.begin; i < of_rows.end; i += x.rows) {
      const Range rows{i, smaller(i + x.rows, of_rows.end)};
      const Sums<T> sums(g, x, rows, {column, column + present}, scratch + x.packed_b);
      for (int64_t q = 0; q < pieces.count; ++q) {
        const Piece piece = pieces.at(q);
        const Matrix<T> b{g.b + piece.begin * g.b_row + column * g.b_col, g.b_row, g.b_col};
        call.k = piece.size;
        call.a = g.a + rows.begin * g.a_row + piece.begin * g.a_col;
        call.b = b.p;
        call.b_row = g.b_row;
        if (x.thin) {
          call.b_row = g.b_col;
          sums.direct(call, piece, 0, 0);
          (call.last == lanes ? thin_kernels<T, false>.of : thin_kernels<T, true>.of)[vectors][rows.size()](call);
          continue;
        }
        if (x.pack_b) {
          pack_rows(b, piece.size, present, scratch, width, width);
          call.b = scratch;
          call.b_row = width;
        }
        run_tiles(call, sums, piece, rows.size(), vectors);
      }
    }
  }
}

// Path::blocks: strips of rows pass over a block of B.
template <class T>
struct Block {
  const GemmArgs<T>& g;
  const Plan& x;
  Range rows, columns;
  Piece piece;
  const Sums<T>& sums;
  Panels panels;
  EvenSplit strips;
  T* packed_a;
  T* packed_b;
  bool fetch;  // C, into the second cache: 2 % of 2048^3, and a loss where C is small

  static constexpr int64_t lanes = Vec<T>::lanes;

  int64_t depth() const { return round_up(piece.size, lanes); }

  void pack_panel(int64_t p) const {
    const int64_t j = panels.begin(p) * lanes;
    const int64_t width = panels.size(p) * lanes;
    const Matrix<T> b{g.b + piece.begin * g.b_row + (columns.begin + j) * g.b_col, g.b_row, g.b_col};
    pack_rows(b, piece.size, smaller(width, columns.size() - j), packed_b + j * depth(), width, width);
  }

  // A few k of all strips at a time: rows of the source are read from end to end.
  void pack_strips(Range k) const {
    constexpr int64_t step = 8;
    for (int64_t p = k.begin; p < k.end; p += step) {
      const int64_t count = smaller(step, k.end - p);
      for (int64_t s = 0; s < strips.count; ++s) {
        const int64_t i = strips.begin(s);
        const int64_t height = strips.size(s);
        copy_columns(Matrix<T>{g.a + (rows.begin + i) * g.a_row + (piece.begin + p) * g.a_col, g.a_col, 1}, count,
                     height, packed_a + i * piece.size + p * height);
      }
    }
  }

  void run(Range of_strips) const {
    TileCall<T> call;
    call.k = piece.size;
    for (int64_t s = of_strips.begin; s < of_strips.end; ++s) {
      const int64_t i = strips.begin(s);
      const int64_t height = strips.size(s);
      call.a = g.a + (rows.begin + i) * g.a_row + piece.begin * g.a_col;
      call.a_row = g.a_row;
      call.a_col = g.a_col;
      if (x.pack_a) {
        call.a = packed_a + i * piece.size;
        call.a_row = 1;
        call.a_col = height;
      }
      for (int64_t p = 0; p < panels.count; ++p) {
        const int64_t j = panels.begin(p) * lanes;
        const int vectors = static_cast<int>(panels.size(p));
        call.b = g.b + piece.begin * g.b_row + columns.begin + j;
        call.b_row = g.b_row;
        if (x.pack_b) {
          call.b = packed_b + j * depth();
          call.b_row = vectors * lanes;
        }
        call.last = static_cast<int>(smaller(lanes, columns.size() - j - (vectors - 1) * lanes));
        sums.direct(call, piece, i, columns.begin + j);
        if (fetch && p + 1 < panels.count) fetch_tile(call.c + vectors * lanes, call.c_row, height, vectors);
        kernels_for<T>(vectors, call.last)[height](call);
      }
    }
  }

  static void fetch_tile(const T* c, int64_t c_row, int64_t height, int vectors) {
    for (int64_t r = 0; r < height; ++r) {
      for (int v = 0; v < vectors; ++v) __builtin_prefetch(c + r * c_row + v * lanes, 1, 2);
    }
  }
};

// A is copied once for all columns: a copy for each block of them took 5 % of TN products of 1000^3 and above.
template <class T>
void run_blocks(Context& context, const GemmArgs<T>& g, const Plan& x) {
  T* packed_a = reinterpret_cast<T*>(context.scratch);
  T* packed_b = packed_a + x.packed_a;
  const Pieces pieces(g.k, x.piece);
  constexpr int64_t lanes = Vec<T>::lanes;
  const bool beyond_cache = g.m * g.n * static_cast<int64_t>(sizeof(T)) > block_bytes;
  for (int64_t i = 0; i < g.m; i += x.rows) {
    const Range rows{i, smaller(i + x.rows, g.m)};
    const EvenSplit strips(rows.size(), parts(rows.size(), tile_rows[x.vectors]));
    const Sums<T> sums(g, x, rows, {0, g.n}, packed_b + x.packed_b);
    for (int64_t q = 0; q < pieces.count; ++q) {
      for (int64_t j = 0; j < g.n; j += x.columns) {
        const Range columns{j, smaller(j + x.columns, g.n)};
        const Panels panels(parts(columns.size(), lanes), x.vectors);
        const Block<T> block{g, x, rows, columns, pieces.at(q), sums, panels, strips, packed_a, packed_b, beyond_cache};
        const int64_t slices = x.pack_a && j == 0 ? parts(block.piece.size, 64) : 0;
        const int64_t copies = x.pack_b ? panels.count : 0;
        if (slices + copies > 0) {
          parallel_for(context, slices + copies, 1, [&](int64_t begin, int64_t end) {
            for (int64_t n = begin; n < end; ++n) {
              if (n < slices) {
                block.pack_strips({n * 64, smaller((n + 1) * 64, block.piece.size)});
              } else {
                block.pack_panel(n - slices);
              }
            }
          });
        }
        parallel_for(context, strips.count, larger(1, strips.count / x.jobs), [&](int64_t begin, int64_t end) {
          block.run({begin, end});
        });
      }
    }
  }
}

template <class T>
void run_gemm(Context& context, const GemmArgs<T>& g) {
  if (g.m <= 0 || g.n <= 0) return;
  const Plan x = make_plan(g);
  if (x.path == Path::blocks) return run_blocks(context, g, x);
  if (x.path == Path::turned) return run_turned(context, g, x);
  const bool by_panels = x.path == Path::panels;
  const Panels panels(parts(g.n, Vec<T>::lanes), by_panels ? x.vectors : 1);
  const EvenSplit jobs(by_panels ? panels.count : x.path == Path::row_sweep ? g.n : g.m, x.jobs);
  const EvenSplit row_jobs(g.m, x.row_jobs);
  const size_t bytes = job_bytes<T>(x);
  char* scratch = context.scratch;
  parallel_for(context, x.jobs * x.row_jobs, 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      T* own = reinterpret_cast<T*>(scratch + static_cast<size_t>(n) * bytes);
      const int64_t job = quotient(n, x.row_jobs);
      if (by_panels) {
        run_panels(g, x, panels, jobs.part(job), row_jobs.part(n - job * x.row_jobs), own);
      } else if (x.path == Path::column_sweep) {
        run_column_sweep(g, jobs.part(job), own);
      } else if (x.path == Path::outer) {
        run_outer(g, x, jobs.part(job));
      } else if (x.path == Path::row_sweep) {
        run_row_sweep(g, x, jobs.part(job), own);
      } else {
        run_narrow(g, x, jobs.part(job), own);
      }
    }
  });
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
