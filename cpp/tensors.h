// PyTorch's tensors, read without PyTorch: by the table of C functions that its Tensor type hands out.
#pragma once

#include <nanobind/nanobind.h>

namespace ostinato {

// Asked while a run lasts: whether the user wants to stop.
bool interrupted();

void add_tensors(nanobind::module_& m);

}  // namespace ostinato
