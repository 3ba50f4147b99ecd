// The extension module: kernels by name, and the settings of the core.
#include <pybind11/stl.h>

#include "bindings/apply.h"
#include "bindings/backward.h"
#include "bindings/eager.h"
#include "bindings/plan.h"
#include "bindings/quick_call.h"
#include "ops/op.h"
#include "runtime/dispatch.h"
#include "runtime/memory.h"
#include "runtime/parallel.h"

PYBIND11_MODULE(_fastnn_core, m) {
  using namespace fastnn;
  m.doc() = "The compiled core of fastnn: kernels by name, captured plans, settings.";
  const std::vector<Isa> usable = usable_isas();
  if (usable.empty()) throw py::import_error("fastnn's compiled core needs a CPU with SSE4.2 (x86-64-v2)");
  use_isa(usable.back());
  numpy();
  bind_plan(m);
  bind_quick_call(m);

  m.def("exceptions", [](py::object refused, py::object bad_index) {
    refused_error = refused.release().ptr();
    bad_index_error = bad_index.release().ptr();
  });
  m.def("write_parts", &use_writes);
  m.def("recording_parts", &use_recording);
  m.def("backward_parts", &use_backward);
  m.def("backward", [](py::object tensor, py::object dy, bool retain_graph) {
    if (!backward(tensor.ptr(), dy.ptr(), retain_graph)) throw py::error_already_set();
  });
  m.def("apply", [](py::object op, py::list kernels, int inputs, uint32_t differentiable, bool recorded, bool extras,
                    const std::vector<std::pair<int, int>>& saves) {
    ApplySpec spec{op.release().ptr(), kernels.release().ptr(), inputs, differentiable, recorded, extras, {}};
    for (const auto& [from, part] : saves) spec.saves.push_back({from, Saved::Part(part)});
    return py::reinterpret_steal<py::object>(apply_function(std::move(spec)));
  });
  m.def("kernel", [](const std::string& name) -> py::object {
    const OpInfo* op = find_op(name.c_str());
    return op ? py::reinterpret_steal<py::object>(kernel_function(op)) : py::none();
  });
  m.def("signature", [](const std::string& name) -> py::object {
    const OpInfo* op = find_op(name.c_str());
    return op ? py::cast(std::string(op->signature)) : py::none();
  });

  m.def("isa", [] { return std::string(name(active_isa())); });
  m.def("set_isa", [](const std::string& wanted) {
    const auto isa = parse(wanted);
    return isa.has_value() && use_isa(*isa);
  });
  m.def("supported_isas", [] {
    std::vector<std::string> names;
    for (const Isa isa : usable_isas()) names.emplace_back(name(isa));
    return names;
  });
  m.def("set_winograd", &use_winograd);
  m.def("get_winograd", &uses_winograd);
  m.def("set_num_threads", &set_num_threads);
  m.def("get_num_threads", &get_num_threads);
  m.def("default_threads", &default_threads);
  m.def("probe_fma", [](int64_t rounds, bool f64) {  // (flops, a sum that keeps them from being left out)
    const py::gil_scoped_release free;
    double sum;
    const int64_t flops = kernel_table().fma_loop[f64](rounds, sum);
    return std::pair(flops, sum);
  });
  m.def("trim", &trim);
  m.def("set_cache_limit", &set_cache_limit);
  m.def("memory_stats", [] {
    const MemoryStats s = memory_stats();
    return py::dict(py::arg("in_use") = s.in_use, py::arg("held") = s.held, py::arg("limit") = s.limit);
  });
}
