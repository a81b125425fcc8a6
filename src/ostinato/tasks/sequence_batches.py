"""Sequences as the batches that a network learns from: padded to the longest of each batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .sequences import Rows
from .training import Examples

GAP = -1  # the number of a class beyond a sequence's end; of numbers it is NaN


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
        self.weighted_steps = per_step and weights is not None and len(weights) == len(values)

    def __len__(self) -> int:
        return len(self.sizes)

    def batch(self, rows: Rows) -> tuple[dict[str, torch.Tensor], Any]:
        """`x` `(batch, time, features)`, `lengths` where they differ; the targets, NaN or GAP beyond a sequence's end, and weights."""
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
            targets[steps >= sizes[:, None]] = GAP if targets.dtype.kind == "i" else np.nan
        weights = np.ones(len(rows), np.float32) if self.weights is None else self.weights[at if self.weighted_steps else rows]
        return inputs, [torch.from_numpy(targets), torch.from_numpy(weights)]
