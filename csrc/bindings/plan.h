#pragma once
#include <pybind11/pybind11.h>

namespace fastnn {

void bind_plan(pybind11::module_& m);

}  // namespace fastnn
