#include "bindings/arrays.h"

#include "runtime/memory.h"

namespace fastnn {

NumPy& numpy() {
  static NumPy n;
  return n;
}

bool view_of(PyObject* o, View& v) {
  if (Py_TYPE(o) != numpy().ndarray) return false;
  auto* a = py::detail::array_proxy(o);
  if (a->nd > max_rank) throw Declined{};
  v.data = a->data;
  v.rank = uint8_t(a->nd);
  for (int i = 0; i < a->nd; i++) {
    v.shape[i] = a->dimensions[i];
    v.stride[i] = a->strides[i];
  }
  v.dtype = dtype_of(a->descr);
  // Arrays that are not aligned to their items take the slow path.
  if (!(a->flags & py::detail::npy_api::NPY_ARRAY_ALIGNED_)) v.dtype = DType::other;
  return true;
}

bool writeable(PyObject* o) {
  return (py::detail::array_proxy(o)->flags & py::detail::npy_api::NPY_ARRAY_WRITEABLE_) != 0;
}

bool is_view(PyObject* array) {
  PyObject* base = py::detail::array_proxy(array)->base;
  return base && Py_IS_TYPE(base, numpy().ndarray);
}

PyObject* owner_of(PyObject* array) {
  while (is_view(array)) array = py::detail::array_proxy(array)->base;
  return array;
}

// Arrays of a native dtype share one descriptor, but for unpickled ones and the like, which have an equal one.
DType dtype_of(PyObject* o) {
  for (int t = 0; t < 4; t++)
    if (o == numpy().descr[t]) return DType(t);
  if (!py::isinstance<py::dtype>(o)) return DType::other;
  const auto wanted = py::reinterpret_borrow<py::dtype>(o);
  if (wanted.byteorder() != '=' && wanted.byteorder() != '|') return DType::other;
  for (int t = 0; t < 4; t++)
    if (wanted.normalized_num() == py::reinterpret_borrow<py::dtype>(numpy().descr[t]).normalized_num())
      return DType(t);
  return DType::other;
}

PyObject* new_array(View& v) {
  static_assert(sizeof(Py_intptr_t) == sizeof(int64_t));
  constexpr int64_t cached_from = 32768;  // below, NumPy's own memory is as fast
  NumPy& np = numpy();
  PyObject* descr = np.descr[int(v.dtype)];
  auto* shape = reinterpret_cast<Py_intptr_t*>(v.shape);
  auto* stride = reinterpret_cast<Py_intptr_t*>(v.stride);
  const int64_t bytes = v.size() * v.itemsize();
  Py_INCREF(descr);
  if (bytes < cached_from) {
    PyObject* a = np.api.PyArray_NewFromDescr_(np.ndarray, descr, v.rank, shape, v.dense() ? nullptr : stride, nullptr,
                                               0, nullptr);
    if (a) v.data = py::detail::array_proxy(a)->data;
    return a;
  }
  Block* b = take_block(size_t(bytes));
  if (!b) {
    Py_DECREF(descr);
    return PyErr_Format(PyExc_MemoryError, "no memory for a result of %lld bytes", static_cast<long long>(bytes));
  }
  constexpr int flags = py::detail::npy_api::NPY_ARRAY_WRITEABLE_ | py::detail::npy_api::NPY_ARRAY_ALIGNED_;
  PyObject* owner =
      PyCapsule_New(b, nullptr, [](PyObject* c) { give_block(static_cast<Block*>(PyCapsule_GetPointer(c, nullptr))); });
  if (!owner) {
    give_block(b);
    Py_DECREF(descr);
    return nullptr;
  }
  PyObject* a = np.api.PyArray_NewFromDescr_(np.ndarray, descr, v.rank, shape, stride, b->data, flags, nullptr);
  if (!a || np.api.PyArray_SetBaseObject_(a, owner) < 0) {
    if (a)
      Py_DECREF(a);
    else
      Py_DECREF(owner);
    return nullptr;
  }
  v.data = b->data;
  return a;
}

}  // namespace fastnn
