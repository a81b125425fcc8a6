"""Connectionist temporal classification (Graves et al. 2006): symbols in order, out of more steps than symbols.

A network gives each step a score of every symbol and of the blank, which is number 0. A transcript is told by a path, a
symbol or blank a step, of which repetitions and then blanks are dropped.
"""

from __future__ import annotations

from heapq import nlargest
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

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
        logs = scores.log_softmax(2).transpose(0, 1)
        losses = nn.functional.ctc_loss(logs, symbols.clamp(min=0), lengths, counts, reduction="none")
        return (weights * losses / counts.clamp(min=1)).mean()


def best_path(posteriors: NDArray[Any]) -> tuple[Places, Places]:
    """The symbols of the most probable path `(steps, 1 + symbols)`, from 1 on, and the step at which each begins."""
    path: Places = posteriors.argmax(axis=1)
    steps = np.flatnonzero((path > 0) & (path != np.concatenate([[0], path[:-1]])))
    return path[steps], steps


def best_transcript(posteriors: NDArray[Any], beam_size: int) -> Places:
    """The most probable transcript, all its paths together: prefix beam search, `beam_size` beginnings kept at each step.

    With a beam of 1, the symbols of the most probable path. Of the symbols, the `beam_size` best of a step are tried.
    """
    if beam_size == 1:
        return best_path(posteriors)[0]
    begun = Beginnings()
    kept = {0: (1.0, 0.0)}  # how probable each beginning is, the last step a blank, or its last symbol
    for step in posteriors.astype(np.float64):
        tried = 1 + np.argsort(-step[1:], kind="stable")[:beam_size]
        found: dict[int, list[float]] = {}
        for one, (blank, symbol) in kept.items():
            both, last = blank + symbol, begun.last[one]
            own = found.setdefault(one, [0.0, 0.0])
            own[0] += both * step[0]
            own[1] += symbol * step[last]
            for place in tried.tolist():
                longer = found.setdefault(begun.with_symbol(one, place), [0.0, 0.0])
                longer[1] += (blank if place == last else both) * step[place]
        best = nlargest(beam_size, found.items(), key=lambda item: item[1][0] + item[1][1])
        top = sum(best[0][1])  # only ratios count, and a long product would come to nothing
        kept = {one: (blank / top, symbol / top) for one, (blank, symbol) in best}
    return begun.symbols(max(kept, key=lambda one: sum(kept[one])))


class Beginnings:
    """Beginnings of transcripts as a tree: each is a number, 0 the empty one; `before` it and `last` symbol of it."""

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

    def symbols(self, one: int) -> Places:
        """All of its symbols."""
        said = []
        while one:
            said.append(self.last[one])
            one = self.before[one]
        return np.array(said[::-1], dtype=np.intp)
