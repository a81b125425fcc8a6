"""Series as arrays on a regular grid of time, after everything doubtful in the user's frame has been answered."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True)
class Series:
    """One series without gaps in time: `values` is `(time, columns)`, the target first, then the past covariates.

    A missing value is NaN.
    """

    name: str
    times: pd.DatetimeIndex
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.times)

    def part(self, start: int, end: int) -> Series:
        """The steps from `start` (inclusive) to `end` (exclusive)."""
        return replace(self, times=self.times[start:end], values=self.values[start:end])


@dataclass(frozen=True)
class Panel:
    """Several series with the same step and the same columns."""

    series: tuple[Series, ...]
    step: str
    past: tuple[str, ...]

    @property
    def missing(self) -> int:
        """How many values are missing."""
        return sum(int(np.isnan(one.values).sum()) for one in self.series)

    def until(self, ends: list[int]) -> Panel:
        """Of each series, the steps before its entry in `ends`."""
        return replace(self, series=tuple(one.part(0, end) for one, end in zip(self.series, ends, strict=True)))

    def last(self, steps: int) -> Panel:
        """Of each series, at most the last `steps`."""
        return replace(self, series=tuple(one.part(max(0, len(one) - steps), len(one)) for one in self.series))


def carry_forward(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(time, columns)` with each NaN replaced by the last number above it; NaN stays where there is none above."""
    rows = np.where(np.isnan(values), 0, np.arange(len(values))[:, None])
    return np.asarray(np.take_along_axis(values, np.maximum.accumulate(rows, axis=0), axis=0))
