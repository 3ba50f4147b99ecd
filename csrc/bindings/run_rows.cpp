// Calls of a plan over batches of rows, one after another, without Python between them.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>

#include "bindings/bound_plan.h"

namespace fastnn {
namespace {

using Memory = std::unique_ptr<Block, decltype(&give_block)>;

Memory memory_for(const View& v) {
  Memory block(take_block(size_t(v.size() * v.itemsize())), give_block);
  if (!block) throw std::bad_alloc();
  return block;
}

std::vector<View> views_of(const py::list& arrays) {
  std::vector<View> views(arrays.size());
  for (size_t i = 0; i < views.size(); i++) view_of(arrays[i].ptr(), views[i]);
  return views;
}

// Rows are anywhere in memory: the next ones are on their way while one is copied.
constexpr int64_t ahead = 2;

void gather(char* row, const View& source, const int64_t* numbers, int64_t count) {
  const size_t bytes = size_t(source.size() / source.shape[0] * source.itemsize());
  const auto at = [&](int64_t r) { return source.data + size_t(numbers[r]) * bytes; };
  for (int64_t r = 0; r < count; r++, row += bytes) {
    if (r + ahead < count)
      for (size_t line = 0; line < bytes; line += 64) __builtin_prefetch(at(r + ahead) + line);
    std::memcpy(row, at(r), bytes);
  }
}

bool is_finite(const char* value, DType dtype) {
  if (dtype == DType::f32) return std::isfinite(*reinterpret_cast<const float*>(value));
  if (dtype == DType::f64) return std::isfinite(*reinterpret_cast<const double*>(value));
  return true;
}

}  // namespace

// Dense arguments that are batches of dense sources, and no Python between the nodes.
bool BoundPlan::takes_rows(const std::vector<View>& sources, const View& rows) const {
  if (sources.size() != arguments_.size() || arguments_.empty()) return false;
  if (rows.dtype != DType::i64 || rows.rank != 1 || !rows.dense()) return false;
  for (const Step& s : steps_)
    if (s.call_back) return false;
  const int64_t batch = arguments_[0].want.rank ? arguments_[0].want.shape[0] : 0;
  for (size_t i = 0; i < sources.size(); i++) {
    const View &source = sources[i], &want = arguments_[i].want;
    if (batch < 1 || source.rank != want.rank || source.shape[0] < 1 || source.dtype != want.dtype ||
        want.shape[0] != batch)
      return false;
    for (int d = 1; d < want.rank; d++)
      if (source.shape[d] != want.shape[d]) return false;
    if (!source.dense() || !want.dense()) return false;
  }
  return true;
}

int64_t BoundPlan::run_rows(const py::list& sources, const py::array& rows, int64_t at, const py::list& results,
                            double seconds) {
  using Clock = std::chrono::steady_clock;
  const Lease lease(plan_);
  const std::vector<View> from = views_of(sources), to = views_of(results);
  View order;
  view_of(rows.ptr(), order);
  if (!lease || !holds() || !takes_rows(from, order) || to.size() != returned_.size()) return 0;
  Frame& frame = lease.frame();
  const int64_t batch = arguments_[0].want.shape[0], *const numbers = order.as<int64_t>() + at;
  int64_t most = (order.shape[0] - at) / batch;
  for (const View& v : to) most = std::min(most, v.shape[0]);
  for (int64_t r = 0; r < most * batch; r++)
    for (const View& source : from)
      if (numbers[r] < 0 || numbers[r] >= source.shape[0]) throw py::index_error("run_epoch: rows wants row numbers");
  if (!read_cells(frame)) throw py::error_already_set();
  std::vector<Memory> gathered;
  for (const Argument& a : arguments_) {
    gathered.push_back(memory_for(a.want));
    frame.move_slot(a.slot, gathered.back()->data);
  }
  const bool watched = !returned_.empty() && returned_[0].view.size() == 1;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  int64_t done = 0, bad = -1;
  size_t step = 0;
  {
    py::gil_scoped_release release;
    for (bool go = done < most; go;) {
      for (size_t i = 0; i < from.size(); i++) gather(gathered[i]->data, from[i], numbers + done * batch, batch);
      for (size_t j = 0; j < to.size(); j++) frame.move_slot(returned_[j].slot, to[j].data + done * to[j].stride[0]);
      read_offsets(frame);
      frame.bind();
      for (step = 0; step < steps_.size() && bad < 0; step++) bad = frame.run(steps_[step].node);
      if (bad >= 0) break;
      random_[1] += uint64_t(draws_);
      go = !watched || is_finite(to[0].data + done * to[0].stride[0], to[0].dtype);
      done++;
      go = go && done < most && Clock::now() < end;
    }
  }
  if (bad >= 0) {
    set_bad_index(bad, step - 1);
    throw py::error_already_set();
  }
  if (!put_grads()) throw py::error_already_set();
  return done;
}

}  // namespace fastnn
