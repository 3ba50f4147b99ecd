#include "ops/op.h"

#include <utility>

#include "runtime/parallel.h"

namespace fastnn {

namespace {

// The dimensions of a view, farthest apart in memory first; true where they stand so already.
bool memory_order(const View& v, int* order) {
  const auto distance = [&](int d) { return v.stride[d] < 0 ? -v.stride[d] : v.stride[d]; };
  bool sorted = true;
  for (int i = 0; i < v.rank; i++) {
    order[i] = i;
    for (int j = i; j > 0 && distance(order[j - 1]) < distance(order[j]); j--) {
      std::swap(order[j - 1], order[j]);
      sorted = false;
    }
  }
  return sorted;
}

}  // namespace

DType common_float(const Call& c, int from, int to) {
  DType t = DType::other;
  for (int a = from; a < to; a++)
    for (int i = 0; i < c.count(a); i++) {
      const View& v = c.in(a, i);
      if (v.dtype == DType::number) continue;
      float_input(v);
      if (t == DType::other) t = v.dtype;
      if (v.dtype != t) throw Declined{};
    }
  if (t == DType::other) throw Declined{};
  return t;
}

void like(View& out, const View& in, DType dtype) { shaped(out, dtype, in.rank, in.shape); }

void shaped(View& out, DType dtype, int rank, const int64_t* shape) {
  out.rank = uint8_t(rank);
  out.dtype = dtype;
  for (int i = 0; i < rank; i++) out.shape[i] = shape[i];
  out.make_dense();
}

void scalar(View& out, DType dtype) { shaped(out, dtype, 0, nullptr); }

void like_layout(View& out, const View& in, DType dtype) {
  like(out, in, dtype);
  if (in.dense()) return;
  int order[max_rank];
  memory_order(in, order);
  int64_t gapless = in.itemsize(), stride = out.itemsize();
  int64_t strides[max_rank];
  for (int i = in.rank; i-- > 0;) {
    const int d = order[i];
    if (in.shape[d] != 1 && in.stride[d] != gapless) return;
    strides[d] = stride;
    gapless *= in.shape[d];
    stride *= in.shape[d];
  }
  for (int i = 0; i < in.rank; i++) out.stride[i] = strides[i];
}

void broadcast(View& out, const View& a, const View& b) {
  const int rank = a.rank > b.rank ? a.rank : b.rank;
  int64_t shape[max_rank];
  for (int i = 0; i < rank; i++) {
    const int p = i - (rank - a.rank), q = i - (rank - b.rank);
    const int64_t s = p < 0 ? 1 : a.shape[p], t = q < 0 ? 1 : b.shape[q];
    require(s == t || s == 1 || t == 1, "shapes do not broadcast");
    shape[i] = s == 1 ? t : s;
  }
  shaped(out, a.dtype, rank, shape);
}

void collapse(Loop& loop, int rank, const int64_t* shape, int n, const View* const* views) {
  loop.rank = 0;
  for (int i = 0; i < rank; i++) {
    if (shape[i] == 1) continue;
    int64_t stride[4];
    for (int q = 0; q < n; q++) {
      const View& v = *views[q];
      const int j = i - (rank - v.rank);
      stride[q] = j < 0 || v.shape[j] == 1 ? 0 : v.stride[j];
    }
    bool joins = loop.rank > 0;
    for (int q = 0; q < n && joins; q++) joins = loop.stride[q][loop.rank - 1] == stride[q] * shape[i];
    if (!joins) loop.shape[loop.rank++] = 1;
    loop.shape[loop.rank - 1] *= shape[i];
    for (int q = 0; q < n; q++) loop.stride[q][loop.rank - 1] = stride[q];
  }
  if (loop.rank > 0) return;
  loop.rank = 1;
  loop.shape[0] = 1;
  for (int q = 0; q < n; q++) loop.stride[q][0] = views[q]->itemsize();
}

void iterate(Loop& loop, int n, const View* const* views) {
  const View& last = *views[n - 1];
  int order[max_rank];
  if (last.dense() || memory_order(last, order)) return collapse(loop, last.rank, last.shape, n, views);
  View turned[4];
  const View* turned_views[4];
  for (int q = 0; q < n; q++) {
    const View& v = *views[q];
    View& t = turned[q];
    t.rank = last.rank;
    t.dtype = v.dtype;
    for (int i = 0; i < last.rank; i++) {
      const int d = order[i] - (last.rank - v.rank);
      t.shape[i] = d < 0 ? 1 : v.shape[d];
      t.stride[i] = d < 0 ? 0 : v.stride[d];
    }
    turned_views[q] = &t;
  }
  collapse(loop, last.rank, turned[n - 1].shape, n, turned_views);
}

void densify(Call& c, int argument, int item, bool rows_are_enough) {
  View& v = c.in(argument, item);
  if (v.dense()) return;
  if (rows_are_enough && v.rank == 2 && v.stride[1] == v.itemsize() && v.stride[0] >= v.shape[1] * v.itemsize() &&
      v.stride[0] % v.itemsize() == 0)
    return;
  if (c.n_copies == max_args) throw Declined{};  // NumPy takes more than that
  const uint16_t spare = uint16_t(c.first[c.n_args] + c.n_out + c.n_copies);
  c.views[spare] = v;
  v.make_dense();
  c.copy[c.n_copies++] = {uint16_t(c.first[argument] + item), spare, c.copied};
  c.copied += round_up(size_t(v.size() * v.itemsize()), 64);
}

void numbers_to(Call& c, DType dtype) {
  for (int a = 0; a < c.n_args; a++) {
    if (!c.has(a) || c.in(a).dtype != DType::number) continue;
    View& v = c.in(a);
    const double value = c.number[a];
    v.dtype = dtype;
    if (dtype == DType::f32) *v.as<float>() = static_cast<float>(value);
  }
}

namespace {

void copy_view(View from, View to, void* pool) noexcept {
  View both[] = {from, to};
  const View* views[] = {&both[0], &both[1]};
  Call c;
  c.views = both;
  c.n_args = c.n_out = 1;
  c.first[0] = 0;
  c.first[1] = 1;
  iterate(c.loop, 2, views);
  Context x{nullptr, parallel, pool};
  kernel(Kernel::copy, DType::f32)(c, x);
}

}  // namespace

int64_t execute(Call& c, char* scratch, void* pool) noexcept {
  for (int i = 0; i < c.n_copies; i++) {
    View& dense = c.views[c.copy[i].to];
    dense.data = scratch + c.copy[i].at;
    copy_view(c.views[c.copy[i].from], dense, pool);
  }
  Context x{scratch + c.copied, parallel, pool};
  return c.run(c, x);
}

}  // namespace fastnn
