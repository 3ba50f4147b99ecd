#include "bindings/bound_plan.h"

#include "bindings/eager.h"

namespace fastnn {
namespace {

View described(const py::array& a) {
  View v{};
  view_of(a.ptr(), v);
  return v;
}

}  // namespace

void BoundPlan::argument(const py::array& a, int slot) {
  const View v = described(a);
  int64_t first = 0;
  for (int d = 0; d < v.rank; d++)
    if (v.stride[d] < 0) first -= v.stride[d] * (v.shape[d] - 1);
  arguments_.push_back({v, slot, first});
  plan_.set_moving(slot);
}

void BoundPlan::returned(const py::array& a, int slot) {
  returned_.push_back({described(a), slot});
  plan_.set_moving(slot);
}

std::optional<double> BoundPlan::add(const std::string& name, const py::list& args, std::vector<Place> spots,
                                     const std::vector<Place>& outs, const py::list& out_arrays, const py::list& cells,
                                     const py::list& draws) {
  const OpInfo* op = find_op(name.c_str());
  if (!op) throw py::key_error(name);
  std::vector<PyObject*> a;
  for (auto h : args) a.push_back(h.ptr());
  const int wanted = views_wanted(*op, a.data(), Py_ssize_t(a.size()));
  Call& c = plan_.add_node(wanted).call;
  c.op = op;
  try {
    if (fill(c, a.data(), Py_ssize_t(a.size()), wanted - max_outs - max_args) != 1) {
      if (PyErr_Occurred()) throw py::error_already_set();
      throw Refused{"arguments that the recorded call took are declined"};
    }
    op->prepare(c);
  } catch (const Refused& e) {
    throw std::runtime_error(name + ": " + e.why);
  } catch (const Declined&) {
    throw std::runtime_error(name + ": the plan declines a recorded call");
  }
  if (!c.run) {
    plan_.drop_node();
    return std::nullopt;
  }
  for (size_t j = 0; j < out_arrays.size(); j++) {
    if (py::object(out_arrays[j]).is_none())
      c.needs &= ~(1u << j);
    else if (const View v = described(out_arrays[j]); v.rank != c.out(int(j)).rank || v.dtype != c.out(int(j)).dtype)
      throw std::runtime_error(name + ": an output differs from the recorded one");
  }
  spots.insert(spots.end(), outs.begin(), outs.end());
  std::vector<Spot> at;
  for (const auto& [slot, offset] : spots) at.push_back({slot, offset});
  plan_.tie(at);
  const size_t node = plan_.size() - 1;
  for (auto h : cells) {
    auto t = h.cast<py::tuple>();
    cells_.push_back({{node, t[0].cast<int>()}, t[1], t[2], t[3].cast<Py_ssize_t>()});
  }
  for (auto h : draws) {
    auto t = h.cast<py::tuple>();
    offsets_.push_back({{node, t[0].cast<int>()}, t[1].cast<int64_t>()});
  }
  steps_.push_back({node, py::object()});
  return c.cost;
}

void BoundPlan::finish(py::array epoch, py::array random, int64_t draws, bool turns) {
  epoch_ = static_cast<const uint64_t*>(epoch.data());
  random_ = static_cast<uint64_t*>(random.mutable_data());
  keep_ = py::make_tuple(std::move(epoch), std::move(random));
  epoch_then_ = *epoch_;
  draws_ = draws;
  if (turns) plan_.take_turns();
}

}  // namespace fastnn
