"""Pictures of what was said of sequences beside what is true: classes, and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.errors import DataError
from .plot_style import COLOURS, GREY, name_axes, name_ticks, new_axes, short, tidy, whole_axis, with_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NUMBERED = 25  # classes whose counts can still be read
MOST_NAMED = 60
CROWD = 2000  # points that an SVG holds as a picture, not one by one


def plot_confusion_matrix(y_true: Any, y_pred: Any, *, labels: Any = None, axes: Axes | None = None) -> Axes:
    """Draw how often each true class (row) was taken for which (column): counts, shaded by the share of the row.

    `labels` are the classes in the order wanted, by default all that occur, sorted. Above 25 classes the counts are left
    out, above 60 most names. Raises DataError for answers of other number than truths, or classes not in `labels`.
    """
    from matplotlib.colors import PowerNorm
    from matplotlib.ticker import PercentFormatter
    from sklearn.metrics import confusion_matrix

    truth, said = same_length(y_true, y_pred)
    classes = np.unique(np.concatenate([truth, said])) if labels is None else np.asarray(labels)
    strays = np.setdiff1d(np.concatenate([truth, said]), classes).tolist()
    if strays:
        raise DataError(f"The class {strays[0]!r} is not among the labels {', '.join(map(str, classes))}.")
    counts = confusion_matrix(truth, said, labels=classes)
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    size = min(12.0, max(4.0, 0.45 * len(classes) + 2))
    axes = new_axes(size + 1, size) if axes is None else axes
    root = PowerNorm(0.5, 0, 1)  # a rare mistake is seen, too
    image = axes.imshow(shares, cmap="Blues", norm=root)
    if len(classes) <= MOST_NUMBERED:
        letters = 9 if len(classes) <= 12 else 7
        for row, column in np.argwhere(counts):
            ink = "white" if root(shares[row, column]) > 0.55 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=ink, fontsize=letters)
    names = [short(name, 16) for name in classes]
    slant: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if max(map(len, names)) > 3 else {}
    name_ticks(axes.xaxis, names, MOST_NAMED, **slant)
    name_ticks(axes.yaxis, names, MOST_NAMED)
    bar = axes.figure.colorbar(image, ax=axes, format=PercentFormatter(1.0), shrink=0.8, ticks=[0, 0.01, 0.1, 0.25, 0.5, 1])
    bar.set_label("share of the true class")
    bar.outline.set_visible(False)
    axes.spines[:].set_visible(False)
    right = int(np.trace(counts))
    title = f"{right} of {len(truth)} right ({100 * right / len(truth):.1f} %)"
    name_axes(axes, title, x="answer", y="truth")
    return axes


def plot_recall(y_true: Any, y_pred: Any, *, labels: Any = None, axes: Axes | None = None) -> Axes:
    """Draw for each class which share of it was found (recall), and which share of such answers was right (precision).

    A class that never was the answer has no precision, one that never was true no recall: its marker is left out.
    `labels` as in `plot_confusion_matrix`. Raises DataError for answers of other number than truths.
    """
    from sklearn.metrics import precision_recall_fscore_support

    truth, said = same_length(y_true, y_pred)
    classes = np.unique(np.concatenate([truth, said])) if labels is None else np.asarray(labels)
    precision, recall, _, _ = precision_recall_fscore_support(truth, said, labels=classes, zero_division=np.nan)
    axes = new_axes(8, min(12.0, max(3.0, 0.3 * len(classes) + 1.5))) if axes is None else axes
    places = np.arange(len(classes))
    axes.hlines(places, 100 * precision, 100 * recall, color=GREY, linewidth=1)
    axes.plot(100 * recall, places, "o", color=COLOURS[0], markersize=6, label="found (recall)")
    looks: dict[str, Any] = {"color": COLOURS[1], "markerfacecolor": "white", "markersize": 8, "zorder": 1}
    axes.plot(100 * precision, places, "D", label="right when said (precision)", **looks)
    axes.set_ylim(len(classes) - 0.4, -0.6)
    name_ticks(axes.yaxis, [short(name) for name in classes], MOST_NAMED)
    tidy(axes)
    name_axes(axes, "Class by class", x="%")
    return axes


def plot_predictions(y_true: Any, y_pred: Any, *, label: str = "y", unit: str = "", axes: Axes | None = None) -> Axes:
    """Draw predicted numbers against true ones, and the line on which they would be right.

    Numbers of one kind: `(n,)`, `(n, time)`, or a list of `(time_i,)`; where the truth is missing nothing is drawn.
    `label` names them. Raises DataError for predictions of other number than truths.
    """
    truth, said = same_length(numbers(y_true), numbers(y_pred))
    seen = ~np.isnan(truth)
    truth, said = truth[seen], said[seen]
    if not len(truth):
        raise DataError("There is nothing to draw: no true value is known.")
    axes = new_axes(5.5, 5.5) if axes is None else axes
    ends = min(truth.min(), said.min()), max(truth.max(), said.max())
    clear = min(1.0, max(0.1, 300 / len(truth)))
    axes.plot(ends, ends, color="black", linewidth=1)
    axes.plot(truth, said, "o", color=COLOURS[0], markersize=4, alpha=clear, markeredgewidth=0, rasterized=len(truth) > CROWD)
    axes.set_aspect("equal", adjustable="datalim")
    tidy(axes)
    name = with_unit(label, unit)
    name_axes(axes, short(label), x=f"true {name}", y=f"predicted {name}")
    return axes


def plot_residuals(y_true: Any, y_pred: Any, *, label: str = "y", unit: str = "", axes: Axes | None = None) -> Axes:
    """Draw how the errors (truth less prediction) are spread; arguments as in `plot_predictions`."""
    truth, said = same_length(numbers(y_true), numbers(y_pred))
    error = (truth - said)[~np.isnan(truth)]
    if not len(error):
        raise DataError("There is nothing to draw: no true value is known.")
    axes = new_axes(6, 4) if axes is None else axes
    axes.hist(error, bins=min(50, max(5, round(len(error) ** 0.5))), color=COLOURS[0], edgecolor="white", linewidth=0.5)
    axes.axvline(0, color="black", linewidth=1)
    whole_axis(axes.yaxis)
    tidy(axes)
    name_axes(axes, "Errors", x=f"true less predicted {with_unit(label, unit)}", y="how many")
    return axes


def numbers(values: Any) -> NDArray[np.float64]:
    """Numbers in one row, out of an array or a list of arrays of different length."""
    if isinstance(values, (list, tuple)) and len(values) and np.ndim(values[0]):
        return np.concatenate([np.ravel(np.asarray(one, dtype=np.float64)) for one in values])
    return np.ravel(np.asarray(values, dtype=np.float64))


def same_length(y_true: Any, y_pred: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both as arrays. Raises DataError where they are empty or not of the same length."""
    truth, said = np.ravel(np.asarray(y_true)), np.ravel(np.asarray(y_pred))
    if not len(truth) or len(truth) != len(said):
        raise DataError(f"There are {len(said)} answers to {len(truth)} truths; give one answer for each, and at least one.")
    return truth, said
