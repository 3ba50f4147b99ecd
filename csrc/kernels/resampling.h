// The axes of an interpolation: what prepare and run both reckon with.
#pragma once
#include <cstdint>

#include "kernels/call.h"

namespace fastnn {

constexpr int resampled_axes = 3;        // those in front that an array lacks have length 1
constexpr int first_resampled_axis = 6;  // the attribute in which prepare leaves the first of them

// A position of the result lies between two of x; the weights are T's.
template <class T>
struct Between {
  int64_t low, high;
  T first, second;
};

struct ResampledAxis {
  int64_t in, out, top, bottom;  // the factor is top / bottom, or out / in where top is 0

  FASTNN_INLINE static ResampledAxis of(const Call& c, int axis) {
    const int64_t* const v = c.attr[first_resampled_axis + axis].ints.v;
    return {v[0], v[1], v[2], v[3]};
  }
  FASTNN_INLINE void leave(Call& c, int axis) const {
    c.attr[first_resampled_axis + axis].ints = {4, {in, out, top, bottom}};
  }
  FASTNN_INLINE double step() const { return top ? 1 / (double(top) / double(bottom)) : double(in) / double(out); }
};

}  // namespace fastnn
