// A plan for Python: arguments are bound, hyperparameters and random offsets read, results and gradients handed out.
#pragma once
#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "plan/plan.h"

namespace fastnn {

class BoundPlan {
 public:
  // While it is made (bound_plan.cpp):

  using Place = std::pair<int, int64_t>;  // a Spot for Python

  int slot(uintptr_t base) { return plan_.add_slot(reinterpret_cast<char*>(base)); }
  void arena(size_t bytes) { plan_.set_arena(bytes); }
  void argument(const py::array& a, int slot);
  void returned(const py::array& a, int slot);
  void grad(py::object leaf, py::object grad) { grads_.emplace_back(std::move(leaf), std::move(grad)); }
  void fixed(py::object dict, py::object key, bool value) {
    fixed_.push_back({std::move(dict), std::move(key), value});
  }

  // f(frame) where it stands among the nodes; what lies in the frame is at pointer(frame, slot).
  void call_back(py::object f) { steps_.push_back({0, std::move(f)}); }
  uintptr_t pointer(int frame, int slot) { return reinterpret_cast<uintptr_t>(plan_.frame(frame).base(slot)); }

  // The estimated nanoseconds; none where nothing runs, since the outputs are inputs: there is no node.
  std::optional<double> add(const std::string& name, const py::list& args, std::vector<Place> spots,
                            const std::vector<Place>& outs, const py::list& out_arrays, const py::list& cells,
                            const py::list& draws);

  // `turns`: calls of several threads take turns, since they write memory that they share.
  void finish(py::array epoch, py::array random, int64_t draws, bool turns);

  // For `call_for_tensor`: what a call changes in place, as packed ids for `note_writes`, and explain(BadIndex), the
  // exception to raise in its stead.
  void tell(py::bytes changed, py::object explain) {
    changed_ = std::move(changed);
    explain_ = std::move(explain);
  }

  // When it is called:

  // replay.cpp: the results in a tuple, or NotImplemented where the plan does not hold. Null: error set.
  PyObject* call(PyObject* const* args, Py_ssize_t n);

  // The same with the one result as a Tensor, and the writes told.
  PyObject* call_for_tensor(PyObject* const* args, Py_ssize_t n);

  // run_rows.cpp: steps over batches of rows of `sources`, whose numbers are rows[at], rows[at + 1] ...: until
  // `results` are full, the rows end, `seconds` are over, or the first result is no finite number. How many; 0 where
  // the plan does not hold or other threads use all of it.
  int64_t run_rows(const py::list& sources, const py::array& rows, int64_t at, const py::list& results, double seconds);

 private:
  struct Attribute {  // by numbers, since each frame has Calls of its own
    size_t node;
    int number;
  };
  struct Cell {  // attribute = dict[key] (or its item), at each call
    Attribute to;
    py::object dict, key;
    Py_ssize_t item;
  };
  struct Offset {  // attribute = generator's offset + ahead, at each call
    Attribute to;
    int64_t ahead;
  };
  struct Fixed {  // the plan holds while dict[key] is as true as this
    py::object dict, key;
    int value;
  };
  struct Argument {
    View want;
    int slot;
    int64_t first;  // of the first element, from the lowest address: negative strides begin at the far end
  };
  struct Returned {
    View view;
    int slot;
  };
  struct Step {  // a node of the plan, or a Python call-back
    size_t node;
    py::object call_back;
  };

  bool holds() const;
  bool bind_arguments(Frame& frame, PyObject* const* args, Py_ssize_t n) const;
  bool read_cells(Frame& frame) const;
  void read_offsets(Frame& frame) const;
  PyObject* make_results(Frame& frame) const;
  bool run_steps(const Lease& lease);
  void put_grads();
  bool tell_writes() const;
  void explain_failure() const;
  bool takes_rows(const std::vector<View>& sources, const View& rows) const;

  Plan plan_;
  std::vector<Step> steps_;
  std::vector<Cell> cells_;
  std::vector<Offset> offsets_;
  std::vector<Fixed> fixed_;
  std::vector<Argument> arguments_;
  std::vector<Returned> returned_;
  std::vector<std::pair<py::object, py::object>> grads_;
  py::object array_name_ = py::str("array"), keep_;
  py::bytes changed_;
  py::object explain_;
  const uint64_t* epoch_ = nullptr;
  uint64_t* random_ = nullptr;
  uint64_t epoch_then_ = 0;
  int64_t draws_ = 0;
};

// Set Python's error for a bad index at this position, found by this step.
void set_bad_index(int64_t position, size_t step);

}  // namespace fastnn
