// Prepare for optimizer updates: tables of tensors that agree, item by item, in size and memory order.
#include "ops/op.h"

namespace fastnn {
namespace {

// Gapless in some order, so that it can be walked as one row.
bool gapless(const View& v) {
  View natural;
  like_layout(natural, v);
  for (int i = 0; i < v.rank; i++)
    if (v.shape[i] != 1 && natural.stride[i] != v.stride[i]) return false;
  return true;
}

bool same_memory_order(const View& a, const View& b) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank; i++)
    if (a.shape[i] != b.shape[i] || (a.shape[i] != 1 && a.stride[i] != b.stride[i])) return false;
  return true;
}

// Lists before `counts` hold floats like list 0, list `counts` holds 0-d step counts. Those with a bit in `optional`
// may be empty: the settings do not need them.
void table(Call& c, int counts, unsigned optional, Kernel k) {
  c.cost = 0;
  const int n = c.count(0);
  if (n > 0) float_input(c.in(0));
  const auto absent = [&](int a) { return !c.has(a) && (optional >> a & 1); };
  for (int a = 1; a <= counts; a++) require(absent(a) || c.count(a) == n, "lists of equal length are wanted");
  if (n == 0) return;
  const DType t = c.in(0).dtype;
  for (int a = 0; a < counts; a++) {
    if (absent(a)) continue;
    for (int i = 0; i < n; i++) {
      const View &v = c.in(a, i), &p = c.in(0, i);
      if (v.dtype != t || !same_memory_order(v, p) || (a == 0 && !gapless(p))) throw Declined{};
    }
  }
  for (int i = 0; i < n; i++)
    require(c.in(counts, i).dtype == DType::i64 && c.in(counts, i).rank == 0, "step counts want 0-d int64 arrays");
  for (int i = 0; i < n; i++) c.cost += double(c.in(0, i).size());
  c.run = kernel(k, t);
}

void sgd(Call& c) { table(c, 3, unsigned(c.attr[1].f == 0) << 2, Kernel::sgd); }    // v: momentum
void adam(Call& c) { table(c, 5, unsigned(c.attr[6].i == 0) << 4, Kernel::adam); }  // vmax: amsgrad
void rmsprop(Call& c) {                                                             // b: momentum, a: centered
  table(c, 5, unsigned(c.attr[4].f == 0) << 3 | unsigned(c.attr[5].i == 0) << 4, Kernel::rmsprop);
}
void adagrad(Call& c) { table(c, 3, 0, Kernel::adagrad); }

// One table of gradients; the norm, where there is an output.
void clip(Call& c, Kernel k) {
  if (!c.has(0)) throw Declined{};
  const DType t = common_float(c, 0, 1);
  for (int i = 0; i < c.count(0); i++) {
    if (!gapless(c.in(0, i))) throw Declined{};
    c.cost += double(c.in(0, i).size());
  }
  if (c.n_out) scalar(c.out(0), t);
  c.run = kernel(k, t);
}

void clip_grad_norm(Call& c) {
  require(c.attr[0].f >= 0 && c.attr[1].f > 0, "max_norm wants at least 0, norm_type more than 0");
  clip(c, Kernel::clip_grad_norm);
}
void clip_grad_value(Call& c) {
  require(c.attr[0].f >= 0, "clip_value wants at least 0");
  clip(c, Kernel::clip_grad_value);
}

const OpInfo ops[] = {
    {"clip_grad_norm", "Wff", 1, clip_grad_norm},
    {"clip_grad_value", "Wf", 0, clip_grad_value},
    {"sgd", "WVWWffffii", 0, sgd},
    {"adam", "WVWWWWfffffiiii", 0, adam},
    {"rmsprop", "WVWWWWfffffii", 0, rmsprop},
    {"adagrad", "WVWWffffi", 0, adagrad},
};

}  // namespace

extern const Family updates_family = {ops, sizeof ops / sizeof *ops};

}  // namespace fastnn
