// Prepare for random ops: pure functions of (seed, offset).
#include "ops/op.h"

namespace fastnn {
namespace {

void dropout(Call& c) {  // x or dy; p, seed, offset
  View& x = c.in(0);
  float_input(x);
  require(c.attr[0].f >= 0 && c.attr[0].f <= 1, "p wants a number from 0 to 1");
  View& y = c.out(0);
  like_layout(y, x);
  densify(c, 0);
  if (!y.dense()) {
    const View* views[] = {&x, &y};
    iterate(c.loop, 2, views);
    c.scratch = size_t(x.size() * x.itemsize());
  }
  c.run = kernel(Kernel::dropout, x.dtype);
  c.cost = 3 * double(x.size());
}

const OpInfo ops[] = {
    {"dropout", "vfuu", 1, dropout},
    {"dropout_backward", "vfuun", 1, dropout},
};

}  // namespace

extern const Family random_family = {ops, sizeof ops / sizeof *ops};

}  // namespace fastnn
