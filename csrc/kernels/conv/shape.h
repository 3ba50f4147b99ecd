// What a convolution is in numbers, and how it is cut into blocks. Shared by prepare, which plans scratch by it, and
// the kernels; nothing here depends on the instruction set or on threads.
//
// All four ops speak of the one convolution y = conv(x, w): its data gradient takes y to x, and conv_transpose is that
// data gradient. Arrays are channels-last: (images, depth, height, width, channels), axes that are missing have
// length 1.
#pragma once
#include "kernels/call.h"

namespace fastnn {

FASTNN_INLINE constexpr int64_t ceil_div(int64_t a, int64_t b) { return a <= 0 ? -(-a / b) : (a + b - 1) / b; }

constexpr int conv_axes = 3;
constexpr int64_t depthwise_rows =
    64;  // of a kernel, at most, for the kernels that are made for depthwise convolutions

struct ConvShape {
  int64_t images, groups, in, out;  // channels of x and y, in each group
  int64_t x[conv_axes], y[conv_axes], kernel[conv_axes], stride[conv_axes], dilation[conv_axes], before[conv_axes];
  bool winograd;  // the way that prepare has chosen
  bool product;   // of matrices: all pixels are one row

  FASTNN_INLINE int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  FASTNN_INLINE int64_t x_pixels() const { return x[0] * x[1] * x[2]; }
  FASTNN_INLINE int64_t y_pixels() const { return y[0] * y[1] * y[2]; }
  FASTNN_INLINE bool depthwise() const {
    return in == 1 && out == 1 && groups > 1 && kernel[0] * kernel[1] <= depthwise_rows;
  }
  // Whether the gradient of the weights is taken as a product of matrices. For 7x7 pixels of 16 images boxes take 1.05
  // to 1.09 times as long; for 3136 pixels as long, for few channels or more pixels less.
  FASTNN_INLINE bool weights_by_product() const {
    return product && groups == 1 && in >= 64 && x[2] > 0 && x[2] <= 2048;
  }
  // Whether the gradient of x fills vectors by taps and channels together (overlap.h), of which its channels alone
  // would leave more than half idle.
  FASTNN_INLINE bool overlaps(int64_t itemsize) const {
    const int64_t lanes = 64 / itemsize, columns = in * taps();
    const bool flat = kernel[0] == 1 && x[0] == 1 && y[0] == 1, near = dilation[1] == 1 && dilation[2] == 1;
    const bool fits = groups == 1 && out <= 512 && columns <= 1024;
    return fits && flat && near && 2 * ceil_div(columns, lanes) <= taps() * ceil_div(in, lanes);
  }
};

// From views of x, w (out, in / groups, *kernel) and y in PyTorch's order of axes; padding has two numbers for each
// axis.
FASTNN_INLINE ConvShape conv_shape(const View& x, const View& w, const View& y, const Ints& stride, const Ints& padding,
                                   const Ints& dilation, int64_t groups) {
  ConvShape s;
  s.images = x.shape[0];
  s.groups = groups;
  s.in = w.shape[1];
  s.out = w.shape[0] / groups;
  s.winograd = false;
  const int missing = conv_axes + 2 - w.rank;
  for (int i = 0; i < conv_axes; i++) {
    const int j = i - missing;
    s.x[i] = j < 0 ? 1 : x.shape[j + 2];
    s.y[i] = j < 0 ? 1 : y.shape[j + 2];
    s.kernel[i] = j < 0 ? 1 : w.shape[j + 2];
    s.stride[i] = j < 0 ? 1 : stride.v[j];
    s.dilation[i] = j < 0 ? 1 : dilation.v[j];
    s.before[i] = j < 0 ? 0 : padding.v[2 * j];
  }
  s.product = s.taps() == 1;
  for (int i = 0; i < conv_axes; i++) s.product = s.product && s.before[i] == 0 && s.stride[i] == 1 && s.x[i] == s.y[i];
  if (s.product) {
    s.x[2] = s.y[2] = s.images * s.x_pixels();
    s.x[0] = s.x[1] = s.y[0] = s.y[1] = s.images = 1;
  }
  return s;
}

// How one axis is read: output q (written at first + q * step) takes positions q * stride + offset + j * dilation, for
// tap j, which is number index + j * index_step of the kernel. Positions increase with j.
struct ConvAxis {
  int64_t length;  // of what is read; beyond are zeros
  int64_t count, first, step;
  int64_t taps, stride, offset, dilation;
  int64_t index, index_step;

  FASTNN_INLINE bool inside() const {
    return taps == 0 || (offset >= 0 && (count - 1) * stride + offset + (taps - 1) * dilation < length);
  }
  // Positions from the first to the last that n outputs read.
  FASTNN_INLINE int64_t span(int64_t n) const { return taps == 0 ? 0 : (n - 1) * stride + (taps - 1) * dilation + 1; }
};

FASTNN_INLINE ConvAxis forward_axis(const ConvShape& s, int i) {
  return {s.x[i], s.y[i], 0, 1, s.kernel[i], s.stride[i], -s.before[i], s.dilation[i], 0, 1};
}

// Positions of x that leave the same rest by the stride see the same taps, as if the stride were 1.
FASTNN_INLINE ConvAxis gradient_axis(const ConvShape& s, int i, int64_t phase) {
  const int64_t stride = s.stride[i], dilation = s.dilation[i], base = phase + s.before[i];
  ConvAxis a{s.y[i], ceil_div(s.x[i] - phase, stride), phase, stride, 0, 1, 0, 1, 0, 0};
  int64_t taps[2] = {-1, -1}, last = -1;  // the first two taps, and the last
  for (int64_t k = 0; k < s.kernel[i]; k++) {
    if ((base - k * dilation) % stride != 0) continue;
    if (a.taps < 2) taps[a.taps] = k;
    last = k;
    a.taps++;
  }
  if (a.taps == 0) return a;
  a.index = last;
  a.offset = (base - last * dilation) / stride;
  if (a.taps > 1) {
    a.index_step = taps[0] - taps[1];
    a.dilation = (taps[1] - taps[0]) * dilation / stride;
  }
  return a;
}

// One pass over images: the convolution itself, or one phase of its data gradient, in one group.
struct ConvPass {
  int64_t images, in, out;  // channels that are read, and written
  int64_t in_all, out_all;  // those of all groups: from pixel to pixel
  ConvAxis axis[conv_axes];
  int64_t chunks;  // into which the channels are parted

  FASTNN_INLINE int64_t taps() const { return axis[0].taps * axis[1].taps * axis[2].taps; }
  FASTNN_INLINE bool inside() const { return axis[0].inside() && axis[1].inside() && axis[2].inside(); }
};

// Part of the order of sums: a chain takes in all taps of one chunk of channels, 4,096 products at most unless the
// kernel alone has more. 256 channels and a panel of weights stay in the second cache.
FASTNN_INLINE int64_t conv_chunks(int64_t channels, int64_t taps) {
  const int64_t most = taps == 1 ? 512 : 4096 / taps < 1 ? 1 : 4096 / taps < 256 ? 4096 / taps : 256;
  return ceil_div(channels, most);
}

FASTNN_INLINE ConvPass forward_pass(const ConvShape& s) {
  ConvPass p{s.images, s.in, s.out, s.in * s.groups, s.out * s.groups, {}, conv_chunks(s.in, s.taps())};
  for (int i = 0; i < conv_axes; i++) p.axis[i] = forward_axis(s, i);
  return p;
}

FASTNN_INLINE int64_t gradient_phases(const ConvShape& s) { return s.stride[0] * s.stride[1] * s.stride[2]; }

FASTNN_INLINE ConvPass gradient_pass(const ConvShape& s, int64_t phase) {
  ConvPass p{s.images, s.out, s.in, s.out * s.groups, s.in * s.groups, {}, conv_chunks(s.out, s.taps())};
  for (int i = conv_axes; i-- > 0; phase /= s.stride[i]) p.axis[i] = gradient_axis(s, i, phase % s.stride[i]);
  return p;
}

// Whether a pass may skip zeros of what it reads (masked.h): float32, panels of 64 channels, and enough to do.
FASTNN_INLINE bool may_skip_zeros(const ConvPass& p, int64_t groups, int64_t itemsize) {
  const int64_t pixels = p.images * p.axis[0].length * p.axis[1].length * p.axis[2].length;
  return itemsize == 4 && groups == 1 && p.chunks == 1 && p.in >= 32 && p.out % 64 == 0 &&
         pixels * p.in * p.out >= 1 << 19;
}

// Outputs are computed box by box (images, depth, height, width): what a box reads fits into half of a second cache of
// 512 KB, and is copied there, with zeros around it, where it reaches over the edges. Of an axis the copy holds all
// positions from the first to the last, or where that is less, those of each tap alone, tap after tap.
struct ConvBoxes {
  int64_t size[conv_axes + 1], count[conv_axes + 1], all;
  int64_t staged;  // elements of the copy; 0 where there is none
  bool by_tap[conv_axes];

  FASTNN_INLINE int64_t pixels() const { return size[0] * size[1] * size[2] * size[3]; }
  FASTNN_INLINE int64_t place(int64_t box, int axis) const {
    for (int i = conv_axes; i > axis; i--) box /= count[i];
    return box % count[axis] * size[axis];
  }
  // Positions of axis i that are read for n outputs.
  FASTNN_INLINE int64_t extent(const ConvPass& p, int i, int64_t n) const {
    return by_tap[i] ? n * p.axis[i].taps : p.axis[i].span(n);
  }
};

constexpr int64_t conv_box_bytes = 256 << 10;
constexpr int64_t conv_box_row = 84;  // a multiple of the rows of register tiles

FASTNN_INLINE int64_t conv_within(int64_t n, int64_t most) { return n < 1 ? 1 : n > most ? most : n; }

// `least`: pixels that a box has at least, if there are so many.
FASTNN_INLINE ConvBoxes conv_boxes(const ConvPass& p, int64_t itemsize, int64_t least = 1) {
  ConvBoxes b{};
  const int64_t channels = ceil_div(p.in, p.chunks);
  // A product of matrices goes through its box once for each panel: what it writes has to stay, too. So have several
  // panels of results of few channels, which are most of what is touched: 1 -> 64, 3x3 by 2, takes .8 of the time.
  const bool written = p.taps() == 1 || (p.in < 8 && p.out * itemsize > 128);
  const int64_t fits = conv_box_bytes / itemsize / (written ? channels + p.out / 2 : channels);
  const int64_t room = fits > least ? fits : least;
  const int64_t whole[conv_axes + 1] = {p.images, p.axis[0].count, p.axis[1].count, p.axis[2].count};
  int64_t inner = 1;  // pixels of the axes behind this one
  bool cut = false;   // an axis behind this one is cut
  for (int i = conv_axes; i >= 0; i--) {
    int64_t size = 1;
    if (whole[i] > 0) {
      const int64_t most = cut ? 1 : whole[i];
      // The most outputs whose extent fits.
      const int64_t positions = room / (inner > 0 ? inner : 1);
      size = conv_within(positions, most);
      if (i > 0 && p.axis[i - 1].taps > 0) {
        const ConvAxis& a = p.axis[i - 1];
        const int64_t apart = conv_within(positions / a.taps, most);
        size = conv_within((positions - (a.taps - 1) * a.dilation - 1) / a.stride + 1, most);
        b.by_tap[i - 1] = apart > size || (apart == size && apart * a.taps < a.span(size));
        if (b.by_tap[i - 1]) size = apart;
      }
      if (i == conv_axes && size > conv_box_row) size = size / conv_box_row * conv_box_row;
    }
    b.count[i] = ceil_div(whole[i], size);
    if (i < conv_axes && b.count[i] > 0) size = ceil_div(whole[i], b.count[i]);
    b.size[i] = size;
    if (i > 0) inner *= b.extent(p, i - 1, size);
    cut = cut || size < whole[i];
  }
  b.all = b.count[0] * b.count[1] * b.count[2] * b.count[3];
  // Pixels a multiple of 4 KB apart fall into the same few lines of the first cache: 0.70 of the peak instead of 0.85.
  const bool aliased = p.in_all * p.axis[2].stride * itemsize % 4096 == 0 && p.taps() > 0;
  b.staged = p.inside() && !aliased ? 0 : b.size[0] * inner * channels;
  return b;
}

// The weights of a group, packed: whole vectors of the widest level.
FASTNN_INLINE int64_t conv_packed(const ConvPass& p, int64_t kernel_taps, int64_t itemsize) {
  const int64_t lanes = 64 / itemsize;
  return ceil_div(p.out, lanes) * lanes * p.in * kernel_taps;
}

// Threads that may work at one time on one call, each with its own copy of a box.
constexpr int64_t conv_jobs = 32;

FASTNN_INLINE size_t conv_align(int64_t bytes) { return size_t((bytes + 63) / 64 * 64); }

// Scratch of a pass: a number for each tap of the kernel, packed weights, which all phases share, and boxes.
struct ConvRoom {
  size_t table, weights, box;
  FASTNN_INLINE size_t all() const { return table + weights + conv_jobs * box; }
};
FASTNN_INLINE ConvRoom conv_room(const ConvShape& s, const ConvPass& p, int64_t itemsize) {
  return {conv_align(s.taps() * 4), conv_align(s.groups * conv_packed(p, s.taps(), itemsize) * itemsize),
          conv_align(conv_boxes(p, itemsize).staged * itemsize)};
}

// Scratch of overlap.h: packed weights, and the products of some pixels for each job.
struct OverlapRoom {
  size_t weights, products;
  FASTNN_INLINE size_t all() const { return weights + conv_jobs * products; }
};
FASTNN_INLINE OverlapRoom overlap_room(const ConvShape& s, int64_t itemsize) {
  const int64_t lanes = 64 / itemsize, columns = ceil_div(s.in * s.taps(), lanes) * lanes;
  return {conv_align(s.out * columns * itemsize), conv_align(conv_box_row * columns * itemsize)};
}

// The gradient of the weights: boxes are parted into splits, each of which has sums of its own, [chunk][panel][tap]
// [channel of x][channel of y], and those are added at the end.
FASTNN_INLINE int64_t conv_sums(const ConvPass& p, int64_t itemsize) {
  const int64_t lanes = 64 / itemsize;
  return p.taps() * p.in * (ceil_div(p.out, lanes) * lanes);
}
// As many that adding them stays below some 2 % of the work.
FASTNN_INLINE int64_t conv_splits(const ConvPass& p, int64_t boxes, int64_t itemsize) {
  constexpr int64_t most = 16, most_bytes = 8 << 20, least_pixels = 800;
  const int64_t fit = most_bytes / (conv_sums(p, itemsize) * itemsize);
  const int64_t pixels = p.images * p.axis[0].count * p.axis[1].count * p.axis[2].count;
  const double products = double(pixels) * double(p.out * p.in);
  const int64_t worth = int64_t(products < 1e9 ? products / 1e6 : 1e3);
  int64_t splits = boxes < most ? boxes : most;
  if (splits > fit) splits = fit;
  if (splits > worth) splits = worth;
  if (splits > pixels / least_pixels) splits = pixels / least_pixels;
  return splits < 1 ? 1 : splits;
}
// Channels of x by chunks that leave room for more in the second cache; no sum depends on those.
FASTNN_INLINE ConvPass weight_pass(const ConvShape& s) {
  ConvPass p = forward_pass(s);
  const int64_t chunks = ceil_div(p.in, 256);
  if (p.chunks < chunks) p.chunks = chunks;
  return p;
}
// Boxes are copied: those of y by panels, those of x by tiles of channels, which leave gaps, or where there are few
// channels as they are. What x holds at single pixels is read where it lies, unless these fall into the same few lines
// of a cache: then a copy saves 6 to 15 %, from 1024 -> 512 at 14x14 to 2048 -> 512 at 7x7, but takes 15 to 30 % of the
// time of 64 to 256 channels.
FASTNN_INLINE ConvBoxes conv_weight_boxes(const ConvPass& p, int64_t itemsize) {
  constexpr int64_t least = 392;
  ConvBoxes b = conv_boxes(p, itemsize, least);
  const int64_t channels = ceil_div(p.in, p.chunks);
  b.staged = b.size[0] * (channels + channels / 3 + 16);
  for (int i = 0; i < conv_axes; i++) b.staged *= b.extent(p, i, b.size[i + 1]);
  const bool aliased = p.in_all * p.axis[2].stride * itemsize % (p.out > 128 ? 2048 : 4096) == 0;
  if (p.taps() == 1 && p.inside() && !aliased) b.staged = 0;
  return b;
}
// What skipping zeros needs instead of a copy of dy: the places of pixels in x and dy, and unfinished sums.
struct MaskedRoom {
  size_t offsets, partial;
  FASTNN_INLINE MaskedRoom(const ConvBoxes& b, int64_t channels, int64_t taps)
      : offsets(conv_align((b.pixels() + 64) * 16)), partial(conv_align(taps * channels * 256)) {}
  FASTNN_INLINE size_t all() const { return offsets + partial; }
};
struct ConvWeightRoom {
  size_t sums, x, y;
  FASTNN_INLINE size_t all() const { return sums + conv_jobs * (x + y); }
};
FASTNN_INLINE ConvWeightRoom conv_weight_room(const ConvPass& p, int64_t groups, int64_t itemsize) {
  const ConvBoxes b = conv_weight_boxes(p, itemsize);
  const int64_t masked = may_skip_zeros(p, groups, itemsize) ? int64_t(MaskedRoom(b, p.in, p.taps()).all()) : 0;
  const int64_t own = b.pixels() * 128;
  return {conv_align(groups * conv_splits(p, b.all, itemsize) * conv_sums(p, itemsize) * itemsize),
          conv_align(b.staged * itemsize), conv_align(masked > own ? masked : own)};
}

// Depthwise convolutions: weights [tap][width], and as many sums for each split of the rows. Width: an odd number of
// cache lines, or taps of 1,024 channels would share one line of the first cache's ways.
constexpr int64_t depthwise_splits = 16;
FASTNN_INLINE int64_t depthwise_width(const ConvShape& s, int64_t itemsize) {
  const int64_t lanes = 64 / itemsize;
  return (ceil_div(s.groups, lanes) | 1) * lanes;
}
// Whole vectors may begin at any channel: the last one may reach over the end.
FASTNN_INLINE int64_t depthwise_sums(const ConvShape& s, int64_t itemsize) {
  return s.taps() * depthwise_width(s, itemsize) + 64 / itemsize;
}
FASTNN_INLINE ConvRoom depthwise_room(const ConvShape& s, int64_t itemsize) {
  return {conv_align(s.taps() * 4), conv_align(depthwise_sums(s, itemsize) * itemsize), 0};
}

// Elements from pixel to pixel of an array (images, channels, *space) whose channels are neighbors and whose pixels are
// evenly spaced; 0 for an array that lies otherwise.
FASTNN_INLINE int64_t conv_pixel(const View& v) {
  const int64_t size = v.itemsize(), channels = v.shape[1];
  if (channels != 1 && v.stride[1] != size) return 0;
  int64_t pixel = channels * size, expected = 0;
  for (int i = v.rank - 1; i >= 0; i--) {
    if (i == 1 || v.shape[i] == 1) continue;
    if (expected == 0) {
      pixel = expected = v.stride[i];
    } else if (v.stride[i] != expected) {
      return 0;
    }
    expected *= v.shape[i];
  }
  return pixel < channels * size || pixel % size != 0 ? 0 : pixel / size;
}

}  // namespace fastnn
