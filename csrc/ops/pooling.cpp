// Prepare for pooling of images (samples, channels, *space) with 1 to 3 axes of space. Results are in C order where
// the images are, else channels-last.

#include "kernels/windows.h"
#include "ops/layout.h"

namespace fastnn {
namespace {

// The axes of space of x from attributes: kernel, stride, padding, dilation, ceil_mode; or, where `adaptive`, sizes.
struct Space {
  PoolAxis axis[pool_axes];
  int64_t shape[max_rank];  // of the result
};

int64_t windows_of(const PoolAxis& a, bool ceil_mode) {
  const int64_t room = a.in + 2 * a.padding - a.span();
  require(room + (ceil_mode ? a.stride - 1 : 0) >= 0, "the kernel is larger than x");
  const int64_t out = (room + (ceil_mode ? a.stride - 1 : 0)) / a.stride + 1;
  return ceil_mode && (out - 1) * a.stride >= a.in + a.padding ? out - 1 : out;
}

// Every window has a value that is not padding.
void no_empty_windows(const PoolAxis& a) {
  if (a.kernel == 0 || a.dilation == 1 || a.padding == 0) return;
  for (int64_t o = 0; o < a.out; o++) require(a.window(o).first < a.window(o).end, "a window lies in the padding");
}

Space begin(const int64_t* shape, int rank) {
  require(rank >= 3 && rank <= 2 + pool_axes, "x wants 3 to 5 axes");
  Space s;
  for (auto& a : s.axis) a = {1, 1, 1, 1, 0, 1};
  s.shape[0] = shape[0];
  s.shape[1] = shape[1];
  for (int i = 2; i < rank; i++) require(shape[i] > 0, "x wants at least one value on each axis of space");
  return s;
}

Space sliding(const int64_t* shape, int rank, const Ints& kernel, const Ints& stride, const Ints& padding,
              const Ints* dilation, bool ceil_mode) {
  Space s = begin(shape, rank);
  const int space = rank - 2;
  require(kernel.n == space && stride.n == space && padding.n == space, "an attribute has another length");
  for (int i = 0; i < space; i++) {
    PoolAxis& a = s.axis[pool_axes - space + i];
    a = {shape[2 + i], 0, kernel.v[i], stride.v[i], padding.v[i], dilation ? dilation->v[i] : 1};
    s.shape[2 + i] = a.out = windows_of(a, ceil_mode);
    no_empty_windows(a);
  }
  return s;
}

Space adaptive(const int64_t* shape, int rank, const Ints& sizes) {
  Space s = begin(shape, rank);
  const int space = rank - 2;
  require(sizes.n == space, "output_size has another length");
  for (int i = 0; i < space; i++) {
    const int64_t n = shape[2 + i], out = sizes.v[i] < 0 ? n : sizes.v[i];
    s.axis[pool_axes - space + i] = {n, out, 0, 1, 0, 1};
    s.shape[2 + i] = out;
  }
  return s;
}

Space sliding_maximum(const Call& c, const View& x) {
  return sliding(x.shape, x.rank, c.attr[0].ints, c.attr[1].ints, c.attr[2].ints, &c.attr[3].ints, c.attr[4].i != 0);
}
Space adaptive_maximum(const Call& c, const View& x) { return adaptive(x.shape, x.rank, c.attr[0].ints); }

// What all kernels read, and the arguments as they take them.
void launch(Call& c, const Space& s, std::initializer_list<int> arguments, View& out, Kernel k, DType t, double size) {
  for (int i = 0; i < pool_axes; i++) {
    if (s.axis[i].out == 0 && out.size()) throw Declined{};  // the gradient of no windows
    s.axis[i].leave(c, i);
  }
  c.dim[0] = s.shape[0];
  c.dim[1] = s.shape[1];
  c.cost = 0.3 * size;
  c.run = out.size() ? kernel(k, t) : nullptr;
  if (c.run) c.scratch = lay_out_images(c, arguments, out, k != Kernel::max_pool_indices);
}

template <Space (*Of)(const Call&, const View&), bool indices>
void maximum(Call& c) {  // x, attributes
  const View& x = c.in(0);
  float_input(x);
  const DType t = x.dtype;
  const Space s = Of(c, x);
  const double size = double(x.size());
  if (indices && t == DType::f32 && size > 2e9) throw Declined{};  // positions are int32 in the kernel
  shaped(c.out(0), indices ? DType::i64 : t, x.rank, s.shape);
  launch(c, s, {0}, c.out(0), indices ? Kernel::max_pool_indices : Kernel::max_pool, t, size);
}

template <Space (*Of)(const Call&, const View&), Kernel K>
void maximum_backward(Call& c) {  // dy, x, attributes
  const DType t = common_float(c, 0, 2);
  const View& x = c.in(1);
  const Space s = Of(c, x);
  const double size = double(x.size());
  if (t == DType::f32 && size > 2e9) throw Declined{};
  View y;
  shaped(y, t, x.rank, s.shape);
  require(same_shape(y, c.in(0)), "dy wants the shape of the result");
  like(c.out(0), x);
  launch(c, s, {0, 1}, c.out(0), K, t, size);
}

// Whether padding counts, and a divisor for all windows.
void mean_of(Call& c, bool padding_counts, int64_t divisor) {
  c.dim[2] = padding_counts;
  c.dim[3] = divisor;
}

void mean_forward(Call& c, const Space& s) {
  const View& x = c.in(0);
  const double size = double(x.size());
  shaped(c.out(0), x.dtype, x.rank, s.shape);
  launch(c, s, {0}, c.out(0), Kernel::avg_pool, x.dtype, size);
}

void mean_backward(Call& c, const Space& s, const Ints& shape) {
  const View& dy = c.in(0);
  View y;
  shaped(y, dy.dtype, int(shape.n), s.shape);
  require(same_shape(y, dy), "dy wants the shape of the result");
  shaped(c.out(0), dy.dtype, int(shape.n), shape.v);
  launch(c, s, {0}, c.out(0), Kernel::avg_pool_backward, dy.dtype, double(c.out(0).size()));
}

void avg_pool(Call& c) {  // "vllliii": x, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override
  const View& x = c.in(0);
  float_input(x);
  mean_of(c, c.attr[4].i != 0, c.attr[5].i);
  mean_forward(c, sliding(x.shape, x.rank, c.attr[0].ints, c.attr[1].ints, c.attr[2].ints, nullptr, c.attr[3].i != 0));
}

void avg_pool_backward(Call& c) {  // "vlllliiin": dy, x.shape, the attributes of avg_pool
  float_input(c.in(0));
  const Ints shape = c.attr[0].ints;
  mean_of(c, c.attr[5].i != 0, c.attr[6].i);
  mean_backward(
      c, sliding(shape.v, int(shape.n), c.attr[1].ints, c.attr[2].ints, c.attr[3].ints, nullptr, c.attr[4].i != 0),
      shape);
}

void adaptive_avg_pool(Call& c) {  // "vl": x, output_size
  float_input(c.in(0));
  mean_of(c, true, 0);
  mean_forward(c, adaptive(c.in(0).shape, c.in(0).rank, c.attr[0].ints));
}

void adaptive_avg_pool_backward(Call& c) {  // "vlln": dy, x.shape, output_size
  float_input(c.in(0));
  mean_of(c, true, 0);
  const Ints shape = c.attr[0].ints;
  mean_backward(c, adaptive(shape.v, int(shape.n), c.attr[1].ints), shape);
}

const OpInfo ops[] = {
    {"max_pool", "vlllli", 1, maximum<sliding_maximum, false>},
    {"max_pool_backward", "vvllllin", 1, maximum_backward<sliding_maximum, Kernel::max_pool_backward>},
    {"max_pool_backward_relu", "vvllllin", 1, maximum_backward<sliding_maximum, Kernel::max_pool_backward_relu>},
    {"max_pool_indices", "vlllli", 1, maximum<sliding_maximum, true>},
    {"adaptive_max_pool", "vl", 1, maximum<adaptive_maximum, false>},
    {"adaptive_max_pool_backward", "vvln", 1, maximum_backward<adaptive_maximum, Kernel::max_pool_backward>},
    {"adaptive_max_pool_indices", "vl", 1, maximum<adaptive_maximum, true>},
    {"avg_pool", "vllliii", 1, avg_pool},
    {"avg_pool_backward", "vlllliiin", 1, avg_pool_backward},
    {"adaptive_avg_pool", "vl", 1, adaptive_avg_pool},
    {"adaptive_avg_pool_backward", "vlln", 1, adaptive_avg_pool_backward},
};

}  // namespace

extern const Family pooling_family = {ops, sizeof ops / sizeof *ops};

}  // namespace fastnn
