// Prepare for all elementwise kernels: shapes broadcast, layouts are kept, loops collapsed. c.dim[q] says which
// argument is operand q of the kernel.
#include "ops/op.h"

namespace fastnn {
namespace {

bool same_shape(const View& a, const View& b) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank; i++)
    if (a.shape[i] != b.shape[i]) return false;
  return true;
}

// The loop over n operands and the output, in the output's memory order, and the kernel.
void loop_over(Call& c, Kernel k, DType kernel_type, int n, View& y) {
  const View* views[4];
  for (int q = 0; q < n; q++) views[q] = &c.in(int(c.dim[q]));
  views[n] = &y;
  iterate(c.loop, n + 1, views);
  c.run = kernel(k, kernel_type);
  c.cost = 0.25 * double(y.size());
}

// A result of this dtype: the operands' shapes broadcast, in the memory order of the first one that has the whole shape
// without gaps or repetition (results of channels-last arrays stay channels-last).
void result(Call& c, Kernel k, DType kernel_type, int n, DType dtype) {
  View& y = c.out(0);
  like(y, c.in(int(c.dim[0])), dtype);
  for (int q = 1; q < n; q++)
    if (!same_shape(y, c.in(int(c.dim[q])))) broadcast(y, y, c.in(int(c.dim[q])));
  for (int q = 0; q < n; q++) {
    const View& whole = c.in(int(c.dim[q]));
    if (!same_shape(y, whole)) continue;
    if (whole.dense()) break;
    like_layout(y, whole, dtype);
    if (!y.dense()) break;
  }
  if (c.wants(0)) loop_over(c, k, kernel_type, n, y);
}

// Operands are the first n arguments.
void first_arguments(Call& c, Kernel k, DType kernel_type, int n, DType dtype) {
  for (int q = 0; q < n; q++) c.dim[q] = q;
  result(c, k, kernel_type, n, dtype);
}

void floats(Call& c, Kernel k, int n) {
  const DType t = common_float(c, 0, n);
  numbers_to(c, t);
  first_arguments(c, k, t, n, t);
}

bool is_number(const Call& c, int argument, double value) {
  return c.in(argument).dtype == DType::number && c.number[argument] == value;
}

template <Kernel K, int N>
void formula(Call& c) {
  // Squares, roots and the slope of squares are worth their own kernels, as in NumPy.
  const bool two = K == Kernel::power && is_number(c, 1, 2), half = K == Kernel::power && is_number(c, 1, 0.5);
  if (two || half)
    floats(c, two ? Kernel::square : Kernel::sqrt, 1);
  else if (K == Kernel::power_base && is_number(c, 2, 2))
    floats(c, Kernel::square_backward, 2);
  else
    floats(c, K, N);
}

void where(Call& c) {  // "vss": condition, a, b
  if (c.in(0).dtype != DType::b8) throw Declined{};
  const DType t = common_float(c, 1, 3);
  numbers_to(c, t);
  first_arguments(c, Kernel::where, t, 3, t);
}

DType known(DType t) {
  if (t >= DType::other) throw Declined{};
  return t;
}

void cast(Call& c) {  // "vt": x, dtype
  const DType from = known(c.in(0).dtype), to = known(DType(c.attr[0].i));
  first_arguments(c, from == to ? Kernel::copy : Kernel::cast, DType::f32, 1, to);
}

// Operands that lie elsewhere than what is written, or exactly there, may be read while it is written.
void apart(const View& written, const View& read) {
  const auto low = [](const View& v, int sign) {
    const char* p = v.data;
    for (int i = 0; i < v.rank; i++) {
      const int64_t reach = v.stride[i] * (v.shape[i] - 1);
      if (reach * sign > 0) p += reach;
    }
    return p;
  };
  bool same = written.data == read.data && same_shape(written, read);
  for (int i = 0; i < read.rank && same; i++) same = written.stride[i] == read.stride[i];
  const bool meet =
      low(written, -1) < low(read, 1) + read.itemsize() && low(read, -1) < low(written, 1) + written.itemsize();
  if (meet && !same) throw Declined{};
}

void accumulate(Call& c) {  // "wv": a += b
  const DType t = common_float(c, 0, 2);
  require(same_shape(c.in(0), c.in(1)), "shapes differ");
  apart(c.in(0), c.in(1));
  c.dim[0] = 0;
  c.dim[1] = 1;
  loop_over(c, Kernel::add, t, 2, c.in(0));
}

void assign(Call& c) {  // "wv": a[...] = b
  View &a = c.in(0), &b = c.in(1), whole;
  const bool copies = known(a.dtype) == known(b.dtype);
  broadcast(whole, a, b);
  require(same_shape(whole, a), "b does not broadcast to a");
  apart(a, b);
  c.dim[0] = 1;
  loop_over(c, copies ? Kernel::copy : Kernel::cast, DType::f32, 1, a);
}

const OpInfo ops[] = {
#define UNARY(name, letters) {#name, letters, 1, formula<Kernel::name, 1>},
#define BINARY(name, letters) {#name, letters, 1, formula<Kernel::name, 2>},
#define TERNARY(name, letters) {#name, letters, 1, formula<Kernel::name, 3>},
#define KERNEL(name)
#include "kernels/kernels.def"
    {"where", "vss", 1, where},
    {"cast", "vt", 1, cast},
    {"accumulate", "wv", 0, accumulate},
    {"assign", "wv", 0, assign},
};

}  // namespace

extern const Family elementwise_family = {ops, sizeof ops / sizeof *ops};

}  // namespace fastnn
