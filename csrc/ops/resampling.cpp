// Prepare for images in another size; results are in C order where images of few channels are, else channels-last.
#include "kernels/resampling.h"

#include "ops/layout.h"

namespace fastnn {
namespace {

// From the shape of x and the attributes size, scale_factor, method, align_corners, of which `first` is the first: the
// shape of the result, the axes where the kernel looks for them, and its dims.
void resample(Call& c, const int64_t* shape, int rank, int first, DType t, View& y) {
  require(rank >= 3 && rank <= 2 + resampled_axes, "x wants 3 to 5 axes");
  const int space = rank - 2;
  const Ints size = c.attr[first].ints, scale = c.attr[first + 1].ints;
  require(size.n == (scale.n ? 0 : space) && scale.n == (size.n ? 0 : 2 * space), "size or scale_factor is wanted");
  int64_t sizes[max_rank] = {shape[0], shape[1]}, places = 0;
  for (int i = 0; i < resampled_axes; i++) {
    ResampledAxis a{1, 1, 0, 1};
    if (const int k = i - (resampled_axes - space); k >= 0) {
      a.in = shape[2 + k];
      require(a.in > 0, "x wants at least one value on each axis of space");
      if (scale.n) {
        a.top = scale.v[2 * k];
        a.bottom = scale.v[2 * k + 1];
      }
      a.out = scale.n ? int64_t(double(a.in) * (double(a.top) / double(a.bottom))) : size.v[k];
      require(a.out > 0, "nothing is left of x");
      sizes[2 + k] = a.out;
    }
    a.leave(c, i);
    places += a.out;
  }
  c.dim[0] = shape[0];
  c.dim[1] = shape[1];
  c.dim[2] = c.attr[first + 2].i;
  c.dim[3] = c.attr[first + 3].i;
  c.dim[5] =
      int64_t(round_up(size_t(places) * (t == DType::f32 ? sizeof(Between<float>) : sizeof(Between<double>)), 64));
  shaped(y, t, rank, sizes);
}

void launch(Call& c, View& out, Kernel k, double size) {
  c.cost = 0.5 * size;
  c.run = out.size() ? kernel(k, out.dtype) : nullptr;
  // Where channels fill vectors, turning the result costs more than it brings: 64 of 16 x 16 to 32 x 32 take 280 us
  // plane by plane, 100 channels-last.
  if (c.run) c.scratch = size_t(c.dim[5]) + lay_out_images(c, {0}, out, c.dim[1] * out.itemsize() < 64);
}

void interpolate(Call& c) {  // "vllii": x, size, scale_factor, method, align_corners
  const View& x = c.in(0);
  float_input(x);
  resample(c, x.shape, x.rank, 0, x.dtype, c.out(0));
  launch(c, c.out(0), Kernel::interpolate, double(c.out(0).size()));
}

void interpolate_backward(Call& c) {  // "vllliin": dy, x.shape, size, scale_factor, method, align_corners
  const View& dy = c.in(0);
  float_input(dy);
  const Ints shape = c.attr[0].ints;
  View y;
  resample(c, shape.v, int(shape.n), 1, dy.dtype, y);
  require(same_shape(y, dy), "dy wants the shape of the result");
  shaped(c.out(0), dy.dtype, int(shape.n), shape.v);
  launch(c, c.out(0), Kernel::interpolate_backward, double(dy.size()));
}

const OpInfo ops[] = {
    {"interpolate", "vllii", 1, interpolate},
    {"interpolate_backward", "vllliin", 1, interpolate_backward},
};

}  // namespace

extern const Family resampling_family = {ops, sizeof ops / sizeof *ops};

}  // namespace fastnn
