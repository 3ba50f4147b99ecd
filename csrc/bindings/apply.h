// Autograd's apply, compiled: the active kernel on the arrays of Tensors, and the node that records the call.
#pragma once
#include <vector>

#include "bindings/arrays.h"

namespace fastnn {

// What Python's side of autograd is made of (python/fastnn/_engine.py).
struct AutogradParts {
  PyObject *tensor, *node;          // the classes
  PyObject *mode, *state, *serial;  // grad mode of the thread, the process-wide state, the counter of nodes
  PyObject* slow;                   // (op, args): apply for arguments that the active kernel declines
};
void use_autograd(const AutogradParts& parts);

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
