// Prepare for losses: between arrays of one shape, and over class numbers.
#include "kernels/blocks.h"
#include "kernels/loss.h"
#include "ops/layout.h"

namespace fastnn {
namespace {

// One loss per term.
bool each(int64_t reduction) { return Over{reduction} == Over::none; }

// Which attribute is the reduction; how many factors follow x and target; what the kernels are.
struct Pair {
  int reduction, factors;
  Kernel forward, backward;
};

// Arguments x, target and factors from `first` on, in the memory order of x; dim for the kernel.
void pair(Call& c, int first, const Pair& p) {
  const View& x = c.in(first);
  require(same_shape(x, c.in(first + 1)), "x and target want one shape");
  for (int a = first + 2; a < first + 2 + p.factors; a++) {
    if (!c.has(a)) continue;
    View& factor = c.in(a);
    View whole;
    broadcast(whole, x, factor);
    require(same_shape(whole, x), "a factor wants a shape that broadcasts to that of x");
    const View before = factor;
    factor.rank = x.rank;
    for (int i = 0; i < x.rank; i++) {
      const int j = i - (x.rank - before.rank);
      factor.shape[i] = x.shape[i];
      factor.stride[i] = j < 0 || before.shape[j] == 1 ? 0 : before.stride[j];
    }
  }
  const Over over{c.attr[p.reduction].i};
  const bool batch = over == Over::batch_mean;
  c.dim[0] = x.size();
  c.dim[1] = int64_t(batch ? Over::mean : over);
  c.dim[2] = batch ? (x.rank ? x.shape[0] : 1) : c.dim[0];
}

template <const Pair& p>
void pair_forward(Call& c) {
  const DType t = common_float(c, 0, 2 + p.factors);
  const View& x = c.in(0);
  pair(c, 0, p);
  if (each(c.dim[1]))
    like_layout(c.out(0), x);
  else
    scalar(c.out(0), t);
  align(c, {0, 1, 2, 3}, 2 + p.factors);
  c.scratch = each(c.dim[1]) ? 0 : size_t(blocks(c.dim[0], row_block)) * sizeof(double);
  c.cost = 0.2 * double(c.dim[0]);
  c.run = kernel(p.forward, t);
}

template <const Pair& p>
void pair_backward(Call& c) {  // dy, then as forward, then needs
  const DType t = common_float(c, 0, 3 + p.factors);
  const View& x = c.in(1);
  pair(c, 1, p);
  c.needs &= 3;  // x and target
  for (int j = 0; j < 2; j++) like_layout(c.out(j), x);
  if (each(c.dim[1])) {
    require(same_shape(c.in(0), x), "dy wants the shape of x");
    align(c, {1, 2, 0, 3, 4}, 3 + p.factors);
  } else {
    require(c.in(0).rank == 0, "dy wants to be a scalar");
    align(c, {1, 2, 3, 4}, 2 + p.factors);
  }
  c.cost = 0.3 * double(c.dim[0]);
  c.run = c.dim[0] ? kernel(p.backward, t) : nullptr;
}

constexpr Pair mse{0, 0, Kernel::mse, Kernel::mse_backward};
constexpr Pair l1{0, 0, Kernel::l1, Kernel::l1_backward};
constexpr Pair huber{1, 0, Kernel::huber, Kernel::huber_backward};
constexpr Pair bce{0, 1, Kernel::binary_cross_entropy, Kernel::binary_cross_entropy_backward};
constexpr Pair logits{0, 2, Kernel::binary_cross_entropy_with_logits,
                      Kernel::binary_cross_entropy_with_logits_backward};
constexpr Pair divergence{1, 0, Kernel::kl_div, Kernel::kl_div_backward};

// Labels and weight at `labels` and `labels + 1` beside rows of c.dim[1] classes.
void class_labels(Call& c, int labels, int rank, const int64_t* shape, DType t) {
  View& l = c.in(labels);
  if (l.dtype != DType::i64) throw Declined{};
  require(l.rank == rank, "labels want the shape of the rows");
  for (int i = 0; i < rank; i++) require(l.shape[i] == shape[i], "labels want the shape of the rows");
  densify(c, labels);
  if (!c.has(labels + 1)) return;
  const View& w = c.in(labels + 1);
  if (w.dtype != t) throw Declined{};
  require(w.rank == 1 && w.shape[0] == c.dim[1], "weight wants one value per class");
  densify(c, labels + 1);
}

// dim = {rows, classes} of a shape whose last axis counts classes.
void class_rows(Call& c, int rank, const int64_t* shape) {
  require(rank > 0 && shape[rank - 1] > 0, "at least one class is wanted");
  c.dim[0] = 1;
  for (int i = 0; i + 1 < rank; i++) c.dim[0] *= shape[i];
  c.dim[1] = shape[rank - 1];
}

// Terms of the rows and partial sums, where they are reduced.
size_t class_scratch(const Call& c, DType t, int64_t over) {
  if (each(over)) return 0;
  return size_t(blocks(c.dim[0], row_block)) * sizeof(double) + size_t(c.dim[0] * itemsize_of[int(t)]);
}

void class_loss(Call& c, const View& x, int64_t over) {
  if (each(over))
    shaped(c.out(0), x.dtype, x.rank - 1, x.shape);
  else
    scalar(c.out(0), x.dtype);
}

void cross_entropy(Call& c) {  // "vvofii": x, labels, weight, label_smoothing, ignore_index, reduction
  const View& x = c.in(0);
  float_input(x);
  class_rows(c, x.rank, x.shape);
  class_labels(c, 1, x.rank - 1, x.shape, x.dtype);
  const int64_t over = c.attr[2].i;
  class_loss(c, x, over);
  like(c.out(1), x);
  scalar(c.out(2), DType::f64);
  densify(c, 0, 0, true);
  c.dim[2] = x.dense() ? c.dim[1] : x.stride[0] / x.itemsize();
  c.scratch = class_scratch(c, x.dtype, over);
  c.cost = 0.5 * double(x.size());
  c.run = kernel(Kernel::cross_entropy, x.dtype);
}

// The gradient of the loss at argument 0, one or one per row, and the norm.
void class_gradient(Call& c, int labels, int norm, int64_t over) {
  if (each(over))
    require(same_shape(c.in(0), c.in(labels)), "dy wants the shape of the labels");
  else
    require(c.in(0).rank == 0, "dy wants to be a scalar");
  densify(c, 0);
  require(c.in(norm).dtype == DType::f64 && c.in(norm).rank == 0, "norm wants a float64 scalar");
  c.needs &= 1;  // x alone
}

void cross_entropy_backward(Call& c) {  // "vvvovfiin": dy, p, labels, weight, norm, then as forward
  const DType t = common_float(c, 0, 2);
  const View& p = c.in(1);
  class_rows(c, p.rank, p.shape);
  class_labels(c, 2, p.rank - 1, p.shape, t);
  class_gradient(c, 2, 4, c.attr[2].i);
  like(c.out(0), p);
  densify(c, 1);
  c.cost = 0.2 * double(p.size());
  c.run = c.wants(0) ? kernel(Kernel::cross_entropy_backward, t) : nullptr;
}

void nll(Call& c) {  // "vvoii": logp, labels, weight, ignore_index, reduction
  const View& x = c.in(0);
  float_input(x);
  class_rows(c, x.rank, x.shape);
  class_labels(c, 1, x.rank - 1, x.shape, x.dtype);
  const int64_t over = c.attr[1].i;
  class_loss(c, x, over);
  scalar(c.out(1), DType::f64);
  View rows = x;
  rows.rank = uint8_t(x.rank - 1);
  const View* views[] = {&rows};
  collapse(c.loop, rows.rank, rows.shape, 1, views);
  c.dim[2] = x.stride[x.rank - 1];
  c.scratch = class_scratch(c, x.dtype, over);
  c.cost = double(c.dim[0]);
  c.run = kernel(Kernel::nll, x.dtype);
}

void nll_backward(Call& c) {  // "vlvoviin": dy, shape, labels, weight, norm, ignore_index, reduction
  const View& dy = c.in(0);
  float_input(dy);
  const Ints& shape = c.attr[0].ints;
  require(shape.n <= max_rank, "too many axes");
  int64_t bytes = dy.itemsize();
  for (int i = 0; i < shape.n; i++)
    require(shape.v[i] >= 0 && !__builtin_mul_overflow(bytes, shape.v[i], &bytes), "the shape is none");
  class_rows(c, int(shape.n), shape.v);
  class_labels(c, 1, int(shape.n) - 1, shape.v, dy.dtype);
  class_gradient(c, 1, 3, c.attr[2].i);
  shaped(c.out(0), dy.dtype, int(shape.n), shape.v);
  c.cost = 0.1 * double(c.dim[0] * c.dim[1]);
  c.run = c.wants(0) ? kernel(Kernel::nll_backward, dy.dtype) : nullptr;
}

const OpInfo ops[] = {
    {"cross_entropy", "vvofii", 3, cross_entropy},
    {"cross_entropy_backward", "vvvovfiin", 3, cross_entropy_backward},
    {"nll", "vvoii", 2, nll},
    {"nll_backward", "vlvoviin", 3, nll_backward},
    {"mse", "vvi", 1, pair_forward<mse>},
    {"mse_backward", "vvvin", 2, pair_backward<mse>},
    {"l1", "vvi", 1, pair_forward<l1>},
    {"l1_backward", "vvvin", 2, pair_backward<l1>},
    {"huber", "vvfi", 1, pair_forward<huber>},
    {"huber_backward", "vvvfin", 2, pair_backward<huber>},
    {"binary_cross_entropy", "vvoi", 1, pair_forward<bce>},
    {"binary_cross_entropy_backward", "vvvoin", 3, pair_backward<bce>},
    {"binary_cross_entropy_with_logits", "vvooi", 1, pair_forward<logits>},
    {"binary_cross_entropy_with_logits_backward", "vvvooin", 4, pair_backward<logits>},
    {"kl_div", "vvii", 1, pair_forward<divergence>},
    {"kl_div_backward", "vvviin", 2, pair_backward<divergence>},
};

}  // namespace

extern const Family losses_family = {ops, sizeof ops / sizeof *ops};

}  // namespace fastnn
