// Prepare for normalization over the last axes; statistics are float64 for either dtype.
#include "kernels/blocks.h"
#include "ops/layout.h"

namespace fastnn {
namespace {

// dim = {rows, values of a row}: the last `axes` of x are normalized. The shape of the rest goes to the view.
void normal_rows(Call& c, const View& x, int64_t axes, View& lead) {
  require(axes >= 1 && axes <= x.rank, "dims is out of range");
  shaped(lead, DType::f64, int(x.rank - axes), x.shape);
  c.dim[0] = lead.size();
  c.dim[1] = 1;
  for (int i = lead.rank; i < x.rank; i++) c.dim[1] *= x.shape[i];
}

// A weight or bias has the shape of the last axes of x, from `lead` on.
void normal_factor(Call& c, int argument, const View& x, int lead) {
  if (!c.has(argument)) return;
  const View& v = c.in(argument);
  require(v.rank == x.rank - lead, "weight and bias want the shape of the last axes of x");
  for (int i = 0; i < v.rank; i++)
    require(v.shape[i] == x.shape[lead + i], "weight and bias want the shape of the last axes of x");
  densify(c, argument);
}

void layer_norm(Call& c) {  // "vooif": x, weight, bias, dims, eps
  const DType t = common_float(c, 0, 3);
  const View& x = c.in(0);
  View& mean = c.out(1);
  normal_rows(c, x, c.attr[0].i, mean);
  for (const int a : {1, 2}) normal_factor(c, a, x, mean.rank);
  like(c.out(0), x);
  c.out(2) = mean;
  densify(c, 0);
  c.cost = 0.3 * double(x.size());
  c.run = c.dim[0] ? kernel(Kernel::layer_norm, t) : nullptr;
}

void rms_norm(Call& c) {  // "voif": x, weight, dims, eps
  const DType t = common_float(c, 0, 2);
  const View& x = c.in(0);
  View& rstd = c.out(1);
  normal_rows(c, x, c.attr[0].i, rstd);
  normal_factor(c, 1, x, rstd.rank);
  like(c.out(0), x);
  densify(c, 0);
  c.cost = 0.3 * double(x.size());
  c.run = c.dim[0] ? kernel(Kernel::rms_norm, t) : nullptr;
}

// dy, x, weight, the statistics from argument 3 on up to `end`, dims, eps.
void backward(Call& c, Kernel k, int end) {
  const DType t = common_float(c, 0, 3);
  const View& x = c.in(1);
  View lead;
  normal_rows(c, x, c.attr[0].i, lead);
  normal_factor(c, 2, x, lead.rank);
  require(same_shape(c.in(0), x), "dy wants the shape of x");
  for (int a = 3; a < end; a++) {
    require(c.in(a).dtype == DType::f64 && same_shape(c.in(a), lead), "mean and rstd want float64, one per row");
    densify(c, a);
  }
  like(c.out(0), x);
  for (int j = 1; j < c.n_out; j++) shaped(c.out(j), t, x.rank - lead.rank, x.shape + lead.rank);
  densify(c, 0);
  densify(c, 1);
  const int64_t sums = blocks(c.dim[0], column_block), scratch = 2 * sums * c.dim[1] * x.itemsize();
  c.scratch = sums > 1 && (c.wants(1) || c.wants(2)) ? size_t(scratch) : 0;
  c.cost = 0.5 * double(x.size());
  c.run = kernel(k, t);
}

void layer_norm_backward(Call& c) { backward(c, Kernel::layer_norm_backward, 5); }  // dy, x, weight, mean, rstd
void rms_norm_backward(Call& c) { backward(c, Kernel::rms_norm_backward, 4); }      // dy, x, weight, rstd

const OpInfo ops[] = {
    {"layer_norm", "vooif", 3, layer_norm},
    {"layer_norm_backward", "vvovvifn", 3, layer_norm_backward},
    {"rms_norm", "voif", 2, rms_norm},
    {"rms_norm_backward", "vvovifn", 2, rms_norm_backward},
};

}  // namespace

extern const Family normalization_family = {ops, sizeof ops / sizeof *ops};

}  // namespace fastnn
