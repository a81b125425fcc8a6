// One vector of AVX-512: 16 floats or 8 doubles. Included inside the instruction set's own namespace.

template <class Real>
struct Simd;

template <>
struct Simd<float> {
  using Real = float;
  using V = __m512;
  using I = __m512i;
  using M = __mmask16;
  static constexpr int W = 16;
  static M first(int64_t n) { return M((1u << n) - 1u); }
  static V load(const float* p) { return _mm512_loadu_ps(p); }
  static V load(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(first(n), p); }
  static void store(float* p, V v) { _mm512_storeu_ps(p, v); }
  static void store(float* p, V v, int64_t n) { _mm512_mask_storeu_ps(p, first(n), v); }
  // Lanes `lane` ... `lane` + n of p; the others are of old.
  static V load(V old, const float* p, int64_t lane, int64_t n) {
    return _mm512_mask_loadu_ps(old, M(first(n) << lane), p);
  }
  static void store(float* p, V v, int64_t lane, int64_t n) { _mm512_mask_storeu_ps(p, M(first(n) << lane), v); }
  static V set(float x) { return _mm512_set1_ps(x); }
  static V add(V a, V b) { return _mm512_add_ps(a, b); }
  static V sub(V a, V b) { return _mm512_sub_ps(a, b); }
  static V mul(V a, V b) { return _mm512_mul_ps(a, b); }
  static V div(V a, V b) { return _mm512_div_ps(a, b); }
  static V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
  static V sqrt(V a) { return _mm512_sqrt_ps(a); }
  static V floor(V a) { return _mm512_roundscale_ps(a, 0x09); }
  static V lesser(V a, V b) { return _mm512_min_ps(a, b); }
  static V greater(V a, V b) { return _mm512_max_ps(a, b); }
  static M lt(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
  static M le(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
  static M eq(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
  static V select(M m, V a, V b) { return _mm512_mask_blend_ps(m, b, a); }
  static M either(M a, M b) { return M(a | b); }
  static bool any(M m) { return m != 0; }
  static I bits(V a) { return _mm512_castps_si512(a); }
  static V number(I a) { return _mm512_castsi512_ps(a); }
  static I iset(int32_t x) { return _mm512_set1_epi32(x); }
  static I iadd(I a, I b) { return _mm512_add_epi32(a, b); }
  static I isub(I a, I b) { return _mm512_sub_epi32(a, b); }
  static I iand(I a, I b) { return _mm512_and_si512(a, b); }
  static I ior(I a, I b) { return _mm512_or_si512(a, b); }
  static I ixor(I a, I b) { return _mm512_xor_si512(a, b); }
  template <int N>
  static I shl(I a) {
    return _mm512_slli_epi32(a, N);
  }
  template <int N>
  static I shr(I a) {
    return _mm512_srli_epi32(a, N);
  }
  static M nonzero(I a) { return _mm512_test_epi32_mask(a, a); }
};

template <>
struct Simd<double> {
  using Real = double;
  using V = __m512d;
  using I = __m512i;
  using M = __mmask8;
  static constexpr int W = 8;
  static M first(int64_t n) { return M((1u << n) - 1u); }
  static V load(const double* p) { return _mm512_loadu_pd(p); }
  static V load(const double* p, int64_t n) { return _mm512_maskz_loadu_pd(first(n), p); }
  static void store(double* p, V v) { _mm512_storeu_pd(p, v); }
  static void store(double* p, V v, int64_t n) { _mm512_mask_storeu_pd(p, first(n), v); }
  // Lanes `lane` ... `lane` + n of p; the others are of old.
  static V load(V old, const double* p, int64_t lane, int64_t n) {
    return _mm512_mask_loadu_pd(old, M(first(n) << lane), p);
  }
  static void store(double* p, V v, int64_t lane, int64_t n) { _mm512_mask_storeu_pd(p, M(first(n) << lane), v); }
  static V set(double x) { return _mm512_set1_pd(x); }
  static V add(V a, V b) { return _mm512_add_pd(a, b); }
  static V sub(V a, V b) { return _mm512_sub_pd(a, b); }
  static V mul(V a, V b) { return _mm512_mul_pd(a, b); }
  static V div(V a, V b) { return _mm512_div_pd(a, b); }
  static V fma(V a, V b, V c) { return _mm512_fmadd_pd(a, b, c); }
  static V sqrt(V a) { return _mm512_sqrt_pd(a); }
  static V floor(V a) { return _mm512_roundscale_pd(a, 0x09); }
  static V lesser(V a, V b) { return _mm512_min_pd(a, b); }
  static V greater(V a, V b) { return _mm512_max_pd(a, b); }
  static M lt(V a, V b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ); }
  static M le(V a, V b) { return _mm512_cmp_pd_mask(a, b, _CMP_LE_OQ); }
  static M eq(V a, V b) { return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ); }
  static V select(M m, V a, V b) { return _mm512_mask_blend_pd(m, b, a); }
  static M either(M a, M b) { return M(a | b); }
  static bool any(M m) { return m != 0; }
  static I bits(V a) { return _mm512_castpd_si512(a); }
  static V number(I a) { return _mm512_castsi512_pd(a); }
  static I iset(int64_t x) { return _mm512_set1_epi64(x); }
  static I iadd(I a, I b) { return _mm512_add_epi64(a, b); }
  static I isub(I a, I b) { return _mm512_sub_epi64(a, b); }
  static I iand(I a, I b) { return _mm512_and_si512(a, b); }
  static I ior(I a, I b) { return _mm512_or_si512(a, b); }
  static I ixor(I a, I b) { return _mm512_xor_si512(a, b); }
  template <int N>
  static I shl(I a) {
    return _mm512_slli_epi64(a, N);
  }
  template <int N>
  static I shr(I a) {
    return _mm512_srli_epi64(a, N);
  }
  static M nonzero(I a) { return _mm512_test_epi64_mask(a, a); }
};

constexpr int PANEL_VECTORS = 2;      // of a packed panel
constexpr int TILE_ROWS = 8;          // 8 x 2 accumulators of 32 registers
constexpr int MOST_TILE_ROWS = 12;    // of a tile one panel wide
constexpr int MOST_ROWS_OF_ONE = 12;  // in a panel of one vector
constexpr int PAIR_TILE_ROWS = 6;     // of one two panels wide: 6 x 4 accumulators
constexpr int PANELS_OF_ONE_ROW = 4, PANELS_OF_TWO_ROWS = 4, PANELS_OF_THREE_ROWS = 2;  // side by side
