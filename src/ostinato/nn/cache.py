"""What a module keeps from call to call: packed weights, and calls like the last ones."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from .. import _native
from .call import Call
from .passes import Pass
from .stack import Mode


class Cache:
    """Packed weights by bytecode, place in the stack, and type. Copies and pickles of a cache are empty.

    Who takes weights has them alone until they are put back, so that threads may share a module.
    """

    def __init__(self) -> None:
        self.calls: dict[tuple[Mode, bool, int, int], Call] = {}  # those in which nothing is drawn and nothing packed
        self._shelves: dict[tuple[Pass, int, bool], list[_native.Weights]] = {}

    def take(self, bytecode: Pass, index: int, double: bool, params: Sequence[Tensor]) -> _native.Weights:
        """Weights that hold these parameters."""
        shelf = self._shelves.get((bytecode, index, double))
        try:
            weights = shelf.pop() if shelf else bytecode.loaded.weights(double)
        except IndexError:  # another thread was faster
            weights = bytecode.loaded.weights(double)
        weights.update(bytecode.params(params, 8 if double else 4))
        return weights

    def put_back(self, bytecode: Pass, index: int, double: bool, weights: _native.Weights) -> None:
        self._shelves.setdefault((bytecode, index, double), []).append(weights)

    def __deepcopy__(self, memo: object) -> Cache:
        return Cache()

    def __reduce__(self) -> tuple[type[Cache], tuple[()]]:
        return Cache, ()
