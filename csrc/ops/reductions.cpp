// Prepare for reductions over any axes: the axes sorted by how far apart their values lie, so that whatever the layout
// memory is read in its own order.
#include <cstdlib>
#include <utility>

#include "kernels/blocks.h"
#include "ops/layout.h"

namespace fastnn {
namespace {

struct Axis {
  int of_result;  // -1 where the result has none
  int64_t size, stride, result_stride;
  bool reduced;
};

// Sorts from the outermost in memory to the innermost; what repeats the same values is outermost.
void sort_axes(Axis* axis, int n) {
  const auto distance = [](const Axis& a) { return a.stride == 0 ? INT64_MAX : std::llabs(a.stride); };
  for (int i = 1; i < n; i++)
    for (int j = i; j > 0 && distance(axis[j - 1]) < distance(axis[j]); j--) std::swap(axis[j - 1], axis[j]);
}

// Joins neighbors that step like one; how many axes are left.
int join_axes(Axis* axis, int n) {
  int joined = 0;
  for (int i = 0; i < n; i++) {
    if (joined > 0) {
      Axis& before = axis[joined - 1];
      if (before.reduced == axis[i].reduced && before.stride == axis[i].stride * axis[i].size) {
        before.size *= axis[i].size;
        before.stride = axis[i].stride;
        before.result_stride = axis[i].result_stride;
        continue;
      }
    }
    axis[joined++] = axis[i];
  }
  return joined;
}

// How a reduction may walk its axes: from either end, or in their own order, since it tells positions.
enum class Walk { any, in_order };

// The result's shape, dense in the order of x; in c.loop the axes (kept ones, reduced ones, the innermost) with the
// strides of x and of the result; and what kernels/reduce.h reads: dim = {outer kept axes, bytes from x to the start of
// its walk, results of the outer axes, rows of each, whether the innermost axis is reduced}.
void reduce_axes(Call& c, const View& x, unsigned reduced, bool keepdims, View& y, Walk walk = Walk::any) {
  Axis axis[max_rank];
  int n = 0;
  y.rank = 0;
  y.dtype = x.dtype;
  for (int i = 0; i < x.rank; i++) {
    const bool gone = (reduced >> i & 1) != 0;
    const int of_result = gone && !keepdims ? -1 : y.rank;
    if (of_result >= 0) y.shape[y.rank++] = gone ? 1 : x.shape[i];
    if (x.shape[i] != 1) axis[n++] = {of_result, x.shape[i], x.stride[i], 0, gone};
  }
  y.make_dense();
  sort_axes(axis, n);
  int64_t step = y.itemsize(), start = 0;
  for (int i = n; i-- > 0;) {
    Axis& a = axis[i];
    if (!a.reduced) {
      y.stride[a.of_result] = a.result_stride = step;
      step *= a.size;
    } else if (a.stride < 0 && walk == Walk::any) {
      start += a.stride * (a.size - 1);
      a.stride = -a.stride;
    }
  }
  n = join_axes(axis, n);
  if (n == 0) axis[n++] = {-1, 1, x.itemsize(), 0, true};

  Loop& l = c.loop;
  int64_t sizes[2] = {1, 1};
  l.rank = 0;
  const auto add = [&l](const Axis& a) {
    l.shape[l.rank] = a.size;
    l.stride[0][l.rank] = a.stride;
    l.stride[1][l.rank++] = a.result_stride;
  };
  for (const bool gone : {false, true}) {
    for (int i = 0; i < n - 1; i++) {
      if (axis[i].reduced != gone) continue;
      add(axis[i]);
      sizes[gone] *= axis[i].size;
    }
    if (!gone) c.dim[0] = l.rank;
  }
  add(axis[n - 1]);
  c.dim[1] = start;
  c.dim[2] = sizes[0];
  c.dim[3] = sizes[1];
  c.dim[4] = axis[n - 1].reduced;
}

struct Sizes {
  int64_t results, partial, count;  // partial: results of blocks, before they are folded
};

Sizes sizes(const Call& c) {
  const int64_t inner = c.loop.shape[c.loop.rank - 1], outer = c.dim[2], rows = c.dim[3];
  const bool neighbors = c.dim[4] != 0;
  const int64_t results = neighbors ? outer : outer * inner;
  const int64_t each = neighbors ? rows * blocks(inner, row_block) : blocks(rows, column_block);
  return {results, each > 1 ? results * each : 0, neighbors ? rows * inner : rows};
}

// Scratch of float64 for what is summed in it: `arrays` of results beside the partial ones.
size_t wide_scratch(const Sizes& s, int arrays) { return size_t(s.partial + arrays * s.results) * sizeof(double); }

unsigned mask_of(const Ints& axes, int rank) {
  unsigned mask = 0;
  for (int i = 0; i < axes.n; i++) {
    require(axes.v[i] >= 0 && axes.v[i] < rank, "an axis is out of range");
    mask |= 1u << axes.v[i];
  }
  return mask;
}

void prepare_reduction(Call& c, unsigned axes, bool keepdims, Kernel k, bool of_nothing) {
  View &x = c.in(0), &y = c.out(0);
  reduce_axes(c, x, axes, keepdims, y);
  const Sizes s = sizes(c);
  require(of_nothing || s.count > 0 || s.results == 0, "there is no value to choose");
  c.scratch = size_t(s.partial * x.itemsize());
  c.cost = 0.1 * double(x.size());
  c.run = s.results ? kernel(k, x.dtype) : nullptr;
}

template <Kernel K, bool of_nothing>
void reduction(Call& c) {  // "vli": x, axes, keepdims
  float_input(c.in(0));
  prepare_reduction(c, mask_of(c.attr[0].ints, c.in(0).rank), c.attr[1].i != 0, K, of_nothing);
}

void unbroadcast(Call& c) {  // "vl": dy, shape
  View &dy = c.in(0), &y = c.out(0);
  float_input(dy);
  const Ints& shape = c.attr[0].ints;
  const int extra = dy.rank - int(shape.n);
  require(extra >= 0, "the shape has more axes than dy");
  unsigned axes = (1u << extra) - 1;
  for (int i = 0; i < shape.n; i++) {
    const int64_t n = dy.shape[i + extra];
    require(shape.v[i] == n || shape.v[i] == 1, "the shape does not broadcast to that of dy");
    if (shape.v[i] != n) axes |= 1u << (i + extra);
  }
  if (!axes) {
    c.alias[0] = 0;
    return;
  }
  prepare_reduction(c, axes, true, Kernel::sum, true);
  for (int i = 0; i < shape.n; i++) {
    y.shape[i] = shape.v[i];
    y.stride[i] = y.stride[i + extra];
  }
  y.rank = uint8_t(shape.n);
}

// An array of results as reductions hand them out: next to each other, axes in the order of `like`.
void ordered_results(Call& c, int argument, const View& like) {
  View& v = c.in(argument);
  require(v.rank == like.rank, "dy and y want the shape of the results");
  Axis axis[max_rank];
  for (int i = 0; i < v.rank; i++) {
    require(v.shape[i] == like.shape[i], "dy and y want the shape of the results");
    axis[i] = {i, v.shape[i], like.stride[i], v.stride[i], false};
  }
  sort_axes(axis, v.rank);
  for (int i = 0; i < v.rank; i++) {
    v.shape[i] = axis[i].size;
    v.stride[i] = axis[i].result_stride;
  }
  densify(c, argument);
}

// Gradients from dy, x and, as argument 2 where the letters name it, y.
Sizes prepare_backward(Call& c, const Ints& axes, bool keepdims, Kernel k) {
  const DType t = common_float(c, 0, c.n_args);
  View &x = c.in(1), &dx = c.out(0);
  like_layout(dx, x);
  if (!same_layout(dx, x)) densify(c, 1);
  View results;
  reduce_axes(c, x, mask_of(axes, x.rank), keepdims, results);
  ordered_results(c, 0, results);
  if (c.n_args > 2) ordered_results(c, 2, results);
  for (int i = 0; i < c.loop.rank; i++) c.loop.stride[2][i] = c.loop.stride[0][i];
  c.cost = 0.5 * double(x.size());
  c.run = x.size() ? kernel(k, t) : nullptr;
  return sizes(c);
}

template <Kernel K>
void choice_backward(Call& c) {  // "vvvlin": dy, x, y, axes, keepdims
  const Sizes s = prepare_backward(c, c.attr[0].ints, c.attr[1].i != 0, K);
  c.scratch = size_t((s.results + s.partial) * c.in(1).itemsize());
}

template <Kernel K>
void spread_backward(Call& c) {  // "vv(v)lfin": dy, x, (y,) axes, ddof, keepdims
  const Sizes s = prepare_backward(c, c.attr[0].ints, c.attr[2].i != 0, K);
  c.scratch = wide_scratch(s, 2);
}

template <Kernel K>
void spread(Call& c) {  // "vlfi": x, axes, ddof, keepdims
  View &x = c.in(0), &y = c.out(0);
  float_input(x);
  reduce_axes(c, x, mask_of(c.attr[0].ints, x.rank), c.attr[2].i != 0, y);
  const Sizes s = sizes(c);
  c.scratch = wide_scratch(s, 2);
  c.cost = 0.3 * double(x.size());
  c.run = s.results ? kernel(K, x.dtype) : nullptr;
}

void logsumexp(Call& c) {  // "vli": x, axes, keepdims
  View &x = c.in(0), &y = c.out(0);
  float_input(x);
  reduce_axes(c, x, mask_of(c.attr[0].ints, x.rank), c.attr[1].i != 0, y);
  const Sizes s = sizes(c);
  c.scratch = size_t((s.results + s.partial) * x.itemsize());
  c.cost = 0.3 * double(x.size());
  c.run = s.results ? kernel(Kernel::logsumexp, x.dtype) : nullptr;
}

void argmax(Call& c) {  // "vli": x, axis or all axes, keepdims
  View &x = c.in(0), &y = c.out(0);
  float_input(x);
  const Ints& axes = c.attr[0].ints;
  if (axes.n != 1) densify(c, 0);  // positions count in C order
  reduce_axes(c, x, mask_of(axes, x.rank), c.attr[1].i != 0, y, Walk::in_order);
  const Sizes s = sizes(c);
  require(s.count > 0 || s.results == 0, "there is no value to choose");
  y.dtype = DType::i64;
  for (int i = 0; i < y.rank; i++) y.stride[i] = y.stride[i] / x.itemsize() * y.itemsize();
  c.scratch = size_t(s.partial * x.itemsize());
  c.cost = 0.2 * double(x.size());
  c.run = s.results ? kernel(Kernel::argmax, x.dtype) : nullptr;
}

const OpInfo ops[] = {
    {"sum", "vli", 1, reduction<Kernel::sum, true>},
    {"mean", "vli", 1, reduction<Kernel::mean, true>},
    {"max", "vli", 1, reduction<Kernel::max, false>},
    {"min", "vli", 1, reduction<Kernel::min, false>},
    {"unbroadcast", "vl", 1, unbroadcast},
    {"max_backward", "vvvlin", 1, choice_backward<Kernel::choice_backward>},
    {"min_backward", "vvvlin", 1, choice_backward<Kernel::choice_backward>},
    {"var", "vlfi", 1, spread<Kernel::var>},
    {"var_backward", "vvlfin", 1, spread_backward<Kernel::var_backward>},
    {"std", "vlfi", 1, spread<Kernel::std>},
    {"std_backward", "vvvlfin", 1, spread_backward<Kernel::std_backward>},
    {"logsumexp", "vli", 1, logsumexp},
    {"logsumexp_backward", "vvvlin", 1, choice_backward<Kernel::logsumexp_backward>},
    {"argmax", "vli", 1, argmax},
};

}  // namespace

extern const Family reductions_family = {ops, sizeof ops / sizeof *ops};

}  // namespace fastnn
