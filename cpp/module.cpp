// The Python module: addresses and sizes in, nothing else. The interpreter's lock is released while it works.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include "isa.h"
#include "pool.h"
#include "tensors.h"
#include "weights.h"

namespace nb = nanobind;

namespace ostinato {

bool interrupted() {
  nb::gil_scoped_acquire lock;
  return PyErr_CheckSignals() != 0;
}

namespace {

struct Kernel {
  std::shared_ptr<const Program> program;
};

struct Tape {
  Arena memory;
  int64_t nbytes;
  explicit Tape(int64_t bytes)
      : memory(bytes < 0 ? throw std::invalid_argument("a tape of negative size") : bytes), nbytes(bytes) {}
};

using Words = nb::ndarray<const int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Constants = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

void update(Weights& weights, const std::vector<uintptr_t>& params) {
  nb::gil_scoped_release release;
  weights.update(params);
}

void run(Weights& weights, int64_t steps, int64_t rows, const std::vector<int64_t>& externs, uintptr_t tape,
         int64_t tape_bytes, std::vector<uintptr_t> grads, int64_t first_step, uint64_t seed, int64_t stream,
         int threads, int64_t valid) {
  Call call;
  call.T = steps, call.B = rows;
  if (externs.size() % 3) throw std::invalid_argument("run: externs are (address, time stride, row stride) each");
  call.externs.reserve(externs.size() / 3);
  for (size_t k = 0; k < externs.size(); k += 3)
    call.externs.push_back({uintptr_t(externs[k]), externs[k + 1], externs[k + 2]});
  call.tape = tape, call.tape_bytes = tape_bytes, call.grads = std::move(grads);
  call.first_step = first_step, call.seed = seed, call.stream = stream, call.threads = threads, call.valid = valid;
  call.interrupted = interrupted;
  bool finished;
  {
    nb::gil_scoped_release release;
    finished = weights.run(call);
  }
  if (!finished) throw nb::python_error();
}

template <class Real>
void apply(const Kernels<Real>& kernels, PointwiseOp op, int64_t n, const uintptr_t* addresses) {
  FlushSubnormals flush;
  Real* at[4];
  int64_t strides[4] = {};
  for (int k = 0; k < 4; ++k) at[k] = reinterpret_cast<Real*>(addresses[k]);
  uint8_t flat = 1;
  kernels.pointwise(&op, &flat, 1, 1, n, 0, n, at, strides, nullptr);
}

void pointwise(const std::string& name, bool is_double, const std::string& isa, int64_t n, uintptr_t dst, uintptr_t a,
               uintptr_t b, uintptr_t c) {
  static const struct {
    const char* name;
    int32_t opcode, operands;
  } OPS[] = {{"copy", OP_COPY, 2},
             {"neg", OP_NEG, 2},
             {"abs", OP_ABS, 2},
             {"sign", OP_SIGN, 2},
             {"floor", OP_FLOOR, 2},
             {"exp", OP_EXP, 2},
             {"expm1", OP_EXPM1, 2},
             {"log", OP_LOG, 2},
             {"sqrt", OP_SQRT, 2},
             {"rsqrt", OP_RSQRT, 2},
             {"tanh", OP_TANH, 2},
             {"sigmoid", OP_SIGMOID, 2},
             {"softplus", OP_SOFTPLUS, 2},
             {"relu", OP_RELU, 2},
             {"sin", OP_SIN, 2},
             {"cos", OP_COS, 2},
             {"add", OP_ADD, 3},
             {"sub", OP_SUB, 3},
             {"mul", OP_MUL, 3},
             {"div", OP_DIV, 3},
             {"max", OP_MAX, 3},
             {"min", OP_MIN, 3},
             {"lt", OP_LT, 3},
             {"le", OP_LE, 3},
             {"eq", OP_EQ, 3},
             {"dtanh", OP_DTANH, 3},
             {"dsigmoid", OP_DSIGMOID, 3},
             {"where", OP_WHERE, 4},
             {"fma", OP_FMA, 4},
             {"mul_dtanh", OP_MUL_DTANH, 4},
             {"mul_dsigmoid", OP_MUL_DSIGMOID, 4}};
  const Isa& set = choose_isa(isa);
  for (auto& row : OPS) {
    if (name != row.name) continue;
    uintptr_t addresses[4] = {dst, a, b, c};
    PointwiseOp op{row.opcode, row.operands, {}};
    for (int k = 0; k < row.operands; ++k) {
      op.operand[k].value = k;
      if (n < 0 || (n > 0 && !addresses[k]))
        throw std::invalid_argument("pointwise: a null address or a negative size");
    }
    return is_double ? apply(*set.f64, op, n, addresses) : apply(*set.f32, op, n, addresses);
  }
  throw std::invalid_argument("no pointwise operation is called \"" + name + "\"");
}

}  // namespace

}  // namespace ostinato

using namespace ostinato;

NB_MODULE(_native, m) {
  using namespace nb::literals;
  nb::set_leak_warnings(false);  // kernels that modules keep live until the interpreter ends
  m.doc() = "The native engine; docs/bytecode.md is its contract.";

  m.def("instruction_sets", [] {
    std::vector<std::string> names;
    for (const Isa* isa : instruction_sets()) names.push_back(isa->name);
    return names;
  });

  nb::class_<Kernel>(m, "Kernel", "A verified bytecode.")
      .def(
          "__init__",
          [](Kernel* self, Words words, Constants consts) {
            new (self) Kernel{std::make_shared<const Program>(words.data(), int64_t(words.size()), consts.data(),
                                                              int64_t(consts.size()))};
          },
          "words"_a, "consts"_a);

  nb::class_<Weights>(m, "Weights", "The prologue's values and the packed matrices of one kernel in one type.")
      .def(nb::new_([](const Kernel& kernel, bool is_double, const std::string& isa) {
             return make_weights(kernel.program, is_double, choose_isa(isa));
           }),
           "kernel"_a, "double"_a, "isa"_a = "")
      .def("update", update, "params"_a);

  nb::class_<Tape>(m, "Tape", "Pooled memory between a forward and a backward pass.")
      .def(nb::init<int64_t>(), "nbytes"_a)
      .def_prop_ro("address", [](const Tape& tape) { return uintptr_t(tape.memory.data()); })
      .def_prop_ro("nbytes", [](const Tape& tape) { return tape.nbytes; });

  m.def(
      "tape_bytes",
      [](const Kernel& kernel, bool is_double, int64_t steps, int64_t rows, int) {
        return tape_size(*kernel.program, is_double, steps, rows);
      },
      "kernel"_a, "double"_a, "steps"_a, "rows"_a, "threads"_a = 1);

  m.def("run", run, "weights"_a, "steps"_a, "rows"_a, "externs"_a, "tape"_a, "tape_bytes"_a, "grads"_a,
        "first_step"_a = 0, "seed"_a = 0, "stream"_a = 0, "threads"_a = 1, "valid"_a = -1);
  add_tensors(m);
  add_calls(m);
  m.def("pointwise", pointwise, "name"_a, "double"_a, "isa"_a, "n"_a, "dst"_a, "a"_a, "b"_a, "c"_a);
  m.def("set_thread_pool", set_thread_pool, "name"_a, "path"_a = "");
}
