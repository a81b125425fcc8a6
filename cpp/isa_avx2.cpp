// AVX2 and FMA.
// Everything lives in a namespace of its own and nothing from the standard library is used, so that no
// function compiled here can stand in for the same function compiled elsewhere.
#include <immintrin.h>

#include "kernels.h"

namespace ostinato {
namespace avx2 {
#include "simd_avx2.h"

#include "functions.h"

#include "pointwise.h"

#include "gemm.h"

#include "rows.h"

#include "outer.h"

#include "fingerprint.h"

#include "table.h"
}  // namespace avx2

const Isa isa_avx2 = {"avx2", &avx2::kernels<float>, &avx2::kernels<double>};

}  // namespace ostinato
