// A decoded bytecode. Whoever holds a Program holds words that passed every check of docs/bytecode.md.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels.h"

namespace ostinato {

enum Space : int32_t { CONST, PARAM, GIVEN, GRAD, ROW, CHUNK, WORK, TILE, TAPE, TIME, CARRY, STEP, SEQ, N_SPACES };
enum Section : int32_t { PROLOGUE, ROWS_ONCE, PRE, LOOP, POST, ACC, EPILOGUE, N_SECTIONS };
enum ExternKind : int32_t { STEP_IN, STEP_OUT, SEQ_IN, SEQ_OUT };

struct Value {
  Space space;
  int32_t offset, width, shift, index;
};

struct Shape {
  int32_t rows, cols;
  int64_t size() const { return int64_t(rows) * cols; }
};

struct Extern {
  int32_t kind, width, optional;
};

// Value numbers and extern numbers; an extern of -1 is none.
struct State {
  int32_t in, out, extern_in, extern_out, constant;
};

// One packed matrix: all outputs by all segments, in the layout that gemm reads.
struct Pack {
  struct Block {
    int32_t value;
    bool transposed;
  };
  std::vector<int32_t> out_widths, seg_widths;
  std::vector<Block> blocks;  // [n_out][n_seg]
  int64_t depth = 0;          // sum of seg_widths
};

// What runs as one: a run of pointwise instructions of one width, or a single other instruction.
struct Item {
  int32_t opcode = 0;               // POINTWISE for a run
  int32_t at = 0;                   // place in the words, for messages
  const int32_t* words = nullptr;   // after the first word
  int32_t n_words = 0;              // after the first word
  int32_t first_op = 0, n_ops = 0;  // a run: its part of Program::ops
  int32_t width = 0;                // a run: of every operand that is not a scalar
  std::vector<int32_t> values;      // a run: every value in rows that it touches, once
};

struct Program {
  std::vector<int32_t> words;
  std::vector<double> consts;

  bool backward = false;
  int64_t param_size = 0, row_width = 0, chunk_width = 0, work_width = 0, tile_slots = 0, tape_width = 0,
          time_width = 0, carry_width = 0;

  std::vector<Shape> params, grads;
  std::vector<Extern> externs;
  std::vector<State> states;
  std::vector<Value> values;
  std::vector<Pack> packs;
  std::vector<PointwiseOp> ops;
  std::vector<Item> sections[N_SECTIONS];

  // Derived by the verifier.
  std::vector<uint8_t> own_param;    // per value: a PARAM that ACC or EPILOGUE writes: each run has its own
  std::vector<uint8_t> given_later;  // per param: read after the PROLOGUE and the packing
  bool writes_param_late = false;

  Program(const int32_t* words, int64_t n_words, const double* consts, int64_t n_consts);
};

// Spaces whose values have rows.
inline bool in_rows(Space space) { return space >= ROW; }
// Spaces whose address moves with the step of the sequence.
inline bool moves(Space space) { return space == CHUNK || space == TAPE || space == TIME || space == STEP; }

[[noreturn]] void fail(int64_t at, const std::string& cause);
void verify(Program& program);

}  // namespace ostinato
