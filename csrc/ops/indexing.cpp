// Prepare for parts of arrays: pad, scatter, concatenate, take.
#include "ops/op.h"

namespace fastnn {
namespace {

// Kernels that only move bytes take whole numbers as floats of their size, and bools as bytes among floats.
DType moved_as(DType t) {
  if (t == DType::i64) return DType::f64;
  if (t == DType::b8) return DType::f32;
  if (!is_float(t)) throw Declined{};
  return t;
}

constexpr int64_t smallest_slab = 512;  // bytes

void drop_first(View& v) {
  v.rank--;
  for (int i = 0; i < v.rank; i++) {
    v.shape[i] = v.shape[i + 1];
    v.stride[i] = v.stride[i + 1];
  }
}

// x goes into y at `start` with `step` along each axis; the rest of y is `value`.
void place(Call& c, const int64_t* start, const int64_t* step, double value) {
  const View &x = c.in(0), &y = c.out(0);
  View spot = y;
  c.dim[0] = 0;
  for (int i = 0; i < x.rank; i++) {
    const int64_t last = start[i] + (x.shape[i] - 1) * step[i];
    require(x.shape[i] == 0 || (start[i] >= 0 && start[i] < y.shape[i] && last >= 0 && last < y.shape[i]),
            "the part lies outside");
    c.dim[0] += start[i] * y.stride[i];
    spot.shape[i] = x.shape[i];
    spot.stride[i] = y.stride[i] * step[i];
  }
  // Slabs along an axis that is left as it is, unless they are so small that walking them one by one takes longer.
  const bool cut = x.rank > 1 && x.shape[0] == y.shape[0] && step[0] == 1 && y.stride[0] >= smallest_slab;
  c.dim[1] = cut ? y.shape[0] : 1;
  c.dim[2] = cut ? x.stride[0] : 0;
  c.dim[3] = cut ? y.stride[0] : 0;
  View part = x;
  for (View* v : {&part, &spot})
    if (cut) drop_first(*v);
  const View* views[] = {&part, &spot};
  collapse(c.loop, part.rank, part.shape, 2, views);
  c.number[1] = value;
  c.run = kernel(Kernel::place, x.dtype);
  c.cost = double(y.size());
}

void pad(Call& c) {  // "vlf": x, (before, after) of each axis, value
  const View& x = c.in(0);
  const Ints& width = c.attr[0].ints;
  float_input(x);
  require(width.n == 2 * x.rank, "width wants two numbers for each axis");
  int64_t shape[max_rank], start[max_rank], step[max_rank];
  for (int i = 0; i < x.rank; i++) {
    require(width.v[2 * i] >= 0 && width.v[2 * i + 1] >= 0, "width wants numbers of at least 0");
    shape[i] = x.shape[i] + width.v[2 * i] + width.v[2 * i + 1];
    start[i] = width.v[2 * i];
    step[i] = 1;
  }
  shaped(c.out(0), x.dtype, x.rank, shape);
  place(c, start, step, c.attr[1].f);
}

void scatter(Call& c) {  // "vlll": x, shape, start, step
  const View& x = c.in(0);
  const Ints &shape = c.attr[0].ints, &start = c.attr[1].ints, &step = c.attr[2].ints;
  float_input(x);
  if (shape.n > max_rank) throw Declined{};
  require(shape.n == x.rank && start.n == x.rank && step.n == x.rank, "one number for each axis is wanted");
  shaped(c.out(0), x.dtype, x.rank, shape.v);
  place(c, start.v, step.v, 0);
}

void concatenate(Call& c) {  // "Vi": xs, axis
  require(c.has(0), "at least one array is wanted");
  const View& first = c.in(0);
  const int64_t axis = c.attr[0].i;
  const DType moved = moved_as(first.dtype);
  require(axis >= 0 && axis < first.rank, "axis is out of range");
  View& y = c.out(0);
  like(y, first);
  y.shape[axis] = 0;
  for (int i = 0; i < c.count(0); i++) {
    const View& x = c.in(0, i);
    if (x.dtype != first.dtype) throw Declined{};
    require(x.rank == y.rank, "ranks differ");
    for (int d = 0; d < y.rank; d++) require(d == axis || x.shape[d] == y.shape[d], "shapes differ beside the axis");
    y.shape[axis] += x.shape[axis];
    densify(c, 0, i);
  }
  y.make_dense();
  c.dim[0] = 1;
  for (int d = 0; d < axis; d++) c.dim[0] *= y.shape[d];
  c.dim[1] = c.dim[0] ? y.size() * y.itemsize() / c.dim[0] : 0;
  c.run = kernel(Kernel::concatenate, moved);
  c.cost = double(y.size());
}

// Rows before the axis, its length, and items behind it.
void around(Call& c, const int64_t* shape, int rank, int64_t axis) {
  c.dim[0] = c.dim[2] = 1;
  for (int i = 0; i < axis; i++) c.dim[0] *= shape[i];
  for (int i = int(axis) + 1; i < rank; i++) c.dim[2] *= shape[i];
  c.dim[1] = shape[axis];
}

void indices_at(Call& c) {
  if (c.in(1).dtype != DType::i64) throw Declined{};
  densify(c, 1);
}

void take(Call& c) {  // "vvi": x, indices, axis
  View& x = c.in(0);
  const View& indices = c.in(1);
  const int64_t axis = c.attr[0].i;
  const DType moved = moved_as(x.dtype);
  require(axis >= 0 && axis < x.rank, "axis is out of range");
  if (x.rank - 1 + indices.rank > max_rank) throw Declined{};
  indices_at(c);
  View row = x;  // what lies behind the axis
  row.rank = uint8_t(x.rank - 1 - axis);
  for (int i = 0; i < row.rank; i++) {
    row.shape[i] = x.shape[axis + 1 + i];
    row.stride[i] = x.stride[axis + 1 + i];
  }
  if (axis > 0 || !row.dense()) densify(c, 0);
  around(c, x.shape, x.rank, axis);
  int64_t shape[max_rank];
  int rank = 0;
  for (int i = 0; i < axis; i++) shape[rank++] = x.shape[i];
  for (int i = 0; i < indices.rank; i++) shape[rank++] = indices.shape[i];
  for (int i = int(axis) + 1; i < x.rank; i++) shape[rank++] = x.shape[i];
  shaped(c.out(0), x.dtype, rank, shape);
  c.dim[3] = x.stride[axis];
  c.dim[2] *= x.itemsize();
  c.run = kernel(Kernel::take, moved);
  c.cost = double(c.out(0).size()) + double(indices.size());
}

void take_backward(Call& c) {  // "vlvin": dy, shape of x, indices, axis
  const View &dy = c.in(0), &indices = c.in(1);
  const Ints& shape = c.attr[0].ints;
  const int64_t axis = c.attr[1].i;
  float_input(dy);
  if (shape.n > max_rank) throw Declined{};
  require(axis >= 0 && axis < shape.n, "axis is out of range");
  indices_at(c);
  densify(c, 0);
  around(c, shape.v, int(shape.n), axis);
  require(dy.size() == c.dim[0] * indices.size() * c.dim[2], "dy has another shape");
  c.needs &= 1;  // indices have no gradient
  shaped(c.out(0), dy.dtype, int(shape.n), shape.v);
  c.run = c.wants(0) ? kernel(Kernel::take_backward, dy.dtype) : nullptr;
  c.cost = double(c.out(0).size()) + double(dy.size());
}

const OpInfo ops[] = {
    {"pad", "vlf", 1, pad},
    {"scatter", "vlll", 1, scatter},
    {"concatenate", "Vi", 1, concatenate},
    {"take", "vvi", 1, take},
    {"take_backward", "vlvin", 2, take_backward},
};

}  // namespace

extern const Family indexing_family = {ops, sizeof ops / sizeof *ops};

}  // namespace fastnn
