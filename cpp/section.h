// Carries out the instructions of a section over a rectangle of steps and rows.
#pragma once

#include "lockstep.h"
#include "program.h"

namespace ostinato {

template <class Real>
struct Frame {
  const Program* program;
  const Kernels<Real>* kernels;
  const GemmShape* shapes;    // [packs]
  const Real* const* packed;  // [packs]
  Real** at;                  // [values] address at the first step, row 0
  int64_t* step;              // [values] from one step to the next, in numbers
  int64_t* row;               // [values] from one row to the next
  int64_t* ahead;             // [values] from one step to the next one taken, of what lies in memory for the whole run
  bool fetches;               // whether that is more than a cache holds
  uint8_t* flat;              // [ops] whether every operand's rows lie side by side
  uint8_t* scratch_flat;      // [ops]
  GemmLines<Real>* lines;     // [lines_of(program)] the operands of one gemm
  int64_t steps, rows;        // the rectangle
  uint64_t seed;
  uint32_t stream, first_row, first_step;  // of the rectangle, as random numbers count them
  bool last_first;                         // the order of a product's panels
  bool once;                               // draws are one a sequence

  const Split* split;  // among members, or null
  int member;

  void carry_out(const std::vector<Item>& section);
  // This member's part of it.
  void carry_out(const std::vector<Item>& section, const uint8_t* waits, Member& crew, int64_t at_step);
  // To be called when rows or strides have changed.
  void find_flat();
  void find_ahead();

 private:
  void carry_out(const Item& item);
  void run(const Item& item);
  void gemm(const Item& item);
  void rowwise(const Item& item);
  bool flat_over(const PointwiseOp& op, const int64_t* stride) const;
};

// How many operands the widest GEMM has.
int64_t lines_of(const Program& program);

}  // namespace ostinato
