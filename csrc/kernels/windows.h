// Where the windows of a pooling lie along one axis: what prepare and run both reckon with.
#pragma once
#include <cstdint>

#include "kernels/call.h"

namespace fastnn {

constexpr int pool_axes = 3;        // axes of space, those in front that an array lacks have length 1
constexpr int first_pool_axis = 7;  // the attribute in which prepare leaves the first of them

// Positions first, first + step ... before `end`.
struct Window {
  int64_t first, end, step;
};

// Windows of `kernel` values, `dilation` apart, every `stride`; where kernel is 0, `out` parts of nearly equal length.
struct PoolAxis {
  int64_t in, out, kernel, stride, padding, dilation;

  FASTNN_INLINE static PoolAxis of(const Call& c, int axis) {
    const int64_t* const v = c.attr[first_pool_axis + axis].ints.v;
    return {v[0], v[1], v[2], v[3], v[4], v[5]};
  }
  FASTNN_INLINE void leave(Call& c, int axis) const {
    c.attr[first_pool_axis + axis].ints = {6, {in, out, kernel, stride, padding, dilation}};
  }
  FASTNN_INLINE int64_t span() const { return (kernel - 1) * dilation + 1; }
  FASTNN_INLINE Window window(int64_t o) const {
    if (kernel == 0) return {o * in / out, ((o + 1) * in + out - 1) / out, 1};
    int64_t first = o * stride - padding;
    const int64_t end = first + span();
    if (first < 0) first += (dilation - 1 - first) / dilation * dilation;
    return {first, end < in ? end : in, dilation};
  }
  // How many values a mean counts, those in the padding too.
  FASTNN_INLINE int64_t padded_length(int64_t o) const {
    if (kernel == 0) return window(o).end - window(o).first;
    const int64_t first = o * stride - padding, end = first + kernel;
    return (end < in + padding ? end : in + padding) - first;
  }
  // Windows slide, and none reaches beyond the edges.
  FASTNN_INLINE bool whole() const { return kernel > 0 && padding == 0 && (out - 1) * stride + span() <= in; }
  // No value is in two windows; every value is in one.
  FASTNN_INLINE bool apart() const { return kernel == 0 ? in % out == 0 : stride >= span(); }
  FASTNN_INLINE bool covered() const {
    return kernel == 0 || (dilation == 1 && stride <= kernel && out * stride - padding >= in);
  }
};

}  // namespace fastnn
