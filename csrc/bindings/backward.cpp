#include "bindings/backward.h"

#include <algorithm>
#include <unordered_set>
#include <vector>

#include "bindings/eager.h"

namespace fastnn {
namespace {

// A node that has got a gradient and waits for those that were made after it.
struct Waiting {
  long long serial;
  py::object node;
  bool operator<(const Waiting& other) const { return serial < other.serial; }
};

py::object owned(PyObject* o) { return py::reinterpret_steal<py::object>(o); }
py::object shared(PyObject* o) { return py::reinterpret_borrow<py::object>(o); }

long long serial_of(PyObject* node) { return PyLong_AsLongLong(slot(node, autograd.of_node.serial)); }

class Pass {
 public:
  Pass(bool retain_graph) : retain_graph_(retain_graph) {}
  ~Pass() {  // after an error: the next pass begins anew
    for (const Waiting& w : waiting_) set_slot(w.node.ptr(), autograd.of_node.grad, Py_NewRef(Py_None));
  }

  bool run(PyObject* tensor, PyObject* dy) {
    const py::object now = owned(PyObject_CallNoArgs(autograd.serial));
    active_ = owned(PyObject_GetAttr(autograd.state, autograd.name.active));
    if (!now || !active_ || !deliver(tensor, dy, dy, PyLong_AsLongLong(now.ptr()))) return false;
    while (!waiting_.empty()) {
      std::pop_heap(waiting_.begin(), waiting_.end());
      const Waiting next = std::move(waiting_.back());
      waiting_.pop_back();
      PyObject*& grad = slot(next.node.ptr(), autograd.of_node.grad);
      const py::object mine = owned(std::exchange(grad, Py_NewRef(Py_None)));
      if (!send_on(next, mine.ptr())) return false;
    }
    return true;
  }

 private:
  // Computes the gradients of a call's inputs and delivers them.
  bool send_on(const Waiting& from, PyObject* dy) {
    PyObject* node = from.node.ptr();
    py::object targets = shared(slot(node, autograd.of_node.inputs));
    py::object grads = gradients(node, dy), after_hooks;
    if (!grads) return false;
    if (grads.ptr() == Py_NotImplemented) {
      const py::object both = owned(
          PyObject_CallFunctionObjArgs(autograd.gradients, node, dy, retain_graph_ ? Py_True : Py_False, nullptr));
      if (!both) return false;
      targets = owned(PySequence_Tuple(PyTuple_GET_ITEM(both.ptr(), 0)));
      grads = owned(PySequence_Tuple(PyTuple_GET_ITEM(both.ptr(), 1)));
      if (!targets || !grads) return false;
      after_hooks = shared(PyTuple_GET_ITEM(both.ptr(), 2));
      dy = after_hooks.ptr();
    }
    if (!PyTuple_CheckExact(grads.ptr()))
      return deliver(PyTuple_GET_ITEM(targets.ptr(), 0), grads.ptr(), dy, from.serial);
    const Py_ssize_t n = std::min(PyTuple_GET_SIZE(targets.ptr()), PyTuple_GET_SIZE(grads.ptr()));
    for (Py_ssize_t i = 0; i < n; i++)
      if (!deliver(PyTuple_GET_ITEM(targets.ptr(), i), PyTuple_GET_ITEM(grads.ptr(), i), dy, from.serial)) return false;
    return true;
  }

  // What the backward kernel gives; NotImplemented where Python's form has to look at it: hooks, lists, values that
  // were freed or may have been changed, kernels that decline or refuse.
  py::object gradients(PyObject* node, PyObject* dy) {
    const auto& of = autograd.of_node;
    const py::object not_implemented = shared(Py_NotImplemented), op = shared(slot(node, of.op));
    if (slot(node, of.hooks) != Py_None) return not_implemented;
    const py::object saved = shared(slot(node, of.saved));
    const py::object clock = owned(PyObject_GetAttr(autograd.state, autograd.name.clock));
    const py::object lists = owned(PyObject_GetAttr(op.ptr(), autograd.name.lists));
    if (!clock || !lists) return {};
    const int unchanged = PyObject_RichCompareBool(slot(node, of.clock), clock.ptr(), Py_EQ);
    const int variadic = PyObject_IsTrue(lists.ptr());
    if (unchanged < 0 || variadic < 0) return {};
    if (!unchanged || variadic || !PyTuple_CheckExact(saved.ptr())) return not_implemented;
    const py::object kernels = owned(PyObject_GetAttr(op.ptr(), autograd.name.backward_kernels));
    const py::object kernel = kernels ? owned(PyObject_GetItem(kernels.ptr(), active_.ptr())) : py::object();
    if (!kernel) return {};
    args_.clear();
    args_.push_back(dy);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(saved.ptr()); i++) args_.push_back(PyTuple_GET_ITEM(saved.ptr(), i));
    args_.push_back(slot(node, of.needs));
    py::object grads = owned(PyObject_Vectorcall(kernel.ptr(), args_.data(), args_.size(), nullptr));
    if (!grads && (PyErr_ExceptionMatches(refused_error) || PyErr_ExceptionMatches(bad_index_error))) {
      PyErr_Clear();
      return not_implemented;
    }
    if (grads && grads.ptr() != Py_NotImplemented && !retain_graph_) set_slot(node, of.saved, Py_NewRef(Py_None));
    return grads;
  }

  // Hands a gradient, computed from dy by the node of a serial number, to what it is with respect to.
  bool deliver(PyObject* target, PyObject* g, PyObject* dy, long long before) {
    const auto& of = autograd.of_tensor;
    if (g == Py_None || !is_tensor(target) || slot(target, of.requires_grad) != Py_True) return true;
    PyObject* node = slot(target, of.node);
    while (node != Py_None && serial_of(node) >= before) {  // it was changed in place since
      target = slot(node, autograd.of_node.old);
      if (!target) return PyErr_Format(PyExc_AttributeError, "old"), false;
      node = slot(target, of.node);
    }
    if (node == Py_None)
      if (PyObject* gathers = slot(target, of.accumulator);
          gathers && gathers != Py_None && serial_of(gathers) < before)
        node = gathers;
    return node == Py_None ? deposit(target, g, dy) : wait(node, slot(target, of.output), g);
  }

  bool deposit(PyObject* leaf, PyObject* g, PyObject* dy) {
    PyObject*& grad = slot(leaf, autograd.of_tensor.grad);
    if (grad == Py_None && is_array(g) && g != dy && !PyList_CheckExact(dy) && !is_view(g) && held_.insert(g).second) {
      PyObject* t = new_tensor(g, nullptr);
      if (!t) return false;
      set_slot(leaf, autograd.of_tensor.grad, t);
      return true;
    }
    return bool(owned(PyObject_CallFunctionObjArgs(autograd.deposit, leaf, g, Py_True, nullptr)));
  }

  bool wait(PyObject* node, PyObject* output, PyObject* g) {
    PyObject*& grad = slot(node, autograd.of_node.grad);
    const py::object outputs = owned(PyObject_GetAttr(slot(node, autograd.of_node.op), autograd.name.outputs));
    if (!outputs) return false;
    const bool first = grad == Py_None, single = PyLong_AsLong(outputs.ptr()) == 1;
    if (first) {
      waiting_.push_back({serial_of(node), shared(node)});
      std::push_heap(waiting_.begin(), waiting_.end());
    }
    if (first && single) {
      set_slot(node, autograd.of_node.grad, Py_NewRef(g));
      return true;
    }
    return bool(owned(PyObject_CallFunctionObjArgs(autograd.wait, node, output, g, nullptr)));
  }

  bool retain_graph_;
  py::object active_;
  std::vector<Waiting> waiting_;
  std::unordered_set<PyObject*> held_;  // what leaves hold by now: no other leaf may hold the same
  std::vector<PyObject*> args_;
};

}  // namespace

bool backward(PyObject* tensor, PyObject* dy, bool retain_graph) { return Pass(retain_graph).run(tensor, dy); }

}  // namespace fastnn
