// The border between the engine and the instruction sets: plain structures and one table of functions for
// each instruction set and type. Nothing here is inline, so that no code built for a newer processor can be
// picked by the linker for an older one.
#pragma once

#include <cstdint>

namespace ostinato {

// clang-format off
enum Opcode : int32_t {
  POINTWISE = 0,  // not in the words: stands for a run of 1 ... 63
  OP_COPY = 1, OP_NEG, OP_ABS, OP_SIGN, OP_FLOOR, OP_EXP, OP_EXPM1, OP_LOG, OP_SQRT, OP_RSQRT, OP_TANH,
  OP_SIGMOID, OP_SOFTPLUS, OP_RELU, OP_SIN, OP_COS,
  OP_ADD = 32, OP_SUB, OP_MUL, OP_DIV, OP_MAX, OP_MIN, OP_LT, OP_LE, OP_EQ, OP_DTANH, OP_DSIGMOID,
  OP_WHERE = 56, OP_FMA, OP_MUL_DTANH, OP_MUL_DSIGMOID,
  OP_EXPAND = 64, OP_SUM, OP_COPYCOLS, OP_ZERO, OP_NORMALISE, OP_NORMALISE_GRAD, OP_GEMM, OP_UNIFORM, OP_ROWS,
  OP_TRANSPOSE, OP_MATVEC, OP_OUTER1,
  OP_OUTER = 80, OP_COLSUM,
};
// clang-format on

constexpr int64_t TILE_NUMBERS = 512;  // numbers of one tile: a few of them share the first cache
constexpr int64_t CHAIN_LENGTH = 128;  // numbers of a segment after which a product begins a new chain
constexpr int64_t GEMM_ROWS = 64;      // rows of one call of gemm: a panel of weights stays near while they take turns
constexpr int64_t LINE_BYTES = 64;     // of the caches
constexpr int64_t FINGERPRINT_LANES = 64;  // of 64 bits, at most
constexpr int64_t SCALAR_LANES = 16;       // a scalar is stored this many times, so that it loads like a vector

// An operand advances with the tile (-1) or stays (0); it is a vector (-1) or one splat scalar (0).
struct Operand {
  int32_t value = 0;
  bool first = false;  // its run meets it here for the first time
  int64_t moves = -1, lanes = -1;
};

struct PointwiseOp {
  int32_t opcode, n_operands;
  Operand operand[4];  // dst, a, b, c
};

// Where `count` numbers of a vector of a packed panel, from its lane `lane` on, lie in the outputs. The vector's next
// lanes may belong to another output: that column is `next` places further, 0: there is none.
struct Column {
  int32_t out = 0, first = 0, count = 0, lane = 0, next = 0;  // count = 0: padding
};

// What the vectors of a packed matrix lie in: panels of several, and at its end perhaps a panel of one.
enum PanelKind { SEVERAL, ONE, PANEL_KINDS };

// Panels of one kind, one after the other.
struct Panels {
  const Column* columns;      // [n * vectors], and those that are next of some
  int64_t n, vectors, width;  // of a panel: vectors, numbers
};

struct GemmShape {
  int32_t n_out, n_seg;
  const int32_t* seg_widths;  // [n_seg]
  int64_t depth;
  Panels panels[PANEL_KINDS];
};

// Columns `first` ... of some rows, each anywhere; what is read later lies about `ahead` bytes further (0: unknown).
template <class Real>
struct Lines {
  const Real* const* at;  // [rows]
  int64_t first, ahead;
};

// Where the rows of one operand of a product lie: row r of group g at first + g * group + r * row.
template <class Real>
struct GemmLines {
  Real* first;  // null: zeros
  int64_t row, group;
};

template <class Real>
struct Kernels {
  int32_t lanes, panel_vectors, tile_rows;

  // A run of ops over columns `first` ... `end` of rows x width. at: [values] addresses of row 0; strides: [values]
  // between rows. flat: [ops] whether every operand's rows lie side by side. ahead: [values] how far away a value lies
  // in the next step taken, so that it is fetched meanwhile, 0: not to be fetched; null: nothing is.
  void (*pointwise)(const PointwiseOp* ops, const uint8_t* flat, int64_t n_ops, int64_t rows, int64_t width,
                    int64_t first, int64_t end, Real* const* at, const int64_t* strides, const int64_t* ahead);

  // packed: [n][depth][width] of each kind of panel; a: [n_seg], dst and init: [n_out].
  // last_first: panels from the last to the first, so that calls in turn meet in the cache what the one before read
  // last.
  void (*gemm)(const GemmShape& shape, const Real* packed, bool last_first, int64_t groups, int64_t rows,
               const GemmLines<Real>* a, const GemmLines<Real>* dst, const GemmLines<Real>* init);

  void (*expand)(Real* dst, const Real* a, int64_t k, int64_t n);    // dst: [n], a: [k]
  void (*sum)(Real* dst, const Real* a, int64_t n, int64_t groups);  // dst: [groups], a: [n]
  void (*normalise)(Real* dst, const Real* a, int64_t n, Real eps);  // dst, a: [n]
  void (*normalise_grad)(Real* dst, const Real* g, const Real* y, const Real* a, int64_t n, Real eps);  // all [n]
  void (*uniform)(Real* dst, int64_t n, uint64_t seed, uint32_t stream, uint32_t row, uint32_t step);   // dst: [n]
  // w: [rows][cols]. dst: [rows], v: [cols]; transposed: dst: [cols], v: [rows].
  void (*matvec)(Real* dst, const Real* w, const Real* v, int64_t rows, int64_t cols, bool transposed);

  // out[n][k], rows of it `ld` apart and whole vectors long: the chain over rows of g[row][n] * v[row][k] from 0, or
  // that added to what is there.
  void (*outer)(int64_t rows, int64_t n, int64_t k, const Lines<Real>& g, const Lines<Real>& v, Real* out, int64_t ld,
                bool go_on);

  void (*fold)(uint64_t* lanes, const void* memory, int64_t bytes);  // lanes: [FINGERPRINT_LANES]
};

struct Isa {
  const char* name;
  const Kernels<float>* f32;
  const Kernels<double>* f64;
};

extern const Isa isa_avx512, isa_avx2, isa_portable;

// 2/pi * |x| reduced to a quadrant and the rest of x in it, for any finite x.
int reduce_quadrant(double x, double* rest);

}  // namespace ostinato
