// Prepare for linear layers and matmul: any strides are taken as they are, since the product packs what it must.
#include <algorithm>

#include "kernels/blocks.h"
#include "ops/op.h"

namespace fastnn {
namespace {

// Strides count whole elements, and leading dimensions step like one: else a dense copy is planned.
void joined_rows(Call& c, int argument) {
  View& v = c.in(argument);
  bool joins = true;
  for (int i = 0; i < v.rank; i++) joins = joins && v.stride[i] % v.itemsize() == 0;
  int64_t step = v.rank > 1 ? v.stride[v.rank - 2] * v.shape[v.rank - 2] : 0;
  for (int i = v.rank - 2; i-- > 0;) {
    joins = joins && (v.shape[i] == 1 || v.stride[i] == step);
    step *= v.shape[i];
  }
  if (!joins) densify(c, argument);
}

struct Strides {
  int64_t row, col;
};

Strides strides(const View& v) {
  const int64_t size = v.itemsize();
  return {v.rank > 1 ? v.stride[v.rank - 2] / size : 0, v.stride[v.rank - 1] / size};
}

// Of a product in a layer, which skips zeros.
size_t product_scratch(DType t, int64_t m, int64_t n, int64_t k, Strides a, Strides b) {
  return kernel_table().zeros_scratch[int(t)]({m, n, k, a.row, a.col, b.row, b.col});
}

Strides transposed(Strides s) { return {s.col, s.row}; }

// m, n, k of rows x (..., k) against weights w (n, k).
void linear_sizes(Call& c, const View& x, const View& w) {
  require(x.rank >= 1, "x wants at least one dimension");
  require(w.rank == 2, "w wants two dimensions");
  require(x.shape[x.rank - 1] == w.shape[1], "x and w disagree in features");
  int64_t m = 1;
  for (int i = 0; i + 1 < x.rank; i++) m *= x.shape[i];
  c.dim[0] = m;
  c.dim[1] = w.shape[0];
  c.dim[2] = w.shape[1];
  c.cost = 0.02 * double(m) * double(c.dim[1]) * double(c.dim[2]);
}

void prepare_linear(Call& c, Kernel which) {  // "vvo": x, w, b
  const DType t = common_float(c, 0, 3);
  linear_sizes(c, c.in(0), c.in(1));
  const int64_t m = c.dim[0], n = c.dim[1], k = c.dim[2];
  if (c.has(2)) {
    require(c.in(2).rank == 1 && c.in(2).shape[0] == n, "b wants as many values as w has rows");
    densify(c, 2);
  }
  joined_rows(c, 0);
  joined_rows(c, 1);
  View& y = c.out(0);
  like(y, c.in(0));
  y.shape[y.rank - 1] = n;
  y.make_dense();
  c.scratch = product_scratch(t, m, n, k, strides(c.in(0)), transposed(strides(c.in(1))));
  c.run = kernel(which, t);
}

void prepare_linear_backward(Call& c, Kernel which) {  // "vvvn": dy, x, w -> dx, dw, db
  const DType t = common_float(c, 0, 3);
  const View &x = c.in(1), &w = c.in(2);
  linear_sizes(c, x, w);
  const int64_t m = c.dim[0], n = c.dim[1], k = c.dim[2];
  require(c.in(0).rank == x.rank && c.in(0).shape[x.rank - 1] == n && c.in(0).size() == m * n, "dy has another shape");
  like(c.out(0), x);
  like_layout(c.out(1), w);
  shaped(c.out(2), t, 1, &n);
  for (int a = 0; a < 3; a++) joined_rows(c, a);
  if (c.wants(2) && c.in(0).stride[x.rank - 1] != c.in(0).itemsize()) densify(c, 0);
  const Strides dy = strides(c.in(0));
  if (c.wants(0)) c.scratch = product_scratch(t, m, k, n, dy, strides(c.in(2)));
  if (c.wants(1)) {
    const Strides input = strides(c.in(1));
    const bool by_columns = c.out(1).stride[1] != w.itemsize();
    c.scratch = std::max(c.scratch, by_columns ? product_scratch(t, k, n, m, transposed(input), dy)
                                               : product_scratch(t, n, k, m, transposed(dy), input));
  }
  const int64_t row_blocks = blocks(m, column_block);
  if (c.wants(2) && row_blocks > 1) c.scratch = std::max(c.scratch, size_t(row_blocks * n * w.itemsize()));
  c.cost *= 2;
  c.run = kernel(which, t);
}

void linear(Call& c) { prepare_linear(c, Kernel::linear); }
void linear_relu(Call& c) { prepare_linear(c, Kernel::linear_relu); }
void linear_backward(Call& c) { prepare_linear_backward(c, Kernel::linear_backward); }

// The rows of x are the mask: they must be dense.
void linear_backward_relu(Call& c) {
  prepare_linear_backward(c, Kernel::linear_backward_relu);
  const View& x = c.in(1);
  if (x.stride[x.rank - 1] != x.itemsize()) densify(c, 1);
}

void matmul(Call& c) {  // "vv": NumPy's matmul
  const DType t = common_float(c, 0, 2);
  require(c.in(0).rank >= 1 && c.in(1).rank >= 1, "at least one dimension is wanted");
  for (int a = 0; a < 2; a++)
    for (int i = 0; i < c.in(a).rank; i++)
      if (c.in(a).stride[i] % c.in(a).itemsize()) {
        densify(c, a);
        break;
      }
  const View &a = c.in(0), &b = c.in(1);
  const bool row = a.rank == 1, column = b.rank == 1;
  const int64_t m = row ? 1 : a.shape[a.rank - 2], k = a.shape[a.rank - 1];
  const int64_t n = column ? 1 : b.shape[b.rank - 1];
  require(k == (column ? b.shape[0] : b.shape[b.rank - 2]), "inner dimensions differ");

  View outer[3] = {a, b, a};  // the batch dimensions of a, b and y
  outer[0].rank = uint8_t(row ? 0 : a.rank - 2);
  outer[1].rank = uint8_t(column ? 0 : b.rank - 2);
  View& y = c.out(0);
  broadcast(y, outer[0], outer[1]);
  const int batch_rank = y.rank;
  const int64_t batches = y.size();
  if (!row) y.shape[y.rank++] = m;
  if (!column) y.shape[y.rank++] = n;
  y.make_dense();
  outer[2] = y;
  outer[2].rank = uint8_t(batch_rank);
  const View* views[] = {&outer[0], &outer[1], &outer[2]};
  collapse(c.loop, batch_rank, y.shape, 3, views);

  Strides sa = strides(a), sb = strides(b);
  if (column) sb = {sb.col, 0};
  const size_t each = round_up(kernel_table().gemm_scratch[int(t)]({m, n, k, sa.row, sa.col, sb.row, sb.col}), 64);
  constexpr int64_t most_chunks = 64;
  const double flops = 2.0 * double(m) * double(n) * double(k);
  const int64_t enough = int64_t(1 + 1e6 / (flops + 1));  // batches that are worth a chunk
  const int64_t grain = std::max(enough, (batches + most_chunks - 1) / most_chunks);
  c.dim[0] = m;
  c.dim[1] = n;
  c.dim[2] = k;
  c.dim[3] = batches;
  c.dim[4] = int64_t(each);
  c.dim[5] = grain;
  c.scratch = each * size_t((batches + grain - 1) / grain);
  c.cost = 0.01 * flops * double(batches);
  c.run = y.size() ? kernel(Kernel::matmul, t) : nullptr;
}

const OpInfo ops[] = {
    {"linear", "vvo", 1, linear},
    {"linear_backward", "vvvn", 3, linear_backward},
    {"linear_relu", "vvo", 1, linear_relu},
    {"linear_backward_relu", "vvvn", 3, linear_backward_relu},
    {"matmul", "vv", 1, matmul},
};

}  // namespace

extern const Family contractions_family = {ops, sizeof ops / sizeof *ops};

}  // namespace fastnn
