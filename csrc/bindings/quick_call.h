#pragma once
#include <pybind11/pybind11.h>

namespace fastnn {

// The class QuickCall, of which compiled functions are made.
void bind_quick_call(pybind11::module_& m);

}  // namespace fastnn
