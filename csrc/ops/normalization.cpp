// Prepare for layer normalization: rows over the last dimensions; statistics are float64 for either dtype.
#include "ops/op.h"

namespace fastnn {
namespace {

void rows_of(Call& c, const View& x, int64_t dims) {
  require(dims >= 1 && dims <= x.rank, "dims is out of range");
  c.dim[0] = c.dim[1] = 1;
  for (int i = 0; i < x.rank; i++) c.dim[i < x.rank - dims ? 0 : 1] *= x.shape[i];
  c.cost = 6 * double(x.size());
}

void layer_norm(Call& c) {  // "vooif": x, weight, bias, dims, eps -> y, mean, rstd
  const DType t = common_float(c, 0, 3);
  const View& x = c.in(0);
  const int64_t dims = c.attr[0].i;
  rows_of(c, x, dims);
  for (int a = 1; a < 3; a++) {
    if (!c.has(a)) continue;
    const View& v = c.in(a);
    require(v.rank == dims && v.size() == c.dim[1], "weight and bias want the shape of a row");
    for (int i = 0; i < v.rank; i++)
      require(v.shape[i] == x.shape[x.rank - dims + i], "weight and bias want the shape of a row");
    densify(c, a);
  }
  densify(c, 0);
  like(c.out(0), x);
  shaped(c.out(1), DType::f64, x.rank - int(dims), x.shape);
  shaped(c.out(2), DType::f64, x.rank - int(dims), x.shape);
  c.run = kernel(Kernel::layer_norm, t);
}

void layer_norm_backward(Call& c) {  // "vvovvifn": dy, x, weight, mean, rstd, dims, eps -> dx, dweight, dbias
  const DType t = common_float(c, 0, 3);
  const View& x = c.in(1);
  const int64_t dims = c.attr[0].i;
  rows_of(c, x, dims);
  for (int a = 3; a < 5; a++) {
    if (c.in(a).dtype != DType::f64) throw Declined{};
    require(c.in(a).size() == c.dim[0], "mean and rstd want one value for each row");
  }
  require(c.in(0).size() == x.size(), "dy has another shape");
  like(c.out(0), x);
  shaped(c.out(1), t, int(dims), x.shape + (x.rank - dims));
  shaped(c.out(2), t, int(dims), x.shape + (x.rank - dims));
  for (int a = 0; a < 5; a++)
    if (c.has(a)) densify(c, a);
  c.run = kernel(Kernel::layer_norm_backward, t);
}

const OpInfo ops[] = {
    {"layer_norm", "vooif", 3, layer_norm},
    {"layer_norm_backward", "vvovvifn", 3, layer_norm_backward},
};

}  // namespace

extern const Family normalization_family = {ops, sizeof ops / sizeof *ops};

}  // namespace fastnn
