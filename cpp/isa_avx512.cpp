// AVX-512 F, DQ, VL, BW.
// Everything lives in a namespace of its own and nothing from the standard library is used, so that no
// function compiled here can stand in for the same function compiled elsewhere.
#include <immintrin.h>

#include "kernels.h"

namespace ostinato {
namespace avx512 {
#include "simd_avx512.h"

#include "functions.h"

#include "pointwise.h"

#include "gemm.h"

#include "rows.h"

#include "outer.h"

#include "fingerprint.h"

#include "table.h"
}  // namespace avx512

const Isa isa_avx512 = {"avx512", &avx512::kernels<float>, &avx512::kernels<double>};

}  // namespace ostinato
