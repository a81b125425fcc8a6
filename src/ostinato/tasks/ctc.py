"""Connectionist temporal classification (Graves et al. 2006): symbols in order, out of more steps than symbols.

A network gives each step a score of every symbol and of the blank, which is number 0. A transcript is told by a path, a
symbol or blank a step, of which repetitions and then blanks are dropped.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from heapq import nlargest
from itertools import takewhile
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .parameters import rules
from .sequence_settings import TranscribeSettings

Places = NDArray[np.intp]


def steps_needed(symbols: Places) -> int:
    """The fewest steps that can tell these symbols: one each, and a blank between equal neighbours."""
    return len(symbols) + int((symbols[1:] == symbols[:-1]).sum())


class CTCLoss(nn.Module):
    """The mean of -ln(probability of the transcript) over its symbols, each times its weight."""

    def forward(self, scores: Tensor, target: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """`scores` `(batch, time, 1 + symbols)`; of the target symbols `(batch, most)`, -1 beyond each end, weights and lengths."""
        symbols, weights, lengths = target
        counts = (symbols >= 0).sum(1)
        logs = scores.log_softmax(2)
        # One by one, so that memory is the sum of the recordings' own needs; it takes no longer.
        losses = [
            nn.functional.ctc_loss(logs[row, :steps], symbols[row, :count], lengths[row], counts[row], reduction="none")
            for row, (steps, count) in enumerate(zip(lengths.tolist(), counts.tolist(), strict=True))
        ]
        return (weights * torch.stack(losses) / counts.clamp(min=1)).mean()


def best_path(posteriors: NDArray[Any], before: int = 0) -> tuple[Places, Places]:
    """The symbols of the most probable path `(steps, 1 + symbols)`, from 1 on, and the step at which each begins.

    `before`: what the step before the first told.
    """
    path: Places = posteriors.argmax(axis=1)
    steps = np.flatnonzero((path > 0) & (path != np.concatenate([[before], path[:-1]])))
    return path[steps], steps


def best_transcript(posteriors: NDArray[Any], beam_size: int) -> Places:
    """The transcript that `decoder` finds."""
    found = decoder(beam_size)
    return np.array(found.push(posteriors) + found.pending, dtype=np.intp)


def decoder(beam_size: int) -> Decoder:
    """What finds the most probable transcript, chunk by chunk; with a beam of 1, the symbols of the most probable path.

    Raises ValueError for a `beam_size` that there cannot be.
    """
    rules(TranscribeSettings)["beam_size"].check("beam_size", beam_size)
    return BestPath() if beam_size == 1 else PrefixBeam(beam_size)


class Decoder(ABC):
    """Finds a transcript in posteriors that come in chunks; the chunks make no difference to it.

    `pending` are symbols behind those that are settled, which later steps may change.
    """

    pending: list[int]

    @abstractmethod
    def push(self, posteriors: NDArray[Any]) -> list[int]:
        """After so many more steps `(steps, 1 + symbols)`, the symbols that are now settled, behind those settled before."""


class BestPath(Decoder):
    """The symbols of the most probable path."""

    def __init__(self) -> None:
        self.pending, self._before = [], 0

    def push(self, posteriors: NDArray[Any]) -> list[int]:
        found: list[int] = best_path(posteriors, self._before)[0].tolist()
        self._before = int(posteriors[-1].argmax()) if len(posteriors) else self._before
        return found


class PrefixBeam(Decoder):
    """The most probable transcript, all its paths together: `size` beginnings are kept at each step.

    Of the symbols, the `size` best of a step are tried. What all that are kept begin with is settled.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._begun = Beginnings()
        self._kept = {0: (1.0, 0.0)}  # how probable each beginning is, the last step a blank, or its last symbol

    @property
    def pending(self) -> list[int]:  # type: ignore[override]
        return self._begun.symbols(max(self._kept, key=lambda one: sum(self._kept[one])))

    def push(self, posteriors: NDArray[Any]) -> list[int]:
        for step in posteriors.astype(np.float64):
            self._hear(step)
        settled, renamed = self._begun.settle(self._kept)
        self._kept = {renamed[one]: chances for one, chances in self._kept.items()}
        return settled

    def _hear(self, step: NDArray[np.float64]) -> None:
        tried = 1 + np.argsort(-step[1:], kind="stable")[: self.size]
        found: dict[int, list[float]] = {}
        for one, (blank, symbol) in self._kept.items():
            both, last = blank + symbol, self._begun.last[one]
            own = found.setdefault(one, [0.0, 0.0])
            own[0] += both * step[0]
            own[1] += symbol * step[last]
            for place in tried.tolist():
                longer = found.setdefault(self._begun.with_symbol(one, place), [0.0, 0.0])
                longer[1] += (blank if place == last else both) * step[place]
        best = nlargest(self.size, found.items(), key=lambda item: item[1][0] + item[1][1])
        top = sum(best[0][1])  # only ratios count, and a long product would come to nothing
        self._kept = {one: (blank / top, symbol / top) for one, (blank, symbol) in best}


class Beginnings:
    """Beginnings of transcripts as a tree: each is a number, 0 what is settled; `before` it and `last` symbol of it."""

    def __init__(self) -> None:
        self.before, self.last = [0], [0]
        self._longer: dict[tuple[int, int], int] = {}

    def with_symbol(self, one: int, place: int) -> int:
        """A beginning and one symbol more."""
        found = self._longer.setdefault((one, place), len(self.last))
        if found == len(self.last):
            self.before.append(one)
            self.last.append(place)
        return found

    def symbols(self, one: int) -> list[int]:
        """All of its symbols that are not settled."""
        said = []
        while one:
            said.append(self.last[one])
            one = self.before[one]
        return said[::-1]

    def settle(self, kept: Iterable[int]) -> tuple[list[int], dict[int, int]]:
        """Forget all but what is kept: the symbols that all of it begins with, and the new number of each."""
        said = {one: self.symbols(one) for one in kept}
        common = [places[0] for places in takewhile(lambda places: len(set(places)) == 1, zip(*said.values(), strict=False))]
        self.before, self.last, self._longer = [0], [common[-1] if common else self.last[0]], {}
        renamed = dict.fromkeys(said, 0)
        for one, symbols in said.items():
            for place in symbols[len(common) :]:
                renamed[one] = self.with_symbol(renamed[one], place)
        return common, renamed
