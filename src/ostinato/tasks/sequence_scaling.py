"""Features of sequences, scaled by what was learned from, gaps filled and flagged."""

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
class Scaling:
    """`mean` and `scale` of each feature, over all steps; a constant one is scaled to 0. `flags`: which had gaps."""

    mean: Numbers
    scale: Numbers
    flags: NDArray[np.bool_]

    @classmethod
    def fit(cls, data: Sequences) -> Scaling:
        """Measured on `data`. Raises DataError where a feature has no value at all."""
        gaps = np.isnan(data.values)
        empty = np.flatnonzero(gaps.all(axis=0))
        if len(empty):
            raise DataError(f"X has no value of {data.feature(int(empty[0]))} in any sequence to learn from; leave it out.")
        return cls(*spread(data.values), np.asarray(gaps.any(axis=0)))

    @property
    def width(self) -> int:
        """Features of a step as the network sees it."""
        return len(self.mean) + int(self.flags.sum())

    def apply(self, data: Sequences) -> NDArray[np.float32]:
        """`(steps, width)`. A missing value is the last one of its sequence; before the first, the mean."""
        gaps = np.isnan(data.values)
        values = (carry_forward(data.values, data.starts) if gaps.any() else data.values) - self.mean
        values /= self.scale
        with np.errstate(over="ignore"):
            seen: NDArray[np.float32] = np.hstack([values, gaps[:, self.flags]]).astype(np.float32)
        seen[:, : len(self.mean)][np.isnan(values)] = 0.0
        far = np.argwhere(np.isinf(seen))
        if len(far):
            step, column = far[0]
            raise DataError(
                f"X has {data.values[step, column]:g} in {data.feature(column)} at {data.where(step)}, too far from what was "
                f"learned from (mean {self.mean[column]:g}, spread {self.scale[column]:g}); mend it."
            )
        return seen


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
