// Four lanes in plain C++, exact through fma: the same bits as every other instruction set, and slow where
// the processor has no fused multiply-add. Included inside the instruction set's own namespace.

inline float fused(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double fused(double a, double b, double c) { return __builtin_fma(a, b, c); }
inline float root(float a) { return __builtin_sqrtf(a); }
inline double root(double a) { return __builtin_sqrt(a); }
inline float down(float a) { return __builtin_floorf(a); }
inline double down(double a) { return __builtin_floor(a); }

template <class Real>
struct Bits;
template <>
struct Bits<float> {
  using type = int32_t;
  using wide = uint32_t;
};
template <>
struct Bits<double> {
  using type = int64_t;
  using wide = uint64_t;
};

template <class R>
struct Simd {
  using Real = R;
  using Word = typename Bits<R>::type;
  using Wide = typename Bits<R>::wide;
  static constexpr int W = 4;
  struct V {
    R x[W];
  };
  struct I {
    Word x[W];
  };
  struct M {
    bool x[W];
  };

  template <class Out, class F>
  static Out each(F f) {
    Out out;
    for (int l = 0; l < W; ++l) out.x[l] = f(l);
    return out;
  }
  static V load(const R* p) {
    return each<V>([&](int l) { return p[l]; });
  }
  static V load(const R* p, int64_t n) {
    return each<V>([&](int l) { return l < n ? p[l] : R(0); });
  }
  static void store(R* p, V v) {
    for (int l = 0; l < W; ++l) p[l] = v.x[l];
  }
  static void store(R* p, V v, int64_t n) {
    for (int l = 0; l < n; ++l) p[l] = v.x[l];
  }
  // Lanes `lane` ... `lane` + n of p; the others are of old.
  static V load(V old, const R* p, int64_t lane, int64_t n) {
    return each<V>([&](int l) { return l >= lane && l < lane + n ? p[l] : old.x[l]; });
  }
  static void store(R* p, V v, int64_t lane, int64_t n) {
    for (int64_t l = lane; l < lane + n; ++l) p[l] = v.x[l];
  }
  static V set(R x) {
    return each<V>([&](int) { return x; });
  }
  static V add(V a, V b) {
    return each<V>([&](int l) { return a.x[l] + b.x[l]; });
  }
  static V sub(V a, V b) {
    return each<V>([&](int l) { return a.x[l] - b.x[l]; });
  }
  static V mul(V a, V b) {
    return each<V>([&](int l) { return a.x[l] * b.x[l]; });
  }
  static V div(V a, V b) {
    return each<V>([&](int l) { return a.x[l] / b.x[l]; });
  }
  static V fma(V a, V b, V c) {
    return each<V>([&](int l) { return fused(a.x[l], b.x[l], c.x[l]); });
  }
  static V sqrt(V a) {
    return each<V>([&](int l) { return root(a.x[l]); });
  }
  static V floor(V a) {
    return each<V>([&](int l) { return down(a.x[l]); });
  }
  // a where the comparison holds, otherwise b: b where either is not a number.
  static V lesser(V a, V b) {
    return each<V>([&](int l) { return a.x[l] < b.x[l] ? a.x[l] : b.x[l]; });
  }
  static V greater(V a, V b) {
    return each<V>([&](int l) { return a.x[l] > b.x[l] ? a.x[l] : b.x[l]; });
  }
  static M lt(V a, V b) {
    return each<M>([&](int l) { return a.x[l] < b.x[l]; });
  }
  static M le(V a, V b) {
    return each<M>([&](int l) { return a.x[l] <= b.x[l]; });
  }
  static M eq(V a, V b) {
    return each<M>([&](int l) { return a.x[l] == b.x[l]; });
  }
  static V select(M m, V a, V b) {
    return each<V>([&](int l) { return m.x[l] ? a.x[l] : b.x[l]; });
  }
  static M either(M a, M b) {
    return each<M>([&](int l) { return a.x[l] || b.x[l]; });
  }
  static bool any(M m) { return m.x[0] || m.x[1] || m.x[2] || m.x[3]; }
  static I bits(V a) {
    I i;
    __builtin_memcpy(&i, &a, sizeof i);
    return i;
  }
  static V number(I a) {
    V v;
    __builtin_memcpy(&v, &a, sizeof v);
    return v;
  }
  static I iset(Word x) {
    return each<I>([&](int) { return x; });
  }
  static I iadd(I a, I b) {
    return each<I>([&](int l) { return Word(Wide(a.x[l]) + Wide(b.x[l])); });
  }
  static I isub(I a, I b) {
    return each<I>([&](int l) { return Word(Wide(a.x[l]) - Wide(b.x[l])); });
  }
  static I iand(I a, I b) {
    return each<I>([&](int l) { return a.x[l] & b.x[l]; });
  }
  static I ior(I a, I b) {
    return each<I>([&](int l) { return a.x[l] | b.x[l]; });
  }
  static I ixor(I a, I b) {
    return each<I>([&](int l) { return a.x[l] ^ b.x[l]; });
  }
  template <int N>
  static I shl(I a) {
    return each<I>([&](int l) { return Word(Wide(a.x[l]) << N); });
  }
  template <int N>
  static I shr(I a) {
    return each<I>([&](int l) { return Word(Wide(a.x[l]) >> N); });
  }
  static M nonzero(I a) {
    return each<M>([&](int l) { return a.x[l] != 0; });
  }
};

constexpr int PANEL_VECTORS = 2;  // of a packed panel
constexpr int TILE_ROWS = 4;
constexpr int MOST_TILE_ROWS = 4;    // of a tile one panel wide
constexpr int MOST_ROWS_OF_ONE = 4;  // in a panel of one vector
constexpr int PAIR_TILE_ROWS = 0;
constexpr int PANELS_OF_ONE_ROW = 2, PANELS_OF_TWO_ROWS = 1, PANELS_OF_THREE_ROWS = 1;  // side by side
