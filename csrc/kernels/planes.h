// Images in C order: the planes, one for each channel of each sample, are taken some at a time to channels-last memory
// and back, turned in registers. Vectors are full whatever the number of channels.
#pragma once
#include "kernels/rows.h"
#include "kernels/slots.h"
#include "kernels/strided.h"

namespace fastnn::FASTNN_ISA {
namespace {

constexpr int plane_views = 3;

// `run` for all planes of a Call with dense views, c.dim[4] planes at a time; to it they are the channels of one
// sample. dim[0], dim[1]: samples and channels. Scratch: conv_jobs times what the views of so many planes take.
template <class T, class F>
int64_t through_planes(const Call& c, Context& x, const F& run) noexcept {
  constexpr int64_t item = sizeof(T);
  const int64_t planes = c.dim[0] * c.dim[1], panel = c.dim[4], panels = ceil_div(planes, panel);
  const int out = c.first[c.n_args];
  int64_t size[plane_views], at[plane_views], room = 0;
  for (int v = 0; v <= out; v++) {
    size[v] = c.views[v].size() / planes;
    at[v] = room;
    room += size[v] * panel * item;
  }
  const int64_t worth = elementwise_grain / (panel * size[0]) + 1, parts = ceil_div(panels, conv_jobs);
  Slots slots;
  parallel_for(x, panels, worth > parts ? worth : parts, [&](int64_t lo, int64_t hi) {
    const int slot = slots.take();
    View near[plane_views];
    Call part = c;
    part.views = near;
    part.dim[0] = 1;
    part.dim[4] = 0;
    for (int v = 0; v <= out; v++) {
      near[v] = c.views[v];
      near[v].data = x.scratch + slot * room + at[v];
    }
    Context alone{nullptr, nullptr, nullptr};
    for (int64_t n = lo; n < hi; n++) {
      const int64_t first = n * panel, count = part.dim[1] = planes - first < panel ? planes - first : panel;
      for (int v = 0; v < out; v++)
        move_band<T>(near[v].data, count * item, c.views[v].data + first * size[v] * item, item, size[v] * item,
                     size[v], count);
      run(part, alone);
      move_band<T>(c.views[out].data + first * size[out] * item, size[out] * item, near[out].data, item, count * item,
                   count, size[out]);
    }
    slots.give(slot);
  });
  return -1;
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
