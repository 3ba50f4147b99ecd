// How a product is cut: register tiles, panels, blocks for the caches and tasks for the threads. Only sizes
// and strides decide, so that scratch can be planned without data; `lane_split` alone changes sums.
#pragma once

#include "kernels/gemm/gemm.h"
#include "kernels/gemm/thin.h"
#include "simd/vec.h"

namespace fastnn::FASTNN_ISA {
namespace {

// A chain of fma never exceeds this length; see the order of sums in gemm.h.
constexpr int64_t k_block = 4096;

// Rows of the tallest register tile for each width in vectors: accumulators, one row of B and one
// broadcast fill the 32 or 16 vector registers.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int max_vectors = 4;
constexpr int tile_rows[max_vectors + 1] = {0, 16, 14, 8, 6};
constexpr int best_vectors = 3;
#elif defined(__AVX2__)
constexpr int max_vectors = 3;
constexpr int tile_rows[max_vectors + 1] = {0, 8, 6, 4};
constexpr int best_vectors = 2;
#else
constexpr int max_vectors = 3;
constexpr int tile_rows[max_vectors + 1] = {0, 8, 6, 3};
constexpr int best_vectors = 2;
#endif

// Bytes of a piece of a row of A where blocks of B wait in the second cache: a strip of A stays in the first. 2 KB and
// 4 KB are each slower by a percent, at 1024^3 or at 2048^3.
constexpr int64_t strip_bytes = 3072;
// A block of B for the second cache.
constexpr int64_t block_bytes = vector_bytes == 64 ? 1 << 20 : 1 << 19;
// A transposed A no larger than the second cache is read as it lies by tiles of AVX-512: to copy it took 3 to 5 %
// of 256^3 to 511^3 and .7 % of 512^3. The lower tiles of AVX2 read it more often; there a copy pays from 384^3 on.
constexpr int64_t columns_bytes = vector_bytes == 64 ? 1 << 20 : 0;
// A panel of B for the first cache.
constexpr int64_t b_panel_bytes = 24 << 10;
// A larger B is copied, if there are rows enough to pay for it: many for one that the second cache holds
// in any case, fewer for one that it does not.
constexpr int64_t small_bytes = 256 << 10, small_rows = 48;
constexpr int64_t large_bytes = 1792 << 10, large_rows = 16;
// More rows than these are better in blocks than in panels; where B has to be transposed, fewer are (3 to 6 % of 129^3
// to 184^3, of which others lose up to 1 %).
constexpr int64_t panel_rows = 191, transposed_panel_rows = vector_bytes == 64 ? 128 : panel_rows;
// Elements of the result of a sweep, at most at a time and at least for a thread: of narrower pieces of rows, each
// begins before the processor has seen that it should fetch ahead (2048 x 2048: 48 GB/s by 512, 66 by 2048).
constexpr int64_t sweep_width = 2048, sweep_least = 1024;
// Bytes of a matrix from which a row is multiplied in a sweep. Half the register file holds half as wide a tile, and
// memory is read in shorter pieces; where those fall into the same lines of the first cache, even fewer bytes will do.
constexpr int64_t sweep_bytes = vector_bytes == 64 ? 1 << 20 : 1 << 16, aliased_sweep_bytes = 1 << 16;
// Most k (2 where rows begin anywhere), and least columns and bytes of C, where writing C is what takes the time.
constexpr int outer_depth = 4;
constexpr int64_t outer_columns = 256, outer_bytes = 1 << 15;
// Rows from which the transpose of C is computed: fewer leave half a register idle, squares in registers are faster.
constexpr int64_t turned_rows = vector_bytes == 64 ? 8 : 7;
// Rows, half as many more at most, for which copies of A or unfinished sums are kept: each set of them copies B anew
// (1 row behind 1024 took 1.3 % of 1025^3).
constexpr int64_t kept_rows = 1024;

// Lanes of the shortest registers that the tiles use.
template <class T>
constexpr int64_t least_lanes = Vec<T>::lanes / (vector_bytes == 64 ? 2 : 1);

constexpr int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t larger(int64_t a, int64_t b) { return a < b ? b : a; }

// Division of non-negative numbers. It is avoided where it can be: small products take less time than a few
// divisions, and 64-bit ones are slow on older processors.
constexpr int64_t quotient(int64_t a, int64_t b) {
  if (a < b) return 0;
  if (b == 1) return a;
  if (((a | b) >> 32) == 0) return static_cast<uint32_t>(a) / static_cast<uint32_t>(b);
  return a / b;
}
constexpr int64_t parts(int64_t n, int64_t size) { return n <= size ? (n > 0 ? 1 : 0) : quotient(n + size - 1, size); }
constexpr int64_t round_up(int64_t n, int64_t unit) { return parts(n, unit) * unit; }

struct Range {
  int64_t begin, end;
  constexpr int64_t size() const { return end - begin; }
};

// n cut into parts whose sizes differ by one at most.
struct EvenSplit {
  int64_t count, each, longer;

  constexpr EvenSplit(int64_t n, int64_t pieces)
      : count(pieces), each(quotient(n, pieces)), longer(n - each * pieces) {}
  constexpr int64_t begin(int64_t i) const { return i * each + smaller(i, longer); }
  constexpr int64_t size(int64_t i) const { return each + (i < longer ? 1 : 0); }
  constexpr Range part(int64_t i) const { return {begin(i), begin(i + 1)}; }
};

// Number of chains per element where C is narrow: 64 bytes at every level.
template <class T>
constexpr int64_t wide_lanes = 64 / static_cast<int64_t>(sizeof(T));

// The narrower C is, the more a vector across it wastes; the fewer k, the dearer is the tree at the end.
template <class T>
constexpr bool lane_split(int64_t n, int64_t k) {
  return n < wide_lanes<T> && k * (wide_lanes<T> - n) >= 30 * wide_lanes<T>;
}

// A piece of k, inside one block of the order of sums.
struct Piece {
  int64_t begin, size;
  bool opens, closes;  // the block
  bool first, final;   // of all blocks; final only where it closes
};

struct Pieces {
  int64_t k, size, count;

  constexpr Pieces(int64_t all, int64_t most) : k(all), size(all), count(1) {
    if (all > most) {
      const int64_t block = smaller(all, k_block);
      size = parts(block, parts(block, most));
      const int64_t whole = quotient(all, k_block);
      const int64_t rest = all - whole * k_block;
      count = whole * parts(k_block, size) + parts(rest, size);
    }
  }
  constexpr Piece at(int64_t i) const {
    if (count == 1) return {0, k, true, true, true, true};
    const int64_t per_block = parts(smaller(k, k_block), size);
    const int64_t block = quotient(i, per_block);
    const int64_t base = block * k_block;
    const int64_t end = smaller(k, base + k_block);
    const int64_t begin = base + (i - block * per_block) * size;
    const bool closes = begin + size >= end;
    return {begin, smaller(size, end - begin), begin == base, closes, block == 0, closes && end == k};
  }
};

enum class Path {
  panels,        // column panels one after another, each copied if need be, for all rows
  blocks,        // blocks of B for the second cache, strips of rows pass over them
  narrow,        // vectors along k
  column_sweep,  // A^T times one column, rows of A pass by
  row_sweep,     // one row times B, rows of B pass by
  turned,        // columns of B take the place of rows
  outer,         // few k, rows of C are written from end to end
};

struct Plan {
  Path path;
  bool thin;  // thin.h instead of the register tiles
  bool pack_a, pack_b;
  bool keep_partial;                           // unfinished chains wait in scratch, not in C
  bool keep_total;                             // sums of earlier blocks wait in scratch, not in C
  int vectors;                                 // of a panel
  int64_t piece;                               // of k
  int64_t rows;                                // of a block
  int64_t columns;                             // of a block
  int64_t jobs;                                // over rows (narrow, sweep, blocks) or panels
  int64_t row_jobs;                            // times this many over rows (panels)
  int64_t packed_a, packed_b, partial, total;  // elements of scratch of a job
};

// Pieces of work worth a thread each: some ten microseconds.
template <class T>
int64_t count_jobs(const GemmArgs<T>& g) {
  const double weights = static_cast<double>(g.n) * static_cast<double>(g.k);
  const double arithmetic = weights * static_cast<double>(g.m) / (4 * Vec<T>::lanes);
  const double traffic = weights * static_cast<double>(sizeof(T)) / 20;
  const double nanoseconds = arithmetic > traffic ? arithmetic : traffic;
  return nanoseconds < 2e4 ? 1 : nanoseconds > 64e4 ? 64 : static_cast<int64_t>(nanoseconds / 1e4);
}

// One row times a B whose rows are contiguous.
template <class T>
Plan plan_row(const GemmArgs<T>& g, int64_t jobs) {
  Plan x{};
  x.path = Path::row_sweep;
  x.row_jobs = 1;
  x.jobs = larger(1, smaller(jobs, quotient(g.n, sweep_least)));
  x.keep_total = g.accumulate && g.k > k_block;
  x.total = x.keep_total ? round_up(smaller(g.n, sweep_width), wide_lanes<T>) : 0;
  x.packed_b = round_up(smaller(g.n, sweep_width), wide_lanes<T>) + wide_lanes<T>;
  return x;
}

template <class T>
Plan plan_narrow(const GemmArgs<T>& g, int64_t jobs) {
  Plan x{};
  x.path = Path::narrow;
  x.row_jobs = 1;
  if (g.n == 1 && g.a_row == 1 && g.m >= Vec<T>::lanes) {
    x.path = Path::column_sweep;
    x.jobs = larger(1, smaller(jobs, quotient(g.m, sweep_least)));
    x.packed_b = (wide_lanes<T> + 1) * round_up(smaller(g.m, sweep_width), wide_lanes<T>) + wide_lanes<T>;
    return x;
  }
  x.pack_b = g.b_row != 1;
  x.pack_a = g.a_col != 1;
  x.rows = 32;
  x.jobs = larger(1, smaller(jobs, quotient(g.m, x.rows)));
  const int64_t line = round_up(smaller(g.k, k_block), wide_lanes<T>);
  x.packed_b = x.pack_b ? line * wide_lanes<T> : 0;
  x.packed_a = x.pack_a ? line * x.rows : 0;
  return x;
}

// Width of panels. Few rows: wide enough for their tile to hide the latency of its chains.
template <class T>
int choose_vectors(const GemmArgs<T>& g, int64_t vectors) {
  const bool widest = vectors <= max_vectors || g.m <= tile_rows[max_vectors];
  return static_cast<int>(smaller(vectors, widest ? max_vectors : best_vectors));
}

template <class T>
Plan make_plan(const GemmArgs<T>& g) {
  constexpr int64_t lanes = Vec<T>::lanes;
  constexpr int64_t bytes = static_cast<int64_t>(sizeof(T));
  const int64_t jobs = count_jobs(g);
  if (lane_split<T>(g.n, g.k)) return plan_narrow(g, jobs);
  const double size = static_cast<double>(g.n) * static_cast<double>(g.k) * sizeof(T);
  Plan x{};
  const int64_t vectors = larger(1, parts(g.n, lanes));
  const bool in_rows = g.b_col == 1 || g.n == 1;
  const bool big = (size > small_bytes && g.m >= small_rows) || (size > large_bytes && g.m >= large_rows);
  // Rows a multiple of 4 KB apart fall into the same few lines of the first cache.
  const bool aliased = g.b_row * bytes % 4096 == 0 && g.k > 32;
  if (g.m == 1 && g.b_col == 1 && size >= (aliased ? aliased_sweep_bytes : sweep_bytes)) return plan_row(g, jobs);
  const bool few = g.k > 0 && g.k <= (g.n * bytes % 64 == 0 ? outer_depth : 2);
  if (few && g.b_col == 1 && g.n >= outer_columns && g.m * g.n * bytes >= outer_bytes) {
    x.path = Path::outer;
    x.row_jobs = 1;
    x.jobs = larger(1, smaller(64, quotient(g.m * g.n * bytes, 1 << 18)));
    return x;
  }
  // Copying A, transposing C and idle lanes have to be less work than copying B.
  const int64_t idle = -g.m & (least_lanes<T> - 1);
  const bool turned =
      g.m >= turned_rows && g.m <= max_vectors * lanes && 4 * idle < lanes && g.m * (g.k + 2 * g.n) <= g.n * g.k;
  if (turned && !in_rows && g.b_row == 1 && g.k <= k_block && g.b_col * bytes % 4096 != 0) {
    x.path = Path::turned;
    x.vectors = static_cast<int>(parts(g.m, lanes));
    x.jobs = jobs;
    x.row_jobs = 1;
    x.packed_a = round_up(g.k, lanes) * x.vectors * lanes;
    return x;
  }
  x.path = g.m > (in_rows ? panel_rows : transposed_panel_rows) && jobs > 1 ? Path::blocks : Path::panels;
  if (x.path == Path::blocks) {
    const bool rereads = g.m * g.k * bytes > columns_bytes || g.a_col * bytes % 4096 == 0;
    x.pack_a = g.a_col != 1 && g.a_row == 1 && g.k > 64 && rereads;
    x.pack_b = !in_rows || big || aliased || g.k * bytes > 2 * strip_bytes;
  } else {
    x.thin = !in_rows && g.b_row == 1 && g.m <= thin_rows;
    x.pack_b = !x.thin && (!in_rows || (aliased && g.m > 8) || big);
  }
  x.vectors = x.thin ? static_cast<int>(smaller(vectors, thin_vectors)) : choose_vectors(g, vectors);
  const int64_t panel = x.vectors * lanes;
  const int64_t most = !x.pack_b                ? k_block
                       : x.path == Path::blocks ? strip_bytes / bytes
                                                : b_panel_bytes / (panel * bytes);
  x.piece = Pieces(g.k, most).size;
  const bool cut = x.piece < smaller(g.k, k_block);
  x.keep_partial = cut && (g.accumulate || g.k > k_block);
  x.keep_total = g.accumulate && g.k > k_block;
  const bool keep = x.keep_partial || x.keep_total;
  x.jobs = smaller(jobs, parts(vectors, x.vectors));
  // Each job over rows copies B for itself.
  const int64_t least = x.pack_b ? 64 : 2 * tile_rows[x.vectors];
  x.row_jobs = larger(1, smaller(quotient(smaller(jobs, 8), x.jobs), quotient(g.m, least)));
  x.rows = keep ? smaller(g.m, 256) : g.m;
  x.columns = panel;
  if (x.path == Path::blocks) {
    x.jobs = jobs;
    x.row_jobs = 1;
    x.rows = x.pack_a || keep ? parts(g.m, larger(1, quotient(g.m + kept_rows / 2, kept_rows))) : g.m;
    const int64_t widest = larger(1, quotient(block_bytes / bytes, larger(1, x.piece) * panel)) * panel;
    x.columns = round_up(parts(g.n, parts(g.n, widest)), panel);
  }
  const int64_t width = smaller(x.columns, vectors * lanes);
  // Blocks go through all columns for a piece of k, panels through all pieces for some columns.
  const int64_t kept_width = x.path == Path::blocks ? vectors * lanes : width;
  // A transposing copy fills whole squares.
  const int64_t depth = round_up(x.piece, lanes);
  x.packed_a = x.pack_a ? round_up(x.rows * x.piece, wide_lanes<T>) : 0;
  x.packed_b = x.pack_b ? round_up(width * depth, wide_lanes<T>) : 0;
  x.partial = x.keep_partial ? round_up(x.rows * kept_width, wide_lanes<T>) : 0;
  x.total = x.keep_total ? x.rows * kept_width : 0;
  return x;
}

template <class T>
size_t job_bytes(const Plan& x) {
  return static_cast<size_t>(
      round_up((x.packed_a + x.packed_b + x.partial + x.total) * static_cast<int64_t>(sizeof(T)), 64));
}

template <class T>
size_t scratch_bytes(const GemmArgs<T>& g) {
  const Plan x = make_plan(g);
  return job_bytes<T>(x) *
         static_cast<size_t>(x.path == Path::blocks || x.path == Path::turned ? 1 : x.jobs * x.row_jobs);
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
