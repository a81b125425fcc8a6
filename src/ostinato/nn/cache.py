"""What a module keeps from call to call: packed weights, and calls like the last ones."""

from __future__ import annotations

from typing import Any

from .. import _native
from .call import Call
from .passes import Pass
from .stack import Mode

MANY_SIZES = 64  # of one call are enough to remember
Shelf = tuple[Pass, int, bool]  # bytecode, place in the stack, whether double


class Cache:
    """Packed weights by bytecode, place in the stack, and type. Copies and pickles of a cache are empty.

    Who takes weights has them alone until they are put back, so that threads may share a module.
    """

    def __init__(self) -> None:
        self.calls: dict[tuple[Mode, bool, int, int], Call] = {}  # those in which nothing is drawn and nothing packed
        self.known: dict[tuple[Any, ...], Call] = {}  # calls that were checked, by whether in training and all shapes
        self._shelves: dict[Shelf, list[_native.Weights]] = {}

    def take(self, shelf: Shelf) -> _native.Weights:
        """Weights to be filled, likely with what fills them already."""
        kept = self._shelves.get(shelf)
        try:
            return kept.pop() if kept else shelf[0].loaded.weights(shelf[2])
        except IndexError:  # another thread was faster
            return shelf[0].loaded.weights(shelf[2])

    def put_back(self, shelf: Shelf, weights: _native.Weights) -> None:
        self._shelves.setdefault(shelf, []).append(weights)

    def know(self, like: tuple[Any, ...], call: Call) -> None:
        """Remember that a call like this is in order."""
        if len(self.known) >= MANY_SIZES:
            self.known.clear()
        self.known[like] = call

    def __deepcopy__(self, memo: object) -> Cache:
        return Cache()

    def __reduce__(self) -> tuple[type[Cache], tuple[()]]:
        return Cache, ()
