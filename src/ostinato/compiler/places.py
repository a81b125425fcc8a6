"""Where values live: the spaces of docs/bytecode.md, and slots that are shared when their values' lives do not meet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum


class Space(IntEnum):
    """Memory of one kind; docs/bytecode.md says how long it lives and how it is addressed."""

    CONST = 0
    PARAM = 1
    GIVEN = 2
    GRAD = 3
    ROW = 4
    CHUNK = 5
    WORK = 6
    TILE = 7
    TAPE = 8
    TIME = 9
    CARRY = 10
    STEP = 11
    SEQ = 12


@dataclass(frozen=True)
class Place:
    """One value: `width` numbers a row at `offset` of a space, or the caller's array `index`."""

    space: Space
    offset: int
    width: int
    shift: int = 0
    index: int = 0

    def after(self) -> Place:
        """The same slot as it leaves the step."""
        return replace(self, shift=1)


class Slots:
    """Slots of one space, handed out in the order of time and taken back when their value has died."""

    def __init__(self, space: Space, unit: bool = False) -> None:
        self.space, self.size, self._unit = space, 0, unit
        self._free: list[tuple[int, int]] = []  # (width, offset)
        self._live: list[tuple[int, int, int]] = []  # (last use, width, offset)

    def take(self, width: int, now: int, last: int) -> Place:
        """A slot from moment `now` until after moment `last`; one that died before `now` may be given again."""
        dead = [(w, o) for end, w, o in self._live if end < now]
        self._live = [entry for entry in self._live if entry[0] >= now]
        self._free = sorted(self._free + dead)
        size = 1 if self._unit else width
        offset = next((o for w, o in self._free if w == size), None)
        if offset is None:
            offset, self.size = self.size, self.size + size
        else:
            self._free.remove((size, offset))
        self._live.append((last, size, offset))
        return Place(self.space, offset, width)
