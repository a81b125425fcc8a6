// A program with its numbers: constants in the run's type, what the PROLOGUE computes, the packed matrices.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "arena.h"
#include "lockstep.h"
#include "program.h"

namespace ostinato {

// The caller's side of one run.
struct Call {
  int64_t T = 0, B = 0;
  struct Address {
    uintptr_t address;
    int64_t time_stride, row_stride;  // in elements
  };
  std::vector<Address> externs;
  uintptr_t tape = 0;
  int64_t tape_bytes = 0;
  std::vector<uintptr_t> grads;
  int64_t first_step = 0;
  uint64_t seed = 0;
  int64_t stream = 0;
  int threads = 1;
  int64_t valid = -1;               // the extern that says which steps are real: where 0, states stay and outputs are 0
  bool (*interrupted)() = nullptr;  // asked on the calling thread about every 50 ms
};

int64_t tape_size(const Program& program, bool is_double, int64_t T, int64_t B);

class Weights {
 public:
  virtual ~Weights() = default;
  // Takes the caller's parameters over; costs one reading of them where they are what they were.
  virtual void update(const std::vector<uintptr_t>& params) = 0;
  virtual bool run(const Call& call) = 0;  // false: interrupted
};

std::unique_ptr<Weights> make_weights(std::shared_ptr<const Program> program, bool is_double, const Isa& isa);

// What one update leaves; runs share it and a later update makes another while any of them uses it.
template <class Real>
struct Filled {
  Arena params;                     // [param_size]
  Arena given;                      // copies of the caller's parameters that are read later
  Arena packs;                      // every pack, [panels][depth][width of a panel]
  std::vector<Real*> given_at;      // [params] where the copy lies, or null
  std::vector<Real*> level_p;       // [values] addresses of CONST, PARAM and GIVEN values, otherwise null
  std::vector<const Real*> packed;  // [packs]
};

template <class Real>
class TypedWeights final : public Weights {
 public:
  TypedWeights(std::shared_ptr<const Program> program, const Kernels<Real>& kernels);
  void update(const std::vector<uintptr_t>& params) override;
  bool run(const Call& call) override;

 private:
  void reserve(Filled<Real>& filled) const;
  void fill(Filled<Real>& filled, const std::vector<uintptr_t>& params) const;
  GemmShape cut(const Pack& pack);
  int64_t width(const GemmShape& shape) const;
  void pack(Filled<Real>& filled, const std::vector<Real*>& at) const;

  std::shared_ptr<const Program> program_;
  const Kernels<Real>& kernels_;
  Arena consts_;                              // scalars SCALAR_LANES times, vectors as they are
  std::vector<Real*> const_at_;               // [values]
  std::vector<std::vector<Column>> columns_;  // [packs]
  std::vector<GemmShape> shapes_;             // [packs]
  int64_t loop_bytes_ = 0;                    // of the packs that LOOP streams at every step
  uint64_t fingerprint(const std::vector<uintptr_t>& params) const;

  std::vector<Split> splits_;  // of a run's steps among 2, 3, ... members
  Trial trial_;

  std::mutex mutex_;
  std::shared_ptr<Filled<Real>> filled_;
  uint64_t filled_from_ = 0;  // fingerprint of the parameters in filled_
};

}  // namespace ostinato
