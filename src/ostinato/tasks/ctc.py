"""Connectionist temporal classification (Graves et al. 2006): symbols in order, out of more steps than symbols.

A network gives each step a score of every symbol and of the blank, which is number 0. A transcript is told by a path, a
symbol or blank a step, of which repetitions and then blanks are dropped.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

Places = NDArray[np.intp]

SIGNS = 0xE000  # fast-ctc-decode writes text: a symbol is one letter of Unicode's private use
MOST_SYMBOLS = 6400  # letters that there are


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


def best_transcript(posteriors: NDArray[np.float32], beam_size: int) -> Places:
    """The most probable transcript, all its paths together: prefix beam search, `beam_size` beginnings kept at each step.

    With a beam of 1, the symbols of the most probable path.
    """
    if beam_size == 1:
        return best_path(posteriors)[0]
    from fast_ctc_decode import beam_search

    signs = [chr(SIGNS + k) for k in range(posteriors.shape[1])]
    said, _ = beam_search(np.ascontiguousarray(posteriors, np.float32), signs, beam_size=beam_size, beam_cut_threshold=0.0)
    return np.array([ord(sign) - SIGNS for sign in said], dtype=np.intp)
