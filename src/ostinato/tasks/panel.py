"""Series as arrays on a regular grid of time, after everything doubtful in the user's frame has been answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .calendar import Times

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Panel:
    """Several series below each other, each without gaps in time, with the same step and the same columns.

    lengths: `(series,)`, how many rows each has.  times: `(rows,)`.
    values: `(rows, columns)`, the target first, then past and future covariates; where one is missing the last number
    before it stands in, NaN where there is none.
    missing: `(rows, columns)`, which values were missing; None where none was.
    static: columns of one number or text a series.
    ahead: `(series, steps, future covariates)`, what is known of the steps after each series' end.
    """

    names: tuple[str, ...]
    lengths: Rows
    times: Times
    values: NDArray[np.float64]
    step: str
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    missing: NDArray[np.bool_] | None = None
    static: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    ahead: NDArray[np.float64] | None = None

    @cached_property
    def starts(self) -> Rows:
        """The first row of each series."""
        return np.asarray(np.cumsum(self.lengths) - self.lengths)

    @property
    def missing_count(self) -> int:
        """How many values are missing."""
        return 0 if self.missing is None else int(self.missing.sum())

    def target(self) -> NDArray[np.float64]:
        """The target `(rows,)`; NaN where it was not observed."""
        return self.values[:, 0] if self.missing is None else np.where(self.missing[:, 0], np.nan, self.values[:, 0])

    def since_seen(self) -> NDArray[np.float64]:
        """`(rows, columns)`: how many steps ago each column was last observed, before each row; nothing before the panel is known."""
        missing = np.zeros(self.values.shape, bool) if self.missing is None else self.missing
        return since_seen(np.arange(len(self.values), dtype=np.float64), missing, self.starts)

    def rows(self, series: int) -> slice:
        """The rows of one series."""
        start = int(self.starts[series])
        return slice(start, start + int(self.lengths[series]))

    def until(self, ends: Rows) -> Panel:
        """Of each series, the steps before its entry in `ends`."""
        return self._cut(np.zeros(len(self.names), np.intp), np.asarray(ends, np.intp))

    def last(self, steps: int) -> Panel:
        """Of each series, at most the last `steps`."""
        return self._cut(np.maximum(0, self.lengths - steps), self.lengths)

    def after_first(self) -> Panel:
        """Of each series, all but the first step."""
        return self._cut(np.ones(len(self.names), np.intp), self.lengths)

    def only(self, kept: NDArray[np.bool_]) -> Panel:
        """Some of the series."""
        rows = np.repeat(kept, self.lengths)
        return replace(
            self,
            names=tuple(name for name, keep in zip(self.names, kept, strict=True) if keep),
            lengths=self.lengths[kept],
            times=self.times[rows],
            values=self.values[rows],
            missing=None if self.missing is None else self.missing[rows],
            static={name: column[kept] for name, column in self.static.items()},
            ahead=None if self.ahead is None else self.ahead[kept],
        )

    def _cut(self, first: Rows, end: Rows) -> Panel:
        if not first.any() and np.array_equal(end, self.lengths):
            return self
        rows = ranges(self.starts + first, end - first)
        missing = None if self.missing is None else self.missing[rows]
        return replace(self, lengths=end - first, times=self.times[rows], values=self.values[rows], missing=missing)


class Moments(NamedTuple):
    """From where to forecast: in series `series[i]`, when its first `ends[i]` steps are known. Ordered by series."""

    series: Rows
    ends: Rows

    @classmethod
    def of(cls, ends: Sequence[Rows]) -> Moments:
        """From each series' own ends."""
        counts = [len(one) for one in ends]
        return cls(np.repeat(np.arange(len(ends)), counts), np.concatenate(ends).astype(np.intp))

    def rows(self, panel: Panel) -> Rows:
        """The last known row of each."""
        return np.asarray(panel.starts[self.series] + self.ends - 1, dtype=np.intp)


def ranges(starts: Rows, lengths: Rows) -> Rows:
    """``starts[0] … starts[0] + lengths[0] - 1, starts[1] …``: the numbers of many ranges, one after the other."""
    before = np.cumsum(lengths) - lengths
    return np.asarray(np.arange(int(lengths.sum())) + np.repeat(starts - before, lengths))


def carry_forward(values: NDArray[np.float64], starts: Rows) -> NDArray[np.float64]:
    """`(rows, columns)` with each NaN replaced by the last number above it in its series; NaN stays where there is none."""
    first = np.zeros(len(values), dtype=np.intp)
    first[starts] = starts
    first = np.maximum.accumulate(first)[:, None]
    rows = np.where(np.isnan(values), first, np.arange(len(values))[:, None])
    return np.asarray(np.take_along_axis(values, np.maximum.accumulate(rows, axis=0), axis=0))


def since_seen(times: NDArray[np.float64], missing: NDArray[np.bool_], starts: Rows) -> NDArray[np.float64]:
    """`(rows, columns)`: the time since each column was last observed, before this row; since the series' first row if never; 0 there.

    As Che et al. 2018 have it: an observed value, too, has the time since the one before.
    """
    rows = np.arange(len(times))
    first = np.zeros(len(times), dtype=np.intp)
    first[starts] = starts
    first = np.maximum.accumulate(first)
    last = np.maximum.accumulate(np.where(missing, first[:, None], rows[:, None]), axis=0)
    before = np.maximum(np.vstack([last[:1], last[:-1]]), first[:, None])
    return np.asarray(times[:, None] - times[before])
