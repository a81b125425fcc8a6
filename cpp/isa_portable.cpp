// Any processor.
// Everything lives in a namespace of its own and nothing from the standard library is used, so that no
// function compiled here can stand in for the same function compiled elsewhere.
#include "kernels.h"

namespace ostinato {
namespace portable {
#include "simd_portable.h"

#include "functions.h"

#include "pointwise.h"

#include "gemm.h"

#include "rows.h"

#include "outer.h"

#include "fingerprint.h"

#include "table.h"
}  // namespace portable

const Isa isa_portable = {"portable", &portable::kernels<float>, &portable::kernels<double>};

}  // namespace ostinato
