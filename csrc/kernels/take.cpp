// Rows by number, and their gradients added back in the order of the numbers.
#include "kernels/bytes.h"
#include "kernels/fold.h"
#include "kernels/table.h"

namespace fastnn::FASTNN_ISA {
namespace {

// The first index outside [-n, n), or -1. What lies outside has the sign bit in one of the two differences.
FASTNN_INLINE int64_t first_bad(const int64_t* index, int64_t count, int64_t n) {
  const auto outside = [=](int64_t i) FASTNN_INLINED {
    return (uint64_t(n) - 1 - uint64_t(index[i])) | (uint64_t(index[i]) + uint64_t(n));
  };
  uint64_t any = 0;
  for (int64_t i = 0; i < count; i++) any |= outside(i);  // in vectors, having no way out
  if (int64_t(any) >= 0) return -1;
  int64_t bad = 0;
  while (int64_t(outside(bad)) >= 0) bad++;
  return bad;
}

// Copies a row. Memcpy takes longer to begin than to copy a few vectors, and stores across lines (1,000 rows of 100
// floats in 8.6 us rather than 8.0).
template <class T>
FASTNN_INLINE void copy_items(char* to, const char* from, int64_t bytes) {
  constexpr int64_t vector = sizeof(Vec<T>);
  if (bytes == int64_t(sizeof(T))) {
    __builtin_memcpy(to, from, sizeof(T));
  } else if (bytes > 16 * vector || bytes % int64_t(sizeof(T))) {
    __builtin_memcpy(to, from, size_t(bytes));
  } else if (bytes < vector) {
    const int m = int(bytes / int64_t(sizeof(T)));
    store(load(reinterpret_cast<const T*>(from), m), reinterpret_cast<T*>(to), m);
  } else {
    copy_vectors(to, from, bytes);
  }
}

// The processor sees no order in rows by number, so they are sent for ahead of their time. Of what is in the caches a
// first line is enough (9.2 us rather than 9.6 for 1,000 rows of 100 floats, all lines 9.6 too). What comes from memory
// is sent for whole, and to the second cache, which waits for twice as many lines at a time as the first: batches of 32
// rows of 3 KB take 5.3 us rather than 9.8 out of 60,000 rows, 4.1 rather than 6.5 out of 8,000. Tried and lost: the
// same to the first cache (9.8), copying line by line as they are sent for (8.7), streaming stores (8.9), prefetchnta,
// sending for the next batch's first rows (0-4 %).
struct Ahead {
  int64_t rows, bytes;

  Ahead(int64_t source, int64_t row) : rows(1 + 4096 / (row + 1)), bytes(row < 4096 ? row : 4096) {
    if (rows > 16) rows = 16;
    if (source <= 8 << 20) bytes = 0;
  }
  FASTNN_INLINE void send_for(const char* row) const {
    __builtin_prefetch(row);
    const char* line = row - reinterpret_cast<uintptr_t>(row) % 64;
    while ((line += 64) < row + bytes) __builtin_prefetch(line, 0, 2);
  }
};

// dim: rows before the axis, length of the axis, bytes behind it, stride between rows of the axis.
template <class T>
int64_t take_run(const Call& c, Context& x) noexcept {
  const int64_t before = c.dim[0], n = c.dim[1], bytes = c.dim[2], step = c.dim[3];
  const int64_t* index = c.in(1).as<int64_t>();
  const int64_t count = c.in(1).size();
  if (const int64_t bad = first_bad(index, count, n); bad >= 0) return bad;
  const char* from = c.in(0).data;
  char* to = c.out(0).data;
  const Ahead ahead(before * n * bytes, bytes);
  parallel_for(x, before * count, 1 + (1 << 18) / (bytes + 1), [=](int64_t lo, int64_t hi) {
    int64_t k = lo % count;
    const char* block = from + lo / count * n * step;
    for (int64_t r = lo; r < hi; r++) {
      const int64_t i = index[k], later = index[k + ahead.rows < count ? k + ahead.rows : k];
      ahead.send_for(block + (later < 0 ? later + n : later) * step);
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
