// Products that skip zeros; see zeros.h.
#include "kernels/gemm/zeros.h"

#include "kernels/gemm/masked.h"
#include "kernels/gemm/pack.h"
#include "kernels/gemm/turned.h"

namespace fastnn::FASTNN_ISA {
namespace {

// Smaller products are not looked at, nor those of which gemm cuts the chains.
constexpr int64_t least_work = 1 << 19, least_rows = 16, least_depth = 16;
// Of a block of rows, and of its numbers, at most.
constexpr int64_t most_rows = 1024, block_size = 1 << 20;

template <class T>
GemmArgs<T> transposed(const GemmArgs<T>& g) {
  GemmArgs<T> t{};
  t.m = g.n, t.n = g.m, t.k = g.k;
  t.a = g.b, t.a_row = g.b_col, t.a_col = g.b_row;
  t.b = g.a, t.b_row = g.a_col, t.b_col = g.a_row;
  return t;
}

// Whether zeros of A may be skipped.
template <class T>
bool may_skip(const GemmArgs<T>& g) {
  return g.m >= least_rows && g.n >= 2 * Vec<T>::lanes && g.k >= least_depth && g.k <= k_block &&
         g.m * g.n * g.k >= least_work && (g.a_col == 1 || g.a_row == 1);
}

// How a product is cut whose A has zeros: blocks of rows, for each of which some panels of columns are copied and
// done, each in some parts of the rows, piece by piece of k.
template <class T>
struct Cut {
  EvenSplit panels;  // of columns, in vectors
  Pieces pieces;     // of k
  bool ahead;        // masks are made for all panels; for one only, piece by piece, while its numbers are in a cache
  int64_t slot, rows, group, row_jobs;
  // Elements of copies of the block, a panel of B, its unfinished sums, the transpose of C, and masks.
  int64_t packed_a, packed_b, partial, turned, masks;

  static constexpr int64_t lanes = Vec<T>::lanes;

  static int64_t vectors(const GemmArgs<T>& g) { return parts(g.n, lanes); }

  Cut(const GemmArgs<T>& g, bool turns)
      : panels(vectors(g), parts(vectors(g), widest_masked(vectors(g)))), pieces(g.k, masked_steps) {
    if (pieces.count > 1) {
      pieces.size = round_up(pieces.size, 16);
      pieces.count = parts(g.k, pieces.size);
    }
    ahead = panels.count > 1;
    slot = round_up(pieces.size, 16);
    const int64_t line = pieces.count * slot;
    rows = smaller(round_up(g.m, lanes), smaller(most_rows, round_up(quotient(block_size, line), 64)));
    masks = rows * (ahead ? pieces.count : 1);
    packed_a = g.a_col == 1 ? 0 : rows * line;
    turned = turns ? rows * vectors(g) * lanes : 0;
    const int64_t width = panels.size(0) * lanes;
    packed_b = width * round_up(g.k, lanes);
    group = smaller(panels.count, larger(1, quotient(block_bytes / static_cast<int64_t>(sizeof(T)), packed_b)));
    const int64_t work = group * quotient(width * g.k * smaller(rows, g.m), least_work);
    row_jobs = parts(larger(1, smaller(8, quotient(work, 4))), group);
    partial = width * parts(rows, row_jobs);
  }

  size_t bytes() const {
    const int64_t numbers = packed_a + turned + group * (packed_b + partial * row_jobs);
    return static_cast<size_t>(numbers) * sizeof(T) + static_cast<size_t>(masks) * sizeof(uint64_t);
  }
};

template <class T>
double share_of_values(const GemmArgs<T>& g) {
  return g.a_col == 1 ? share_of_values(g.a, g.m, g.a_row, g.k) : share_of_values(g.a, g.k, g.a_col, g.m);
}

// A block of rows of C = A B.
template <class T>
struct Block {
  const GemmArgs<T>& g;
  const Cut<T>& cut;
  T* packed_a;
  uint64_t* masks;

  static constexpr int64_t lanes = Vec<T>::lanes;

  uint64_t* masks_at(int64_t piece, int64_t row) const { return masks + (cut.ahead ? piece * cut.rows : 0) + row; }

  // The block as rows side by side.
  Matrix<T> a() const {
    if (g.a_col == 1) return {g.a, g.a_row, 1};
    return {packed_a, cut.pieces.count * cut.slot, 1};
  }

  void look(int64_t row, int64_t q) const {
    const Piece piece = cut.pieces.at(q);
    *masks_at(q, row) = mask_of(a().at(row, piece.begin), piece.size);
  }

  // Copies of rows, if need be, and their masks for all panels.
  void prepare(Range some) const {
    if (g.a_col != 1) {
      const Matrix<T> from{g.a + some.begin * g.a_row, g.a_row, g.a_col};
      pack_rows(from, some.size(), g.k, packed_a + some.begin * a().row, a().row, round_up(g.k, lanes));
    }
    if (!cut.ahead) return;
    for (int64_t i = some.begin; i < some.end; ++i) {
      for (int64_t q = 0; q < cut.pieces.count; ++q) look(i, q);
    }
  }

  void pack_panel(int64_t panel, T* packed_b) const {
    const int64_t width = cut.panels.size(panel) * lanes, column = cut.panels.begin(panel) * lanes;
    const Matrix<T> from{g.b + column * g.b_col, g.b_row, g.b_col};
    pack_rows(from, g.k, smaller(width, g.n - column), packed_b, width, width);
  }

  void multiply(int64_t panel, Range some, const T* packed_b, T* partial) const {
    const int64_t vectors = cut.panels.size(panel), width = vectors * lanes;
    const int64_t column = cut.panels.begin(panel) * lanes, present = smaller(width, g.n - column);
    // Unfinished sums lie at the bounds of cache lines, where rows of C may not.
    Plan kept{};
    kept.keep_partial = true;
    const Sums<T> sums(g, kept, some, {column, column + present}, partial);
    TileCall<T> call{};
    call.a_row = a().row;
    call.last = static_cast<int>(present - (width - lanes));
    const MaskedKernel<T> kernel = masked_kernel<T>(vectors, call.last);
    for (int64_t q = 0; q < cut.pieces.count; ++q) {
      const Piece piece = cut.pieces.at(q);
      if (!cut.ahead) {
        for (int64_t i = some.begin; i < some.end; ++i) look(i, q);
      }
      sums.direct(call, piece, 0, 0);
      call.a = a().at(some.begin, piece.begin);
      call.b = packed_b + piece.begin * width;
      if (finite(call.b, piece.size * width)) {
        kernel(call, masks_at(q, some.begin), some.size());
      } else {
        skip_nothing(call, kernel, piece, some.size());
      }
    }
  }

  static void skip_nothing(const TileCall<T>& call, MaskedKernel<T> kernel, const Piece& piece, int64_t count) {
    uint64_t every[most_rows];
    for (int64_t i = 0; i < count; ++i) every[i] = ~uint64_t{0} >> (64 - piece.size);
    kernel(call, every, count);
  }
};

// C = A B, or where `whole` is given and `args` are its transpose, C^T.
template <class T>
void run(Context& context, const GemmArgs<T>& args, const GemmArgs<T>* whole) {
  constexpr int64_t lanes = Vec<T>::lanes;
  const Cut<T> cut(args, whole != nullptr);
  T* packed_a = reinterpret_cast<T*>(context.scratch);
  T* turned = packed_a + cut.packed_a;
  T* packed_b = turned + cut.turned;
  T* partial = packed_b + cut.group * cut.packed_b;
  uint64_t* masks = reinterpret_cast<uint64_t*>(partial + cut.group * cut.row_jobs * cut.partial);
  for (int64_t i = 0; i < args.m; i += cut.rows) {
    GemmArgs<T> g = args;
    g.m = smaller(cut.rows, args.m - i);
    g.a += i * g.a_row;
    if (whole) {
      g.c = turned;
      g.c_row = Cut<T>::vectors(g) * lanes;
    } else {
      g.c += i * g.c_row;
      if (g.mask) g.mask += i * g.mask_row;
    }
    const Block<T> block{g, cut, packed_a, masks};
    const EvenSplit row_jobs(g.m, cut.row_jobs);
    parallel_for(context, g.m, round_up(larger(1, row_jobs.each), lanes), [&](int64_t begin, int64_t end) {
      block.prepare({begin, end});
    });
    for (int64_t p = 0; p < cut.panels.count; p += cut.group) {
      const int64_t count = smaller(cut.group, cut.panels.count - p);
      parallel_for(context, count, 1, [&](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; ++n) block.pack_panel(p + n, packed_b + n * cut.packed_b);
      });
      parallel_for(context, count * cut.row_jobs, 1, [&](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; ++n) {
          const int64_t panel = quotient(n, cut.row_jobs);
          const Range some = row_jobs.part(n - panel * cut.row_jobs);
          block.multiply(p + panel, some, packed_b + panel * cut.packed_b, partial + n * cut.partial);
        }
      });
    }
    if (!whole) continue;
    const Sums<T> sums(*whole, Plan{}, {0, whole->m}, {0, whole->n}, nullptr);
    parallel_for(context, parts(g.m, lanes), 4, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        finish_turned(*whole, sums, i + n * lanes, turned + n * lanes * g.c_row, g.c_row);
      }
    });
  }
}

// Narrow tiles wait for their chains; what is turned is written twice.
#if defined(__AVX512F__)
constexpr double most_values_narrow = 0.52, least_gain_turned = 0.17;
#else
constexpr double most_values_narrow = 0.58, least_gain_turned = 0.23;
#endif

template <class T>
void choose(Context& context, const GemmArgs<T>& g) {
  if (g.n >= wide_lanes<T>) {
    const GemmArgs<T> t = transposed(g);
    const auto most = [](int64_t n) { return n < 4 * Vec<T>::lanes ? most_values_narrow : most_values; };
    const double left = may_skip(g) ? share_of_values(g) / most(g.n) : 1;
    const double right = may_skip(t) ? share_of_values(t) / (most(t.n) - least_gain_turned) : 1;
    if (left < 1 && left <= right) return run<T>(context, g, nullptr);
    if (right < 1) return run(context, t, &g);
  }
  gemm(context, g);
}

template <class T>
size_t scratch(const GemmArgs<T>& g) {
  const GemmArgs<T> t = transposed(g);
  const size_t left = may_skip(g) ? Cut<T>(g, false).bytes() : 0;
  const size_t right = may_skip(t) ? Cut<T>(t, true).bytes() : 0;
  const size_t skipping = left < right ? right : left, whole = gemm_scratch(g);
  return skipping < whole ? whole : skipping;
}

}  // namespace

void gemm_skipping_zeros(Context& context, const GemmArgs<float>& args) noexcept { choose(context, args); }
void gemm_skipping_zeros(Context& context, const GemmArgs<double>& args) noexcept { choose(context, args); }
size_t zeros_scratch(const GemmArgs<float>& args) noexcept { return scratch(args); }
size_t zeros_scratch(const GemmArgs<double>& args) noexcept { return scratch(args); }

}  // namespace fastnn::FASTNN_ISA
