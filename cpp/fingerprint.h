// A fingerprint of memory, in lanes that do not wait for each other. Included inside an instruction set's own
// namespace.

struct Fingerprint {
  typedef uint64_t Words __attribute__((vector_size(64)));
  // As many as the registers hold: each waits long for its own multiplication.
  static constexpr int VECTORS = sizeof(typename Simd<float>::V) == sizeof(Words) ? 8 : 4;
  static_assert(VECTORS * sizeof(Words) <= FINGERPRINT_LANES * sizeof(uint64_t));

  // Mixes memory into the lanes, its end filled up with zeros. Each step can be undone, so that two texts that differ
  // in one word never meet.
  static void fold(uint64_t* lanes, const void* memory, int64_t bytes) {
    Words lane[VECTORS], words[VECTORS];
    __builtin_memcpy(lane, lanes, sizeof(lane));
    auto mix = [&] {
#pragma GCC unroll 16
      for (int v = 0; v < VECTORS; ++v) {
        Words x = lane[v] ^ words[v];
        lane[v] = (x << 29 | x >> 35) * 0x9E3779B97F4A7C15u;
      }
    };
    auto at = static_cast<const char*>(memory);
    for (; bytes >= int64_t(sizeof(words)); at += sizeof(words), bytes -= int64_t(sizeof(words))) {
      __builtin_memcpy(words, at, sizeof(words));
      mix();
    }
    __builtin_memset(words, 0, sizeof(words));
    __builtin_memcpy(words, at, uint64_t(bytes));
    mix();
    __builtin_memcpy(lanes, lane, sizeof(lane));
  }
};
