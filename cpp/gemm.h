// Packed weights by rows. A panel is two vectors of outputs wide; one tile of rows holds its sums in registers
// and each sum is one chain of fused multiply-adds in the order of k, whatever the tile.
// Included inside an instruction set's own namespace.

template <class Real>
struct Gemm {
  using S = Simd<Real>;
  using V = typename S::V;
  static constexpr int64_t PANEL = PANEL_VECTORS * S::W;

  static V init_of(const Real* p, const Column& c) {
    if (!p || !c.count) return S::set(0);
    return c.count == S::W ? S::load(p + c.first) : S::load(p + c.first, c.count);
  }

  // R rows by P panels that lie `panel_size` numbers apart.
  template <int R, int P>
  static void tile(const GemmShape& shape, const Real* panel, int64_t panel_size, const Column* columns, int64_t row,
                   const Real* const* a, Real* const* dst, const Real* const* init) {
    constexpr int N = P * PANEL_VECTORS;
    V sum[R][N];
#pragma GCC unroll 16
    for (int v = 0; v < N; ++v)
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) sum[r][v] = init_of(init[columns[v].out * GEMM_ROWS + row + r], columns[v]);

    for (int32_t segment = 0; segment < shape.n_seg; ++segment) {
      const Real* x[R];
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) x[r] = a[segment * GEMM_ROWS + row + r];
      int64_t depth = shape.seg_widths[segment];
      for (int64_t k = 0; k < depth; ++k, panel += PANEL) {
        V w[N];
#pragma GCC unroll 16
        for (int v = 0; v < N; ++v) w[v] = S::load(panel + v / PANEL_VECTORS * panel_size + v % PANEL_VECTORS * S::W);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
          V number = S::set(x[r][k]);
#pragma GCC unroll 16
          for (int v = 0; v < N; ++v) sum[r][v] = S::fma(number, w[v], sum[r][v]);
        }
      }
    }
#pragma GCC unroll 16
    for (int v = 0; v < N; ++v) {
      const Column& c = columns[v];
      if (!c.count) continue;
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        Real* p = dst[c.out * GEMM_ROWS + row + r] + c.first;
        if (c.count == S::W)
          S::store(p, sum[r][v]);
        else
          S::store(p, sum[r][v], c.count);
      }
    }
  }

  // The last rows of a panel, fewer than a whole tile.
  template <int R, int P, class... Args>
  static void rest(int64_t rows, const Args&... args) {
    if constexpr (R > 0) {
      if (rows == R) return tile<R, P>(args...);
      rest<R - 1, P>(rows, args...);
    }
  }

  // With few rows there are too few chains to keep the processor busy: take several panels at once.
  template <int R, int P>
  static void few_rows(const GemmShape& shape, const Real* packed, const Real* const* a, Real* const* dst,
                       const Real* const* init, int64_t p = 0) {
    int64_t size = shape.depth * PANEL;
    for (; p + P <= shape.n_panels; p += P)
      tile<R, P>(shape, packed + p * size, size, shape.columns + p * PANEL_VECTORS, 0, a, dst, init);
    if constexpr (P > 1) few_rows<R, P / 2>(shape, packed, a, dst, init, p);
  }

  static void run(const GemmShape& shape, const Real* packed, int64_t rows, const Real* const* a, Real* const* dst,
                  const Real* const* init) {
    if (rows == 1) return few_rows<1, PANELS_OF_ONE_ROW>(shape, packed, a, dst, init);
    if (rows == 2) return few_rows<2, PANELS_OF_TWO_ROWS>(shape, packed, a, dst, init);
    if (rows == 3) return few_rows<3, PANELS_OF_THREE_ROWS>(shape, packed, a, dst, init);
    int64_t size = shape.depth * PANEL;
    for (int64_t p = 0; p < shape.n_panels; ++p) {
      const Real* panel = packed + p * size;
      const Column* columns = shape.columns + p * PANEL_VECTORS;
      int64_t row = 0;
      for (; row + TILE_ROWS <= rows; row += TILE_ROWS)
        tile<TILE_ROWS, 1>(shape, panel, size, columns, row, a, dst, init);
      rest<TILE_ROWS - 1, 1>(rows - row, shape, panel, size, columns, row, a, dst, init);
    }
  }
};
