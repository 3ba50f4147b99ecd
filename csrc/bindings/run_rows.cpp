// Calls of a plan over batches of rows, one after another, without Python between them.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>

#include "bindings/bound_plan.h"
#include "runtime/parallel.h"

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

// Batches of a source's rows in a memory of their own: the op take, prepared once.
struct Gather {
  Gather(const View& source, const View& batch) : memory(memory_for(batch)), node(2 + max_outs + max_args) {
    Call& c = node.call;
    c.op = find_op("take");
    c.n_args = 2;
    c.n_out = 1;
    c.needs = 1;
    for (uint16_t a = 0; a <= c.n_args; a++) c.first[a] = a;
    c.in(0) = source;
    shaped(c.in(1), DType::i64, 1, batch.shape);
    c.op->prepare(c);
    c.out(0).data = memory->data;
  }
  void operator()(char* numbers) noexcept {
    node.call.in(1).data = numbers;
    execute(node.call, nullptr, thread_pool());
  }

  Memory memory;
  Node node;
};

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
        want.shape[0] != batch || want.dtype == DType::other)
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
  std::vector<Gather> gathers;
  for (size_t i = 0; i < from.size(); i++) {
    gathers.emplace_back(from[i], arguments_[i].want);
    frame.move_slot(arguments_[i].slot, gathers[i].memory->data);
  }
  const bool watched = !returned_.empty() && returned_[0].view.size() == 1;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  int64_t done = 0, bad = -1;
  size_t step = 0;
  {
    py::gil_scoped_release release;
    for (bool go = done < most; go;) {
      for (Gather& gather : gathers) gather(order.data + (at + done * batch) * order.itemsize());
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
  put_grads();
  return done;
}

}  // namespace fastnn
