// Rows by number, and their gradients added back in the order of the numbers.
#include "kernels/fold.h"
#include "kernels/table.h"
#include "simd/vec.h"

namespace fastnn::FASTNN_ISA {
namespace {

// The first index outside [-n, n), or -1.
FASTNN_INLINE int64_t first_bad(const int64_t* index, int64_t count, int64_t n) {
  for (int64_t i = 0; i < count; i++)
    if (index[i] < -n || index[i] >= n) return i;
  return -1;
}

// Copies a row of a few items, which takes memcpy longer to begin than to do.
template <class T>
FASTNN_INLINE void copy_items(char* to, const char* from, int64_t bytes) {
  constexpr int64_t vector = sizeof(Vec<T>);
  if (bytes == int64_t(sizeof(T))) {
    __builtin_memcpy(to, from, sizeof(T));
  } else if (bytes > 16 * vector || bytes % int64_t(sizeof(T))) {
    __builtin_memcpy(to, from, size_t(bytes));
  } else {
    for_vectors<T>(bytes / int64_t(sizeof(T)), [&](int64_t i, int m) FASTNN_INLINED {
      store(load(reinterpret_cast<const T*>(from) + i, m), reinterpret_cast<T*>(to) + i, m);
    });
  }
}

// dim: rows before the axis, length of the axis, bytes behind it, stride between rows of the axis.
template <class T>
int64_t take_run(const Call& c, Context& x) noexcept {
  const int64_t before = c.dim[0], n = c.dim[1], bytes = c.dim[2], step = c.dim[3];
  const int64_t* index = c.in(1).as<int64_t>();
  const int64_t count = c.in(1).size();
  if (const int64_t bad = first_bad(index, count, n); bad >= 0) return bad;
  const char* from = c.in(0).data;
  char* to = c.out(0).data;
  parallel_for(x, before * count, 1 + (1 << 18) / (bytes + 1), [&](int64_t lo, int64_t hi) {
    int64_t k = lo % count;
    const char* block = from + lo / count * n * step;
    for (int64_t r = lo; r < hi; r++) {
      const int64_t i = index[k];
      const int64_t later = index[k + 4 < count ? k + 4 : k];  // the processor sees no order in these rows
      for (int64_t at = 0; at < bytes && at < 1024; at += 64)
        __builtin_prefetch(block + (later < 0 ? later + n : later) * step + at);
      copy_items<T>(to + r * bytes, block + (i < 0 ? i + n : i) * step, bytes);
      if (++k < count) continue;
      k = 0;
      block += n * step;
    }
  });
  return -1;
}

// dim: rows before the axis, length of the axis, items behind it.
template <class T>
int64_t take_backward_run(const Call& c, Context& x) noexcept {
  constexpr int lanes = Vec<T>::lanes;
  const int64_t before = c.dim[0], n = c.dim[1], width = c.dim[2];
  const int64_t* index = c.in(1).as<int64_t>();
  const int64_t count = c.in(1).size();
  if (const int64_t bad = first_bad(index, count, n); bad >= 0) return bad;
  const T* dy = c.in(0).as<T>();
  T* dx = c.out(0).as<T>();
  parallel_for(x, before, 1 + (1 << 16) / (count * width + 1), [&](int64_t lo, int64_t hi) {
    for (int64_t o = lo; o < hi; o++) {
      T* block = dx + o * n * width;
      __builtin_memset(block, 0, size_t(n * width) * sizeof(T));
      for (int64_t r = 0; r < count; r++) {
        const T* from = dy + (o * count + r) * width;
        T* to = block + (index[r] < 0 ? index[r] + n : index[r]) * width;
        int64_t j = 0;
        for (; j + lanes <= width; j += lanes) (Vec<T>::load(to + j) + Vec<T>::load(from + j)).store(to + j);
        for (; j < width; j++) to[j] += from[j];
      }
    }
  });
  return -1;
}

}  // namespace

const Run take_kernel[2] = {take_run<float>, take_run<double>};
const Run take_backward_kernel[2] = {take_backward_run<float>, take_backward_run<double>};

}  // namespace fastnn::FASTNN_ISA
