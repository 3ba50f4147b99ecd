// The backward pass, compiled: python/fastnn/_backward.py without the calls between its parts.
#pragma once
#include "bindings/autograd.h"

namespace fastnn {

// Adds the gradients of a Tensor to the leaves it was computed from. False: a Python error is set.
bool backward(PyObject* tensor, PyObject* dy, bool retain_graph);

}  // namespace fastnn
