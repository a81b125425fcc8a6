"""Pictures of forecasts, on matplotlib axes that the caller may go on drawing on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..data.errors import DataError
from .scores import Score, lead

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart with any colour vision; the dashes and markers survive a black-and-white print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
GREY = "#777777"
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P")


def plot_forecast(
    table: pd.DataFrame,
    columns: Sequence[str],
    *,
    series: str | None = None,
    at_lead: int = 1,
    step: str = "step",
    label: str = "y",
    axes: Axes | None = None,
) -> Axes:
    """Draw what happened and what `columns` forecast `at_lead` steps before, over time.

    `table` is what `cross_validation` gave; `series` is by default its first; `label` names the target and its unit, `step` one step.
    Raises DataError where the table has no such series or lead.
    """
    from matplotlib.dates import ConciseDateFormatter

    series = str(table["unique_id"].iloc[0]) if series is None else series
    shown = table[(table["unique_id"] == series).to_numpy() & (lead(table) == at_lead)]
    if not len(shown):
        raise DataError(f"There is nothing to draw for series {series!r}, {at_lead} steps ahead.")
    axes = new_axes() if axes is None else axes
    axes.plot(shown["ds"], shown["y"], ".", color="black", markersize=3, label="what happened")
    for column, colour, dashes in zip(columns, cycle(COLOURS), cycle(DASHES), strict=False):
        axes.plot(shown["ds"], shown[column], linestyle=dashes, color=colour, linewidth=1.1, label=column.upper())
    axes.set_ylabel(label)
    axes.set_title(f"{series}: forecast {at_lead} {step}{'s' if at_lead > 1 else ''} ahead", loc="left", fontsize=11)
    axes.margins(x=0.01, y=0.15)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))
    axes.legend(loc="upper left", ncols=4, frameon=False, fontsize=9)
    tidy(axes)
    return axes


def plot_error_by_lead(
    scores: Mapping[str, Score], networks: Sequence[str], *, unit: str = "", step: str = "step", axes: Axes | None = None
) -> Axes:
    """Draw each forecaster's mean absolute error against how many steps it looks ahead.

    `networks` are drawn in the colours that `plot_forecast` gives them, all others in grey.
    """
    axes = new_axes() if axes is None else axes
    greys = iter(MARKERS)
    for name, one in scores.items():
        leads = range(1, len(one.by_lead) + 1)
        if name in networks:
            number = list(networks).index(name)
            style: dict[str, Any] = {"color": COLOURS[number % 6], "linestyle": DASHES[number % 6], "linewidth": 1.8}
        else:
            style = {"color": GREY, "linestyle": "-", "linewidth": 0.9, "marker": next(greys), "markersize": 4}
        axes.plot(leads, one.by_lead, label=name.upper() if name in networks else name, **style)
    axes.set_xlabel(f"{step}s ahead")
    axes.set_ylabel("mean absolute error" + (f" in {unit}" if unit else ""))
    axes.margins(y=0.1)
    axes.set_ylim(bottom=0)
    axes.set_title("Error by how far ahead", loc="left", fontsize=11)
    axes.legend(loc="lower right", ncols=2, frameon=False, fontsize=9)
    tidy(axes)
    return axes


def draw_comparison(
    table: pd.DataFrame, scores: Mapping[str, Score], networks: Sequence[str], *, label: str, unit: str, step: str
) -> Figure:
    """One figure: forecasts of the test part one step ahead and at the full horizon, and the errors by steps ahead."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 8), layout="constrained")
    upper, middle, lower = figure.subplots(3, 1, height_ratios=(3, 3, 3))
    axis = f"{label} in {unit}" if unit else label
    plot_forecast(table, networks, step=step, label=axis, axes=upper)
    plot_forecast(table, networks, at_lead=int(lead(table).max()), step=step, label=axis, axes=middle)
    plot_error_by_lead(scores, networks, unit=unit, step=step, axes=lower)
    return figure


def new_axes() -> Axes:
    """Axes on a figure of their own, which no window or global state knows of."""
    from matplotlib.figure import Figure

    return Figure(figsize=(10, 4), layout="constrained").subplots()


def tidy(axes: Axes) -> None:
    """A light grid, and no box."""
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
