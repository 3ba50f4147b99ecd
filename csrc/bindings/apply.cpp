#include "bindings/apply.h"

#include "bindings/eager.h"

namespace fastnn {
namespace {

constexpr Py_ssize_t most_arguments = 32;  // bits of needs

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
    PyObject* shape = PyObject_GetAttr(o, autograd.name.shape);
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
      return PyObject_GetAttr(o, autograd.name.dtype);
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
  PyObject* node = autograd.node->tp_alloc(autograd.node, 0);
  if (!node) return nullptr;
  const auto& of = autograd.of_node;
  slot(node, of.op) = Py_NewRef(a.op);
  slot(node, of.grad) = Py_NewRef(Py_None);
  slot(node, of.hooks) = Py_NewRef(Py_None);
  const bool complete = (slot(node, of.inputs) = inputs_of(a, args)) &&
                        (slot(node, of.needs) = PyLong_FromUnsignedLong(needs)) &&
                        (slot(node, of.saved) = saved_values(a, raw, out)) &&
                        (slot(node, of.serial) = PyObject_CallNoArgs(autograd.serial)) &&
                        (slot(node, of.clock) = PyObject_GetAttr(autograd.state, autograd.name.clock));
  if (!complete) Py_CLEAR(node);
  return node;
}

// Whether this thread records; -1: error set.
int recording() {
  PyObject* enabled = PyObject_GetAttr(autograd.mode, autograd.name.enabled);
  if (!enabled) return -1;
  const int on = PyObject_IsTrue(enabled);
  Py_DECREF(enabled);
  return on;
}

PyObject* slowly(const ApplySpec& a, PyObject* const* args, Py_ssize_t n) {
  PyObject* all = PyTuple_New(n);
  if (!all) return nullptr;
  for (Py_ssize_t i = 0; i < n; i++) PyTuple_SET_ITEM(all, i, Py_NewRef(args[i]));
  PyObject* out = PyObject_CallFunctionObjArgs(autograd.apply_slowly, a.op, all, nullptr);
  Py_DECREF(all);
  return out;
}

// The active backend's kernel, borrowed.
PyObject* active_kernel(const ApplySpec& a) {
  PyObject* active = PyObject_GetAttr(autograd.state, autograd.name.active);
  if (!active) return nullptr;
  const Py_ssize_t column = PyLong_AsSsize_t(active);
  Py_DECREF(active);
  return column == -1 && PyErr_Occurred() ? nullptr : PyList_GetItem(a.kernels, column);
}

// Whether a result lies in the memory of the first input, a Tensor's.
bool is_view_of(PyObject* array, PyObject* const* args, const Raw& raw) {
  if (!is_tensor(args[0])) return false;
  if (array == raw.at[0]) return true;
  return is_array(array) && is_view(array) && is_array(raw.at[0]) && owner_of(array) == owner_of(raw.at[0]);
}

// What a view is taken from: (base, its node, op, further arguments...).
PyObject* origin_of(const ApplySpec& a, PyObject* const* args, const Raw& raw) {
  PyObject* origin = PyTuple_New(raw.n + 2);
  if (!origin) return nullptr;
  PyTuple_SET_ITEM(origin, 0, Py_NewRef(args[0]));
  PyTuple_SET_ITEM(origin, 1, Py_NewRef(slot(args[0], autograd.of_tensor.node)));
  PyTuple_SET_ITEM(origin, 2, Py_NewRef(a.op));
  for (Py_ssize_t i = 1; i < raw.n; i++) PyTuple_SET_ITEM(origin, i + 2, Py_NewRef(args[i]));
  return origin;
}

// Whether a Tensor is a view whose base was changed in place inside the graph since.
bool stale(PyObject* tensor) {
  for (;;) {
    PyObject* origin = slot(tensor, autograd.of_tensor.origin);
    if (!origin || origin == Py_None) return false;
    tensor = PyTuple_GET_ITEM(origin, 0);
    if (slot(tensor, autograd.of_tensor.node) != PyTuple_GET_ITEM(origin, 1)) return true;
  }
}

bool renew(PyObject* tensor) {
  PyObject* done = PyObject_CallOneArg(autograd.renewed, tensor);
  Py_XDECREF(done);
  return done != nullptr;
}

PyObject* tensor_of(const ApplySpec& a, PyObject* const* args, const Raw& raw, PyObject* out, uint32_t needs) {
  PyObject* array = a.extras ? PyTuple_GET_ITEM(out, 0) : out;
  const bool view = is_view_of(array, args, raw);
  const int on = (needs || view) && a.recorded ? recording() : 0;
  if (on < 0) return nullptr;
  PyObject* node = nullptr;
  if (on && needs && !(node = new_node(a, args, raw, out, needs))) return nullptr;
  PyObject* tensor = new_tensor(array, node);
  if (tensor && on && view) {
    PyObject* origin = origin_of(a, args, raw);
    if (!origin)
      Py_CLEAR(tensor);
    else
      set_slot(tensor, autograd.of_tensor.origin, origin);
  }
  return tensor;
}

PyObject* apply(PyObject* self, PyObject* const* args, Py_ssize_t n) {
  const auto& a = *static_cast<const ApplySpec*>(PyCapsule_GetPointer(self, nullptr));
  if (n > most_arguments || n < a.inputs) return slowly(a, args, n);
  const auto& of = autograd.of_tensor;
  Raw raw;
  uint32_t needs = 0;
  bool tensors = false;
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject* plain = args[i];
    if (i < a.inputs && is_tensor(plain)) {
      tensors = true;
      if (stale(plain) && !renew(plain)) return nullptr;
      if (slot(plain, of.requires_grad) == Py_True) needs |= a.differentiable & 1u << i;
      plain = slot(plain, of.array);
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

PyObject* apply_function(ApplySpec spec) {
  PyObject* self = PyCapsule_New(new ApplySpec(std::move(spec)), nullptr, nullptr);
  if (!self) return nullptr;
  PyObject* f = PyCFunction_New(&apply_def, self);
  Py_DECREF(self);
  return f;
}

}  // namespace fastnn
