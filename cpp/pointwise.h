// A run of pointwise instructions, carried out tile by tile: each instruction a loop of vectors over the tile.
// Included inside an instruction set's own namespace.

template <class Real>
struct Pointwise {
  using S = Simd<Real>;
  using V = typename S::V;
  using Fn = Functions<S>;

  // One operand of a loop: element i lies at p[i & lanes].
  struct Source {
    const Real* p;
    int64_t lanes;
    V load(int64_t i) const { return S::load(p + (i & lanes)); }
  };
  // The same where it is no scalar.
  struct Vector {
    const Real* p;
    V load(int64_t i) const { return S::load(p + i); }
  };
  // The same for the n elements that do not fill a vector.
  struct Tail {
    const Source& source;
    int64_t n;
    V load(int64_t i) const { return S::load(source.p + (i & source.lanes), n); }
  };

  template <class F>
  static void loop(Real* d, const Source (&s)[3], int64_t n, F f) {
    int64_t i = 0;
    if (s[0].lanes & s[1].lanes & s[2].lanes) {
      const Vector v[3] = {{s[0].p}, {s[1].p}, {s[2].p}};
      for (; i + 2 * S::W <= n; i += 2 * S::W) {
        V first = f(v, i), second = f(v, i + S::W);
        S::store(d + i, first), S::store(d + i + S::W, second);
      }
    }
    for (; i + S::W <= n; i += S::W) S::store(d + i, f(s, i));
    if (i == n) return;
    const Tail tail[3] = {{s[0], n - i}, {s[1], n - i}, {s[2], n - i}};
    S::store(d + i, f(tail, i), n - i);
  }

  static void apply(int32_t opcode, Real* d, const Source (&s)[3], int64_t n) {
#define UNARY(name, expression)                             \
  case name:                                                \
    return loop(d, s, n, [](const auto(&x)[3], int64_t i) { \
      V a = x[0].load(i);                                   \
      return expression;                                    \
    });
#define BINARY(name, expression)                            \
  case name:                                                \
    return loop(d, s, n, [](const auto(&x)[3], int64_t i) { \
      V a = x[0].load(i), b = x[1].load(i);                 \
      return expression;                                    \
    });
#define TERNARY(name, expression)                             \
  case name:                                                  \
    return loop(d, s, n, [](const auto(&x)[3], int64_t i) {   \
      V a = x[0].load(i), b = x[1].load(i), c = x[2].load(i); \
      return expression;                                      \
    });
    switch (opcode) {
      UNARY(OP_COPY, a)
      UNARY(OP_NEG, Fn::neg(a))
      UNARY(OP_ABS, Fn::abs(a))
      UNARY(OP_SIGN, Fn::sign(a))
      UNARY(OP_FLOOR, S::floor(a))
      UNARY(OP_EXP, Fn::exp(a))
      UNARY(OP_EXPM1, Fn::expm1(a))
      UNARY(OP_LOG, Fn::log(a))
      UNARY(OP_SQRT, S::sqrt(a))
      UNARY(OP_RSQRT, Fn::rsqrt(a))
      UNARY(OP_TANH, Fn::tanh(a))
      UNARY(OP_SIGMOID, Fn::sigmoid(a))
      UNARY(OP_SOFTPLUS, Fn::softplus(a))
      UNARY(OP_RELU, Fn::relu(a))
      UNARY(OP_SIN, Fn::sin(a))
      UNARY(OP_COS, Fn::cos(a))
      BINARY(OP_ADD, S::add(a, b))
      BINARY(OP_SUB, S::sub(a, b))
      BINARY(OP_MUL, S::mul(a, b))
      BINARY(OP_DIV, S::div(a, b))
      BINARY(OP_MAX, Fn::max(a, b))
      BINARY(OP_MIN, Fn::min(a, b))
      BINARY(OP_LT, Fn::truth(S::lt(a, b)))
      BINARY(OP_LE, Fn::truth(S::le(a, b)))
      BINARY(OP_EQ, Fn::truth(S::eq(a, b)))
      BINARY(OP_DTANH, Fn::dtanh(a, b))
      BINARY(OP_DSIGMOID, Fn::dsigmoid(a, b))
      TERNARY(OP_WHERE, S::select(S::eq(a, S::set(0)), c, b))
      TERNARY(OP_FMA, S::fma(a, b, c))
      TERNARY(OP_MUL_DTANH, Fn::dtanh(S::mul(a, b), c))
      TERNARY(OP_MUL_DSIGMOID, Fn::dsigmoid(S::mul(a, b), c))
    }
#undef UNARY
#undef BINARY
#undef TERNARY
  }

  // Into the second cache, not the first: that is full of this step, and prefetching there stalls.
  static void fetch(const Real* p, int64_t n) {
    for (int64_t i = 0; i < n; i += LINE_BYTES / int64_t(sizeof(Real))) __builtin_prefetch(p + i, 0, 2);
  }

  // One instruction over `rows` rows of n numbers; address: of an operand in a row.
  template <class A>
  static void lines(const PointwiseOp& op, int64_t rows, int64_t n, const int64_t* ahead, A address) {
    const Operand(&o)[4] = op.operand;
    for (int64_t r = 0; r < rows; ++r) {
      Real* d = address(o[0], r);
      const Source source[3] = {
          {address(o[1], r), o[1].lanes}, {address(o[2], r), o[2].lanes}, {address(o[3], r), o[3].lanes}};
      if (ahead)
        for (int k = 0; k < op.n_operands; ++k)
          if (o[k].first && ahead[o[k].value]) fetch((k ? source[k - 1].p : d) + ahead[o[k].value], n);
      apply(op.opcode, d, source, n);
    }
  }

  // One instruction over rows r ... r + rows of columns c ... c + width of a value of `full` columns. Operands
  // that the opcode does not have are addressed like value 0 and never read.
  static void tile(const PointwiseOp& op, bool flat, int64_t r, int64_t rows, int64_t c, int64_t width, int64_t full,
                   Real* const* at, const int64_t* strides, const int64_t* ahead) {
    if (flat)
      return lines(op, 1, rows * width, ahead,
                   [&](const Operand& x, int64_t) { return at[x.value] + ((r * full + c) & x.moves); });
    lines(op, rows, width, ahead, [&](const Operand& x, int64_t row) {
      return at[x.value] + (x.moves ? (r + row) * strides[x.value] + c : (row * width) & x.lanes);
    });
  }

  static void run(const PointwiseOp* ops, const uint8_t* flat, int64_t n_ops, int64_t rows, int64_t width,
                  int64_t first, int64_t end, Real* const* at, const int64_t* strides, const int64_t* ahead) {
    bool all_flat = true, whole = end - first == width;
    for (int64_t k = 0; k < n_ops; ++k) all_flat &= flat[k] != 0;
    if (all_flat && whole) end = width *= rows, rows = 1;  // one long row
    if (rows == 1 && all_flat && end - first <= TILE_NUMBERS) {
      for (int64_t k = 0; k < n_ops; ++k) tile(ops[k], true, 0, 1, first, end - first, width, at, strides, ahead);
      return;
    }
    int64_t columns = end - first < TILE_NUMBERS ? end - first : TILE_NUMBERS;
    int64_t group = columns < end - first ? 1 : TILE_NUMBERS / columns;
    bool flat_tiles = whole || rows == 1;
    for (int64_t r = 0; r < rows; r += group) {
      int64_t height = rows - r < group ? rows - r : group;
      for (int64_t c = first; c < end; c += columns) {
        int64_t n = end - c < columns ? end - c : columns;
        for (int64_t k = 0; k < n_ops; ++k)
          tile(ops[k], flat_tiles && flat[k], r, height, c, n, width, at, strides, ahead);
      }
    }
  }
};
