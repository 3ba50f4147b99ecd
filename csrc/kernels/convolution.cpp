// Convolution and its transpose, and their gradients, by three passes: forward, gradient of the data, gradient of the
// weights. Arrays that are not channels-last are copied first; results are channels-last.
#include "kernels/conv/correlate.h"
#include "kernels/conv/depthwise.h"
#include "kernels/conv/masked_gradient.h"
#include "kernels/conv/overlap.h"
#include "kernels/conv/weight_gradient.h"
#include "kernels/conv/winograd.h"
#include "kernels/conv/winograd_gradient.h"
#include "kernels/gemm/zeros.h"
#include "kernels/row_sums.h"
#include "kernels/table.h"

namespace fastnn::FASTNN_ISA {
namespace {

// The images of a view, copied to `at`, which moves on, if need be.
template <class T>
Images<const T> images_of(Context& x, const View& v, char*& at) {
  if (const int64_t pixel = conv_pixel(v)) return {v.as<T>(), pixel};
  T* const copy = reinterpret_cast<T*>(at);
  at += conv_align(v.size() * int64_t(sizeof(T)));
  copy_channels_last(x, v, copy);
  return {copy, v.shape[1]};
}
template <class T>
Images<T> result_of(const View& v) {
  return {v.as<T>(), v.shape[1]};
}

template <class T>
void forward(Context& context, const ConvShape& s, Images<const T> x, const T* w, const T* bias, bool relu, Images<T> y,
             char* scratch) {
  const ConvPass p = forward_pass(s);
  const int64_t taps = s.taps();
  const ConvWeights<T> weights{w, s.in * taps, taps, taps};
  if constexpr (std::is_same_v<T, float>)
    if (s.winograd) return winograd(context, p, weights, x, y, bias, relu, scratch);
  const ConvRoom room = s.depthwise() ? depthwise_room(s, sizeof(T)) : conv_room(s, p, sizeof(T));
  int32_t* const place = reinterpret_cast<int32_t*>(scratch);
  T* const packed = reinterpret_cast<T*>(scratch + room.table);
  tap_places(s, p, 0, place);
  if (s.depthwise()) {
    pack_depthwise(s, w, place, packed);
    return depthwise(context, s, p, packed, x, y, s.y, bias, relu);
  }
  const bool masked = skips_zeros(p, s.groups, x, most_values_forward) && finite(w, s.out * s.in * taps);
  pack_weights(context, weights, s.groups, p, masked ? masked_panels<T>(p.out) : conv_panels<T>(p.out), place, packed);
  correlate(context, p, s.groups, {packed, conv_packed(p, taps, sizeof(T)), taps, 0}, x, y, s.y, bias, relu, masked,
            scratch + room.table + room.weights);
}

// bias: that of conv_transpose, one value for each channel of x.
template <class T>
void data_gradient(Context& context, const ConvShape& s, Images<const T> dy, const T* w, const T* bias, Images<T> dx,
                   char* scratch) {
  const int64_t taps = s.taps();
  const ConvWeights<T> weights{w, taps, s.in * taps, taps};
  if constexpr (std::is_same_v<T, float>)
    if (s.winograd) return winograd(context, gradient_pass(s, 0), weights, dy, dx, bias, false, scratch);
  if (s.overlaps(sizeof(T))) return overlap_gradient(context, s, dy, w, bias, dx, scratch);
  const ConvRoom room = s.depthwise() ? depthwise_room(s, sizeof(T)) : conv_room(s, gradient_pass(s, 0), sizeof(T));
  int32_t* const place = reinterpret_cast<int32_t*>(scratch);
  T* const packed = reinterpret_cast<T*>(scratch + room.table);
  int64_t first = 0;
  for (int64_t phase = 0; phase < gradient_phases(s); phase++) {
    const ConvPass p = gradient_pass(s, phase);
    tap_places(s, p, first, place);
    first += p.taps();
  }
  const ConvPass whole = gradient_pass(s, 0);
  const bool masked =
      !s.depthwise() && skips_zeros(whole, s.groups, dy, most_values_forward) && finite(w, s.out * s.in * taps);
  if (s.depthwise())
    pack_depthwise(s, w, place, packed);
  else
    pack_weights(context, weights, s.groups, whole, masked ? masked_panels<T>(s.in) : conv_panels<T>(s.in), place,
                 packed);
  first = 0;
  for (int64_t phase = 0; phase < gradient_phases(s); phase++) {
    const ConvPass p = gradient_pass(s, phase);
    if (s.depthwise())
      depthwise(context, s, p, packed + first * depthwise_width(s, sizeof(T)), dy, dx, s.x, bias, false);
    else
      correlate(context, p, s.groups, {packed, conv_packed(p, taps, sizeof(T)), taps, first}, dy, dx, s.x, bias, false,
                masked, scratch + room.table + room.weights);
    first += p.taps();
  }
}

// dw (out, in) = dy^T x over all pixels.
template <class T>
GemmArgs<T> weights_product(const ConvShape& s, Images<const T> dy, Images<const T> x, T* dw) {
  GemmArgs<T> g{};
  g.m = s.out, g.n = s.in, g.k = s.x[2];
  g.a = dy.p, g.a_row = 1, g.a_col = dy.pixel;
  g.b = x.p, g.b_row = x.pixel, g.b_col = 1;
  g.c = dw, g.c_row = s.in;
  return g;
}

template <class T>
void weights_gradient(Context& context, const ConvShape& s, Images<const T> x, Images<const T> dy, T* dw,
                      char* scratch) {
  const ConvPass p = weight_pass(s);
  if (s.depthwise()) return depthwise_weight_gradient(context, s, p, x, dy, dw, scratch);
  if constexpr (std::is_same_v<T, float>)
    if (s.winograd) return winograd_gradient(context, p, x, dy, dw, scratch);
  if (s.weights_by_product()) {
    Context own{scratch, context.parallel, context.pool};
    return gemm_skipping_zeros(own, weights_product(s, dy, x, dw));
  }
  weight_gradient(context, p, s.groups, x, dy, dw, scratch);
}

// Attributes: stride, padding, [output_padding,] dilation, groups.
template <bool transposed>
FASTNN_INLINE ConvShape shape_of(const Call& c, const View& x, const View& w, const View& y) {
  const int at = transposed ? 3 : 2;
  ConvShape s = conv_shape(x, w, y, c.attr[0].ints, c.attr[1].ints, c.attr[at].ints, c.attr[at + 1].i);
  s.winograd = c.dim[0] != 0;
  return s;
}

// x, weight, bias
template <class T, bool transposed, bool relu>
int64_t conv_run(const Call& c, Context& context) noexcept {
  const View &from = c.in(0), &w = c.in(1), &to = c.out(0);
  const T* const bias = c.has(2) ? c.in(2).as<T>() : nullptr;
  char* scratch = context.scratch;
  const Images<const T> images = images_of<T>(context, from, scratch);
  const ConvShape s = transposed ? shape_of<transposed>(c, to, w, from) : shape_of<transposed>(c, from, w, to);
  if (transposed)
    data_gradient(context, s, images, w.as<const T>(), bias, result_of<T>(to), scratch);
  else
    forward(context, s, images, w.as<const T>(), bias, relu, result_of<T>(to), scratch);
  return -1;
}

// dy, x, weight -> dx, dweight, dbias
template <class T, bool transposed>
int64_t conv_backward_run(const Call& c, Context& context) noexcept {
  const View &dy = c.in(0), &x = c.in(1), &w = c.in(2);
  char* scratch = context.scratch;
  const Images<const T> slopes = images_of<T>(context, dy, scratch);
  const ConvShape s = transposed ? shape_of<transposed>(c, dy, w, x) : shape_of<transposed>(c, x, w, dy);
  const Images<const T> values = c.wants(1) ? images_of<T>(context, x, scratch) : Images<const T>{};
  if (c.wants(0)) {
    if (transposed)
      forward<T>(context, s, slopes, w.as<const T>(), nullptr, false, result_of<T>(c.out(0)), scratch);
    else
      data_gradient<T>(context, s, slopes, w.as<const T>(), nullptr, result_of<T>(c.out(0)), scratch);
  }
  if (c.wants(1)) {
    T* const dw = c.out(1).as<T>();
    transposed ? weights_gradient(context, s, slopes, values, dw, scratch)
               : weights_gradient(context, s, values, slopes, dw, scratch);
  }
  if (c.wants(2)) {
    Context own{scratch, context.parallel, context.pool};
    const int64_t channels = dy.shape[1];
    sum_rows(own, channels ? dy.size() / channels : 0, channels, slopes.p, slopes.pixel, c.out(2).as<T>());
  }
  return -1;
}

}  // namespace

const Run conv_kernel[2] = {conv_run<float, false, false>, conv_run<double, false, false>};
const Run conv_relu_kernel[2] = {conv_run<float, false, true>, conv_run<double, false, true>};
const Run conv_backward_kernel[2] = {conv_backward_run<float, false>, conv_backward_run<double, false>};
const Run conv_transpose_kernel[2] = {conv_run<float, true, false>, conv_run<double, true, false>};
const Run conv_transpose_backward_kernel[2] = {conv_backward_run<float, true>, conv_backward_run<double, true>};

}  // namespace fastnn::FASTNN_ISA
