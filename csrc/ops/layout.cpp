#include "ops/layout.h"

#include <algorithm>
#include <utility>

#include "kernels/conv/shape.h"

namespace fastnn {

bool same_layout(const View& a, const View& b) {
  for (int i = 0; i < a.rank; i++)
    if (a.shape[i] != 1 && a.stride[i] != b.stride[i]) return false;
  return true;
}

bool same_shape(const View& a, const View& b) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank; i++)
    if (a.shape[i] != b.shape[i]) return false;
  return true;
}

Order align(Call& c, std::initializer_list<int> arguments, size_t count) {
  const View& first = c.in(*arguments.begin());
  Order order;
  for (int i = 0; i < first.rank; i++) order.axis[i] = i;
  if (!first.dense()) {
    View natural;
    like_layout(natural, first);
    for (int i = 1; i < first.rank; i++)
      for (int j = i; j > 0 && natural.stride[order.axis[j - 1]] < natural.stride[order.axis[j]]; j--)
        std::swap(order.axis[j - 1], order.axis[j]);
  }
  for (size_t k = 0; k < count; k++) {
    const int a = arguments.begin()[k];
    if (!c.has(a)) continue;
    View& v = c.in(a);
    const View before = v;
    for (int i = 0; i < v.rank; i++) {
      v.shape[i] = before.shape[order.axis[i]];
      v.stride[i] = before.stride[order.axis[i]];
    }
    densify(c, a);
  }
  return order;
}

void channels_last_strides(View& out) {
  int64_t step = out.itemsize();
  out.stride[1] = step;
  step *= out.shape[1];
  for (int i = out.rank; i-- > 0;) {
    if (i == 1) continue;
    out.stride[i] = step;
    step *= out.shape[i];
  }
}

void channels_behind(View& v) {
  const int64_t n = v.shape[1], stride = v.stride[1];
  const int last = v.rank - 1;
  for (int i = 1; i < last; i++) {
    v.shape[i] = v.shape[i + 1];
    v.stride[i] = v.stride[i + 1];
  }
  v.shape[last] = n;
  v.stride[last] = stride;
}

namespace {

// How many planes of images in C order are turned at a time: whole vectors of the longest kind, as many as stay in the
// nearest cache; 0 where one vector's fill more than the second.
int64_t panel_of(int64_t plane_bytes, int64_t itemsize) {
  const int64_t lanes = 64 / itemsize;
  if (lanes * plane_bytes > 1 << 19) return 0;
  return lanes * std::clamp<int64_t>((32 << 10) / (lanes * plane_bytes), 1, 4);
}

}  // namespace

size_t lay_out_images(Call& c, std::initializer_list<int> arguments, View& out, bool planes) {
  size_t scratch = 0;
  c.dim[4] = 0;
  const View& last = c.in(*(arguments.end() - 1));
  // One pixel lies in both orders; the gradient of a global mean goes on in that of the layers before it.
  const bool pixel = last.size() == c.dim[0] * c.dim[1] && c.dim[1] > 1;
  if (planes && last.dense() && !pixel) {
    int64_t bytes = out.size();
    for (const int a : arguments) bytes += c.in(a).size();
    bytes = bytes / (c.dim[0] * c.dim[1]) * out.itemsize();
    c.dim[4] = panel_of(bytes, out.itemsize());
    scratch = size_t(conv_jobs * c.dim[4] * bytes);
  }
  for (const int a : arguments) {
    if (c.dim[4] == 0) channels_behind(c.in(a));
    densify(c, a);
  }
  if (c.dim[4] == 0)
    channels_last_strides(out);
  else
    out.make_dense();
  return scratch;
}

}  // namespace fastnn
