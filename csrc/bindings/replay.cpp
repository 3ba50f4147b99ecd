// One call of a plan.
#include "bindings/autograd.h"
#include "bindings/bound_plan.h"
#include "bindings/eager.h"

namespace fastnn {

bool BoundPlan::holds() const {
  if (*epoch_ != epoch_then_) return false;
  for (const Fixed& f : fixed_) {
    PyObject* value = PyDict_GetItem(f.dict.ptr(), f.key.ptr());
    if (!value || PyObject_IsTrue(value) != f.value) return false;
  }
  return true;
}

// False: another signature.
bool BoundPlan::bind_arguments(Frame& frame, PyObject* const* args, Py_ssize_t n) const {
  if (size_t(n) != arguments_.size()) return false;
  for (size_t i = 0; i < arguments_.size(); i++) {
    py::object held;
    PyObject* o = args[i];
    if (Py_TYPE(o) != numpy().ndarray) {
      held = py::reinterpret_steal<py::object>(PyObject_GetAttr(o, array_name_.ptr()));
      if (!held) {
        PyErr_Clear();
        return false;
      }
      o = held.ptr();
    }
    View v;
    const View& w = arguments_[i].want;
    if (!view_of(o, v) || v.rank != w.rank || v.dtype != w.dtype) return false;
    for (int d = 0; d < w.rank; d++)
      if (v.shape[d] != w.shape[d] || v.stride[d] != w.stride[d]) return false;
    frame.move_slot(arguments_[i].slot, v.data - arguments_[i].first);
  }
  return true;
}

bool BoundPlan::read_cells(Frame& frame) const {
  for (const Cell& c : cells_) {
    PyObject* value = PyDict_GetItem(c.dict.ptr(), c.key.ptr());
    if (value && c.item >= 0) value = PyTuple_Check(value) ? PyTuple_GetItem(value, c.item) : nullptr;
    if (!value) {
      PyErr_SetString(PyExc_KeyError, "a hyperparameter of the captured step is gone from its parameter group");
      return false;
    }
    const double number = PyFloat_AsDouble(value);
    if (number == -1.0 && PyErr_Occurred()) return false;
    frame.attribute(c.to.node, c.to.number).f = number;
  }
  return true;
}

void BoundPlan::read_offsets(Frame& frame) const {
  for (const Offset& o : offsets_) frame.attribute(o.to.node, o.to.number).i = int64_t(random_[1]) + o.ahead;
}

PyObject* BoundPlan::make_results(Frame& frame) const {
  PyObject* results = PyTuple_New(Py_ssize_t(returned_.size()));
  for (size_t j = 0; results && j < returned_.size(); j++) {
    View v = returned_[j].view;
    PyObject* a = new_array(v);
    if (!a) {
      Py_DECREF(results);
      return nullptr;
    }
    frame.move_slot(returned_[j].slot, v.data);
    PyTuple_SET_ITEM(results, Py_ssize_t(j), a);
  }
  return results;
}

void set_bad_index(int64_t position, size_t step) {
  PyObject* where = Py_BuildValue("(Ln)", static_cast<long long>(position), Py_ssize_t(step));
  if (where) PyErr_SetObject(bad_index_error, where);
  Py_XDECREF(where);
}

bool BoundPlan::run_steps(const Lease& lease) {
  const bool unlock = plan_.cost() > unlocked_from;
  Frame& frame = lease.frame();
  for (size_t i = 0; i < steps_.size();) {
    if (steps_[i].call_back) {
      PyObject* number = PyLong_FromLong(lease.number());
      PyObject* r = number ? PyObject_CallOneArg(steps_[i].call_back.ptr(), number) : nullptr;
      Py_XDECREF(number);
      if (!r) return false;
      Py_DECREF(r);
      i++;
      continue;
    }
    int64_t bad = -1;
    PyThreadState* state = unlock ? PyEval_SaveThread() : nullptr;
    for (; i < steps_.size() && !steps_[i].call_back && bad < 0; i++) bad = frame.run(steps_[i].node);
    if (state) PyEval_RestoreThread(state);
    if (bad >= 0) {
      set_bad_index(bad, i - 1);
      return false;
    }
  }
  return true;
}

void BoundPlan::put_grads() {
  for (auto& [leaf, grad] : grads_)
    if (fastnn::slot(leaf.ptr(), autograd.of_tensor.grad) != grad.ptr())  // most often it is there since the last call
      set_slot(leaf.ptr(), autograd.of_tensor.grad, Py_NewRef(grad.ptr()));
}

PyObject* BoundPlan::call(PyObject* const* args, Py_ssize_t n) {
  Lease lease(plan_);
  if (!lease) {
    py::gil_scoped_release release;
    lease.wait();
  }
  Frame& frame = lease.frame();
  if (!holds() || !bind_arguments(frame, args, n)) Py_RETURN_NOTIMPLEMENTED;
  if (!read_cells(frame)) return nullptr;
  read_offsets(frame);
  PyObject* results = make_results(frame);
  if (!results) return nullptr;
  frame.bind();
  if (!run_steps(lease)) {
    Py_DECREF(results);
    return nullptr;
  }
  random_[1] += uint64_t(draws_);
  put_grads();
  return results;
}

bool BoundPlan::tell_writes() const { return PyBytes_GET_SIZE(changed_.ptr()) == 0 || note_writes(changed_.ptr()); }

void BoundPlan::explain_failure() const {
  py::error_already_set why;
  if (!tell_writes()) PyErr_Clear();  // a call that fails may have written, too
  if (!why.matches(bad_index_error)) return why.restore();
  PyObject* better = PyObject_CallOneArg(explain_.ptr(), why.value().ptr());
  if (!better) return;
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(better)), better);
  Py_DECREF(better);
}

PyObject* BoundPlan::call_for_tensor(PyObject* const* args, Py_ssize_t n) {
  PyObject* results = call(args, n);
  if (results == Py_NotImplemented) return results;
  if (!results) {
    explain_failure();
    return nullptr;
  }
  PyObject* tensor = tell_writes() ? new_tensor(PyTuple_GET_ITEM(results, 0), nullptr) : nullptr;
  Py_DECREF(results);
  return tensor;
}

}  // namespace fastnn
