// What calls a compiled function: the plan used last, with nothing of Python in between, or else its method `replay`. A
// call of a Python method takes .25 us, as long as three layers of a small network.
#include "bindings/quick_call.h"

#include <structmember.h>

#include "bindings/autograd.h"

namespace fastnn {
namespace {

struct QuickCall {
  PyObject_HEAD PyObject* quick;  // a plan's call, or None
};

// Whether a function is being recorded; -1: error set.
int recording() {
  static PyObject* const recorder = PyUnicode_InternFromString("recorder");
  PyObject* now = PyObject_GetAttr(autograd.state, recorder);
  if (!now) return -1;
  Py_DECREF(now);
  return now != Py_None;
}

PyObject* call(PyObject* self, PyObject* args, PyObject* keywords) {
  static PyObject* const replay = PyUnicode_InternFromString("replay");
  const auto o = py::reinterpret_borrow<py::object>(reinterpret_cast<QuickCall*>(self)->quick);
  if (o && !o.is_none() && !(keywords && PyDict_GET_SIZE(keywords) > 0)) {
    const int inside = recording();
    if (inside < 0) return nullptr;
    if (!inside) {
      PyObject* out =
          PyObject_Vectorcall(o.ptr(), PySequence_Fast_ITEMS(args), size_t(PyTuple_GET_SIZE(args)), nullptr);
      if (out != Py_NotImplemented) return out;
      Py_DECREF(out);
    }
  }
  PyObject* method = PyObject_GetAttr(self, replay);
  PyObject* out = method ? PyObject_Call(method, args, keywords) : nullptr;
  Py_XDECREF(method);
  return out;
}

void destroy(PyObject* self) {
  Py_CLEAR(reinterpret_cast<QuickCall*>(self)->quick);
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyMemberDef members[] = {{"quick", T_OBJECT, offsetof(QuickCall, quick), 0, "A plan's call, or None."}, {}};
PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(PyType_GenericNew)},
                       {Py_tp_call, reinterpret_cast<void*>(call)},
                       {Py_tp_dealloc, reinterpret_cast<void*>(destroy)},
                       {Py_tp_members, members},
                       {}};
PyType_Spec spec = {"fastnn._fastnn_core.QuickCall", sizeof(QuickCall), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                    slots};

}  // namespace

void bind_quick_call(py::module_& m) {
  const auto type = py::reinterpret_steal<py::object>(PyType_FromSpec(&spec));
  if (!type) throw py::error_already_set();
  m.attr("QuickCall") = type;
}

}  // namespace fastnn
