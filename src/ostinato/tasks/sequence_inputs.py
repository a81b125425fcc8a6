"""What a network sees of sequences: scaled numbers, gaps filled and flagged, padded batch by batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.errors import DataError
from .panel import carry_forward
from .sequences import Numbers, Rows, Sequences
from .training import Examples


@dataclass(frozen=True)
class Scaling:
    """`mean` and `scale` of each feature, over all steps; a constant one is scaled to 0. `flags`: which had gaps."""

    mean: Numbers
    scale: Numbers
    flags: NDArray[np.bool_]

    @classmethod
    def fit(cls, data: Sequences) -> Scaling:
        """Measured on `data`. Raises DataError where a feature has no value at all."""
        mean, scale = spread(data.values)
        empty = np.flatnonzero(np.isnan(mean))
        if len(empty):
            raise DataError(f"X has no value of {data.feature(int(empty[0]))} in any sequence to learn from; leave it out.")
        return cls(mean, scale, np.asarray(np.isnan(data.values).any(axis=0)))

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


class SequenceExamples(Examples):
    """Sequences and what is to be said of them; `targets` and `weights` have an entry for each sequence, or each step."""

    def __init__(
        self,
        values: NDArray[np.float32],
        lengths: Rows,
        targets: NDArray[Any] | None = None,
        weights: NDArray[np.float32] | None = None,
        *,
        per_step: bool = False,
    ) -> None:
        self.values, self.sizes, self.starts = values, lengths, np.cumsum(lengths) - lengths
        self.lengths = lengths if len(np.unique(lengths)) > 1 else None
        self.targets, self.weights, self.per_step = targets, weights, per_step

    def __len__(self) -> int:
        return len(self.sizes)

    def batch(self, rows: Rows) -> tuple[dict[str, torch.Tensor], Any]:
        """`x` `(batch, time, features)`, `lengths` where they differ; the targets, NaN beyond a sequence's end, and weights."""
        sizes = self.sizes[rows]
        steps = np.arange(int(sizes.max()))
        at = self.starts[rows, None] + np.minimum(steps, sizes[:, None] - 1)
        inputs = {"x": torch.from_numpy(self.values[at])}
        if self.lengths is not None:
            inputs["lengths"] = torch.from_numpy(sizes)
        if self.targets is None:
            return inputs, None
        targets = self.targets[at] if self.per_step else self.targets[rows]
        if self.per_step:
            targets[steps >= sizes[:, None]] = np.nan
        weights = np.ones(len(rows), np.float32) if self.weights is None else self.weights[rows]
        return inputs, [torch.from_numpy(targets), torch.from_numpy(weights)]
