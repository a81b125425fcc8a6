"""Data sets in parts: one to learn from, one to be scored on, and others."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import DataError, nearest
from .published import DataSet

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class PartedSet(DataSet):
    """A data set of which `count` names the parts, with the number of items in each."""

    count: dict[str, int]

    @abstractmethod
    def part_frame(self, part: str) -> pd.DataFrame:
        """A part in long form, without a column for the part; `unique_id` first."""

    def frame(self, part: str | None = None) -> pd.DataFrame:
        """A part in long form; without `part`, all parts, told apart by a column `part`."""
        import pandas as pd

        if part is not None:
            self.check_part(part)
            return self.part_frame(part)
        frames = {name: self.part_frame(name) for name in self.count}
        for name, frame in frames.items():
            frame.insert(1, "part", name)
        return pd.concat(frames.values(), ignore_index=True)

    def check_part(self, part: str) -> None:
        if part not in self.count:
            raise DataError(f"{self.name} has no part {part!r}.{nearest(part, self.count)} Parts: {', '.join(self.count)}.")

    def how_many(self, things: str) -> str:
        parts = ", ".join(f"{part} {count:,}" for part, count in self.count.items())
        return f"{sum(self.count.values()):,} {things} ({parts})"


def hashed_part(key: str, parts: tuple[str, str] = ("train", "test"), percent: int = 20) -> str:
    """The part that a key falls into, the same everywhere: the last `percent` of its SHA-256's hundred remainders."""
    remainder = int.from_bytes(hashlib.sha256(key.encode()).digest()) % 100
    return parts[remainder >= 100 - percent]
