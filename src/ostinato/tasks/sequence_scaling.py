"""Features of sequences, scaled by what was learned from, gaps filled and flagged, their lengths told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.errors import DataError
from .panel import carry_forward
from .sequences import Numbers, Sequences


@dataclass(frozen=True)
class Clock:
    """How time is told: by `kind`, as `Sequences` has it, in units of the median time from step to step."""

    kind: str
    unit: float

    @classmethod
    def fit(cls, data: Sequences) -> Clock:
        """Measured on `data`. Raises DataError where its times tell no lengths."""
        if data.clock == "order":
            raise DataError("The times of X are no dates or numbers, and only put steps in order; turn them into such, to tell gaps.")
        if data.times is None:
            return cls(data.clock, 1.0)
        apart = np.delete(np.diff(data.times, prepend=0.0), data.starts)
        return cls(data.clock, float(np.median(apart)) if len(apart) else 1.0)

    def of(self, data: Sequences, times: Numbers) -> Numbers:
        """Lengths of time in units. Raises DataError for another kind of clock, or lengths beyond all bounds."""
        if data.clock != self.kind:
            raise DataError(f"X tells the time by {data.clock}, but by {self.kind} in what was learned from; write it as it was.")
        if np.abs(times).max(initial=0.0) > 1e12 * self.unit:
            raise DataError(f"X has steps {times.max():g} apart, too far from what was learned from ({self.unit:g}); mend the times.")
        return np.asarray(times / self.unit)


@dataclass(frozen=True)
class Scaling:
    """`mean` and `scale` of each feature, over all steps; a constant one is scaled to 0. `flags`: which had gaps.

    clock: how the lengths of gaps are told; None where they are not.
    """

    mean: Numbers
    scale: Numbers
    flags: NDArray[np.bool_]
    clock: Clock | None = None

    @classmethod
    def fit(cls, data: Sequences, *, flags: bool = True, clock: Clock | None = None) -> Scaling:
        """Measured on `data`; without `flags`, none. Raises DataError where a feature has no value at all."""
        gaps = np.isnan(data.values)
        empty = np.flatnonzero(gaps.all(axis=0))
        if len(empty):
            raise DataError(f"X has no value of {data.feature(int(empty[0]))} in any sequence to learn from; leave it out.")
        return cls(*spread(data.values), np.asarray(gaps.any(axis=0) & flags), clock)

    @property
    def width(self) -> int:
        """Features of a step as the network sees it."""
        flags = int(self.flags.sum())
        return len(self.mean) + flags + (0 if self.clock is None else flags + 1)

    def apply(self, data: Sequences) -> NDArray[np.float32]:
        """`(steps, width)`: values, flags, log(1 + gap) since each flagged feature was last seen, and since the step before.

        A missing value is the last one of its sequence; before the first, the mean.
        """
        gaps = np.isnan(data.values)
        values = (carry_forward(data.values, data.starts) if gaps.any() else data.values) - self.mean
        values /= self.scale
        with np.errstate(over="ignore"):
            seen: NDArray[np.float32] = np.hstack([values, gaps[:, self.flags], *self._lengths(data)]).astype(np.float32)
        seen[:, : len(self.mean)][np.isnan(values)] = 0.0
        far = np.argwhere(np.isinf(seen))
        if len(far):
            step, column = far[0]
            raise DataError(
                f"X has {data.values[step, column]:g} in {data.feature(column)} at {data.where(step)}, too far from what was "
                f"learned from (mean {self.mean[column]:g}, spread {self.scale[column]:g}); mend it."
            )
        return seen

    def _lengths(self, data: Sequences) -> list[Numbers]:
        if self.clock is None:
            return []
        return [np.log1p(self.clock.of(data, data.since_seen()[:, np.append(self.flags, True)]))]


def spread(values: NDArray[Any]) -> tuple[Numbers, Numbers]:
    """Mean and standard deviation of each column, missing values aside; 1 where a column is constant."""
    from sklearn.preprocessing import StandardScaler

    found = StandardScaler().fit(values)
    return np.asarray(found.mean_, np.float64), np.asarray(found.scale_, np.float64)


def measured(arrays: Mapping[str, NDArray[Any]], name: str, count: int) -> tuple[Numbers, Numbers]:
    """Mean and scale of `count` columns out of a file. Raises ValueError and KeyError for what cannot be such."""
    mean, scale = arrays[f"{name}.mean"], arrays[f"{name}.scale"]
    if mean.shape != (count,) or scale.shape != (count,) or not np.isfinite(mean).all():
        raise ValueError(f"its array '{name}.mean' has the shape {mean.shape}, '{name}.scale' {scale.shape}, for {count} columns")
    if not (np.isfinite(scale) & (scale > 0)).all():
        raise ValueError(f"its array '{name}.scale' is not positive")
    return np.array(mean, np.float64), np.array(scale, np.float64)
