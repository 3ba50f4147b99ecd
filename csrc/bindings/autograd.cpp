#include "bindings/autograd.h"

#include <structmember.h>

namespace fastnn {

Autograd autograd;

namespace {

Py_ssize_t slot_of(py::handle type, const char* name) {
  const py::object d = type.attr(name);
  if (!Py_IS_TYPE(d.ptr(), &PyMemberDescr_Type)) throw py::type_error(std::string(name) + " is no slot");
  return reinterpret_cast<PyMemberDescrObject*>(d.ptr())->d_member->offset;
}

PyTypeObject* released(py::type t) { return reinterpret_cast<PyTypeObject*>(t.release().ptr()); }

}  // namespace

void use_recording(py::type tensor, py::type node, py::object mode, py::object state, py::object serial,
                   py::object apply_slowly, py::object renewed) {
  autograd.of_tensor = {slot_of(tensor, "array"),  slot_of(tensor, "_grad"),       slot_of(tensor, "node"),
                        slot_of(tensor, "output"), slot_of(tensor, "accumulator"), slot_of(tensor, "requires"),
                        slot_of(tensor, "origin")};
  autograd.of_node = {slot_of(node, "op"),    slot_of(node, "inputs"), slot_of(node, "saved"),
                      slot_of(node, "needs"), slot_of(node, "serial"), slot_of(node, "grad"),
                      slot_of(node, "clock"), slot_of(node, "hooks"),  slot_of(node, "old")};
  autograd.tensor = released(std::move(tensor));
  autograd.node = released(std::move(node));
  autograd.mode = mode.release().ptr();
  autograd.state = state.release().ptr();
  autograd.serial = serial.release().ptr();
  autograd.apply_slowly = apply_slowly.release().ptr();
  autograd.renewed = renewed.release().ptr();
  const auto name = [](const char* text) { return PyUnicode_InternFromString(text); };
  autograd.name = {name("active"), name("backward_kernels"), name("clock"), name("dtype"), name("enabled"),
                   name("lists"),  name("outputs"),          name("shape")};
  autograd.zero = PyLong_FromLong(0);
}

void use_backward(py::object gradients, py::object deposit, py::object wait) {
  autograd.gradients = gradients.release().ptr();
  autograd.deposit = deposit.release().ptr();
  autograd.wait = wait.release().ptr();
}

PyObject* new_tensor(PyObject* array, PyObject* node) {
  PyObject* t = autograd.tensor->tp_alloc(autograd.tensor, 0);
  if (!t) {
    Py_XDECREF(node);
    return nullptr;
  }
  const auto& of = autograd.of_tensor;
  slot(t, of.array) = Py_NewRef(array);
  slot(t, of.grad) = Py_NewRef(Py_None);
  slot(t, of.output) = Py_NewRef(autograd.zero);
  slot(t, of.accumulator) = Py_NewRef(Py_None);
  slot(t, of.origin) = Py_NewRef(Py_None);  // for Python, which takes 0.3 us and more to find a slot empty
  slot(t, of.requires_grad) = Py_NewRef(node ? Py_True : Py_False);
  slot(t, of.node) = node ? node : Py_NewRef(Py_None);
  return t;
}

}  // namespace fastnn
