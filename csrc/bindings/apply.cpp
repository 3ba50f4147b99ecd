#include "bindings/apply.h"

#include <structmember.h>

#include "bindings/eager.h"

namespace fastnn {
namespace {

constexpr Py_ssize_t most_arguments = 32;  // bits of needs

AutogradParts autograd;

// Where instances keep their slots.
struct {
  Py_ssize_t array, grad, node, output, requires_grad;
} of_tensor;
struct {
  Py_ssize_t op, inputs, saved, needs, serial, grad, clock;
} of_node;

PyObject *name_active, *name_clock, *name_enabled, *name_shape, *name_dtype, *zero;

Py_ssize_t slot_of(PyObject* type, const char* name) {
  const auto d = py::reinterpret_steal<py::object>(PyObject_GetAttrString(type, name));
  if (!d) throw py::error_already_set();
  if (!Py_IS_TYPE(d.ptr(), &PyMemberDescr_Type)) throw py::type_error(std::string(name) + " is no slot");
  return reinterpret_cast<PyMemberDescrObject*>(d.ptr())->d_member->offset;
}

PyObject*& slot(PyObject* o, Py_ssize_t offset) {
  return *reinterpret_cast<PyObject**>(reinterpret_cast<char*>(o) + offset);
}

PyTypeObject* tensor_type() { return reinterpret_cast<PyTypeObject*>(autograd.tensor); }

bool is_array(PyObject* o) { return Py_IS_TYPE(o, numpy().ndarray); }
bool is_tensor(PyObject* o) { return !is_array(o) && PyObject_TypeCheck(o, tensor_type()); }

// References to the plain arguments of one call.
struct Raw {
  PyObject* at[most_arguments];
  Py_ssize_t n = 0;
  void take(PyObject* o) { at[n++] = Py_NewRef(o); }
  ~Raw() {
    for (Py_ssize_t i = 0; i < n; i++) Py_DECREF(at[i]);
  }
};

PyObject* shape_of(PyObject* o) {
  if (!is_array(o)) {  // a number has none
    PyObject* shape = PyObject_GetAttr(o, name_shape);
    if (shape || !PyErr_ExceptionMatches(PyExc_AttributeError)) return shape;
    PyErr_Clear();
    return PyTuple_New(0);
  }
  const auto* a = py::detail::array_proxy(o);
  PyObject* shape = PyTuple_New(a->nd);
  for (int i = 0; shape && i < a->nd; i++) {
    PyObject* length = PyLong_FromSsize_t(a->dimensions[i]);
    if (!length)
      Py_CLEAR(shape);
    else
      PyTuple_SET_ITEM(shape, i, length);
  }
  return shape;
}

PyObject* part_of(PyObject* o, Saved::Part part) {
  switch (part) {
    case Saved::shape:
      return shape_of(o);
    case Saved::dtype:
      return PyObject_GetAttr(o, name_dtype);
    default:
      return Py_NewRef(o);
  }
}

// What backward wants back: the declared parts of inputs and results, then the attributes.
PyObject* saved_values(const ApplySpec& a, const Raw& raw, PyObject* out) {
  const Py_ssize_t n = Py_ssize_t(a.saves.size());
  PyObject* saved = PyTuple_New(n + raw.n - a.inputs);
  for (Py_ssize_t i = 0; saved && i < n; i++) {
    const auto [from, part] = a.saves[size_t(i)];
    PyObject* source = from < a.inputs ? raw.at[from] : a.extras ? PyTuple_GET_ITEM(out, from - a.inputs) : out;
    if (PyObject* value = part_of(source, part))
      PyTuple_SET_ITEM(saved, i, value);
    else
      Py_CLEAR(saved);
  }
  for (Py_ssize_t i = a.inputs; saved && i < raw.n; i++)
    PyTuple_SET_ITEM(saved, n + i - a.inputs, Py_NewRef(raw.at[i]));
  return saved;
}

PyObject* inputs_of(const ApplySpec& a, PyObject* const* args) {
  PyObject* inputs = PyTuple_New(a.inputs);
  for (int i = 0; inputs && i < a.inputs; i++) PyTuple_SET_ITEM(inputs, i, Py_NewRef(args[i]));
  return inputs;
}

PyObject* new_node(const ApplySpec& a, PyObject* const* args, const Raw& raw, PyObject* out, uint32_t needs) {
  auto* type = reinterpret_cast<PyTypeObject*>(autograd.node);
  PyObject* node = type->tp_alloc(type, 0);
  if (!node) return nullptr;
  slot(node, of_node.op) = Py_NewRef(a.op);
  slot(node, of_node.grad) = Py_NewRef(Py_None);
  const bool complete = (slot(node, of_node.inputs) = inputs_of(a, args)) &&
                        (slot(node, of_node.needs) = PyLong_FromUnsignedLong(needs)) &&
                        (slot(node, of_node.saved) = saved_values(a, raw, out)) &&
                        (slot(node, of_node.serial) = PyObject_CallNoArgs(autograd.serial)) &&
                        (slot(node, of_node.clock) = PyObject_GetAttr(autograd.state, name_clock));
  if (!complete) Py_CLEAR(node);
  return node;
}

// Takes the reference to the node, null for none.
PyObject* new_tensor(PyObject* array, PyObject* node) {
  PyObject* t = tensor_type()->tp_alloc(tensor_type(), 0);
  if (!t) {
    Py_XDECREF(node);
    return nullptr;
  }
  slot(t, of_tensor.array) = Py_NewRef(array);
  slot(t, of_tensor.grad) = Py_NewRef(Py_None);
  slot(t, of_tensor.output) = Py_NewRef(zero);
  slot(t, of_tensor.requires_grad) = Py_NewRef(node ? Py_True : Py_False);
  slot(t, of_tensor.node) = node ? node : Py_NewRef(Py_None);
  return t;
}

// Whether this thread records; -1: error set.
int recording() {
  PyObject* enabled = PyObject_GetAttr(autograd.mode, name_enabled);
  if (!enabled) return -1;
  const int on = PyObject_IsTrue(enabled);
  Py_DECREF(enabled);
  return on;
}

PyObject* slowly(const ApplySpec& a, PyObject* const* args, Py_ssize_t n) {
  PyObject* all = PyTuple_New(n);
  if (!all) return nullptr;
  for (Py_ssize_t i = 0; i < n; i++) PyTuple_SET_ITEM(all, i, Py_NewRef(args[i]));
  PyObject* out = PyObject_CallFunctionObjArgs(autograd.slow, a.op, all, nullptr);
  Py_DECREF(all);
  return out;
}

// The active backend's kernel, borrowed.
PyObject* active_kernel(const ApplySpec& a) {
  PyObject* active = PyObject_GetAttr(autograd.state, name_active);
  if (!active) return nullptr;
  const Py_ssize_t column = PyLong_AsSsize_t(active);
  Py_DECREF(active);
  return column == -1 && PyErr_Occurred() ? nullptr : PyList_GetItem(a.kernels, column);
}

PyObject* tensor_of(const ApplySpec& a, PyObject* const* args, const Raw& raw, PyObject* out, uint32_t needs) {
  const int on = needs && a.recorded ? recording() : 0;
  if (on < 0) return nullptr;
  PyObject* node = nullptr;
  if (on && !(node = new_node(a, args, raw, out, needs))) return nullptr;
  return new_tensor(a.extras ? PyTuple_GET_ITEM(out, 0) : out, node);
}

PyObject* apply(PyObject* self, PyObject* const* args, Py_ssize_t n) {
  const auto& a = *static_cast<const ApplySpec*>(PyCapsule_GetPointer(self, nullptr));
  if (n > most_arguments || n < a.inputs) return slowly(a, args, n);
  Raw raw;
  uint32_t needs = 0;
  bool tensors = false;
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject* plain = args[i];
    if (i < a.inputs && is_tensor(plain)) {
      tensors = true;
      if (slot(plain, of_tensor.requires_grad) == Py_True) needs |= a.differentiable & 1u << i;
      plain = slot(plain, of_tensor.array);
    }
    if (!plain) return slowly(a, args, n);
    raw.take(plain);
  }
  if (!tensors) return slowly(a, args, n);
  PyObject* kernel = active_kernel(a);
  if (!kernel) return nullptr;
  PyObject* out = PyObject_Vectorcall(kernel, raw.at, size_t(n), nullptr);
  if (!out && (PyErr_ExceptionMatches(refused_error) || PyErr_ExceptionMatches(bad_index_error))) {
    PyErr_Clear();  // the other path meets the same, and has words for it
    return slowly(a, args, n);
  }
  if (!out) return nullptr;
  PyObject* result = out == Py_NotImplemented ? slowly(a, args, n) : tensor_of(a, args, raw, out, needs);
  Py_DECREF(out);
  return result;
}

PyMethodDef apply_def = {"apply", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(apply)), METH_FASTCALL,
                         nullptr};

}  // namespace

void use_autograd(const AutogradParts& parts) {
  autograd = parts;
  PyObject *t = parts.tensor, *n = parts.node;
  of_tensor = {slot_of(t, "array"), slot_of(t, "grad"), slot_of(t, "node"), slot_of(t, "output"),
               slot_of(t, "requires")};
  of_node = {slot_of(n, "op"),     slot_of(n, "inputs"), slot_of(n, "saved"), slot_of(n, "needs"),
             slot_of(n, "serial"), slot_of(n, "grad"),   slot_of(n, "clock")};
  name_active = PyUnicode_InternFromString("active");
  name_clock = PyUnicode_InternFromString("clock");
  name_enabled = PyUnicode_InternFromString("enabled");
  name_shape = PyUnicode_InternFromString("shape");
  name_dtype = PyUnicode_InternFromString("dtype");
  zero = PyLong_FromLong(0);
}

PyObject* apply_function(ApplySpec spec) {
  PyObject* self = PyCapsule_New(new ApplySpec(std::move(spec)), nullptr, nullptr);
  if (!self) return nullptr;
  PyObject* f = PyCFunction_New(&apply_def, self);
  Py_DECREF(self);
  return f;
}

}  // namespace fastnn
