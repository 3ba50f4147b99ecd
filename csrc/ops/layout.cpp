#include "ops/layout.h"

#include <utility>

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

}  // namespace fastnn
