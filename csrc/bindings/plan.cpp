// A plan for Python: arguments are bound, hyperparameters and random offsets read, results and gradients handed out.
#include "plan/plan.h"

#include <pybind11/stl.h>

#include <chrono>
#include <cmath>
#include <cstring>

#include "bindings/eager.h"
#include "bindings/plan.h"

namespace fastnn {
namespace {

constexpr double unlocked_from = 20000;  // nanoseconds of work above which Python's lock is released

struct Cell {  // attr = dict[key] (or its item), at each call
  Attr* attr;
  py::object dict, key;
  Py_ssize_t item;
};
struct Offset {  // attr = generator's offset + ahead, at each call
  Attr* attr;
  int64_t ahead;
};
struct Fixed {  // the plan holds while dict[key] is as true as this
  py::object dict, key;
  int value;
};
struct Argument {
  View want;
  int slot;
  int64_t first;  // of the first element, from the lowest address: negative strides begin at the far end
};
struct Returned {
  View view;
  int slot;
};
struct Step {  // a node of the plan, or a Python call-back
  size_t node;
  py::object call_back;
};

using Gathered = std::unique_ptr<Block, decltype(&give_block)>;

class BoundPlan {
 public:
  int slot(uintptr_t base) { return plan_.add_slot(reinterpret_cast<char*>(base)); }
  uintptr_t pointer(int slot) const { return reinterpret_cast<uintptr_t>(plan_.base(slot)); }

  void arena(size_t bytes) {
    if (!plan_.make_arena(bytes)) throw std::bad_alloc();
  }
  void argument(const py::array& a, int slot) {
    const View v = described(a);
    int64_t first = 0;
    for (int d = 0; d < v.rank; d++)
      if (v.stride[d] < 0) first -= v.stride[d] * (v.shape[d] - 1);
    arguments_.push_back({v, slot, first});
    plan_.set_moving(slot);
  }
  void returned(const py::array& a, int slot) {
    returned_.push_back({described(a), slot});
    plan_.set_moving(slot);
  }
  void grad(py::object leaf, py::object grad) { grads_.emplace_back(std::move(leaf), std::move(grad)); }
  void fixed(py::object dict, py::object key, bool value) {
    fixed_.push_back({std::move(dict), std::move(key), value});
  }
  void call_back(py::object f) { steps_.push_back({0, std::move(f)}); }

  // Whether anything runs: where the outputs are inputs there is no node.
  bool add(const std::string& name, const py::list& args, std::vector<std::pair<int, int64_t>> spots,
           const std::vector<std::pair<int, int64_t>>& outs, const py::list& out_arrays, const py::list& cells,
           const py::list& draws);

  void finish(py::array epoch, py::array random, int64_t draws) {
    if (!plan_.finish()) throw std::bad_alloc();
    epoch_ = static_cast<const uint64_t*>(epoch.data());
    random_ = static_cast<uint64_t*>(random.mutable_data());
    keep_ = py::make_tuple(std::move(epoch), std::move(random));
    epoch_then_ = *epoch_;
    draws_ = draws;
  }

  PyObject* call(PyObject* const* args, Py_ssize_t n);

  // Steps over batches of rows of `sources`, whose numbers are rows[at], rows[at + 1] ...: until `results` are full,
  // the rows end, `seconds` are over, or the first result is no finite number. How many; 0 where the plan does not
  // hold.
  int64_t run_rows(const py::list& sources, const py::array& rows, int64_t at, const py::list& results, double seconds);

 private:
  static View described(const py::array& a) {
    View v;
    view_of(a.ptr(), v);
    return v;
  }
  bool holds() const;
  int bind_arguments(PyObject* const* args, Py_ssize_t n);
  bool read_cells();
  PyObject* make_results();
  bool run_steps();
  bool put_grads();
  bool takes_rows(const std::vector<View>& sources, const View& rows) const;

  Plan plan_;
  std::vector<Step> steps_;
  std::vector<Cell> cells_;
  std::vector<Offset> offsets_;
  std::vector<Fixed> fixed_;
  std::vector<Argument> arguments_;
  std::vector<Returned> returned_;
  std::vector<std::pair<py::object, py::object>> grads_;
  std::vector<Gathered> gathered_;  // memory for the arguments of run_rows
  py::object array_name_ = py::str("array"), grad_name_ = py::str("grad"), keep_;
  const uint64_t* epoch_ = nullptr;
  uint64_t* random_ = nullptr;
  uint64_t epoch_then_ = 0;
  int64_t draws_ = 0;
};

bool BoundPlan::add(const std::string& name, const py::list& args, std::vector<std::pair<int, int64_t>> spots,
                    const std::vector<std::pair<int, int64_t>>& outs, const py::list& out_arrays, const py::list& cells,
                    const py::list& draws) {
  const OpInfo* op = find_op(name.c_str());
  if (!op) throw py::key_error(name);
  std::vector<PyObject*> a;
  for (auto h : args) a.push_back(h.ptr());
  const int wanted = views_wanted(*op, a.data(), Py_ssize_t(a.size()));
  Node& node = plan_.add_node(wanted);
  Call& c = node.call;
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
    return false;
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
  plan_.tie(node, at);
  for (auto h : cells) {
    auto t = h.cast<py::tuple>();
    cells_.push_back({&c.attr[t[0].cast<int>()], t[1], t[2], t[3].cast<Py_ssize_t>()});
  }
  for (auto h : draws) {
    auto t = h.cast<py::tuple>();
    offsets_.push_back({&c.attr[t[0].cast<int>()], t[1].cast<int64_t>()});
  }
  steps_.push_back({plan_.size() - 1, py::object()});
  return true;
}

bool BoundPlan::holds() const {
  if (*epoch_ != epoch_then_) return false;
  for (const Fixed& f : fixed_) {
    PyObject* value = PyDict_GetItem(f.dict.ptr(), f.key.ptr());
    if (!value || PyObject_IsTrue(value) != f.value) return false;
  }
  return true;
}

// 1: bound, 0: another signature, -1: error set.
int BoundPlan::bind_arguments(PyObject* const* args, Py_ssize_t n) {
  if (size_t(n) != arguments_.size()) return 0;
  for (size_t i = 0; i < arguments_.size(); i++) {
    py::object held;
    PyObject* o = args[i];
    if (Py_TYPE(o) != numpy().ndarray) {
      held = py::reinterpret_steal<py::object>(PyObject_GetAttr(o, array_name_.ptr()));
      if (!held) {
        PyErr_Clear();
        return 0;
      }
      o = held.ptr();
    }
    View v;
    const View& w = arguments_[i].want;
    if (!view_of(o, v) || v.rank != w.rank || v.dtype != w.dtype) return 0;
    for (int d = 0; d < w.rank; d++)
      if (v.shape[d] != w.shape[d] || v.stride[d] != w.stride[d]) return 0;
    plan_.move_slot(arguments_[i].slot, v.data - arguments_[i].first);
  }
  return 1;
}

bool BoundPlan::read_cells() {
  for (Cell& c : cells_) {
    PyObject* value = PyDict_GetItem(c.dict.ptr(), c.key.ptr());
    if (value && c.item >= 0) value = PyTuple_Check(value) ? PyTuple_GetItem(value, c.item) : nullptr;
    if (!value) {
      PyErr_SetString(PyExc_KeyError, "a hyperparameter of the captured step is gone from its parameter group");
      return false;
    }
    c.attr->f = PyFloat_AsDouble(value);
    if (c.attr->f == -1.0 && PyErr_Occurred()) return false;
  }
  for (const Offset& o : offsets_) o.attr->i = int64_t(random_[1]) + o.ahead;
  return true;
}

PyObject* BoundPlan::make_results() {
  PyObject* results = PyTuple_New(Py_ssize_t(returned_.size()));
  for (size_t j = 0; results && j < returned_.size(); j++) {
    PyObject* a = new_array(returned_[j].view);
    if (!a) {
      Py_DECREF(results);
      return nullptr;
    }
    plan_.move_slot(returned_[j].slot, returned_[j].view.data);
    PyTuple_SET_ITEM(results, Py_ssize_t(j), a);
  }
  return results;
}

bool BoundPlan::run_steps() {
  const bool unlock = plan_.cost() > unlocked_from;
  for (size_t i = 0; i < steps_.size();) {
    if (steps_[i].call_back) {
      PyObject* r = PyObject_CallNoArgs(steps_[i].call_back.ptr());
      if (!r) return false;
      Py_DECREF(r);
      i++;
      continue;
    }
    int64_t bad = -1;
    PyThreadState* state = unlock ? PyEval_SaveThread() : nullptr;
    for (; i < steps_.size() && !steps_[i].call_back && bad < 0; i++) bad = plan_.run(steps_[i].node);
    if (state) PyEval_RestoreThread(state);
    if (bad >= 0) {
      PyObject* where = Py_BuildValue("(Ln)", static_cast<long long>(bad), Py_ssize_t(i) - 1);
      if (where) PyErr_SetObject(bad_index_error, where);
      Py_XDECREF(where);
      return false;
    }
  }
  return true;
}

PyObject* BoundPlan::call(PyObject* const* args, Py_ssize_t n) {
  std::unique_lock lock(plan_.mutex(), std::try_to_lock);
  if (!lock.owns_lock()) {
    py::gil_scoped_release release;
    lock.lock();
  }
  if (!holds()) Py_RETURN_NOTIMPLEMENTED;
  const int bound = bind_arguments(args, n);
  if (bound < 0) return nullptr;
  if (bound == 0) Py_RETURN_NOTIMPLEMENTED;
  if (!read_cells()) return nullptr;
  PyObject* results = make_results();
  if (!results) return nullptr;
  plan_.bind();
  if (!run_steps()) {
    Py_DECREF(results);
    return nullptr;
  }
  random_[1] += uint64_t(draws_);
  if (!put_grads()) {
    Py_DECREF(results);
    return nullptr;
  }
  return results;
}

bool BoundPlan::put_grads() {
  for (auto& [leaf, grad] : grads_)
    if (PyObject_SetAttr(leaf.ptr(), grad_name_.ptr(), grad.ptr()) < 0) return false;
  return true;
}

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
  std::unique_lock lock(plan_.mutex(), std::try_to_lock);
  std::vector<View> from;
  for (auto h : sources) from.push_back(described(py::reinterpret_borrow<py::array>(h)));
  const View order = described(rows);
  if (!lock.owns_lock() || !holds() || !takes_rows(from, order) || results.size() != returned_.size()) return 0;
  const int64_t batch = arguments_[0].want.shape[0], *const number = order.as<int64_t>();
  int64_t most = (order.shape[0] - at) / batch;
  std::vector<View> to;
  for (auto h : results) {
    to.push_back(described(py::reinterpret_borrow<py::array>(h)));
    most = std::min(most, to.back().shape[0]);
  }
  for (int64_t r = at; r < at + most * batch; r++)
    for (const View& source : from)
      if (number[r] < 0 || number[r] >= source.shape[0]) throw py::index_error("run_epoch: rows wants row numbers");
  if (!read_cells()) throw py::error_already_set();
  for (size_t i = gathered_.size(); i < arguments_.size(); i++) {
    const View& want = arguments_[i].want;
    gathered_.emplace_back(take_block(size_t(want.size() * want.itemsize())), give_block);
    if (!gathered_.back()) throw std::bad_alloc();
  }
  for (size_t i = 0; i < arguments_.size(); i++) plan_.move_slot(arguments_[i].slot, gathered_[i]->data);
  const bool checks = !returned_.empty() && returned_[0].view.size() == 1;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  int64_t done = 0, bad = -1;
  size_t node = 0;
  {
    py::gil_scoped_release release;
    for (bool go = done < most; go && bad < 0;) {
      for (size_t i = 0; i < from.size(); i++) {
        const size_t bytes = size_t(from[i].size() / from[i].shape[0] * from[i].itemsize());
        char* row = gathered_[i]->data;
        for (int64_t r = 0; r < batch; r++, row += bytes)
          std::memcpy(row, from[i].data + size_t(number[at + done * batch + r]) * bytes, bytes);
      }
      for (size_t j = 0; j < to.size(); j++) plan_.move_slot(returned_[j].slot, to[j].data + done * to[j].stride[0]);
      plan_.bind();
      for (node = 0; node < steps_.size() && bad < 0; node++) bad = plan_.run(steps_[node].node);
      if (bad >= 0) break;
      random_[1] += uint64_t(draws_);
      for (const Offset& o : offsets_) o.attr->i = int64_t(random_[1]) + o.ahead;
      const View* const first = checks ? &to[0] : nullptr;
      const char* const value = first ? first->data + done * first->stride[0] : nullptr;
      done++;
      go = done < most && Clock::now() < end;
      if (first && first->dtype == DType::f32) go = go && std::isfinite(*reinterpret_cast<const float*>(value));
      if (first && first->dtype == DType::f64) go = go && std::isfinite(*reinterpret_cast<const double*>(value));
    }
  }
  if (bad >= 0) {
    PyErr_SetObject(bad_index_error, py::make_tuple(bad, node - 1).ptr());
    throw py::error_already_set();
  }
  if (!put_grads()) throw py::error_already_set();
  return done;
}

PyObject* replay(PyObject* self, PyObject* const* args, Py_ssize_t n) {
  try {
    return static_cast<BoundPlan*>(PyCapsule_GetPointer(self, nullptr))->call(args, n);
  } catch (const Declined&) {
    Py_RETURN_NOTIMPLEMENTED;
  }
}

PyMethodDef replay_def = {"replay", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(replay)), METH_FASTCALL,
                          nullptr};

}  // namespace

void bind_plan(py::module_& m) {
  py::class_<BoundPlan>(m, "Plan")
      .def(py::init<>())
      .def("slot", &BoundPlan::slot)
      .def("pointer", &BoundPlan::pointer)
      .def("arena", &BoundPlan::arena)
      .def("argument", &BoundPlan::argument)
      .def("returned", &BoundPlan::returned)
      .def("grad", &BoundPlan::grad)
      .def("fixed", &BoundPlan::fixed)
      .def("call_back", &BoundPlan::call_back)
      .def("add", &BoundPlan::add)
      .def("finish", &BoundPlan::finish)
      .def("run_rows", &BoundPlan::run_rows)
      .def("runner", [](const py::object& self) {
        // The function keeps the plan alive: the capsule's context holds a reference.
        PyObject* capsule = PyCapsule_New(self.cast<BoundPlan*>(), nullptr, [](PyObject* c) {
          Py_XDECREF(static_cast<PyObject*>(PyCapsule_GetContext(c)));
        });
        if (!capsule) throw py::error_already_set();
        PyCapsule_SetContext(capsule, self.inc_ref().ptr());
        PyObject* f = PyCFunction_New(&replay_def, capsule);
        Py_DECREF(capsule);
        return py::reinterpret_steal<py::object>(f);
      });
}

}  // namespace fastnn
