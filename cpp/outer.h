// Sums over rows of outer products, for the gradients of matrices: tiles of outputs run one chain each over the
// rows, which are read where they lie, or g's from a copy where they would push each other out of the first cache.
// Included inside an instruction set's own namespace.

template <class Real>
struct Outer {
  using S = Simd<Real>;
  using V = typename S::V;
  // A tile of P vectors has so many rows at most: enough chains to keep busy, few enough for the registers.
  static constexpr int VECTORS = sizeof(V) == 64 ? 4 : sizeof(V) == 32 ? 3 : 2;
  static constexpr int rows_by(int P) {
    if (sizeof(V) == 64) return P == 4 ? 6 : 8;
    return sizeof(V) == 16 || P == 3 ? 4 : P == 2 ? 6 : 8;
  }
  static constexpr int FEW = 2, MANY = 4;  // and of so few rows, so many vectors
  static constexpr int64_t LINE = 64 / int64_t(sizeof(Real));
  // Rows so far apart share few places of the first cache. A copy pays where so many columns of tiles read it.
  static constexpr int64_t FAR_BYTES = 1024, COPIED_ROWS = 64, COPIED_BYTES = 40 << 10, READERS = 3;

  // Some columns of some rows, near each other.
  struct Copy {
    alignas(64) Real numbers[COPIED_BYTES / int64_t(sizeof(Real))];
    const Real* at[COPIED_ROWS];

    static int64_t apart(int64_t n) { return (n + S::W - 1) / S::W * S::W + LINE; }
    static bool pays(int64_t rows, int64_t n, const Lines<Real>& x, int64_t readers) {
      bool fits = rows <= COPIED_ROWS && rows * apart(n) * int64_t(sizeof(Real)) <= COPIED_BYTES;
      if (readers < READERS || rows < 2 || !fits) return false;
      uintptr_t a = uintptr_t(x.at[0]), b = uintptr_t(x.at[1]);
      return (a < b ? b - a : a - b) >= uintptr_t(FAR_BYTES);
    }
    Lines<Real> of(int64_t rows, int64_t n, const Lines<Real>& x) {
      for (int64_t row = 0; row < rows; ++row) {
        const Real* from = x.at[row] + x.first;
        Real* to = numbers + row * apart(n);
        for (int64_t i = 0; i < n; i += S::W) {
          if (x.ahead) __builtin_prefetch(reinterpret_cast<const void*>(uintptr_t(from + i) + x.ahead), 0, 2);
          S::store(to + i, n - i < S::W ? S::load(from + i, n - i) : S::load(from + i));
        }
        at[row] = to;
      }
      return {at, 0, 0};
    }
  };

  // g: of the first of R columns; v: of the first of P vectors; the last holds `count` numbers if MASKED.
  template <int R, int P, bool MASKED>
  static void tile(int64_t rows, const Lines<Real>& g, const Lines<Real>& v, Real* out, int64_t ld, bool go_on,
                   int64_t count) {
    V sum[R][P];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
      for (int p = 0; p < P; ++p) sum[r][p] = S::set(0);
    for (int64_t row = 0; row < rows; ++row) {
      const Real *a = g.at[row] + g.first, *b = v.at[row] + v.first;
      if (g.ahead) __builtin_prefetch(reinterpret_cast<const void*>(uintptr_t(a + R - 1) + g.ahead), 0, 2);
      V x[P];
#pragma GCC unroll 16
      for (int p = 0; p < P; ++p) {
        if (v.ahead) __builtin_prefetch(reinterpret_cast<const void*>(uintptr_t(b + p * S::W) + v.ahead), 0, 2);
        x[p] = MASKED ? S::load(b + p * S::W, count) : S::load(b + p * S::W);
      }
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        V number = S::set(a[r]);
#pragma GCC unroll 16
        for (int p = 0; p < P; ++p) sum[r][p] = S::fma(number, x[p], sum[r][p]);
      }
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
      for (int p = 0; p < P; ++p) {
        Real* to = out + r * ld + p * S::W;
        S::store(to, go_on ? S::add(S::load(to), sum[r][p]) : sum[r][p]);
      }
  }

  template <int R, int P, bool MASKED, class... Args>
  static void some_rows(int64_t n, const Args&... args) {
    if constexpr (R > 0) {
      if (n >= R) return tile<R, P, MASKED>(args...);
      some_rows<R - 1, P, MASKED>(n, args...);
    }
  }

  struct Task {
    int64_t rows, n, k;
    Lines<Real> g, v;
    Real* out;
    int64_t ld;
    bool go_on;

    // The tiles of all rows from column `first` on, P vectors wide, about equally high. The first tile to read a line
    // of memory fetches what follows it.
    template <int R, int P, bool MASKED>
    void column(int64_t first) const {
      Lines<Real> a = g, b = v;
      b.first += first;
      int64_t tiles = (n + R - 1) / R;
      for (int64_t t = 0, i = 0; t < tiles; ++t) {
        int64_t end = n * (t + 1) / tiles;
        a.first = g.first + i;
        a.ahead = first == 0 && (i == 0 || (i - 1) / LINE != (end - 1) / LINE) ? g.ahead : 0,
        b.ahead = i == 0 ? v.ahead : 0;
        some_rows<R, P, MASKED>(end - i, rows, a, b, out + i * ld + first, ld, go_on, k - first);
        i = end;
      }
    }
    template <int R, int P>
    int64_t columns(int64_t first) const {
      for (; first + P * S::W <= k; first += P * S::W) column<R, P, false>(first);
      return first;
    }
  };

  static void run(int64_t rows, int64_t n, int64_t k, const Lines<Real>& g, const Lines<Real>& v, Real* out, int64_t ld,
                  bool go_on) {
    Copy copy;
    bool copies = Copy::pays(rows, n, g, k / (VECTORS * S::W));
    Task task{rows, n, k, copies ? copy.of(rows, n, g) : g, v, out, ld, go_on};
    int64_t first = n <= FEW ? task.template columns<FEW, MANY>(0) : 0;
    first = task.template columns<rows_by(VECTORS), VECTORS>(first);
    if constexpr (VECTORS > 2) first = task.template columns<rows_by(2), 2>(first);
    first = task.template columns<rows_by(1), 1>(first);
    if (first < k) task.template column<rows_by(1), 1, true>(first);
  }
};
