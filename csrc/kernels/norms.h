// The shape of a normalization by channels: what prepare and run both reckon with.
#pragma once
#include <cstdint>

#include "kernels/blocks.h"
#include "kernels/call.h"

namespace fastnn {

// Memory is [sample][outer][channel][inner]; the channels of a sample are normalized in groups of equal size.
struct Channels {
  int64_t samples, outer, channels, inner, groups;

  FASTNN_INLINE bool columns() const { return inner == 1; }
  FASTNN_INLINE int64_t per_channel() const { return outer * inner; }
  FASTNN_INLINE int64_t group_size() const { return channels / groups; }
  // What is summed in one go: of each sample so many partial sums.
  FASTNN_INLINE int64_t sum_blocks() const { return columns() ? blocks(outer, column_block) : outer; }
  FASTNN_INLINE int64_t sums() const { return samples * sum_blocks() * 2 * channels; }
  FASTNN_INLINE int64_t numbers() const { return samples * channels; }

  FASTNN_INLINE static Channels of(const Call& c) { return {c.dim[0], c.dim[1], c.dim[2], c.dim[3], c.dim[4]}; }
};

}  // namespace fastnn
