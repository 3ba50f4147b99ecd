// Prepare for normalization by channels, which are axis 1; statistics are float64 for either dtype.
#include "kernels/norms.h"
#include "ops/layout.h"

namespace fastnn {
namespace {

constexpr int64_t long_rows = 16;  // from here on arrays in C order are taken as they are

// How the values of x lie: in C order if that gives long rows, else in channels-last memory.
Channels arrangement(const View& x, bool samples_apart, int64_t groups) {
  require(x.rank >= 2, "x wants at least 2 axes");
  int64_t inner = 1;
  for (int i = 2; i < x.rank; i++) inner *= x.shape[i];
  const int64_t n = x.shape[0], channels = x.shape[1];
  const bool rows = x.dense() && inner >= long_rows;
  return {samples_apart ? n : 1, (samples_apart ? 1 : n) * (rows ? 1 : inner), channels, rows ? inner : 1, groups};
}

void arrange(Call& c, const Channels& s, int argument) {
  if (s.columns()) channels_behind(c.in(argument));
  densify(c, argument);
}

// The dims of the kernel, the layout of what is like x, and the arrays of x's shape as the kernel takes them.
Channels by_channels(Call& c, View& like_x, std::initializer_list<int> arguments, bool samples_apart, int64_t groups) {
  const View& x = c.in(*(arguments.end() - 1));
  const Channels s = arrangement(x, samples_apart, groups < 0 ? x.shape[1] : groups);
  for (const int a : arguments) require(same_shape(c.in(a), x), "dy wants the shape of x");
  like(like_x, x);
  if (s.columns()) channels_last_strides(like_x);
  for (const int a : arguments) arrange(c, s, a);
  const int64_t dim[] = {s.samples, s.outer, s.channels, s.inner, s.groups};
  for (int i = 0; i < 5; i++) c.dim[i] = dim[i];
  return s;
}

// One number of dtype t for each channel.
void per_channel(Call& c, int argument, int item, DType t, int64_t channels) {
  const View& v = c.in(argument, item);
  if (v.dtype != t) throw Declined{};
  require(v.rank == 1 && v.shape[0] == channels, "weight, bias and statistics want one value for each channel");
}

void factors(Call& c, std::initializer_list<int> arguments, DType t, int64_t channels) {
  for (const int a : arguments) {
    if (!c.has(a)) continue;
    per_channel(c, a, 0, t, channels);
    densify(c, a);
  }
}

size_t forward_scratch(const Channels& s, int64_t itemsize) {
  return size_t((s.numbers() + s.sums()) * int64_t(sizeof(double)) + 4 * s.numbers() * itemsize);
}
size_t backward_scratch(const Channels& s, int64_t itemsize) { return size_t((6 * s.numbers() + s.sums()) * itemsize); }

template <Kernel K>
void batch_norm(Call& c) {  // "vooWff": x, weight, bias, [mean, var, count], momentum, eps
  const DType t = c.in(0).dtype;
  float_input(c.in(0));
  require(c.in(0).rank >= 2, "x wants at least 2 axes");
  const int64_t channels = c.in(0).shape[1];
  const Channels s = by_channels(c, c.out(0), {0}, false, -1);
  require(c.in(0).size() > channels, "x wants more than one value for each channel");
  factors(c, {1, 2}, t, channels);
  const int running = c.count(3);
  require(running == 0 || running == 2 || running == 3, "running wants mean and var, or mean, var and count");
  for (int i = 0; i < running && i < 2; i++) {
    per_channel(c, 3, i, t, channels);
    if (!c.in(3, i).dense()) throw Declined{};
  }
  if (running == 3) require(c.in(3, 2).dtype == DType::i64 && c.in(3, 2).rank == 0, "count wants a 0-d int64 array");
  require(c.attr[0].f >= 0 || running != 2, "an average over all batches wants their count");
  for (const int j : {1, 2}) shaped(c.out(j), DType::f64, 1, &channels);
  c.scratch = forward_scratch(s, itemsize_of[int(t)]);
  c.cost = 0.3 * double(s.per_channel() * channels);
  c.run = kernel(K, t);
}

void group_norm(Call& c) {  // "vooif": x, weight, bias, groups, eps
  const DType t = common_float(c, 0, 3);
  View& x = c.in(0);
  require(x.rank >= 2, "x wants at least 2 axes");
  const int64_t groups = c.attr[0].i, channels = x.shape[1];
  require(groups >= 1 && channels % groups == 0, "groups wants a divisor of the number of channels");
  const int64_t lead[] = {x.shape[0], groups}, size = x.size();
  const Channels s = by_channels(c, c.out(0), {0}, true, groups);
  factors(c, {1, 2}, t, channels);
  for (const int j : {1, 2}) shaped(c.out(j), DType::f64, 2, lead);
  c.scratch = forward_scratch(s, itemsize_of[int(t)]);
  c.cost = 0.3 * double(size);
  c.run = size ? kernel(Kernel::group_norm, t) : nullptr;
  if (!size && c.out(1).size()) throw Declined{};  // statistics of nothing
}

// dy, x, weight (and, where a relu is behind, bias), mean, rstd, two attributes; the statistics have one number for
// each group of each sample.
void backward(Call& c, bool relu, bool samples_apart, int64_t groups) {
  const int statistics = relu ? 4 : 3;
  const DType t = common_float(c, 0, statistics);
  require(c.in(1).rank >= 2, "x wants at least 2 axes");
  const int64_t channels = c.in(1).shape[1], size = c.in(1).size();
  const Channels s = by_channels(c, c.out(0), {0, 1}, samples_apart, groups);
  if (!size) throw Declined{};
  factors(c, {2}, t, channels);
  if (relu) factors(c, {3}, t, channels);
  for (const int a : {statistics, statistics + 1}) {
    require(c.in(a).dtype == DType::f64 && c.in(a).size() == s.samples * s.groups, "mean and rstd want one per group");
    densify(c, a);
  }
  for (const int j : {1, 2}) shaped(c.out(j), t, 1, &channels);
  c.scratch = backward_scratch(s, itemsize_of[int(t)]);
  c.cost = 0.5 * double(size);
  c.run = kernel(relu ? Kernel::batch_norm_backward_relu : Kernel::channel_norm_backward, t);
}

template <bool relu>
void batch_norm_backward(Call& c) {  // "vvovvffn", with relu "vvoovvffn"
  c.needs &= 7;
  backward(c, relu, false, -1);
}
void group_norm_backward(Call& c) {  // "vvovvifn"
  require(c.attr[0].i >= 1 && c.in(1).rank >= 2 && c.in(1).shape[1] % c.attr[0].i == 0, "groups wants a divisor");
  backward(c, false, true, c.attr[0].i);
}

// Argument `at` is [mean, var].
void fixed(Call& c, int at, DType t, int64_t channels) {
  require(c.count(at) == 2, "running wants mean and var");
  for (int i = 0; i < 2; i++) {
    per_channel(c, at, i, t, channels);
    densify(c, at, i);
  }
}

template <Kernel K>
void batch_norm_inference(Call& c) {  // "vooVf": x, weight, bias, [mean, var], eps
  const DType t = common_float(c, 0, 4);
  require(c.in(0).rank >= 2, "x wants at least 2 axes");
  const int64_t channels = c.in(0).shape[1], size = c.in(0).size();
  by_channels(c, c.out(0), {0}, false, -1);
  factors(c, {1, 2}, t, channels);
  fixed(c, 3, t, channels);
  c.scratch = size_t(channels) * (2 * sizeof(double) + 4 * size_t(itemsize_of[int(t)]));
  c.cost = 0.2 * double(size);
  c.run = size ? kernel(K, t) : nullptr;
}

void batch_norm_inference_backward(Call& c) {  // "vvoVfn": dy, x, weight, [mean, var], eps
  c.needs &= 7;
  const DType t = common_float(c, 0, 4);
  require(c.in(1).rank >= 2, "x wants at least 2 axes");
  const int64_t channels = c.in(1).shape[1], size = c.in(1).size();
  const Channels s = by_channels(c, c.out(0), {0, 1}, false, -1);
  if (!size) throw Declined{};
  factors(c, {2}, t, channels);
  fixed(c, 3, t, channels);
  for (const int j : {1, 2}) shaped(c.out(j), t, 1, &channels);
  c.scratch = size_t(channels) * 2 * sizeof(double) + backward_scratch(s, itemsize_of[int(t)]);
  c.cost = 0.5 * double(size);
  c.run = kernel(Kernel::batch_norm_inference_backward, t);
}

const OpInfo ops[] = {
    {"batch_norm", "vooWff", 3, batch_norm<Kernel::batch_norm>},
    {"batch_norm_relu", "vooWff", 3, batch_norm<Kernel::batch_norm_relu>},
    {"batch_norm_backward", "vvovvffn", 4, batch_norm_backward<false>},
    {"batch_norm_backward_relu", "vvoovvffn", 4, batch_norm_backward<true>},
    {"batch_norm_inference", "vooVf", 1, batch_norm_inference<Kernel::batch_norm_inference>},
    {"batch_norm_inference_relu", "vooVf", 1, batch_norm_inference<Kernel::batch_norm_inference_relu>},
    {"batch_norm_inference_backward", "vvoVfn", 4, batch_norm_inference_backward},
    {"group_norm", "vooif", 3, group_norm},
    {"group_norm_backward", "vvovvifn", 3, group_norm_backward},
};

}  // namespace

extern const Family channel_norms_family = {ops, sizeof ops / sizeof *ops};

}  // namespace fastnn
