// Call: the one form in which every op, forward or backward, eager or captured, reaches a kernel.
//
// `prepare` (csrc/ops) checks the arguments, fills in outputs, scratch and the kernel; `run` (csrc/kernels) only
// computes. Everything here is always_inline: this header is compiled into objects of several instruction sets.
#pragma once
#include <cstddef>
#include <cstdint>

#ifndef FASTNN_INLINE
#define FASTNN_INLINE [[gnu::always_inline]] inline
#endif

namespace fastnn {

// number: a Python number among array arguments; prepare gives it the dtype of its neighbors.
enum class DType : uint8_t { f32, f64, i64, b8, other, number };
constexpr int64_t itemsize_of[] = {4, 8, 8, 1, 0, 0};
constexpr int max_rank = 8, max_args = 8, max_outs = 4, max_attrs = 10;

struct View {
  char* data;
  int64_t shape[max_rank], stride[max_rank];  // strides in bytes, any sign, 0 allowed; only `rank` entries are written
  uint8_t rank;
  DType dtype;

  template <class T>
  FASTNN_INLINE T* as() const {
    return reinterpret_cast<T*>(data);
  }
  FASTNN_INLINE int64_t itemsize() const { return itemsize_of[int(dtype)]; }
  FASTNN_INLINE int64_t size() const {
    int64_t n = 1;
    for (int i = 0; i < rank; i++) n *= shape[i];
    return n;
  }
  FASTNN_INLINE bool dense() const {  // C order without gaps
    int64_t want = itemsize();
    for (int i = rank; i-- > 0;) {
      if (shape[i] != 1 && stride[i] != want) return false;
      want *= shape[i];
    }
    return true;
  }
  FASTNN_INLINE void make_dense() {
    int64_t s = itemsize();
    for (int i = rank; i-- > 0;) {
      stride[i] = s;
      s *= shape[i];
    }
  }
};

struct Ints {
  int64_t n, v[2 * max_rank];
};
union Attr {
  double f;
  int64_t i;
  Ints ints;
};

// Collapsed iteration over up to four operands; strides in bytes.
struct Loop {
  int rank;
  int64_t shape[max_rank], stride[4][max_rank];
};

// What a kernel may ask of the machine.
struct Context {
  char* scratch;
  void (*parallel)(void* pool, int64_t n, int64_t grain, void (*body)(void*, int64_t, int64_t), void* data);
  void* pool;
};

// body(lo, hi) over [0, n) in chunks that depend on n and grain alone; serial where n <= grain.
template <class F>
FASTNN_INLINE void parallel_for(Context& x, int64_t n, int64_t grain, F&& body) {
  if (n <= 0) return;
  if (n <= grain || x.parallel == nullptr) return body(int64_t(0), n);
  x.parallel(
      x.pool, n, grain, [](void* f, int64_t lo, int64_t hi) { (*static_cast<F*>(f))(lo, hi); }, &body);
}

struct Call;
using Run = int64_t (*)(const Call&, Context&) noexcept;  // -1, or the position of a bad index

struct OpInfo {
  const char* name;
  const char* signature;  // one letter per Python position, see ops/op.h
  int outputs;
  void (*prepare)(Call&);  // may throw Refused or Declined
};

struct Copy {  // views[to] = dense copy of views[from], placed in scratch
  uint16_t to, from;
  size_t at;
};

struct Call {
  const OpInfo* op;
  View* views;  // the views of all arguments one after another, then the outputs, then originals of copies
  uint16_t first[max_args + 1];  // argument a = views[first[a], first[a + 1]): absent, one, or a list of them
  uint16_t n_args, n_out;
  uint32_t needs;           // bit j: output j is wanted (all ones in forward)
  int8_t alias[max_outs];   // prepare: output j is this view itself, no memory, no work (-1: none)
  double number[max_args];  // the values of arguments given as Python numbers
  Attr attr[max_attrs];

  // Filled in by prepare, read by run.
  Run run;         // null: nothing to run
  size_t scratch;  // bytes for the kernel itself
  size_t copied;   // bytes of scratch before it, for planned copies
  double cost;     // nanoseconds, roughly: above a few microseconds Python's lock is released
  Loop loop;
  int64_t dim[6];
  Copy copy[max_args];
  uint16_t n_copies;

  FASTNN_INLINE int count(int a) const { return first[a + 1] - first[a]; }
  FASTNN_INLINE bool has(int a) const { return count(a) > 0; }
  FASTNN_INLINE View& in(int a, int i = 0) { return views[first[a] + i]; }
  FASTNN_INLINE const View& in(int a, int i = 0) const { return views[first[a] + i]; }
  FASTNN_INLINE View& out(int j) { return views[first[n_args] + j]; }
  FASTNN_INLINE const View& out(int j) const { return views[first[n_args] + j]; }
  FASTNN_INLINE bool wants(int j) const { return (needs >> j & 1) != 0; }
};

}  // namespace fastnn
