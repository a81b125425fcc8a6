/* Multiply-adds in registers alone: no memory, twelve chains that do not wait for each other. No product can be faster. */
#if defined(__AVX512F__)
#define WIDTH 64
#elif defined(__AVX__)
#define WIDTH 32
#else
#define WIDTH 16
#endif
#define CHAINS 12

#define PEAK(type)                                                              \
  typedef type vector_##type __attribute__((vector_size(WIDTH)));              \
  long peak_##type(long turns, type scale, type* out) {                         \
    const vector_##type a = scale + (vector_##type){}, b = a * (type)1e-3;        \
    vector_##type sums[CHAINS]; /* no two alike, or the compiler takes them for one */ \
    for (int chain = 0; chain < CHAINS; ++chain) sums[chain] = a * (type)chain; \
    for (long turn = 0; turn < turns; ++turn)                                   \
      for (int chain = 0; chain < CHAINS; ++chain) sums[chain] = sums[chain] * a + b; \
    for (int chain = 0; chain < CHAINS; ++chain) *out += sums[chain][0];        \
    return turns * CHAINS * (long)(WIDTH / sizeof(type));                       \
  }

PEAK(float)
PEAK(double)
