// What the prepare halves share: refusals, shapes of outputs, collapsing of loops, planned copies, the kernel tables.
//
// Letters of a signature, one per Python position:
//   v array   s array or Python number   o array or None   V list of arrays   w, W the same as v, V but written
//   f float   i int   u unsigned int   l tuple of ints   t NumPy dtype (its DType as an int)   n needs
#pragma once
#include <vector>

#include "kernels/table.h"
#include "runtime/dispatch.h"

namespace fastnn {

// A short reason; the words for the user come from the op's check in Python.
struct Refused {
  const char* why;
};

// No kernel for these dtypes: another path (casts, NumPy) takes over.
struct Declined {};

const OpInfo* find_op(const char* name);
const Table& kernel_table();  // of the active instruction-set level

// The levels that this machine supports and that were built, worst first; use_isa refuses any other.
std::vector<Isa> usable_isas();
bool use_isa(Isa isa);

// Whether convolutions take Winograd's way where it pays (kernels/conv/winograd_shape.h); true at first. A change takes
// effect from the next call that is prepared.
bool uses_winograd();
void use_winograd(bool on);

inline void require(bool ok, const char* why) {
  if (!ok) throw Refused{why};
}

inline bool is_float(DType t) { return t == DType::f32 || t == DType::f64; }

// Decline what is not float32 or float64.
inline void float_input(const View& v) {
  if (!is_float(v.dtype)) throw Declined{};
}

// All given array arguments in [from, to) have the float dtype of the first one given; else decline.
DType common_float(const Call& c, int from, int to);

inline Run kernel(Kernel k, DType t) { return kernel_table().run[size_t(k)][int(t)]; }

// The output has this shape, dense.
void like(View& out, const View& in, DType dtype);
inline void like(View& out, const View& in) { like(out, in, in.dtype); }

// The same, but in the input's memory order where that is dense in some order (channels-last stays channels-last).
void like_layout(View& out, const View& in, DType dtype);
inline void like_layout(View& out, const View& in) { like_layout(out, in, in.dtype); }

void scalar(View& out, DType dtype);
void shaped(View& out, DType dtype, int rank, const int64_t* shape);

// The shape that two views broadcast to.
void broadcast(View& out, const View& a, const View& b);

// The iteration of views over a shape (their strides broadcast to it) in as few dimensions as possible.
void collapse(Loop& loop, int rank, const int64_t* shape, int n, const View* const* views);

// The same over the shape of the last of the views, in its memory order: for those who do not mind the order.
void iterate(Loop& loop, int n, const View* const* views);

// This argument must be dense; where it is not, the executor copies it into scratch first. With rows_are_enough a
// matrix whose rows are dense and do not overlap is taken as it is.
void densify(Call& c, int argument, int item = 0, bool rows_are_enough = false);

// Arguments given as Python numbers become 0-d views of this dtype.
void numbers_to(Call& c, DType dtype);

// Run planned copies and the kernel.
int64_t execute(Call& c, char* scratch, void* pool) noexcept;

inline size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

// The rows of one family's file, gathered by registry.cpp.
struct Family {
  const OpInfo* ops;
  size_t count;
};
#define FAMILY(name) extern const Family name##_family;
#include "ops/families.def"
#undef FAMILY

}  // namespace fastnn
