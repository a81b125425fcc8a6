// What works on whole rows: groups of columns summed or repeated, normalisation, draws, small products.
// Sums run in 16 virtual lanes and one fixed tree. Included inside an instruction set's own namespace.

template <class Real>
struct Rows {
  using S = Simd<Real>;
  using V = typename S::V;
  static constexpr int64_t LANES = 16, VECTORS = LANES / S::W;

  // term(i, n): the vector of numbers i ... i + W, of which n count; the others must be 0.
  template <class F>
  static Real total(int64_t n, F term) {
    V lane[VECTORS];
    for (int v = 0; v < VECTORS; ++v) lane[v] = S::set(0);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
#pragma GCC unroll 16
      for (int v = 0; v < VECTORS; ++v) lane[v] = S::add(lane[v], term(i + v * S::W, S::W));
    for (int v = 0; v < VECTORS && i < n; ++v, i += S::W)
      lane[v] = S::add(lane[v], term(i, n - i < S::W ? n - i : S::W));
    Real sums[LANES];
    for (int v = 0; v < VECTORS; ++v) S::store(sums + v * S::W, lane[v]);
    for (int half = LANES / 2; half; half /= 2)
      for (int l = 0; l < half; ++l) sums[l] += sums[l + half];
    return sums[0];
  }

  static V some(const Real* p, int64_t n) { return n == S::W ? S::load(p) : S::load(p, n); }
  static void put(Real* p, V v, int64_t n) { n == S::W ? S::store(p, v) : S::store(p, v, n); }
  // The first n lanes of v, the others 0.
  static V keep(V v, int64_t n) {
    if (n == S::W) return v;
    Real lanes[S::W];
    S::store(lanes, v);
    return S::load(lanes, n);
  }
  template <class F>
  static void each(int64_t n, F f) {
    for (int64_t i = 0; i < n; i += S::W) f(i, n - i < S::W ? n - i : S::W);
  }

  static void expand(Real* dst, const Real* a, int64_t k, int64_t n) {
    int64_t times = n / k;
    for (int64_t i = 0; i < k; ++i) {
      V x = S::set(a[i]);
      each(times, [&](int64_t j, int64_t m) { put(dst + i * times + j, x, m); });
    }
  }

  static void sum(Real* dst, const Real* a, int64_t n, int64_t groups) {
    int64_t size = n / groups;
    for (int64_t g = 0; g < groups; ++g)
      dst[g] = total(size, [&](int64_t i, int64_t m) { return some(a + g * size + i, m); });
  }

  static void moments(const Real* a, int64_t n, Real eps, Real& mean, Real& scale) {
    Real part = Real(1) / Real(n);
    mean = total(n, [&](int64_t i, int64_t m) { return some(a + i, m); }) * part;
    V middle = S::set(mean);
    Real variance = part * total(n, [&](int64_t i, int64_t m) {
                      V d = S::sub(some(a + i, m), middle);
                      return keep(S::mul(d, d), m);
                    });
    Real out[S::W];
    S::store(out, S::div(S::set(1), S::sqrt(S::set(variance + eps))));
    scale = out[0];
  }

  static void normalise(Real* dst, const Real* a, int64_t n, Real eps) {
    Real mean, scale;
    moments(a, n, eps, mean, scale);
    V middle = S::set(mean), r = S::set(scale);
    each(n, [&](int64_t i, int64_t m) { put(dst + i, S::mul(S::sub(some(a + i, m), middle), r), m); });
  }

  static void normalise_grad(Real* dst, const Real* g, const Real* y, const Real* a, int64_t n, Real eps) {
    Real mean, scale, part = Real(1) / Real(n);
    moments(a, n, eps, mean, scale);
    Real mean_g = total(n, [&](int64_t i, int64_t m) { return some(g + i, m); }) * part;
    Real mean_gy = total(n, [&](int64_t i, int64_t m) { return S::mul(some(g + i, m), some(y + i, m)); }) * part;
    V r = S::set(scale), mg = S::set(mean_g), mgy = S::set(mean_gy);
    each(n, [&](int64_t i, int64_t m) {
      V x = S::sub(S::sub(some(g + i, m), mg), S::mul(some(y + i, m), mgy));
      put(dst + i, S::mul(r, x), m);
    });
  }

  // Philox4x32-10: counters (unit / 4, stream, row, step) of 16 groups of 4 units at a time.
  static void uniform(Real* dst, int64_t n, uint64_t seed, uint32_t stream, uint32_t row, uint32_t step) {
    constexpr int GROUPS = 16;
    for (int64_t first = 0; first < n; first += 4 * GROUPS) {
      uint32_t c0[GROUPS], c1[GROUPS], c2[GROUPS], c3[GROUPS];
      for (int g = 0; g < GROUPS; ++g) c0[g] = uint32_t(first / 4) + g, c1[g] = stream, c2[g] = row, c3[g] = step;
      uint32_t k0 = uint32_t(seed), k1 = uint32_t(seed >> 32);
      for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
        for (int g = 0; g < GROUPS; ++g) {
          uint64_t p0 = uint64_t(c0[g]) * 0xD2511F53u, p1 = uint64_t(c2[g]) * 0xCD9E8D57u;
          c0[g] = uint32_t(p1 >> 32) ^ c1[g] ^ k0, c1[g] = uint32_t(p1);
          c2[g] = uint32_t(p0 >> 32) ^ c3[g] ^ k1, c3[g] = uint32_t(p0);
        }
      Real out[4 * GROUPS];
      for (int g = 0; g < GROUPS; ++g) {
        const uint32_t words[4] = {c0[g], c1[g], c2[g], c3[g]};
        for (int k = 0; k < 4; ++k) out[4 * g + k] = Real(int32_t(words[k] >> 8)) * Real(5.9604644775390625e-08);
      }
      int64_t left = n - first < 4 * GROUPS ? n - first : 4 * GROUPS;
      __builtin_memcpy(dst + first, out, left * int64_t(sizeof(Real)));
    }
  }

  static void matvec(Real* dst, const Real* w, const Real* v, int64_t rows, int64_t cols, bool transposed) {
    if (transposed) {
      each(cols, [&](int64_t c, int64_t m) {
        V sum = S::set(0);
        for (int64_t r = 0; r < rows; ++r) sum = S::fma(some(w + r * cols + c, m), S::set(v[r]), sum);
        put(dst + c, sum, m);
      });
      return;
    }
    // a vector of rows at a time, each its own chain
    each(rows, [&](int64_t r, int64_t m) {
      V sum = S::set(0);
      for (int64_t k = 0; k < cols; ++k) {
        Real column[S::W] = {};
        for (int64_t l = 0; l < m; ++l) column[l] = w[(r + l) * cols + k];
        sum = S::fma(S::load(column), S::set(v[k]), sum);
      }
      put(dst + r, sum, m);
    });
  }
};
