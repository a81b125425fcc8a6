// PyTorch's tensors, read without PyTorch: by the table of C functions that its Tensor type hands out.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

namespace ostinato {

// Asked while a run lasts: whether the user wants to stop.
bool interrupted();

// A tensor as the engine sees it, for as long as it lives and is not changed. Without one: data is null.
using View = nanobind::dlpack::dltensor;
View view(nanobind::handle tensor);

// The k-th of a tuple or a list.
nanobind::handle item(nanobind::handle tensors, size_t k);

inline uintptr_t address(const View& t) { return uintptr_t(t.data) + t.byte_offset; }

inline bool side_by_side(const View& t) {
  return t.ndim > 0 && (t.strides[t.ndim - 1] == 1 || t.shape[t.ndim - 1] == 1);
}

// Whether rows are side by side, at an address that numbers may have.
inline bool is_readable(const View& t) { return side_by_side(t) && address(t) % (t.dtype.bits / 8) == 0; }

void add_tensors(nanobind::module_& m);
void add_calls(nanobind::module_& m);

}  // namespace ostinato
