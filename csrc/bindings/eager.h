// THE eager entry: one C function for every op, forward and backward.
#pragma once
#include <memory>

#include "bindings/arrays.h"

namespace fastnn {

// Python's exceptions for refusals and bad indices.
extern PyObject *refused_error, *bad_index_error;

// `wrote_ids` of _writes.py, and what it is made of: the log, what is called when it is full, its greatest length, and
// the process-wide state with the clock.
void use_writes(py::list log, py::object fold, Py_ssize_t most, py::object state);
bool note_writes(PyObject* ids);  // false: error set

// Estimated nanoseconds of work above which Python's lock is released.
constexpr double unlocked_from = 10000;

// Fill a Call from Python's positional arguments: 1 done; 0 declined; -1 a Python error is set.
// c.views has room for `room` views of arguments. May throw Refused.
int fill(Call& c, PyObject* const* args, Py_ssize_t n, int room);

// How many views the arguments take, with outputs and copies.
int views_wanted(const OpInfo& op, PyObject* const* args, Py_ssize_t n);

// A Python callable for an op.
PyObject* kernel_function(const OpInfo* op);

}  // namespace fastnn
