// What Python's side of autograd is made of: its classes, where their instances keep their slots, its functions.
#pragma once
#include "bindings/arrays.h"

namespace fastnn {

struct Autograd {
  PyTypeObject *tensor, *node;
  PyObject *mode, *state, *serial;       // grad mode of the thread, the process-wide state, the counter of nodes
  PyObject* apply_slowly;                // (op, args)
  PyObject* renewed;                     // (view): gives it the node it would have if it was taken now
  PyObject *gradients, *deposit, *wait;  // parts of the backward pass (python/fastnn/_backward.py)

  struct {
    Py_ssize_t array, grad, node, output, accumulator, requires_grad, origin;
  } of_tensor;
  struct {
    Py_ssize_t op, inputs, saved, needs, serial, grad, clock, hooks, old;
  } of_node;
  struct {
    PyObject *active, *backward_kernels, *clock, *dtype, *enabled, *lists, *outputs, *shape;
  } name;
  PyObject* zero;
};
extern Autograd autograd;

// _engine.py and _backward.py hand over what is theirs; what is given lives as long as the process.
void use_recording(py::type tensor, py::type node, py::object mode, py::object state, py::object serial,
                   py::object apply_slowly, py::object renewed);
void use_backward(py::object gradients, py::object deposit, py::object wait);

inline PyObject*& slot(PyObject* o, Py_ssize_t offset) {
  return *reinterpret_cast<PyObject**>(reinterpret_cast<char*>(o) + offset);
}
inline void set_slot(PyObject* o, Py_ssize_t offset, PyObject* value) {  // takes the reference
  PyObject* before = std::exchange(slot(o, offset), value);
  Py_XDECREF(before);
}

inline bool is_array(PyObject* o) { return Py_IS_TYPE(o, numpy().ndarray); }
inline bool is_tensor(PyObject* o) { return !is_array(o) && PyObject_TypeCheck(o, autograd.tensor); }

// A Tensor over an array. Takes the reference to its node, null for none.
PyObject* new_tensor(PyObject* array, PyObject* node);

}  // namespace fastnn
