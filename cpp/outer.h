// Sums over rows of outer products, for the gradients of matrices: rows of g and v are packed into panels, then
// tiles of outputs run one chain each over the rows. Included inside an instruction set's own namespace.

template <class Real>
struct Outer {
  using S = Simd<Real>;
  using V = typename S::V;
  static constexpr int64_t PANEL = PANEL_VECTORS * S::W;

  template <int R>
  static void tile(int64_t rows, const Real* g, const Real* v, Real* out, int64_t ld, int64_t width, Chain chain) {
    V sum[R][PANEL_VECTORS];
    auto count = [&](int p) {
      int64_t left = width - p * S::W;
      return left < 0 ? 0 : left < S::W ? left : int64_t(S::W);
    };
    auto read = [&](int r, int p) {
      const Real* at = out + r * ld + p * S::W;
      return count(p) == S::W ? S::load(at) : count(p) ? S::load(at, count(p)) : S::set(0);
    };
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
      for (int p = 0; p < PANEL_VECTORS; ++p) sum[r][p] = chain == CHAIN_GO_ON ? read(r, p) : S::set(0);
    for (int64_t row = 0; row < rows; ++row, g += TILE_ROWS, v += PANEL) {
      V x[PANEL_VECTORS];
#pragma GCC unroll 16
      for (int p = 0; p < PANEL_VECTORS; ++p) x[p] = S::load(v + p * S::W);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        V number = S::set(g[r]);
#pragma GCC unroll 16
        for (int p = 0; p < PANEL_VECTORS; ++p) sum[r][p] = S::fma(number, x[p], sum[r][p]);
      }
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
      for (int p = 0; p < PANEL_VECTORS; ++p) {
        V y = chain == CHAIN_ADD ? S::add(read(r, p), sum[r][p]) : sum[r][p];
        Real* at = out + r * ld + p * S::W;
        if (count(p) == S::W)
          S::store(at, y);
        else if (count(p))
          S::store(at, y, count(p));
      }
  }

  template <int R, class... Args>
  static void some_rows(int64_t n, const Args&... args) {
    if constexpr (R > 0) {
      if (n >= R) return tile<R>(args...);
      some_rows<R - 1>(n, args...);
    }
  }

  // Panels of `step` columns, each [rows][step], the last filled with zeros.
  static void pack(int64_t rows, int64_t width, int64_t step, const Real* const* from, Real* to) {
    for (int64_t first = 0; first < width; first += step) {
      int64_t n = width - first < step ? width - first : step;
      for (int64_t row = 0; row < rows; ++row, to += step) {
        const Real* source = from[row] + first;
        for (int64_t i = 0; i < n; ++i) to[i] = source[i];
        for (int64_t i = n; i < step; ++i) to[i] = 0;
      }
    }
  }

  static void chunk(int64_t rows, int64_t n, int64_t k, const Real* const* g, const Real* const* v, Real* scratch,
                    Real* out, int64_t ld, Chain chain) {
    int64_t n_panels = (n + TILE_ROWS - 1) / TILE_ROWS, k_panels = (k + PANEL - 1) / PANEL;
    Real *gs = scratch, *vs = scratch + n_panels * TILE_ROWS * OUTER_ROWS;
    pack(rows, n, TILE_ROWS, g, gs);
    pack(rows, k, PANEL, v, vs);
    for (int64_t p = 0; p < k_panels; ++p)
      for (int64_t q = 0; q < n_panels; ++q)
        some_rows<TILE_ROWS>(n - q * TILE_ROWS, rows, gs + q * TILE_ROWS * rows, vs + p * PANEL * rows,
                             out + q * TILE_ROWS * ld + p * PANEL, ld, k - p * PANEL, chain);
  }

  static void colsum(int64_t rows, int64_t n, const Real* const* g, Real* out, Chain chain) {
    for (int64_t i = 0; i < n; i += S::W) {
      int64_t m = n - i < S::W ? n - i : S::W;
      V sum = chain == CHAIN_GO_ON ? S::load(out + i, m) : S::set(0);
      for (int64_t row = 0; row < rows; ++row)
        sum = S::add(sum, m == S::W ? S::load(g[row] + i) : S::load(g[row] + i, m));
      S::store(out + i, chain == CHAIN_ADD ? S::add(S::load(out + i, m), sum) : sum, m);
    }
  }
};
