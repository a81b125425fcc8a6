"""A picture of the labels along a sequence: the true ones over those that were said, in lines like a text's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.errors import DataError
from .plot_style import GREY, name_axes, new_axes, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE = 100  # letters in a line
MOST_LINES = 12
LONGEST = 14  # letters of a token
# Okabe and Ito's seven colours, then their lighter and darker relatives; labels beyond these are grey.
PALETTE = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000",
    "#7FB8D8", "#8C6000", "#7FCEB9", "#6A2F00", "#E5BCD3", "#2B5A74", "#F7F1A0",
)  # fmt: skip


def plot_tags(
    y_true: Any, y_pred: Any = None, *, tokens: Sequence[str] | None = None, labels: Any = None, name: str = "", axes: Axes | None = None
) -> Axes:
    """Draw the labels along one sequence, `(time,)`, as a ribbon in lines: the true ones above, below them those that were said.

    `tokens` stand over their labels. `labels` are those in the order of the colours, by default all that occur, sorted.
    A long sequence is cut after twelve lines. Raises DataError where lengths differ, or there is nothing.
    """
    ribbons = [np.ravel(np.asarray(one)).astype(str) for one in (y_true, y_pred) if one is not None]
    words: Sequence[str] = [""] * len(ribbons[0]) if tokens is None else tokens
    written = [short(token, LONGEST) for token in words]
    counts = [*map(len, ribbons), len(written)]
    if not counts[0] or len(set(counts)) > 1:
        told = ", ".join(map(str, counts))
        raise DataError(f"Labels, answers and tokens of a sequence must be as many, and at least one; there are {told}.")
    places = cells(written)
    lines = min(int(places[-1, 0]) + 1, MOST_LINES)
    shown = places[:, 0] < lines
    tall = len(ribbons) + (tokens is not None) + 0.6
    names = np.unique(np.concatenate(ribbons)).tolist() if labels is None else [str(label) for label in labels]
    axes = new_axes(11, 1.1 + 0.2 * lines * tall) if axes is None else axes
    for level, ribbon in enumerate(ribbons):
        for label, line, start, end in runs(ribbon[shown], places[shown]):
            colour = PALETTE[names.index(label)] if label in names[: len(PALETTE)] else GREY
            upper = line * tall + tall - 0.5 - (len(ribbons) - level)
            axes.broken_barh([(start, end - start)], (upper, 0.85), color=colour, linewidth=0)
    if tokens is not None:
        for token, (line, start, end) in zip(written, places[shown], strict=False):
            where = ((start + end) / 2, line * tall + 0.6)
            axes.text(*where, token, ha="center", va="center", fontsize=6.5, family="monospace", parse_math=False)
    firsts = [int(np.flatnonzero(places[:, 0] == line)[0]) + 1 for line in range(lines)]
    axes.set_yticks([line * tall + tall / 2 - 0.5 for line in range(lines)], labels=[str(first) for first in firsts], fontsize=8)
    axes.set_ylim(lines * tall - 0.2, -0.6)
    axes.set_xlim(0, LINE)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    used = [label for label in names[: len(PALETTE)] if any((ribbon == label).any() for ribbon in ribbons)]
    for label in used:
        axes.plot([], [], "s", color=PALETTE[names.index(label)], label=short(label, 16))
    if len(names) > len(PALETTE):
        axes.plot([], [], "s", color=GREY, label="others")
    name_axes(axes, title(name, ribbons, int(shown.sum())), columns=15)
    return axes


def ribbon_height(tokens: Sequence[str]) -> float:
    """Inches for the labels along a sequence, the true ones and those that were said."""
    lines = min(int(cells([short(token, LONGEST) for token in tokens])[-1, 0]) + 1, MOST_LINES)
    return 1.1 + 0.2 * lines * (3.6 if any(tokens) else 2.6)


def title(name: str, ribbons: Sequence[NDArray[Any]], shown: int) -> str:
    """What is drawn, in words."""
    words = [short(name)] if name else []
    if len(ribbons) > 1:
        words.append(f"truth above, answer below; {100 * np.mean(ribbons[0] == ribbons[1]):.1f} % right")
    words += [f"the first {shown} of {len(ribbons[0])} steps"] if shown < len(ribbons[0]) else []
    return "; ".join(words)


def cells(tokens: Sequence[str]) -> NDArray[np.intp]:
    """Line, start and end of each token `(time, 3)`: a token is as wide as it is long, and takes a new line where it does not fit."""
    wide = any(len(token) > 1 for token in tokens)
    found, line, start = [], 0, 0
    for token in tokens:
        width = len(token) + 1 if wide else 1
        if start + width > LINE:
            line, start = line + 1, 0
        found.append((line, start, start + width))
        start += width
    return np.array(found, dtype=np.intp)


def runs(ribbon: NDArray[Any], places: NDArray[np.intp]) -> Iterator[tuple[str, int, int, int]]:
    """Label, line, start and end of each stretch of the same label in a line."""
    at = 0
    for (label, line), group in groupby(zip(ribbon.tolist(), places[:, 0].tolist(), strict=True)):
        count = len(list(group))
        yield label, line, int(places[at, 1]), int(places[at + count - 1, 2])
        at += count
