// NumPy arrays to Views and back. pybind11's own picture of the array struct is enough: no NumPy headers.
#pragma once
#include <pybind11/numpy.h>

#include "ops/op.h"

namespace fastnn {
namespace py = pybind11;

// NumPy's function table and the descriptors of our dtypes, looked up once.
struct NumPy {
  py::detail::npy_api& api = py::detail::npy_api::get();
  PyTypeObject* ndarray = api.PyArray_Type_;
  PyObject* descr[4] = {api.PyArray_DescrFromType_(11), api.PyArray_DescrFromType_(12),
                        api.PyArray_DescrFromType_(py::detail::npy_api::NPY_INT64_),
                        api.PyArray_DescrFromType_(py::detail::npy_api::NPY_BOOL_)};
};
NumPy& numpy();

// False for what is not exactly an ndarray.
bool view_of(PyObject* o, View& v);
bool writeable(PyObject* o);

// Of an array: whether its memory belongs to another, and the one that it belongs to.
bool is_view(PyObject* array);
PyObject* owner_of(PyObject* array);

// Of a NumPy dtype object in native byte order; other for what is none or none of ours.
DType dtype_of(PyObject* o);

// A new array for an output, and its memory in v.data. Null with MemoryError set where there is none.
PyObject* new_array(View& v);

}  // namespace fastnn
