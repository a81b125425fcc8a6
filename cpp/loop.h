// One run: what its blocks, its sums over time and its epilogue share.
#pragma once

#include <atomic>
#include <chrono>

#include "pool.h"
#include "section.h"
#include "weights.h"

namespace ostinato {

// What a tape begins with.
struct TapeHeader {
  uint64_t magic;
  int64_t T, B, rows, tape_width;  // rows: of a block
  int64_t real_bytes;
  int64_t unused[2];
};
static_assert(sizeof(TapeHeader) == 64);

// Asks now and then on the calling thread whether the user wants to stop.
class Watch {
 public:
  explicit Watch(bool (*interrupted)()) : interrupted_(interrupted) {}
  bool stopped() const { return stopped_.load(std::memory_order_relaxed); }
  // On the calling thread only.
  void look() {
    auto now = std::chrono::steady_clock::now();
    if (!interrupted_ || now - last_ < std::chrono::milliseconds(50)) return;
    last_ = now;
    if (interrupted_()) stopped_ = true;
  }

 private:
  bool (*interrupted_)();
  std::atomic<bool> stopped_{false};
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// The steps that a block takes; before and after them none of its rows has a real one.
struct Span {
  int64_t first, steps;
  bool holds(int64_t s) const { return s >= first && s < first + steps; }
};

// What a block keeps from one slice of steps to the next.
struct Kept {
  size_t row, carry;
  Layout layout;

  Kept(const Program& p, int64_t R, int64_t real) {
    row = layout.add(R, p.row_width, real);
    carry = layout.add(R * 2, p.carry_width, real);
    layout.add(3, LINE_BYTES);  // processors fetch lines in pairs: another block's must not be among them
  }
};

template <class Real>
struct Run {
  const Program& program;
  const Kernels<Real>& kernels;
  const std::vector<GemmShape>& shapes;
  const Filled<Real>& filled;
  const Call& call;
  int64_t R, C;  // rows of a block, steps of a chunk
  int64_t blocks;
  Real* tape;        // after the header, [blocks][rows of it * (T + 1) * tape_width]
  Real* time;        // [blocks][rows of it * T * time_width]
  Real* zeros;       // as wide as the widest optional extern
  Real* own_params;  // [param_size], what ACC and EPILOGUE write
  const Kept& kept;
  std::byte* kept_memory;  // [blocks]
  const Span* spans;       // [blocks]
  const Split* splits;     // among 2, 3, ... members
  Watch watch;

  int64_t rows_of(int64_t block) const { return std::min(R, call.B - block * R); }
  std::byte* kept_by(int64_t block) const { return kept_memory + block * kept.layout.bytes(); }
  // The address of a P-level value in ACC and EPILOGUE.
  Real* late(int32_t v) const;
};

// The sums of ACC, split into tasks by their outputs.
template <class Real>
void accumulate(Run<Real>& run);

}  // namespace ostinato
