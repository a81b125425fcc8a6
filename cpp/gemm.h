// Packed weights by rows. A panel is a few vectors of outputs wide; one tile of rows holds its sums in registers
// and each sum is chains of fused multiply-adds in the order of k, cut at the same places whatever the tile.
// Included inside an instruction set's own namespace.

// Everything of one call that does not differ from tile to tile.
template <class Real>
struct Product {
  const GemmShape& shape;
  const GemmLines<Real>*a, *dst, *init;
  bool last_first, few_rows;
  Real* totals;  // of the chains that have ended
};

struct Range {
  int64_t first, end;
};

// Panels of so many vectors.
template <class Real, int VECTORS>
struct Tiles {
  using S = Simd<Real>;
  using V = typename S::V;
  using Lines = GemmLines<Real>;
  using Job = Product<Real>;
  static constexpr int64_t PANEL = VECTORS * S::W;
  static constexpr int MOST_ROWS = VECTORS == 1 ? MOST_ROWS_OF_ONE : MOST_TILE_ROWS;
  static constexpr int PAIR_ROWS = VECTORS == 1 ? 0 : PAIR_TILE_ROWS;  // 0: there are no such tiles

  static_assert(PANELS_OF_ONE_ROW <= MOST_TILE_ROWS && 2 * PANELS_OF_TWO_ROWS <= MOST_TILE_ROWS &&
                3 * PANELS_OF_THREE_ROWS <= MOST_TILE_ROWS && 2 * PAIR_TILE_ROWS <= MOST_TILE_ROWS);

  static Real* address(const Lines& lines, int64_t group, int64_t row) {
    return lines.first + group * lines.group + row * lines.row;
  }

  // Ends the chains in `sum`: adds them to the totals, and begins new ones from 0 or leaves the totals there.
  template <int R, int N>
  static void fold(V (&sum)[R][N], Real* totals, bool first, bool last) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
      for (int v = 0; v < N; ++v, totals += S::W) {
        V total = first ? sum[r][v] : S::add(S::load(totals), sum[r][v]);
        if (!last) S::store(totals, total);
        sum[r][v] = last ? total : S::set(0);
      }
  }

  // R rows by P panels that lie `panel_size` numbers apart. Inline, because calls cost short products 5 to 9 %.
  template <int R, int P>
  [[gnu::always_inline]] static inline void tile(const Job& job, const Real* panel, int64_t panel_size,
                                                 const Column* columns, int64_t group, int64_t row) {
    constexpr int N = P * VECTORS;
    V sum[R][N];
#pragma GCC unroll 16
    for (int v = 0; v < N; ++v) {
      const Column* c = columns + v;
      if (c->count == S::W && job.init[c->out].first) {
        const Lines& lines = job.init[c->out];
        const Real* p = address(lines, group, row) + c->first;
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) sum[r][v] = S::load(p + r * lines.row);
        continue;
      }
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) sum[r][v] = S::set(0);
      for (bool more = c->count < S::W; more; more = c->next, c += c->next) {
        const Lines& lines = job.init[c->out];
        if (!lines.first || !c->count) continue;
        const Real* p = address(lines, group, row) + c->first - c->lane;
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) sum[r][v] = S::load(sum[r][v], p + r * lines.row, c->lane, c->count);
      }
    }

    for (int32_t segment = 0; segment < job.shape.n_seg; ++segment) {
      const Real* x[R];
      const Lines& lines = job.a[segment];
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) x[r] = address(lines, group, row + r);
      int64_t depth = job.shape.seg_widths[segment];
      for (int64_t start = 0; start < depth; start += CHAIN_LENGTH) {
        bool last = depth - start <= CHAIN_LENGTH;
        int64_t end = last ? depth : start + CHAIN_LENGTH;
#pragma GCC unroll 4
        for (int64_t k = start; k < end; ++k, panel += PANEL) {
          V w[N];
#pragma GCC unroll 16
          for (int v = 0; v < N; ++v) w[v] = S::load(panel + v / VECTORS * panel_size + v % VECTORS * S::W);
#pragma GCC unroll 16
          for (int r = 0; r < R; ++r) {
            V number = S::set(x[r][k]);
#pragma GCC unroll 16
            for (int v = 0; v < N; ++v) sum[r][v] = S::fma(number, w[v], sum[r][v]);
          }
        }
        if (depth > CHAIN_LENGTH) fold<R, N>(sum, job.totals, start == 0, last);
      }
    }
#pragma GCC unroll 16
    for (int v = 0; v < N; ++v) {
      const Column* c = columns + v;
      if (c->count == S::W) {
        const Lines& lines = job.dst[c->out];
        Real* p = address(lines, group, row) + c->first;
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) S::store(p + r * lines.row, sum[r][v]);
        continue;
      }
      for (bool more = c->count; more; more = c->next, c += c->next) {
        const Lines& lines = job.dst[c->out];
        Real* p = address(lines, group, row) + c->first - c->lane;
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) S::store(p + r * lines.row, sum[r][v], c->lane, c->count);
      }
    }
  }

  // All rows of a group in tiles about equally high, of at most MOST rows by P panels.
  template <int MOST, int P>
  [[gnu::always_inline]] static inline void tiles(const Job& job, const Real* panel, int64_t panel_size,
                                                  const Column* columns, int64_t group, Range rows) {
    for (int64_t row = rows.first; row < rows.end;) {
      int64_t left = rows.end - row, turns = (left + MOST - 1) / MOST, height = (left + turns - 1) / turns;
      so_high<MOST, P>(height, job, panel, panel_size, columns, group, row);
      row += height;
    }
  }
  template <int R, int P, class... Args>
  [[gnu::always_inline]] static inline void so_high(int64_t rows, const Args&... args) {
    if constexpr (R > 0) {
      if (rows == R) return tile<R, P>(args...);
      so_high<R - 1, P>(rows, args...);
    }
  }

  // f<P>(the first of P panels, their columns) for all panels, P at a time and the last ones fewer.
  template <int P, class F>
  [[gnu::always_inline]] static inline void by_panels(const Job& job, Panels panels, const Real* packed, F f,
                                                      int64_t first = 0) {
    int64_t size = job.shape.depth * PANEL, turns = (panels.n - first) / P, rest = first + turns * P;
    auto others = [&]() __attribute__((always_inline)) {
      if constexpr (P > 1) by_panels<P / 2>(job, panels, packed, f, rest);
    };
    if (job.last_first) others();
    for (int64_t turn = 0; turn < turns; ++turn) {
      int64_t p = first + (job.last_first ? turns - 1 - turn : turn) * P;
      f.template operator()<P>(packed + p * size, panels.columns + p * VECTORS);
    }
    if (!job.last_first) others();
  }

  // With few rows there are too few chains to keep the processor busy: take several panels at once.
  template <int R, int P>
  static void few_rows(const Job& job, Panels panels, const Real* packed, Range groups) {
    int64_t size = job.shape.depth * PANEL;
    for (int64_t group = groups.first; group < groups.end; ++group)
      by_panels<(VECTORS == 1 ? 1 : P)>(job, panels, packed, [&]<int N>(const Real* panel, const Column* columns) {
        tile<R, N>(job, panel, size, columns, group, 0);
      });
  }

  // Two panels at once read less for each multiply-add, where registers allow.
  template <int P>
  static void many_rows(const Job& job, Panels panels, const Real* packed, Range groups, Range rows) {
    int64_t size = job.shape.depth * PANEL;
    by_panels<P>(job, panels, packed, [&]<int N>(const Real* panel, const Column* columns) {
      for (int64_t group = groups.first; group < groups.end; ++group)
        tiles<N == 1 ? MOST_ROWS : PAIR_ROWS, N>(job, panel, size, columns, group, rows);
    });
  }

  static void run(const Job& job, Panels panels, const Real* packed, Range groups, Range rows) {
    int64_t n = rows.end - rows.first;
    if (job.few_rows) {
      if (rows.end == 1) few_rows<1, PANELS_OF_ONE_ROW>(job, panels, packed, groups);
      if (rows.end == 2) few_rows<2, PANELS_OF_TWO_ROWS>(job, panels, packed, groups);
      if (rows.end == 3) few_rows<3, PANELS_OF_THREE_ROWS>(job, panels, packed, groups);
    } else if (n > PAIR_ROWS && n <= TILE_ROWS) {
      many_rows<1>(job, panels, packed, groups, rows);  // one tile, not two
    } else {
      many_rows<PAIR_ROWS ? 2 : 1>(job, panels, packed, groups, rows);
    }
  }
};

template <class Real>
struct Gemm {
  using Several = Tiles<Real, PANEL_VECTORS>;
  using One = Tiles<Real, 1>;
  using Lines = GemmLines<Real>;

  static void run(const GemmShape& shape, const Real* packed, bool last_first, int64_t groups, int64_t rows,
                  const Lines* a, const Lines* dst, const Lines* init) {
    constexpr int64_t OF_SEVERAL = MOST_TILE_ROWS * Several::PANEL, OF_ONE = MOST_ROWS_OF_ONE * One::PANEL;
    alignas(64) Real totals[OF_SEVERAL > OF_ONE ? OF_SEVERAL : OF_ONE];
    Product<Real> job{shape, a, dst, init, last_first, rows <= 3, totals};
    const Panels &several = shape.panels[SEVERAL], &one = shape.panels[ONE];
    const Real* packed_one = packed + several.n * shape.depth * several.width;
    // Some rows of each panel take turns before the next panel comes.
    int64_t height = rows < GEMM_ROWS ? rows : GEMM_ROWS, together = GEMM_ROWS / height;
    for (int64_t group = 0; group < groups; group += together)
      for (int64_t row = 0; row < rows; row += height) {
        Range some_groups{group, group + together < groups ? group + together : groups};
        Range some_rows{row, row + height < rows ? row + height : rows};
        if (one.n && last_first) One::run(job, one, packed_one, some_groups, some_rows);
        if (several.n) Several::run(job, several, packed, some_groups, some_rows);
        if (one.n && !last_first) One::run(job, one, packed_one, some_groups, some_rows);
      }
  }
};
