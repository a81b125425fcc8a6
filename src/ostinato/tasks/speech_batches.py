"""Utterances as the batches that a speaker learns from: phones, the places of their frames, durations, frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .sequence_batches import SequenceExamples
from .sequences import Rows
from .timed_phones import Placed


class SpeechExamples(SequenceExamples):
    """Phones, and where the frames of each utterance lie in them; `targets` has each one's scaled durations and frames."""

    at_once = 64  # frames take much memory
    lengths: Rows

    def __init__(
        self,
        values: NDArray[Any],
        phones: Rows,
        placed: Sequence[Placed],
        targets: NDArray[Any] | None = None,
        weights: NDArray[np.float32] | None = None,
    ) -> None:
        super().__init__(values, phones, targets, weights)
        self.placed = placed
        self.lengths = np.array([len(one.phone) for one in placed], dtype=np.intp)  # batches are of like length in frames

    def batch(self, rows: Rows) -> tuple[dict[str, Tensor], Any]:
        """The network's keywords; durations and frames, NaN beyond an utterance's end, and weights."""
        placed = [self.placed[row] for row in rows]
        inputs = {
            "x": padded([self.values[self.starts[row] :][: self.sizes[row]] for row in rows], 0),
            "lengths": torch.from_numpy(self.sizes[rows]),
            "phone": padded([one.phone for one in placed], 0),
            "place": padded([one.place for one in placed], 0.0),
            "frames": torch.from_numpy(self.lengths[rows]),
        }
        if self.targets is None or self.weights is None:
            return inputs, None
        durations, frames = zip(*self.targets[rows], strict=True)
        return inputs, [padded(durations, np.nan), padded(frames, np.nan), torch.from_numpy(self.weights[rows])]


def padded(parts: Sequence[NDArray[Any]], fill: float) -> Tensor:
    """Parts `(time_i, ...)` as `(parts, longest, ...)`."""
    found = np.full((len(parts), max(map(len, parts)), *parts[0].shape[1:]), fill, parts[0].dtype)
    for row, part in zip(found, parts, strict=True):
        row[: len(part)] = part
    return torch.from_numpy(found)
