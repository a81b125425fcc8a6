// A call of some layers: its passes layer by layer and direction by direction, and the memory of what it gives.
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <memory>

#include "route.h"

namespace nb = nanobind;

namespace ostinato {

namespace {

using Sizes = std::vector<int64_t>;
using Tensors = std::vector<nb::object>;

// What memory is made by: torch.empty_like; and what makes rows readable.
PyObject *empty_like_function = nullptr, *readable_function = nullptr;

void make_tensors_by(nb::object empty_like, nb::object readable) {
  empty_like_function = empty_like.release().ptr(), readable_function = readable.release().ptr();
}

nb::object made(PyObject* tensor) {
  if (!tensor) throw nb::python_error();
  return nb::steal(tensor);
}

// Memory of one shape, asked for by numbers: without a tuple it comes sooner.
class Empty {
 public:
  explicit Empty(const Sizes& shape) : arguments_(1) {
    if (shape.size() >= MOST) throw std::invalid_argument("a tensor of too many dimensions");
    for (int64_t n : shape) arguments_.push_back(nb::int_(n));
  }

  nb::object like(nb::handle tensor) const {
    static PyObject* name = PyUnicode_InternFromString("new_empty");
    PyObject* arguments[MOST];
    arguments[0] = tensor.ptr();
    for (size_t k = 1; k < arguments_.size(); ++k) arguments[k] = arguments_[k].ptr();
    return made(PyObject_VectorcallMethod(name, arguments, arguments_.size(), nullptr));
  }

  // As a tuple.
  nb::object shape() const {
    nb::list numbers;
    for (size_t k = 1; k < arguments_.size(); ++k) numbers.append(arguments_[k]);
    return nb::tuple(numbers);
  }

 private:
  static constexpr size_t MOST = 5;
  Tensors arguments_;  // the first is the tensor's place
};

Sizes shape_of(const View& t) { return Sizes(t.shape, t.shape + t.ndim); }

nb::object empty_like(nb::handle tensor) {
  return made(PyObject_CallFunctionObjArgs(empty_like_function, tensor.ptr(), nullptr));
}

// A tensor whose rows' numbers lie side by side.
nb::object readable(nb::object tensor) {
  if (tensor.is_none() || is_readable(view(tensor))) return tensor;
  return made(PyObject_CallFunctionObjArgs(readable_function, tensor.ptr(), nullptr));
}

// What packed runs write in place must be nobody else's.
nb::object copy(nb::object tensor) { return readable(tensor.attr("clone")().attr("contiguous")()); }

View seen(nb::handle tensor) { return tensor.is_none() ? View{} : view(tensor); }

// Packed weights of one bytecode. Who takes some has them alone until they are put back, so that threads may share a
// module. All of it under the interpreter's lock.
class Shelf {
 public:
  explicit Shelf(nb::object make) : make_(std::move(make)) {}  // make: called for new ones

  nb::object take() {
    if (kept_.empty()) return make_();
    nb::object weights = std::move(kept_.back());
    kept_.pop_back();
    return weights;
  }
  void put_back(nb::object weights) { kept_.push_back(std::move(weights)); }

 private:
  nb::object make_;
  Tensors kept_;
};

struct Tape {
  Arena own;
  uintptr_t address;
  int64_t bytes;
};

// What the forward pass leaves for the backward pass.
struct Record {
  Record() = default;
  Record(const Record&) = delete;
  std::vector<int64_t> looks;            // of the call's tensors, if known
  Tensors outputs;                       // of each layer but the last
  std::vector<std::vector<Tape>> tapes;  // of each direction of each layer, of each run
};

using RunOf = std::tuple<nb::object, int64_t>;  // a route, and the bytes of its tape
// Inputs of the program among the call's, which of them are stepwise, runs, shelf, first parameter, how many, and which
// of these have gradients.
using LegOf = std::tuple<std::vector<int32_t>, std::vector<bool>, std::vector<RunOf>, nb::object, int64_t, int64_t,
                         std::vector<int64_t>>;

// One direction of one layer.
struct Leg {
  std::vector<int32_t> columns;
  std::vector<bool> stepwise;
  std::vector<RunOf> runs;
  Shelf* shelf;
  nb::object shelf_kept;
  int64_t first_param, n_params;
  std::vector<int64_t> trained;

  explicit Leg(const LegOf& made)
      : columns(std::get<0>(made)),
        stepwise(std::get<1>(made)),
        runs(std::get<2>(made)),
        shelf_kept(std::get<3>(made)),
        first_param(std::get<4>(made)),
        n_params(std::get<5>(made)),
        trained(std::get<6>(made)) {
    shelf = nb::cast<Shelf*>(shelf_kept);
  }
  const Route& route(size_t run) const { return *nb::cast<Route*>(std::get<0>(runs[run])); }
  int64_t tape_bytes(size_t run) const { return std::get<1>(runs[run]); }
};

// One pass, of one size, over a call's tensors (the inputs, the initial states if given, the parameters): inference,
// the forward pass of training or its backward pass.
class Course {
 public:
  Course(const std::vector<std::vector<LegOf>>& layers, const std::vector<Sizes>& outputs,
         const std::vector<Sizes>& states, std::vector<double> starts, int64_t n_inputs, bool has_states, bool single,
         bool packed, bool to_inputs)
      : outputs_(outputs.begin(), outputs.end()),
        states_(states.begin(), states.end()),
        starts_(std::move(starts)),
        n_inputs_(n_inputs),
        has_states_(has_states),
        single_(single),
        packed_(packed),
        to_inputs_(to_inputs) {
    for (const auto& legs : layers) layers_.emplace_back(legs.begin(), legs.end());
  }

  // The output, and each state after it. With a record: tapes, at the given addresses if there are any.
  nb::tuple forward(nb::handle tensors, uint64_t seed, int threads, Record* record,
                    const std::vector<uintptr_t>& memory) const {
    Given given(*this, tensors);
    if (record) record->looks = given.looks();
    Tensors finals = ends(given);
    nb::object output;
    std::vector<View> at;
    for (size_t layer = 0; layer < layers_.size(); ++layer) {
      nb::object current = layer ? output : given.inputs[0];
      output = outputs_[layer].like(given.inputs[0]);
      if (record && layer) record->outputs.push_back(current);
      View from = view(current), to = view(output);
      for (const Leg& leg : layers_[layer]) {
        at.clear();
        for (int32_t c : leg.columns) at.push_back(c ? given.seen_inputs[size_t(c)] : from);
        at.push_back(to);
        for (size_t k = 0; k < states_.size(); ++k) at.push_back(packed_ ? view(finals[k]) : seen(given.states[k]));
        for (size_t k = 0; k < states_.size(); ++k) at.push_back(seen(finals[k]));
        std::vector<Tape> tapes;
        nb::object weights = leg.shelf->take();
        for (size_t run = 0; run < leg.runs.size(); ++run) {
          Tape tape = record ? make_tape(leg.tape_bytes(run), memory, record->tapes.size()) : Tape{{}, 0, 0};
          leg.route(run).run(*nb::cast<Weights*>(weights), at, given.params_of(leg), {}, tape.address, tape.bytes, seed,
                             threads);
          if (record) tapes.push_back(std::move(tape));
        }
        leg.shelf->put_back(std::move(weights));
        if (record) record->tapes.push_back(std::move(tapes));
      }
    }
    nb::list results;
    results.append(output);
    for (size_t k = size_t(single_); k < finals.size(); ++k) results.append(finals[k]);
    return nb::tuple(results);
  }

  // The gradients of the tensors, None for what is not wanted, by those of the output and of the states after it.
  nb::tuple backward(nb::handle tensors, const Record& record, nb::handle grads, uint64_t seed, int threads) const {
    Given given(*this, tensors);
    size_t expected = layers_.size() * layers_[0].size();
    if (record.tapes.size() != expected || record.outputs.size() + 1 != layers_.size())
      throw std::invalid_argument("a record of another call");
    if (!record.looks.empty() && record.looks != given.looks())
      throw std::invalid_argument(
          "what autograd saved came back with another type, device, shape or layout of a parameter: hooks on saved "
          "tensors "
          "must hand back what they were given");
    nb::object to_output = readable(nb::borrow(item(grads, 0)));
    Tensors before, after;
    for (size_t k = 0; k < states_.size(); ++k) {
      bool inside = single_ && k == 0;  // the output is this state
      before.push_back(inside ? nb::none() : readable(nb::borrow(item(grads, k + 1 - size_t(single_)))));
      if (packed_)
        before[k] = before[k].is_none() ? given.inputs[0].attr("new_zeros")(states_[k].shape()) : copy(before[k]);
      after.push_back(packed_ ? before[k] : has_states_ ? states_[k].like(given.inputs[0]) : nb::none());
    }
    Tensors of_inputs{size_t(n_inputs_), nb::none()}, of_params{given.params.size(), nb::none()};
    size_t number = expected;
    for (size_t layer = layers_.size(); layer-- > 0;) {
      nb::object current = layer ? record.outputs[layer - 1] : given.inputs[0];
      nb::object below = nb::none();
      const std::vector<Leg>& legs = layers_[layer];
      number -= legs.size();
      for (size_t direction = 0; direction < legs.size(); ++direction)
        go_back(legs[direction], given, current, to_output, before, after, record.tapes[number + direction],
                layer || to_inputs_, seed, threads, below, of_inputs, of_params);
      to_output = below;
    }
    of_inputs[0] = to_output;
    nb::list results;
    for (const nb::object& g : of_inputs) results.append(g);
    for (size_t k = 0; k < states_.size() * has_states_; ++k) results.append(after[k]);
    for (const nb::object& g : of_params) results.append(g);
    return nb::tuple(results);
  }

 private:
  std::vector<std::vector<Leg>> layers_;
  std::vector<Empty> outputs_, states_;
  std::vector<double> starts_;  // of each state, where packed runs go on in the same memory
  int64_t n_inputs_;
  bool has_states_, single_, packed_, to_inputs_;

  // A call's tensors, parted; inputs and states readable.
  struct Given {
    Tensors inputs, states;
    std::vector<View> seen_inputs, params;

    Given(const Course& course, nb::handle tensors) {
      size_t n_inputs = size_t(course.n_inputs_), n_states = course.states_.size(), count = nb::len(tensors);
      if (count < n_inputs + n_states * course.has_states_) throw std::invalid_argument("a call's tensors are missing");
      size_t k = 0;
      for (; k < n_inputs; ++k) {
        inputs.push_back(readable(nb::borrow(item(tensors, k))));
        seen_inputs.push_back(view(inputs.back()));
      }
      for (size_t s = 0; s < n_states; ++s)
        states.push_back(course.has_states_ ? readable(nb::borrow(item(tensors, k++))) : nb::none());
      for (; k < count; ++k) params.push_back(view(item(tensors, k)));
      first_param_ = count - params.size();
      tensors_ = tensors;
    }
    // Types, devices and shapes of all, and whether parameters are contiguous.
    std::vector<int64_t> looks() const {
      std::vector<int64_t> found;
      auto look = [&](const View& t, bool whole) {
        int64_t size = 1;
        for (int32_t d = t.ndim - 1; d >= 0; --d) {
          found.push_back(t.shape[d]);
          if (whole) found.push_back(t.shape[d] == 1 || t.strides[d] == size);
          size *= t.shape[d];
        }
        found.insert(found.end(), {t.ndim, t.dtype.code, t.dtype.bits, t.device.device_type});
      };
      for (const View& t : seen_inputs) look(t, false);
      for (const nb::object& s : states) look(seen(s), false);
      for (const View& t : params) look(t, true);
      return found;
    }
    Views params_of(const Leg& leg) const {
      if (params.size() < size_t(leg.first_param + leg.n_params))
        throw std::out_of_range("a call's parameters are missing");
      return Views(params).subspan(size_t(leg.first_param), size_t(leg.n_params));
    }
    nb::handle param(const Leg& leg, int64_t k) const {
      return item(tensors_, first_param_ + size_t(leg.first_param + k));
    }

   private:
    nb::handle tensors_;
    size_t first_param_;
  };

  // Memory for the states after the call, or where packed runs begin and go on.
  Tensors ends(const Given& given) const {
    Tensors finals;
    for (size_t k = 0; k < states_.size(); ++k) {
      if (!packed_)
        finals.push_back(single_ && k == 0 ? nb::none() : states_[k].like(given.inputs[0]));
      else if (has_states_)
        finals.push_back(copy(given.states[k]));
      else
        finals.push_back(given.inputs[0].attr("new_full")(states_[k].shape(), starts_.at(k)));
    }
    return finals;
  }

  static Tape make_tape(int64_t bytes, const std::vector<uintptr_t>& memory, size_t number) {
    if (!memory.empty()) return {{}, memory.at(number), bytes};
    Arena own{size_t(bytes)};
    uintptr_t address = uintptr_t(own.data());
    return {std::move(own), address, bytes};
  }

  // One leg's gradients, added to what there is of them.
  void go_back(const Leg& leg, const Given& given, nb::handle current, nb::handle to_output, const Tensors& before,
               const Tensors& after, const std::vector<Tape>& tapes, bool to_inputs, uint64_t seed, int threads,
               nb::object& below, Tensors& of_inputs, Tensors& of_params) const {
    if (tapes.size() != leg.runs.size()) throw std::invalid_argument("a record of another call");
    std::vector<View> at;
    for (int32_t c : leg.columns) at.push_back(c ? given.seen_inputs[size_t(c)] : view(current));
    at.push_back(seen(to_output));
    for (const nb::object& g : before) at.push_back(seen(g));
    for (const nb::object& g : after) at.push_back(seen(g));
    Tensors made_inputs;
    for (size_t k = 0; to_inputs && k < leg.columns.size(); ++k) {
      nb::handle t = leg.columns[k] ? nb::handle(given.inputs[size_t(leg.columns[k])]) : current;
      Empty shape(shape_of(at[k]));
      made_inputs.push_back(leg.stepwise[k] ? shape.like(t) : nb::object(t.attr("new_zeros")(shape.shape())));
      at.push_back(view(made_inputs.back()));
    }
    Tensors own = like_trained(leg, given), into = own;
    nb::object weights = leg.shelf->take();
    for (size_t run = leg.runs.size(); run-- > 0;) {
      std::vector<View> written;
      for (const nb::object& g : into) written.push_back(view(g));
      leg.route(run).run(*nb::cast<Weights*>(weights), at, given.params_of(leg), written, tapes[run].address,
                         tapes[run].bytes, seed, threads);
      for (size_t k = 0; run + 1 < leg.runs.size() && k < own.size(); ++k) own[k].attr("add_")(into[k]);
      if (run + 1 == leg.runs.size() && run) into = like_trained(leg, given);
    }
    leg.shelf->put_back(std::move(weights));
    for (size_t k = 0; k < made_inputs.size(); ++k) {
      nb::object& sum = leg.columns[k] ? of_inputs[size_t(leg.columns[k])] : below;
      sum = sum.is_none() ? made_inputs[k] : nb::object(sum.attr("add_")(made_inputs[k]));
    }
    for (size_t k = 0; k < own.size(); ++k) of_params[size_t(leg.first_param + leg.trained[k])] = own[k];
  }

  static Tensors like_trained(const Leg& leg, const Given& given) {
    Tensors grads;
    for (int64_t k : leg.trained) grads.push_back(empty_like(given.param(leg, k)));
    return grads;
  }
};

nb::tuple infer(const Course& course, nb::handle tensors, uint64_t seed, int threads) {
  return course.forward(tensors, seed, threads, nullptr, {});
}

nb::tuple train(const Course& course, nb::handle tensors, uint64_t seed, int threads, std::vector<uintptr_t> memory) {
  auto record = std::make_unique<Record>();
  nb::tuple results = course.forward(tensors, seed, threads, record.get(), memory);
  return nb::make_tuple(results, nb::cast(std::move(record)));
}

}  // namespace

void add_calls(nb::module_& m) {
  using namespace nb::literals;
  m.def("make_tensors_by", make_tensors_by, "empty_like"_a, "readable"_a);
  nb::class_<Shelf>(m, "Shelf", "Packed weights of one bytecode, as many as calls are under way at once.")
      .def(nb::init<nb::object>(), "make"_a);
  nb::class_<Record>(m, "Record", "What the forward pass of training leaves for the backward pass.")
      .def(
          "__init__",
          [](Record* self, const std::vector<std::tuple<uintptr_t, int64_t>>& tapes) {
            new (self) Record;
            for (auto [address, bytes] : tapes) {
              std::vector<Tape>& one = self->tapes.emplace_back();
              one.push_back({{}, address, bytes});
            }
          },
          "tapes"_a);
  nb::class_<Course>(m, "Course", "One pass of some layers over tensors of one size.")
      .def(nb::init<const std::vector<std::vector<LegOf>>&, const std::vector<Sizes>&, const std::vector<Sizes>&,
                    std::vector<double>, int64_t, bool, bool, bool, bool>(),
           "layers"_a, "outputs"_a, "states"_a, "starts"_a, "n_inputs"_a, "has_states"_a, "single"_a, "packed"_a,
           "to_inputs"_a)
      .def("infer", infer, "tensors"_a, "seed"_a, "threads"_a)
      .def("train", train, "tensors"_a, "seed"_a, "threads"_a, "memory"_a)
      .def("backward", &Course::backward, "tensors"_a, "record"_a, "grads"_a, "seed"_a, "threads"_a);
}

}  // namespace ostinato
