// Bringing arguments of one shape to one memory order, so that kernels see dense arrays alike.
#pragma once
#include <initializer_list>

#include "ops/op.h"

namespace fastnn {

// The strides of two views of one shape agree (axes of length 1 aside).
bool same_layout(const View& a, const View& b);

bool same_shape(const View& a, const View& b);

// Which axis became which.
struct Order {
  int axis[max_rank];
};

// Reorders the axes of these arguments (the first `count`; absent ones are passed over), which have one shape, so that
// the first is dense in C order if it is dense in any, and plans copies of what then is not. Outputs have been laid out
// like the first before.
Order align(Call& c, std::initializer_list<int> arguments, size_t count);
inline Order align(Call& c, std::initializer_list<int> arguments) { return align(c, arguments, arguments.size()); }

// Images are (samples, channels, *space): the strides of an output whose memory is (samples, *space, channels), and the
// axes of a view in that order.
void channels_last_strides(View& out);
void channels_behind(View& v);

// Brings these arguments of a Call over images to one memory order, and the output: C order if the last of them has it,
// to go through kernels/planes.h, dim[4] planes at a time with so much scratch; else channels-last, and dim[4] is 0.
// dim[0], dim[1]: samples and channels.
size_t lay_out_images(Call& c, std::initializer_list<int> arguments, View& out, bool planes = true);

}  // namespace fastnn
