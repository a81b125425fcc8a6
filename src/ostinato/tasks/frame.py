"""From the user's frame to a panel: every doubt about the data is answered here, by name, place and cure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data.errors import DataError, nearest
from .calendar import check_step, grid, infer_step, when
from .panel import Panel, Series

MISSING = ("raise", "carry")
RESERVED = ("unique_id", "ds", "y")


def read_panel(
    frame: pd.DataFrame,
    *,
    past: Sequence[str] | None = None,
    freq: str | None = None,
    missing: str = "raise",
) -> Panel:
    """Check a long frame (`unique_id`, `ds`, `y`, covariates) and arrange it by series and time.

    `past` names the covariates to use; None takes every other column. With ``missing="raise"`` a missing value or
    row is an error; with ``"carry"`` it becomes NaN, for which every model uses the last value before it as an input,
    and which is neither learned from nor scored. Raises DataError for all else that cannot be used.
    """
    if missing not in MISSING:
        raise DataError(f"missing={missing!r} is not a policy; choose one of {', '.join(MISSING)}.")
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"Expected a pandas DataFrame, got {type(frame).__name__}.")
    past = tuple(c for c in frame.columns if c not in RESERVED) if past is None else tuple(past)
    require_columns(frame, (*RESERVED, *past))
    if not len(frame):
        raise DataError("The table has no rows.")
    table = pd.DataFrame({"unique_id": frame["unique_id"].astype(str).to_numpy(), "ds": read_times(frame["ds"])})
    for column in ("y", *past):
        table[column] = read_numbers(frame[column])
    refuse_duplicates(table)
    table = table.sort_values(["unique_id", "ds"], kind="stable")
    groups = [(str(name), group) for name, group in table.groupby("unique_id", sort=False)]
    if freq is None:
        name, longest = max(groups, key=lambda pair: len(pair[1]))
        freq = infer_step(pd.DatetimeIndex(longest["ds"]), name)
    check_step(freq)
    return Panel(tuple(to_series(name, group, ("y", *past), freq, missing) for name, group in groups), freq, past)


def require_columns(frame: pd.DataFrame, wanted: Sequence[str]) -> None:
    """Raise DataError for the first wanted column that the frame lacks."""
    columns = [str(c) for c in frame.columns]
    for column in wanted:
        if column not in columns:
            raise DataError(f"There is no column {column!r}.{nearest(column, columns)} Columns: {', '.join(columns)}.")


def read_times(column: pd.Series) -> pd.DatetimeIndex:
    """A column of dates as times without a zone; with one, as UTC."""
    name = str(column.name)
    if pd.api.types.is_numeric_dtype(column.dtype):
        raise DataError(f"Column {name!r} holds numbers, not dates; convert it with pandas.to_datetime first.")
    times = pd.to_datetime(column, errors="coerce", utc=True)
    bad = np.flatnonzero(times.isna().to_numpy())
    if len(bad):
        at = int(bad[0])
        raise DataError(
            f"Column {name!r} holds {column.iloc[at]!r} in data row {at + 1}, which is no date like the others; "
            "mend the row or write all dates as 2012-01-31."
        )
    return pd.DatetimeIndex(times).tz_localize(None)


def read_numbers(column: pd.Series) -> NDArray[np.float64]:
    """A column as float64; missing values as NaN."""
    name = str(column.name)
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    text = np.flatnonzero(np.isnan(numbers) & column.notna().to_numpy())
    if len(text):
        at = int(text[0])
        raise DataError(
            f"Column {name!r} holds {column.iloc[at]!r} in data row {at + 1}, which is no number; mend the row, or leave the column out."
        )
    endless = np.flatnonzero(np.isinf(numbers))
    if len(endless):
        raise DataError(f"Column {name!r} holds an infinite number in data row {int(endless[0]) + 1}; mend the row.")
    return np.array(numbers)


def refuse_duplicates(table: pd.DataFrame) -> None:
    """Raise DataError where a series has two rows for one time."""
    twice = np.flatnonzero(table.duplicated(["unique_id", "ds"]).to_numpy())
    if len(twice):
        row = table.iloc[int(twice[0])]
        raise DataError(
            f"Series {row['unique_id']!r} has two rows for {when(row['ds'])} (the second in data row {int(twice[0]) + 1}); "
            "keep one of them, or tell the series apart with an id column."
        )


def to_series(name: str, group: pd.DataFrame, columns: Sequence[str], freq: str, missing: str) -> Series:
    """One series on its full grid of time; what is missing is an error or NaN, as the policy says."""
    times = pd.DatetimeIndex(group["ds"])
    full = grid(times[0], freq, last=times[-1])
    strays = times.difference(full)
    if len(strays):
        raise DataError(
            f"Series {name!r} steps by {freq!r} from {when(times[0])}, but {when(strays[0])} is not one of its steps; "
            "resample it to a regular step first."
        )
    values = group.set_index(times)[list(columns)].reindex(full).to_numpy(dtype=np.float64, copy=True)
    if missing == "raise":
        refuse_missing(name, full, full.difference(times), values, columns)
    return Series(name, full, values)


def refuse_missing(name: str, times: pd.DatetimeIndex, gaps: pd.DatetimeIndex, values: NDArray[np.float64], columns: Sequence[str]) -> None:
    """Raise DataError for the first missing row, or the first missing value."""
    cure = 'fill it, or have the last value carried forward (missing="carry", --missing carry)'
    if len(gaps):
        raise DataError(
            f"Series {name!r} has no row for {when(gaps[0])} ({len(gaps)} rows missing in all); {cure}, or name the step "
            '(freq="B", --freq B for working days).'
        )
    holes = np.argwhere(np.isnan(values))
    if len(holes):
        row, column = holes[0]
        label = "the target" if column == 0 else repr(columns[column])
        raise DataError(f"Series {name!r} has no value of {label} at {when(times[row])} ({len(holes)} missing in all); {cure}.")
