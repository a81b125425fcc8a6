// One vector of AVX2: 8 floats or 4 doubles. Included inside the instruction set's own namespace.

template <class Real>
struct Simd;

// Sliding along these gives the mask of the first n lanes.
alignas(64) const int32_t LANES_32[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
alignas(64) const int64_t LANES_64[8] = {-1, -1, -1, -1, 0, 0, 0, 0};

template <>
struct Simd<float> {
  using Real = float;
  using V = __m256;
  using I = __m256i;
  using M = __m256;
  static constexpr int W = 8;
  static I first(int64_t n) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(LANES_32 + 8 - n)); }
  static V load(const float* p) { return _mm256_loadu_ps(p); }
  static V load(const float* p, int64_t n) { return _mm256_maskload_ps(p, first(n)); }
  static void store(float* p, V v) { _mm256_storeu_ps(p, v); }
  static void store(float* p, V v, int64_t n) { _mm256_maskstore_ps(p, first(n), v); }
  // Lanes `lane` ... `lane` + n of p; the others are of old.
  static I some(int64_t lane, int64_t n) { return _mm256_andnot_si256(first(lane), first(lane + n)); }
  static V load(V old, const float* p, int64_t lane, int64_t n) {
    I mask = some(lane, n);
    return _mm256_blendv_ps(old, _mm256_maskload_ps(p, mask), _mm256_castsi256_ps(mask));
  }
  static void store(float* p, V v, int64_t lane, int64_t n) { _mm256_maskstore_ps(p, some(lane, n), v); }
  static V set(float x) { return _mm256_set1_ps(x); }
  static V add(V a, V b) { return _mm256_add_ps(a, b); }
  static V sub(V a, V b) { return _mm256_sub_ps(a, b); }
  static V mul(V a, V b) { return _mm256_mul_ps(a, b); }
  static V div(V a, V b) { return _mm256_div_ps(a, b); }
  static V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
  static V sqrt(V a) { return _mm256_sqrt_ps(a); }
  static V floor(V a) { return _mm256_floor_ps(a); }
  static V lesser(V a, V b) { return _mm256_min_ps(a, b); }
  static V greater(V a, V b) { return _mm256_max_ps(a, b); }
  static M lt(V a, V b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
  static M le(V a, V b) { return _mm256_cmp_ps(a, b, _CMP_LE_OQ); }
  static M eq(V a, V b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
  static V select(M m, V a, V b) { return _mm256_blendv_ps(b, a, m); }
  static M either(M a, M b) { return _mm256_or_ps(a, b); }
  static bool any(M m) { return _mm256_movemask_ps(m) != 0; }
  static I bits(V a) { return _mm256_castps_si256(a); }
  static V number(I a) { return _mm256_castsi256_ps(a); }
  static I iset(int32_t x) { return _mm256_set1_epi32(x); }
  static I iadd(I a, I b) { return _mm256_add_epi32(a, b); }
  static I isub(I a, I b) { return _mm256_sub_epi32(a, b); }
  static I iand(I a, I b) { return _mm256_and_si256(a, b); }
  static I ior(I a, I b) { return _mm256_or_si256(a, b); }
  static I ixor(I a, I b) { return _mm256_xor_si256(a, b); }
  template <int N>
  static I shl(I a) {
    return _mm256_slli_epi32(a, N);
  }
  template <int N>
  static I shr(I a) {
    return _mm256_srli_epi32(a, N);
  }
  static M nonzero(I a) {
    return number(_mm256_xor_si256(_mm256_cmpeq_epi32(a, _mm256_setzero_si256()), _mm256_set1_epi32(-1)));
  }
};

template <>
struct Simd<double> {
  using Real = double;
  using V = __m256d;
  using I = __m256i;
  using M = __m256d;
  static constexpr int W = 4;
  static I first(int64_t n) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(LANES_64 + 4 - n)); }
  static V load(const double* p) { return _mm256_loadu_pd(p); }
  static V load(const double* p, int64_t n) { return _mm256_maskload_pd(p, first(n)); }
  static void store(double* p, V v) { _mm256_storeu_pd(p, v); }
  static void store(double* p, V v, int64_t n) { _mm256_maskstore_pd(p, first(n), v); }
  // Lanes `lane` ... `lane` + n of p; the others are of old.
  static I some(int64_t lane, int64_t n) { return _mm256_andnot_si256(first(lane), first(lane + n)); }
  static V load(V old, const double* p, int64_t lane, int64_t n) {
    I mask = some(lane, n);
    return _mm256_blendv_pd(old, _mm256_maskload_pd(p, mask), _mm256_castsi256_pd(mask));
  }
  static void store(double* p, V v, int64_t lane, int64_t n) { _mm256_maskstore_pd(p, some(lane, n), v); }
  static V set(double x) { return _mm256_set1_pd(x); }
  static V add(V a, V b) { return _mm256_add_pd(a, b); }
  static V sub(V a, V b) { return _mm256_sub_pd(a, b); }
  static V mul(V a, V b) { return _mm256_mul_pd(a, b); }
  static V div(V a, V b) { return _mm256_div_pd(a, b); }
  static V fma(V a, V b, V c) { return _mm256_fmadd_pd(a, b, c); }
  static V sqrt(V a) { return _mm256_sqrt_pd(a); }
  static V floor(V a) { return _mm256_floor_pd(a); }
  static V lesser(V a, V b) { return _mm256_min_pd(a, b); }
  static V greater(V a, V b) { return _mm256_max_pd(a, b); }
  static M lt(V a, V b) { return _mm256_cmp_pd(a, b, _CMP_LT_OQ); }
  static M le(V a, V b) { return _mm256_cmp_pd(a, b, _CMP_LE_OQ); }
  static M eq(V a, V b) { return _mm256_cmp_pd(a, b, _CMP_EQ_OQ); }
  static V select(M m, V a, V b) { return _mm256_blendv_pd(b, a, m); }
  static M either(M a, M b) { return _mm256_or_pd(a, b); }
  static bool any(M m) { return _mm256_movemask_pd(m) != 0; }
  static I bits(V a) { return _mm256_castpd_si256(a); }
  static V number(I a) { return _mm256_castsi256_pd(a); }
  static I iset(int64_t x) { return _mm256_set1_epi64x(x); }
  static I iadd(I a, I b) { return _mm256_add_epi64(a, b); }
  static I isub(I a, I b) { return _mm256_sub_epi64(a, b); }
  static I iand(I a, I b) { return _mm256_and_si256(a, b); }
  static I ior(I a, I b) { return _mm256_or_si256(a, b); }
  static I ixor(I a, I b) { return _mm256_xor_si256(a, b); }
  template <int N>
  static I shl(I a) {
    return _mm256_slli_epi64(a, N);
  }
  template <int N>
  static I shr(I a) {
    return _mm256_srli_epi64(a, N);
  }
  static M nonzero(I a) {
    return number(_mm256_xor_si256(_mm256_cmpeq_epi64(a, _mm256_setzero_si256()), _mm256_set1_epi64x(-1)));
  }
};

constexpr int PANEL_VECTORS = 3;      // of a packed panel
constexpr int TILE_ROWS = 4;          // 4 x 3 accumulators of 16 registers
constexpr int MOST_TILE_ROWS = 4;     // of a tile one panel wide
constexpr int MOST_ROWS_OF_ONE = 12;  // in a panel of one vector
constexpr int PAIR_TILE_ROWS = 0;     // two panels do not go into 16 registers
constexpr int PANELS_OF_ONE_ROW = 3, PANELS_OF_TWO_ROWS = 2, PANELS_OF_THREE_ROWS = 1;  // side by side
