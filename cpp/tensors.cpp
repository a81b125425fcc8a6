#include "tensors.h"

#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "route.h"

namespace nb = nanobind;

namespace ostinato {

namespace {

// DLPack 1.3's DLPackExchangeAPI.
struct Exchange {
  uint32_t major, minor;
  const Exchange* earlier;
  void *allocate, *own, *to_python;
  int (*view)(void* object, View* out);
  void* stream;
};

int (*view_of)(void*, View*) = nullptr;

void read_tensors_by(nb::object table) {
  auto* found = static_cast<const Exchange*>(PyCapsule_GetPointer(table.ptr(), "dlpack_exchange_api"));
  if (!found) throw nb::python_error();
  while (found && found->major != 1) found = found->earlier;
  if (!found || !found->view)
    throw std::invalid_argument("the tensors' type has no functions of DLPack 1 that view them");
  view_of = found->view;
}

// Whether every tensor's rows are side by side, at addresses that numbers may have.
bool readable(nb::handle tensors) {
  for (size_t k = 0; k < nb::len(tensors); ++k)
    if (!is_readable(view(item(tensors, k)))) return false;
  return true;
}

std::vector<View> views(nb::handle tensors) {
  std::vector<View> seen(nb::len(tensors));
  for (size_t k = 0; k < seen.size(); ++k)
    if (nb::handle tensor = item(tensors, k); !tensor.is_none()) seen[k] = view(tensor);
  return seen;
}

void run(const Route& route, Weights& weights, nb::handle tensors, nb::handle params, nb::handle grads, uintptr_t tape,
         int64_t tape_bytes, uint64_t seed, int threads) {
  route.run(weights, views(tensors), views(params), views(grads), tape, tape_bytes, seed, threads);
}

// What a call's parameters must be, if there is nothing special about them.
class Expected {
 public:
  Expected(std::vector<nb::object> types, std::vector<std::vector<int64_t>> shapes)
      : types_(std::move(types)), shapes_(std::move(shapes)) {}

  // Whether all are of these types and shapes, contiguous, on the CPU, and numbers of the type that those beside them
  // have.
  bool met(nb::handle tensors, nb::handle beside) const {
    if (nb::len(tensors) != shapes_.size()) return false;
    View first, t;
    if (!plain(item(beside, 0), first) || first.dtype.code != uint8_t(nb::dlpack::dtype_code::Float)) return false;
    if (first.dtype.bits != 32 && first.dtype.bits != 64) return false;
    for (size_t k = 1; k < nb::len(beside); ++k)
      if (!plain(item(beside, k), t) || t.dtype != first.dtype) return false;
    for (size_t k = 0; k < shapes_.size(); ++k)
      if (!plain(item(tensors, k), t) || t.dtype != first.dtype || !contiguous(t, shapes_[k])) return false;
    return true;
  }

 private:
  std::vector<nb::object> types_;
  std::vector<std::vector<int64_t>> shapes_;

  bool plain(nb::handle tensor, View& seen) const {
    for (const nb::object& type : types_) {
      if (!tensor.type().is(type)) continue;
      if (view_of && !view_of(tensor.ptr(), &seen)) return seen.device.device_type == nb::device::cpu::value;
      PyErr_Clear();  // a tensor without memory
      return false;
    }
    return false;
  }

  static bool contiguous(const View& t, const std::vector<int64_t>& shape) {
    if (t.ndim != int32_t(shape.size())) return false;
    int64_t size = 1;
    for (int32_t d = t.ndim - 1; d >= 0; --d) {
      if (t.shape[d] != shape[d] || (shape[d] != 1 && t.strides[d] != size)) return false;
      size *= shape[d];
    }
    return true;
  }
};

}  // namespace

View view(nb::handle tensor) {
  if (!view_of) throw std::invalid_argument("read_tensors_by comes first");
  View seen;
  if (view_of(tensor.ptr(), &seen)) throw nb::python_error();
  return seen;
}

nb::handle item(nb::handle tensors, size_t k) {
  PyObject* found = PyTuple_Check(tensors.ptr()) ? PyTuple_GetItem(tensors.ptr(), Py_ssize_t(k))
                                                 : PyList_GetItem(tensors.ptr(), Py_ssize_t(k));
  if (!found) throw nb::python_error();
  return found;
}

void add_tensors(nb::module_& m) {
  using namespace nb::literals;
  m.def("read_tensors_by", read_tensors_by, "table"_a);
  m.def("readable", readable, "tensors"_a);
  nb::class_<Expected>(m, "Expected", "What a call's parameters must be, if there is nothing special about them.")
      .def(nb::init<std::vector<nb::object>, std::vector<std::vector<int64_t>>>(), "types"_a, "shapes"_a)
      .def("met", &Expected::met, "tensors"_a, "beside"_a);
  nb::class_<Route>(m, "Route", "One pass over tensors of one size: where in them its externs and parameters lie.")
      .def(nb::init<int64_t, int64_t, std::vector<Place>, std::vector<Slot>, std::vector<Slot>, int64_t, int64_t,
                    int64_t>(),
           "steps"_a, "rows"_a, "externs"_a, "params"_a, "grads"_a, "first_step"_a, "stream"_a, "valid"_a)
      .def("run", run, "weights"_a, "tensors"_a, "params"_a, "grads"_a, "tape"_a, "tape_bytes"_a, "seed"_a,
           "threads"_a);
}

}  // namespace ostinato
