// Autograd's apply, compiled: the active kernel on the arrays of Tensors, and the node that records the call.
#pragma once
#include <vector>

#include "bindings/autograd.h"

namespace fastnn {

// What a node keeps of a call.
struct Saved {
  enum Part { value, shape, dtype };
  int from;  // a position among the inputs, then the results
  Part part;
};

struct ApplySpec {
  PyObject *op, *kernels;  // its forward kernels, by the number of the backend
  int inputs;
  uint32_t differentiable;  // bit i: input i may have a gradient
  bool recorded;            // whether it has a backward
  bool extras;              // the kernel returns a tuple, whose first value is the result
  std::vector<Saved> saves;
};

// A Python callable for one op; what it holds lives as long as the process, as ops do.
PyObject* apply_function(ApplySpec spec);

}  // namespace fastnn
