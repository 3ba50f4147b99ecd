// A plan for Python: arguments are bound, hyperparameters and random offsets read, results and gradients handed out.
#include "plan/plan.h"

#include <pybind11/stl.h>

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

  Plan plan_;
  std::vector<Step> steps_;
  std::vector<Cell> cells_;
  std::vector<Offset> offsets_;
  std::vector<Fixed> fixed_;
  std::vector<Argument> arguments_;
  std::vector<Returned> returned_;
  std::vector<std::pair<py::object, py::object>> grads_;
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
  for (auto& [leaf, grad] : grads_)
    if (PyObject_SetAttr(leaf.ptr(), grad_name_.ptr(), grad.ptr()) < 0) {
      Py_DECREF(results);
      return nullptr;
    }
  return results;
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
