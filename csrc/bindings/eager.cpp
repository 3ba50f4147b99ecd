#include "bindings/eager.h"

#include <cstring>

#include "runtime/memory.h"
#include "runtime/parallel.h"

namespace fastnn {

PyObject *refused_error = nullptr, *bad_index_error = nullptr;

namespace {

struct Writes {
  PyObject *log, *fold, *state, *clock, *folded;  // the last two are names
  Py_ssize_t most;
} writes;

}  // namespace

void use_writes(py::list log, py::object fold, Py_ssize_t most, py::object state) {
  writes = {log.release().ptr(),
            fold.release().ptr(),
            state.release().ptr(),
            PyUnicode_InternFromString("clock"),
            PyUnicode_InternFromString("folded"),
            most};
}

bool note_writes(PyObject* ids) {
  if (PyList_Append(writes.log, ids) < 0) return false;
  const Py_ssize_t length = PyList_GET_SIZE(writes.log);
  const auto folded = py::reinterpret_steal<py::object>(PyObject_GetAttr(writes.state, writes.folded));
  if (!folded) return false;
  const auto clock = py::reinterpret_steal<py::object>(PyLong_FromLongLong(PyLong_AsLongLong(folded.ptr()) + length));
  if (!clock || PyObject_SetAttr(writes.state, writes.clock, clock.ptr()) < 0) return false;
  if (length < writes.most) return true;
  PyObject* done = PyObject_CallNoArgs(writes.fold);
  Py_XDECREF(done);
  return done != nullptr;
}

namespace {

constexpr int inline_views = 28;

// One array position; 0 where it is not an array, -1 never.
bool array_at(Call& c, PyObject* o, int& used, int room, bool written) {
  if (used >= room) throw Refused{"too many arrays"};
  if (!view_of(o, c.views[used++])) return false;
  if (written && !writeable(o)) throw Refused{"an array to be changed is read-only"};
  return true;
}

bool number_at(Call& c, PyObject* o, int argument, int& used) {
  if (!PyFloat_CheckExact(o) && !PyLong_CheckExact(o)) return false;
  c.number[argument] = PyFloat_AsDouble(o);
  View& v = c.views[used++];
  v.data = reinterpret_cast<char*>(&c.number[argument]);
  v.rank = 0;
  v.dtype = DType::number;
  return true;
}

}  // namespace

int fill(Call& c, PyObject* const* args, Py_ssize_t n, int room) {
  const char* s = c.op->signature;
  int used = 0, a = 0, t = 0;
  c.needs = ~0u;
  for (Py_ssize_t i = 0; i < n; i++, s++) {
    PyObject* o = args[i];
    switch (*s) {
      case 's':
        c.first[a] = uint16_t(used);
        if (number_at(c, o, a, used)) {
          if (PyErr_Occurred()) return -1;
          a++;
          break;
        }
        a++;
        if (!array_at(c, o, used, room, false)) return 0;
        break;
      case 'o':
        c.first[a++] = uint16_t(used);
        if (o != Py_None && !array_at(c, o, used, room, false)) return 0;
        break;
      case 'v':
      case 'w':
        c.first[a++] = uint16_t(used);
        if (!array_at(c, o, used, room, *s == 'w')) return 0;
        break;
      case 'V':
      case 'W':
        c.first[a++] = uint16_t(used);
        if (!PyList_CheckExact(o)) return 0;
        for (Py_ssize_t j = 0; j < PyList_GET_SIZE(o); j++)
          if (!array_at(c, PyList_GET_ITEM(o, j), used, room, *s == 'W')) return 0;
        break;
      case 'f':
        c.attr[t].f = PyFloat_AsDouble(o);
        if (c.attr[t++].f == -1.0 && PyErr_Occurred()) return -1;
        break;
      case 'i':
        c.attr[t].i = int64_t(PyLong_AsUnsignedLongLongMask(o));
        if (c.attr[t++].i == -1 && PyErr_Occurred()) return -1;
        break;
      case 't':
        c.attr[t++].i = int64_t(dtype_of(o));
        break;
      case 'u': {
        const auto whole = py::reinterpret_steal<py::object>(PyNumber_Index(o));  // NumPy's integers, too
        if (!whole) return -1;
        c.attr[t].i = int64_t(PyLong_AsUnsignedLongLong(whole.ptr()));
        if (c.attr[t++].i == -1 && PyErr_Occurred()) return -1;
        break;
      }
      case 'n':
        c.needs = uint32_t(PyLong_AsUnsignedLongMask(o));
        break;
      case 'l': {
        if (!PyTuple_CheckExact(o) || PyTuple_GET_SIZE(o) > 2 * max_rank) return 0;
        Ints& l = c.attr[t++].ints;
        l.n = PyTuple_GET_SIZE(o);
        for (int j = 0; j < l.n; j++) {
          l.v[j] = PyLong_AsLongLong(PyTuple_GET_ITEM(o, j));
          if (l.v[j] == -1 && PyErr_Occurred()) return -1;
        }
        break;
      }
      default:
        throw Refused{"too many arguments"};
    }
  }
  if (*s) throw Refused{"too few arguments"};
  c.n_args = uint16_t(a);
  c.first[a] = uint16_t(used);
  c.n_out = uint16_t(c.op->outputs);
  for (int j = 0; j < c.n_out; j++) c.alias[j] = -1;
  c.run = nullptr;
  c.scratch = c.copied = 0;
  c.cost = 0;
  c.n_copies = 0;
  return 1;
}

int views_wanted(const OpInfo& op, PyObject* const* args, Py_ssize_t n) {
  Py_ssize_t k = max_outs + max_args;
  for (Py_ssize_t i = 0; i < n && op.signature[i]; i++) {
    const bool list = (op.signature[i] == 'V' || op.signature[i] == 'W') && PyList_CheckExact(args[i]);
    k += list ? PyList_GET_SIZE(args[i]) : 1;
  }
  return k < 60000 ? int(k) : 60000;
}

namespace {

void release(PyObject** outs, int n) {
  for (int j = 0; j < n; j++) Py_DECREF(outs[j]);
}

// The arrays of the outputs: new, an input itself, or None for a gradient that is not wanted. False: error set.
bool make_outputs(Call& c, PyObject* const* args, PyObject** outs) {
  for (int j = 0; j < c.n_out; j++) {
    if (!c.wants(j)) {
      outs[j] = Py_NewRef(Py_None);
    } else if (c.alias[j] >= 0) {
      outs[j] = Py_NewRef(args[c.alias[j]]);
    } else if (!(outs[j] = new_array(c.out(j)))) {
      release(outs, j);
      return false;
    }
  }
  return true;
}

// Tells Python which arrays were changed in place, by their packed ids. False: error set.
bool tell_writes(const OpInfo& op, PyObject* const* args) {
  const char* s = op.signature;
  Py_ssize_t n = 0;
  for (int i = 0; s[i]; i++) n += s[i] == 'w' ? 1 : s[i] == 'W' ? PyList_GET_SIZE(args[i]) : 0;
  if (n == 0) return true;
  PyObject* ids = PyBytes_FromStringAndSize(nullptr, n * Py_ssize_t(sizeof(uint64_t)));
  if (!ids) return false;
  char* at = PyBytes_AS_STRING(ids);
  const auto put = [&](PyObject* array) {
    const uint64_t id = reinterpret_cast<uintptr_t>(owner_of(array));
    memcpy(at, &id, sizeof id);
    at += sizeof id;
  };
  for (int i = 0; s[i]; i++) {
    if (s[i] == 'w') put(args[i]);
    if (s[i] == 'W')
      for (Py_ssize_t j = 0; j < PyList_GET_SIZE(args[i]); j++) put(PyList_GET_ITEM(args[i], j));
  }
  const bool noted = note_writes(ids);
  Py_DECREF(ids);
  return noted;
}

PyObject* hand_out(const Call& c, PyObject** outs) {
  if (c.n_out == 0) Py_RETURN_NONE;
  if (c.n_out == 1) return outs[0];
  PyObject* t = PyTuple_New(c.n_out);
  if (!t) {
    release(outs, c.n_out);
    return nullptr;
  }
  for (int j = 0; j < c.n_out; j++) PyTuple_SET_ITEM(t, j, outs[j]);
  return t;
}

// Prepare, allocate, run, hand out.
PyObject* launch(const OpInfo* op, PyObject* const* args, Py_ssize_t n) {
  View local[inline_views];
  std::unique_ptr<View[]> heap;
  Call c;
  c.op = op;
  c.views = local;
  int room = inline_views;
  if (const int want = views_wanted(*op, args, n); want > room) {
    heap.reset(new View[size_t(want)]);
    c.views = heap.get();
    room = want;
  }
  try {
    const int filled = fill(c, args, n, room - max_outs - max_args);
    if (filled < 0) {  // the op's check has better words than Python's conversions
      PyErr_Clear();
      throw Refused{"an attribute is not a number of the wanted kind"};
    }
    if (filled == 0) Py_RETURN_NOTIMPLEMENTED;
    op->prepare(c);
  } catch (const Refused& e) {
    PyErr_SetString(refused_error, e.why);
    return nullptr;
  } catch (const Declined&) {
    Py_RETURN_NOTIMPLEMENTED;
  }
  PyObject* outs[max_outs];
  if (!make_outputs(c, args, outs)) return nullptr;
  int64_t bad = -1;
  if (c.run) {
    char* work = nullptr;
    if (const size_t bytes = c.scratch + c.copied; bytes && !(work = scratch(bytes))) {
      release(outs, c.n_out);
      return PyErr_Format(PyExc_MemoryError, "%s: no memory for %zu bytes of scratch", op->name, bytes);
    }
    PyThreadState* state = c.cost > unlocked_from ? PyEval_SaveThread() : nullptr;
    bad = execute(c, work, thread_pool());
    if (state) PyEval_RestoreThread(state);
  }
  if (bad >= 0) {
    release(outs, c.n_out);
    PyObject* position = PyLong_FromLongLong(bad);
    if (position) PyErr_SetObject(bad_index_error, position);
    Py_XDECREF(position);
    return nullptr;
  }
  if (!tell_writes(*op, args)) {
    release(outs, c.n_out);
    return nullptr;
  }
  return hand_out(c, outs);
}

PyObject* entry(PyObject* self, PyObject* const* args, Py_ssize_t n) {
  return launch(static_cast<const OpInfo*>(PyCapsule_GetPointer(self, nullptr)), args, n);
}

PyMethodDef entry_def = {"kernel", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(entry)), METH_FASTCALL,
                         nullptr};

}  // namespace

PyObject* kernel_function(const OpInfo* op) {
  PyObject* capsule = PyCapsule_New(const_cast<OpInfo*>(op), nullptr, nullptr);
  if (!capsule) return nullptr;
  PyObject* f = PyCFunction_New(&entry_def, capsule);
  Py_DECREF(capsule);
  return f;
}

}  // namespace fastnn
