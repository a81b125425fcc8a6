"""Phones in, perhaps with their times; and which phone each frame of the sound lies in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from ..data.errors import DataError
from .log_mel import LogMel
from .sequences import Numbers, Rows, require_column
from .tokens import Tokens, checked, is_plain, sizes

PHONES = "phones"  # the column of a frame that has them
PLACES = 3  # numbers that tell where in its phone a frame is
NEAR = 0.1  # seconds, the unit of two of them
GAP = 1e-3  # seconds that may lie between two phones
LONGEST = 60.0  # seconds of one utterance; to align two takes memory by the square of it


@dataclass(frozen=True, kw_only=True)
class Phones(Tokens):
    """Phones of utterances. Of those with times also, in seconds: `ends` of each phone of all, `begins` of each utterance."""

    ends: Numbers | None = None
    begins: Numbers | None = None

    def take(self, chosen: Rows) -> Self:
        some = super().take(chosen)
        if self.ends is None or self.begins is None:
            return some
        return replace(some, ends=self.ends[self.steps(chosen)], begins=self.begins[chosen])

    def times(self) -> tuple[Numbers, Numbers]:
        """When each utterance begins, and when each phone ends. Raises DataError where they are not known."""
        if self.ends is None or self.begins is None:
            raise DataError("X has phones without times; give each as (start, end, phone), in seconds.")
        return self.begins, self.ends

    def durations(self) -> Numbers:
        """Seconds of each phone of all."""
        begins, ends = self.times()
        starts = np.concatenate([[0.0], ends[:-1]])
        starts[self.starts] = begins
        return np.asarray(ends - starts)

    def given_ends(self) -> list[Numbers]:
        """When each phone of an utterance ends, from its beginning."""
        begins, ends = self.times()
        return [own - begin for own, begin in zip(self.parts(ends), begins, strict=True)]

    def parts(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Something of each phone, utterance by utterance."""
        return np.split(values, np.cumsum(self.lengths)[:-1])


def read_phones(X: Any) -> Phones:
    """Phones out of a list, or the column `phones` of a frame: of each utterance a text with spaces between them, a list of
    them, or a list of `(start, end, phone)` in seconds. Raises DataError for what is none.
    """
    table = None
    if nw.dependencies.is_into_dataframe(X):
        table = nw.from_native(X, eager_only=True)
        require_column(table, PHONES)
        X = table.get_column(PHONES).to_list()
    if isinstance(X, (str, bytes)) or not hasattr(X, "__len__"):
        raise DataError(f"X is {X!r}; give a list with the phones of each utterance.")
    if not len(X):
        raise DataError("X holds no phones (0 sample(s)) while a minimum of 1 is required; give those of an utterance.")
    rows = [items_of(one, f"utterance {number}") for number, one in enumerate(X, start=1)]
    timed = [is_timed(row[0]) for row in rows]
    if any(timed) and not all(timed):
        raise DataError(f"Utterance {timed.index(False) + 1} of X has no times, but others have; give one kind.")
    where = [f"utterance {number}" for number in range(1, len(rows) + 1)]
    begins = ends = None
    if timed[0]:
        read = [read_times(row, place) for row, place in zip(rows, where, strict=True)]
        begins, ends = np.array([begin for begin, _ in read]), np.concatenate([end for _, end in read])
        rows = [[one[2] for one in row] for row in rows]
    tokens = tuple([label(one, place) for one in row] for row, place in zip(rows, where, strict=True))
    source = "list" if table is None else "frame"
    return Phones(tokens=tokens, lengths=sizes(tokens), source=source, table=table, begins=begins, ends=ends)


def items_of(one: Any, where: str) -> list[Any]:
    """The phones of one utterance. Raises DataError where there are none."""
    found = one.split() if isinstance(one, str) else one
    if not isinstance(found, (list, tuple, np.ndarray)):
        raise DataError(f"X has {one!r} as {where}; give its phones, in a list or with spaces between them.")
    if not len(found):
        raise DataError(f"X has no phones in {where}; leave it out.")
    return list(found)


def is_timed(one: Any) -> bool:
    return isinstance(one, (list, tuple)) and len(one) == 3


def label(one: Any, where: str) -> str:
    """A phone. Raises DataError for what is none."""
    found = one if is_plain(one) else checked(one, where)
    if not found or found.split() != [found]:
        raise DataError(f"X has the phone {found!r} in {where}; a phone is a text without spaces.")
    return found


def read_times(row: Sequence[Any], where: str) -> tuple[float, Numbers]:
    """When an utterance begins, and when each of its phones ends. Raises DataError for phones that do not follow each other."""
    odd = next((one for one in row if not is_timed(one) or any(not isinstance(time, (int, float, np.number)) for time in one[:2])), None)
    if odd is not None:
        raise DataError(f"X has {odd!r} in {where}; give each phone as (start, end, phone), in seconds.")
    starts, ends = (np.array([float(one[side]) for one in row]) for side in (0, 1))
    for number, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        named = f"Phone {number + 1} ({row[number][2]!r}) of {where}"
        before = starts[0] if number == 0 else ends[number - 1]
        if not 0 <= start < end <= LONGEST:
            raise DataError(
                f"{named} lasts from {start:g} to {end:g} s; it must end after it begins, between 0 and {LONGEST:g} s; cut what is longer."
            )
        if abs(start - before) > GAP:
            raise DataError(f"{named} begins at {start:g} s, but the one before ends at {before:g} s; give what lies between as a pause.")
    return float(starts[0]), ends


@dataclass(frozen=True)
class Placed:
    """Of each frame the phone that it lies in, and where in it `(frames, PLACES)`: the part that is over, and the time since its
    beginning and to its end. The first of them is frame `first` of the sound.
    """

    phone: Rows
    place: NDArray[np.float32]
    first: int

    @classmethod
    def of(cls, begin: float, ends: Numbers, features: LogMel, most: int | None = None) -> Self:
        """The frames whose middles lie within the phones, at least one, of the `most` that the sound has."""
        middle, hop = features.window / 2 / features.sampling_rate, features.hop / features.sampling_rate
        first = max(0, int(np.ceil((begin - middle) / hop)))
        last = max(first + 1, int(np.ceil((ends[-1] - middle) / hop)))
        middles = middle + hop * np.arange(first, last if most is None else min(most, last))
        phone = np.minimum(np.searchsorted(ends, middles, side="right"), len(ends) - 1).astype(np.intp)
        starts = np.concatenate([[begin], ends[:-1]])[phone]
        since, left = np.maximum(middles - starts, 0.0), np.maximum(ends[phone] - middles, 0.0)
        place = np.column_stack([since / (since + left), since / NEAR, left / NEAR])
        return cls(phone, place.astype(np.float32), first)

    def every(self, stack: int) -> Self:
        """The first of every `stack` frames."""
        return replace(self, phone=self.phone[::stack], place=self.place[::stack])
