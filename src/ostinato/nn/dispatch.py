"""Which way a call runs: the engine, the custom operator, or torch operations."""

from __future__ import annotations

from torch import Tensor

from .call import Call, as_torch


class Cache:
    """What a module keeps between calls; copies and pickles of it are empty."""

    def __deepcopy__(self, memo: object) -> Cache:
        return Cache()

    def __reduce__(self) -> tuple[type[Cache], tuple[()]]:
        return Cache, ()


def dispatch(call: Call, tensors: tuple[Tensor, ...], cache: Cache) -> tuple[Tensor, ...]:
    """Run a call the right way; see DESIGN in the docs."""
    return as_torch(call, tensors)
