// Prepare for kernels along one axis: softmax and its logarithm.
#include "ops/layout.h"

namespace fastnn {
namespace {

// dim = {sizes of what is outside the axis in memory, the axis, inside}.
void around_axis(Call& c, const View& x, int axis, const Order& order) {
  c.dim[0] = c.dim[1] = c.dim[2] = 1;
  int part = 0;
  for (int i = 0; i < x.rank; i++) {
    if (order.axis[i] == axis) part = 1;
    c.dim[part] *= x.shape[i];
    if (part == 1) part = 2;
  }
}

template <Kernel K>
void along_axis(Call& c) {  // "vi": x, axis
  View& x = c.in(0);
  float_input(x);
  const int axis = int(c.attr[0].i);
  require(axis >= 0 && axis < x.rank, "the axis is out of range");
  like_layout(c.out(0), x);
  around_axis(c, x, axis, align(c, {0}));
  c.cost = 0.3 * double(x.size());
  c.run = x.size() ? kernel(K, x.dtype) : nullptr;
}

template <Kernel K>
void along_axis_backward(Call& c) {  // "vvin": dy, y, axis
  const DType t = common_float(c, 0, 2);
  const View& y = c.in(1);
  const int axis = int(c.attr[0].i);
  require(axis >= 0 && axis < y.rank, "the axis is out of range");
  require(same_shape(c.in(0), y), "dy wants the shape of y");
  like_layout(c.out(0), y);
  around_axis(c, y, axis, align(c, {1, 0}));
  c.cost = 0.2 * double(y.size());
  c.run = y.size() ? kernel(K, t) : nullptr;
}

const OpInfo ops[] = {
    {"softmax", "vi", 1, along_axis<Kernel::softmax>},
    {"softmax_backward", "vvin", 1, along_axis_backward<Kernel::softmax_backward>},
    {"log_softmax", "vi", 1, along_axis<Kernel::log_softmax>},
    {"log_softmax_backward", "vvin", 1, along_axis_backward<Kernel::log_softmax_backward>},
};

}  // namespace

extern const Family rowwise_family = {ops, sizeof ops / sizeof *ops};

}  // namespace fastnn
