// Prepare for convolutions: sizes of results, which are channels-last, and scratch.
#include <algorithm>
#include <atomic>

#include "kernels/blocks.h"
#include "kernels/conv/winograd_shape.h"
#include "ops/layout.h"

namespace fastnn {
namespace {

std::atomic<bool> winograd{true};

struct Attributes {
  const Ints &stride, &padding, &dilation;
  const Ints* more;  // output_padding
  int64_t groups;

  Attributes(const Call& c, bool transposed)
      : stride(c.attr[0].ints),
        padding(c.attr[1].ints),
        dilation(c.attr[transposed ? 3 : 2].ints),
        more(transposed ? &c.attr[2].ints : nullptr),
        groups(c.attr[transposed ? 4 : 3].i) {}
};

// What the ops want of x and weight; the result's shape goes to y.
void sizes(const Attributes& a, const View& x, const View& w, View& y) {
  require(x.rank >= 3 && x.rank <= conv_axes + 2, "x wants 3 to 5 axes");
  require(w.rank == x.rank, "weight wants as many axes as x");
  const int space = x.rank - 2;
  require(a.stride.n == space && a.padding.n == 2 * space && a.dilation.n == space, "an attribute has another length");
  require(a.groups >= 1 && w.shape[0] % a.groups == 0, "groups wants a divisor of the first axis of weight");
  require(x.shape[1] == (a.more ? w.shape[0] : w.shape[1] * a.groups), "x and weight disagree in channels");
  for (int i = 0; i < w.rank; i++) require(w.shape[i] > 0, "weight wants at least one value on each axis");
  int64_t shape[max_rank] = {x.shape[0], a.more ? w.shape[1] * a.groups : w.shape[0]};
  for (int i = 0; i < space; i++) {
    const int64_t n = x.shape[i + 2], padding = a.padding.v[2 * i] + a.padding.v[2 * i + 1];
    const int64_t span = a.dilation.v[i] * (w.shape[i + 2] - 1) + 1;
    if (a.more) {
      shape[i + 2] = (n - 1) * a.stride.v[i] + span - padding + a.more->v[i];
      require(n >= 1 && shape[i + 2] >= 1, "padding leaves nothing of x");
    } else {
      require(n + padding >= span, "weight is larger than x");
      shape[i + 2] = (n + padding - span) / a.stride.v[i] + 1;
    }
  }
  shaped(y, x.dtype, x.rank, shape);
  channels_last_strides(y);
}

ConvShape shape_of(const Attributes& a, const View& x, const View& w, const View& y) {
  ConvShape s = a.more ? conv_shape(y, w, x, a.stride, a.padding, a.dilation, a.groups)
                       : conv_shape(x, w, y, a.stride, a.padding, a.dilation, a.groups);
  s.winograd = x.dtype == DType::f32 && uses_winograd() && winograd_pays(s);
  return s;
}

// From pixel to pixel of a view, or of the copy that it wants.
int64_t pixel(const View& v) { return conv_pixel(v) ? conv_pixel(v) : v.shape[1]; }

// Room for the passes that a call takes; they run one after the other.
size_t forward_room(const ConvShape& s, int64_t itemsize) {
  if (s.depthwise()) return depthwise_room(s, itemsize).all();
  if (s.winograd) return winograd_room(forward_pass(s)).all();
  return conv_room(s, forward_pass(s), itemsize).all();
}
size_t data_room(const ConvShape& s, int64_t itemsize) {
  if (s.depthwise()) return forward_room(s, itemsize);
  if (s.winograd) return winograd_room(gradient_pass(s, 0)).all();
  if (s.overlaps(itemsize)) return overlap_room(s, itemsize).all();
  size_t most = 0;
  for (int64_t phase = 0; phase < gradient_phases(s); phase++)
    most = std::max(most, conv_room(s, gradient_pass(s, phase), itemsize).all());
  return most;
}
size_t weights_room(const ConvShape& s, const View& x, const View& y) {
  const int64_t itemsize = x.itemsize();
  if (s.weights_by_product())
    return kernel_table().zeros_scratch[int(x.dtype)]({s.out, s.in, s.x[2], 1, pixel(y), pixel(x), 1});
  if (s.depthwise()) return size_t(depthwise_splits * depthwise_sums(s, itemsize) * itemsize);
  if (s.winograd) return winograd_gradient_room(forward_pass(s)).all();
  return conv_weight_room(weight_pass(s), s.groups, itemsize).all();
}

size_t copy_room(const View& v) { return conv_pixel(v) ? 0 : conv_align(v.size() * v.itemsize()); }

double products(const ConvShape& s) {
  return double(s.images * s.y_pixels()) * double(s.in * s.out * s.groups) * double(s.taps());
}

template <Kernel K, bool transposed>
void prepare(Call& c) {  // x, weight, bias, attributes
  const DType t = common_float(c, 0, 3);
  const Attributes a(c, transposed);
  const View& x = c.in(0);
  View& y = c.out(0);
  sizes(a, x, c.in(1), y);
  densify(c, 1);
  if (c.has(2)) {
    require(c.in(2).rank == 1 && c.in(2).shape[0] == y.shape[1], "bias wants one value for each channel of the result");
    densify(c, 2);
  }
  const ConvShape s = shape_of(a, x, c.in(1), y);
  c.dim[0] = s.winograd;
  c.scratch = copy_room(x) + (transposed ? data_room(s, x.itemsize()) : forward_room(s, x.itemsize()));
  c.cost = 0.02 * products(s) + 0.3 * double(y.size());
  c.run = y.size() ? kernel(K, t) : nullptr;
}

template <Kernel K, bool transposed>
void prepare_backward(Call& c) {  // dy, x, weight, attributes, needs
  const DType t = common_float(c, 0, 3);
  const Attributes a(c, transposed);
  const View &dy = c.in(0), &x = c.in(1);
  View y;
  sizes(a, x, c.in(2), y);
  require(dy.rank == y.rank, "dy has another shape");
  for (int i = 0; i < y.rank; i++) require(dy.shape[i] == y.shape[i], "dy has another shape");
  densify(c, 2);
  like(c.out(0), x);
  channels_last_strides(c.out(0));
  like(c.out(1), c.in(2));
  shaped(c.out(2), t, 1, &y.shape[1]);
  const ConvShape s = shape_of(a, x, c.in(2), y);
  c.dim[0] = s.winograd;
  const int64_t size = x.itemsize();
  size_t room = 0;
  if (c.wants(0)) room = transposed ? forward_room(s, size) : data_room(s, size);
  if (c.wants(1)) room = std::max(room, transposed ? weights_room(s, dy, x) : weights_room(s, x, dy));
  if (c.wants(2)) room = std::max(room, size_t(blocks(y.size() / y.shape[1], column_block) * y.shape[1] * size));
  c.scratch = copy_room(dy) + (c.wants(1) ? copy_room(x) : 0) + room;
  c.cost = 0.04 * products(s);
  c.run = kernel(K, t);
}

const OpInfo ops[] = {
    {"conv", "vvollli", 1, prepare<Kernel::conv, false>},
    {"conv_relu", "vvollli", 1, prepare<Kernel::conv_relu, false>},
    {"conv_backward", "vvvlllin", 3, prepare_backward<Kernel::conv_backward, false>},
    {"conv_transpose", "vvolllli", 1, prepare<Kernel::conv_transpose, true>},
    {"conv_transpose_backward", "vvvllllin", 3, prepare_backward<Kernel::conv_transpose_backward, true>},
};

}  // namespace

bool uses_winograd() { return winograd.load(std::memory_order_relaxed); }
void use_winograd(bool on) { winograd.store(on, std::memory_order_relaxed); }

extern const Family convolution_family = {ops, sizeof ops / sizeof *ops};

}  // namespace fastnn
