"""What a module keeps from call to call: packed weights, and calls like the last ones."""

from __future__ import annotations

from typing import Any

from .. import _native
from .call import Call
from .passes import Pass
from .stack import Mode

MANY_SIZES = 64  # of one call are enough to remember


class Shelves:
    """Packed weights by bytecode, place in the stack, and whether double."""

    def __init__(self) -> None:
        self._shelves: dict[tuple[Pass, int, bool], _native.Shelf] = {}

    def of(self, bytecode: Pass, index: int, double: bool) -> _native.Shelf:
        """Those of one bytecode."""
        like = (bytecode, index, double)
        found = self._shelves.get(like)
        return found or self._shelves.setdefault(like, _native.Shelf(lambda: bytecode.loaded.weights(double)))


class Cache:
    """What one module keeps. Copies and pickles of a cache are empty."""

    def __init__(self) -> None:
        self.calls: dict[tuple[Mode, bool, int, int], Call] = {}  # those in which nothing is packed
        self.known: dict[tuple[Any, ...], Any] = {}  # plans of calls that were checked, by whether in training, type and shapes
        self.shelves = Shelves()

    def know(self, like: tuple[Any, ...], plan: Any) -> None:
        """Remember that a call like this is in order, and the engine's plan of it."""
        if len(self.known) >= MANY_SIZES:
            self.known.clear()
        self.known[like] = plan

    def __deepcopy__(self, memo: object) -> Cache:
        return Cache()

    def __reduce__(self) -> tuple[type[Cache], tuple[()]]:
        return Cache, ()
