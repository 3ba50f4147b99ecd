#include "bindings/plan.h"

#include "bindings/bound_plan.h"

namespace fastnn {
namespace {

template <PyObject* (BoundPlan::*call)(PyObject* const*, Py_ssize_t)>
PyObject* called(PyObject* self, PyObject* const* args, Py_ssize_t n) {
  try {
    return (static_cast<BoundPlan*>(PyCapsule_GetPointer(self, nullptr))->*call)(args, n);
  } catch (const Declined&) {  // an array of too many dimensions
    Py_RETURN_NOTIMPLEMENTED;
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  }
}

template <PyObject* (BoundPlan::*call)(PyObject* const*, Py_ssize_t)>
PyMethodDef definition = {"replay", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(called<call>)),
                          METH_FASTCALL, nullptr};

// A plan's call as a C function, which keeps the plan alive: the capsule's context holds a reference.
py::object function(const py::object& self, PyMethodDef& of) {
  PyObject* capsule = PyCapsule_New(self.cast<BoundPlan*>(), nullptr,
                                    [](PyObject* c) { Py_XDECREF(static_cast<PyObject*>(PyCapsule_GetContext(c))); });
  if (!capsule) throw py::error_already_set();
  PyCapsule_SetContext(capsule, self.inc_ref().ptr());
  PyObject* f = PyCFunction_New(&of, capsule);
  Py_DECREF(capsule);
  return py::reinterpret_steal<py::object>(f);
}

py::object runner(const py::object& self) { return function(self, definition<&BoundPlan::call>); }

py::object quick(const py::object& self, py::bytes changed, py::object explain) {
  self.cast<BoundPlan&>().tell(std::move(changed), std::move(explain));
  return function(self, definition<&BoundPlan::call_for_tensor>);
}

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
      .def("runner", &runner)
      .def("quick", &quick);
}

}  // namespace fastnn
