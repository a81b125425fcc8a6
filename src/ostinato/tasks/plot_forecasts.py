"""Pictures of forecasts, on matplotlib axes that the caller may go on drawing on.

A table is what `predict` or `cross_validation` gave: `unique_id`, `ds`, a column of forecasts, and perhaps its
intervals in columns such as `gru-lo-80` and `gru-hi-80`; from `cross_validation` also `cutoff` and `y`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data.errors import DataError
from .frame import as_pandas
from .plot_style import COLOURS, GREY, MARKERS, line_style, name_axes, new_axes, short, tidy, tint, whole_axis
from .scores import Score, lead, levels_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INTERVAL = re.compile(r".*-(lo|hi)-[0-9.]+")
KNOWN = ("unique_id", "ds", "cutoff", "y")


def plot_forecast(
    table: Any,
    column: str | None = None,
    *,
    history: Any = None,
    series: str | None = None,
    cutoff: Any = None,
    steps_before: int | None = None,
    step: str = "step",
    label: str = "y",
    axes: Axes | None = None,
) -> Axes:
    """Draw one forecast of one series as a fan: what was known, the forecast, its intervals, and what happened.

    `column` is by default the first of forecasts, `series` the first, `cutoff` the last moment that the table forecasts
    from. What is known of the series is taken from the table, and from `history`, a frame of `unique_id`, `ds` and `y`;
    `steps_before` steps of it are drawn, by default three times the horizon and at least 28.
    `label` names the target and its unit, `step` one step. Raises DataError where the table has no such series, moment or column.
    """
    table = as_pandas(table)
    column = forecast_column(table, column)
    series = first_series(table) if series is None else str(series)
    shown = one_forecast(table, series, cutoff)
    told = observations([table] if history is None else [table, as_pandas(history)], series)
    start = shown["ds"].iloc[0]
    known = told[told["ds"] < start].tail(max(3 * len(shown), 28) if steps_before is None else steps_before)
    happened = told[told["ds"].isin(shown["ds"]) & told["y"].notna()]
    axes = new_axes() if axes is None else axes
    marker = "." if len(shown) <= 60 else ""
    axes.plot(known["ds"], known["y"], color="black", linewidth=1, label="known")
    fill_intervals(axes, shown, column)
    axes.plot(shown["ds"], shown[column], color=COLOURS[0], linewidth=1.8, marker=marker, label=short(column.upper()))
    if len(happened):
        axes.plot(happened["ds"], happened["y"], "o", color="black", markerfacecolor="white", markersize=4, label="what happened")
    axes.margins(x=0.01 if len(shown) > 1 else 0.03, y=0.08)
    time_axis(axes, shown["ds"])
    tidy(axes)
    since = str(start).removesuffix(" 00:00:00")
    name_axes(axes, f"{short(series)}: {len(shown)} {step}{'s' if len(shown) > 1 else ''} ahead, from {since}", y=label, columns=6)
    return axes


def plot_over_time(
    table: Any,
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
    Raises DataError where the table has no such series, lead or column.
    """
    table = as_pandas(table)
    series = first_series(table) if series is None else str(series)
    columns = [forecast_column(table, column) for column in columns]
    require_cutoffs(table)
    shown = table[(table["unique_id"].astype(str) == series).to_numpy() & (lead(table) == at_lead)]
    if not len(shown):
        raise DataError(f"There is nothing to draw for series {series!r}, {at_lead} steps ahead.")
    axes = new_axes() if axes is None else axes
    axes.plot(shown["ds"], shown["y"], ".", color="black", markersize=3, label="what happened")
    for number, column in enumerate(columns):
        axes.plot(shown["ds"], shown[column], linewidth=1.1, label=short(column.upper()), **line_style(number))
    axes.margins(x=0.01, y=0.05)
    time_axis(axes, shown["ds"])
    tidy(axes)
    name_axes(axes, f"{short(series)}: forecast {at_lead} {step}{'s' if at_lead > 1 else ''} ahead", y=label)
    return axes


def plot_error_by_lead(
    scores: Mapping[str, Score], networks: Sequence[str], *, unit: str = "", step: str = "step", axes: Axes | None = None
) -> Axes:
    """Draw each forecaster's mean absolute error against how many steps it looks ahead.

    `networks` are drawn in the colours that `plot_over_time` gives them, all others in grey.
    """
    axes = new_axes() if axes is None else axes
    greys = cycle(MARKERS)
    for name, one in scores.items():
        leads = range(1, len(one.by_lead) + 1)
        if name in networks:
            style = {**line_style(list(networks).index(name)), "linewidth": 1.8, "marker": "." if len(leads) == 1 else ""}
        else:
            style = {"color": GREY, "linestyle": "-", "linewidth": 0.9, "marker": next(greys), "markersize": 4}
        axes.plot(leads, one.by_lead, label=short(name.upper() if name in networks else name), **style)
    axes.margins(y=0.1)
    axes.set_ylim(bottom=0)
    whole_axis(axes.xaxis)
    tidy(axes)
    name_axes(axes, "Error by how far ahead", x=f"{step}s ahead", y="mean absolute error" + (f" in {unit}" if unit else ""), columns=7)
    return axes


def plot_coverage(table: Any, column: str | None = None, *, step: str = "step", axes: Axes | None = None) -> Axes:
    """Draw how often each interval held what happened, by steps ahead, beside how often it should have.

    `table` is what ``cross_validation(level=…)`` gave. Raises DataError where it has no intervals, or where nothing happened yet.
    """
    table, leads = observed(table)
    column = forecast_column(table, column)
    levels = levels_in(table, column)
    if not levels:
        raise DataError(f"The table has no intervals of {column!r}; ask for them with level=[80, 95].")
    axes = new_axes() if axes is None else axes
    lowest = 100.0
    for number, (level, low, high) in enumerate(levels):
        inside = table["y"].between(table[low], table[high]).to_numpy()
        measured = 100 * pd.Series(inside).groupby(leads).mean()
        colour, marker = COLOURS[number % 6], MARKERS[number % 6]
        axes.axhline(level, color=colour, linewidth=1, linestyle="--")
        axes.plot(measured.index, measured, color=colour, marker=marker, markersize=5, label=f"{level:g} %: {100 * inside.mean():.1f} %")
        lowest = min(lowest, level, float(measured.min()))
    axes.set_ylim(max(0.0, lowest - 5), 100.5)
    whole_axis(axes.xaxis)
    tidy(axes)
    name_axes(axes, f"{short(column.upper())}: coverage, and nominal (dashed)", x=f"{step}s ahead", y="inside the interval in %")
    return axes


def plot_residuals_by_horizon(
    table: Any, column: str | None = None, *, unit: str = "", step: str = "step", axes: Axes | None = None
) -> Axes:
    """Draw how the errors (what happened less the forecast) spread, by steps ahead: median, and the middle 50 and 90 %.

    `table` is what `cross_validation` gave. Raises DataError where nothing happened yet.
    """
    table, leads = observed(table)
    column = forecast_column(table, column)
    error = (table["y"] - table[column]).to_numpy(dtype=np.float64)
    spread = pd.Series(error).groupby(leads).quantile([0.05, 0.25, 0.5, 0.75, 0.95]).unstack()
    ahead = spread.index.to_numpy(dtype=np.float64)
    if len(ahead) == 1:  # a band needs two ends
        spread, ahead = pd.concat([spread, spread]), ahead[0] + np.array([-0.3, 0.3])
    axes = new_axes() if axes is None else axes
    axes.fill_between(ahead, spread[0.05], spread[0.95], color=tint(COLOURS[0], 0.22), linewidth=0, label="90 %")
    axes.fill_between(ahead, spread[0.25], spread[0.75], color=tint(COLOURS[0], 0.55), linewidth=0, label="50 %")
    axes.plot(ahead, spread[0.5], color=COLOURS[1], linewidth=1.8, label="median")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.margins(x=0.02)
    whole_axis(axes.xaxis)
    tidy(axes)
    measure = "happened less forecast" + (f", in {unit}" if unit else "")
    name_axes(axes, f"{short(column.upper())}: the middle of the errors", x=f"{step}s ahead", y=measure)
    return axes


def fill_intervals(axes: Axes, shown: pd.DataFrame, column: str) -> None:
    """The bands of all levels, the widest behind and lightest; their edges are drawn too, for a black-and-white print."""
    levels = levels_in(shown, column)[::-1]
    for number, (level, low, high) in enumerate(levels):
        band: dict[str, Any] = {"color": tint(COLOURS[0], 0.15 + 0.35 * number / max(1, len(levels) - 1)), "label": f"{level:g} %"}
        if len(shown) == 1:  # a band needs two ends
            axes.vlines(shown["ds"], shown[low], shown[high], linewidth=10, **band)
        else:
            axes.fill_between(shown["ds"], shown[low], shown[high], **band | {"linewidth": 0.5, "edgecolor": tint(COLOURS[0], 0.6)})


def forecast_column(table: pd.DataFrame, column: str | None) -> str:
    """The column of forecasts asked for, or the first. Raises DataError where there is none."""
    columns = [str(c) for c in table.columns if c not in KNOWN and not INTERVAL.fullmatch(str(c))]
    if column is None and columns:
        return columns[0]
    if column is None or column not in table.columns:
        missing = "no column of forecasts" if column is None else f"no column {column!r}"
        raise DataError(f"The table has {missing}; its columns are {', '.join(map(str, table.columns))}.")
    return column


def first_series(table: pd.DataFrame) -> str:
    """The name of the first series. Raises DataError where the table is empty."""
    if not len(table):
        raise DataError("The table of forecasts has no rows.")
    return str(table["unique_id"].iloc[0])


def one_forecast(table: pd.DataFrame, series: str, cutoff: Any) -> pd.DataFrame:
    """The rows of one series from one moment, in order of time."""
    shown = table[(table["unique_id"].astype(str) == series).to_numpy()]
    if "cutoff" in shown and len(shown):
        wanted = shown["cutoff"].max() if cutoff is None else cutoff
        shown = shown[shown["cutoff"] == (pd.Timestamp(wanted) if isinstance(wanted, str) else wanted)]
    if not len(shown):
        raise DataError(f"There is nothing to draw for series {series!r}{'' if cutoff is None else f' from {cutoff}'}.")
    return shown.sort_values("ds")


def observations(frames: list[pd.DataFrame], series: str) -> pd.DataFrame:
    """What the frames that have a `y` tell of a series: `ds` and `y`, each time once and in order."""
    told = [frame[frame["unique_id"].astype(str) == series][["ds", "y"]] for frame in frames if "y" in frame]
    rows = pd.concat(told) if told else frames[0].iloc[:0].assign(y=0.0)
    return rows.drop_duplicates("ds").sort_values("ds")


def observed(table: Any) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """The rows of which it is known what happened, and their steps ahead. Raises DataError where there are none."""
    table = as_pandas(table)
    require_cutoffs(table)
    seen = table["y"].notna().to_numpy()
    if not seen.any():
        raise DataError("There is nothing to draw: the target is missing at every time that was forecast.")
    return table[seen], lead(table)[seen]


def require_cutoffs(table: pd.DataFrame) -> None:
    """Raise DataError for a table that does not say from when it forecasts, and what happened."""
    if not {"cutoff", "y"} <= set(table.columns):
        raise DataError("The table tells forecasts without what happened; give one from cross_validation().")


def time_axis(axes: Axes, times: pd.Series) -> None:
    """Dates written as shortly as they can be; whole numbers as they are."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    if not pd.api.types.is_datetime64_any_dtype(times):
        return whole_axis(axes.xaxis)
    locator = AutoDateLocator(minticks=3, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
