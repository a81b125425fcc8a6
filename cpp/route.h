// One pass over one size of tensors: everything about it but the tensors.
#pragma once

#include <span>
#include <stdexcept>
#include <tuple>
#include <vector>

#include "tensors.h"
#include "weights.h"

namespace ostinato {

// Where an extern lies: in which tensor, from which index of its first dimension on, `step` of them from one step of
// time to the next, `across` the dimension of rows, from which column on.
using Place = std::tuple<int32_t, int64_t, int64_t, int32_t, int64_t>;
using Slot = std::tuple<int32_t, int64_t>;  // tensor, element

using Views = std::span<const View>;

class Route {
 public:
  Route(int64_t steps, int64_t rows, std::vector<Place> externs, std::vector<Slot> params, std::vector<Slot> grads,
        int64_t first_step, int64_t stream, int64_t valid)
      : externs_(std::move(externs)), params_(std::move(params)), grads_(std::move(grads)) {
    call_.T = steps, call_.B = rows, call_.first_step = first_step, call_.stream = stream, call_.valid = valid;
    call_.interrupted = interrupted;
  }

  // Fills the weights from the parameters and runs. A tensor may be none, for no extern.
  void run(Weights& weights, Views tensors, Views params, Views grads, uintptr_t tape, int64_t tape_bytes,
           uint64_t seed, int threads) const {
    Call call = call_;
    call.tape = tape, call.tape_bytes = tape_bytes, call.seed = seed, call.threads = threads;
    place(tensors, call.externs);
    std::vector<uintptr_t> from = addresses(params, params_);
    call.grads = addresses(grads, grads_);
    bool finished;
    {
      nanobind::gil_scoped_release release;
      weights.update(from);
      finished = weights.run(call);
    }
    if (!finished) throw nanobind::python_error();
  }

 private:
  Call call_;
  std::vector<Place> externs_;
  std::vector<Slot> params_, grads_;

  void place(Views tensors, std::vector<Call::Address>& externs) const {
    externs.reserve(externs_.size());
    for (auto [number, first, step, across, column] : externs_) {
      const View& t = at(tensors, number);
      if (!t.data) {
        externs.push_back({0, 0, 0});
        continue;
      }
      if (!side_by_side(t) || across >= t.ndim) throw std::invalid_argument("a tensor's rows are not side by side");
      int64_t start = first * t.strides[0] + column;
      externs.push_back({address(t) + uintptr_t(start * (t.dtype.bits / 8)), step * t.strides[0], t.strides[across]});
    }
  }

  static const View& at(Views tensors, int32_t number) {
    if (size_t(number) >= tensors.size()) throw std::out_of_range("a route's tensor is missing");
    return tensors[size_t(number)];
  }

  static std::vector<uintptr_t> addresses(Views tensors, const std::vector<Slot>& slots) {
    std::vector<uintptr_t> found;
    found.reserve(slots.size());
    for (auto [number, element] : slots) {
      const View& t = at(tensors, number);
      found.push_back(address(t) + uintptr_t(element) * (t.dtype.bits / 8));
    }
    return found;
  }
};

}  // namespace ostinato
