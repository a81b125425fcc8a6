// The choice of an instruction set, and the one function that all of them call.
#include "isa.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace ostinato {

std::vector<const Isa*> instruction_sets() {
  std::vector<const Isa*> sets;
#if defined(__x86_64__)
  __builtin_cpu_init();
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
    sets.push_back(&isa_avx512);
  if (avx2) sets.push_back(&isa_avx2);
#endif
  sets.push_back(&isa_portable);
  return sets;
}

const Isa& choose_isa(const std::string& name) {
  std::string wanted = name;
  const char* forced = std::getenv("OSTINATO_ISA");
  if (wanted.empty() && forced) wanted = forced;
  std::string known;
  for (const Isa* isa : instruction_sets()) {
    if (wanted.empty() || wanted == isa->name) return *isa;
    known += std::string(known.empty() ? "" : ", ") + isa->name;
  }
  throw std::invalid_argument("this machine has no instruction set \"" + wanted + "\"; it has: " + known);
}

namespace {

// The bits of 2/pi after the point.
constexpr uint64_t TWO_OVER_PI[] = {0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041, 0xfe5163abdebbc561,
                                    0xb7246e3a424dd2e0, 0x06492eea09d1921c, 0xfe1deb1cb129a73e, 0xe88235f52ebb4484,
                                    0xe99c7026b45f7e41, 0x3991d639835339f4, 0x9c845f8bbdf9283b, 0x1ff897ffde05980f,
                                    0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d, 0x7527bac7ebe5f17b,
                                    0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab, 0xf0cfbc209af4361d};

// 64 of them from bit `first` on; those before the point are 0.
uint64_t two_over_pi(int first) {
  auto word = [](int i) { return i < 0 ? 0 : TWO_OVER_PI[i]; };
  int index = first >> 6, shift = first & 63;
  return shift ? word(index) << shift | word(index + 1) >> (64 - shift) : word(index);
}

}  // namespace

int reduce_quadrant(double x, double* rest) {
  using wide = unsigned __int128;
  if (!std::isfinite(x)) {
    *rest = NAN;
    return 0;
  }
  int exponent;
  double fraction = std::frexp(std::fabs(x), &exponent);
  uint64_t m = uint64_t(std::ldexp(fraction, 53));  // |x| = m * 2^(exponent - 53)
  // Bits of 2/pi that make multiples of 4 with m can be left out; of the rest, 192 are enough.
  int first = exponent - 53 - 2;
  wide low = wide(m) * two_over_pi(first + 128);
  wide middle = wide(m) * two_over_pi(first + 64) + (low >> 64);
  uint64_t high = m * two_over_pi(first) + uint64_t(middle >> 64);
  // high : middle : low is |x| * 2/pi / 4 modulo 1
  int quadrant = int(high >> 62);
  wide part = wide(high << 2 | uint64_t(middle) >> 62) << 64 | (uint64_t(middle) << 2 | uint64_t(low) >> 62);
  if (part >> 127) ++quadrant;  // nearer to the next one: what is left is negative
  *rest = double(__int128(part)) * 0x1p-128 * 1.5707963267948966;
  if (x < 0) *rest = -*rest, quadrant = -quadrant;
  return quadrant & 3;
}

}  // namespace ostinato
