"""From the user's frame to a panel: every doubt about the data is answered here, by name, place and cure."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data.errors import DataError, nearest
from .calendar import Times, check_step, counts, following, infer_step, steps_since, when
from .panel import Panel, Rows, carry_forward
from .settings import MISSING

RESERVED = ("unique_id", "ds", "y")
LARGEST = 1e100  # squares of larger numbers cannot be summed


def open_frame(frame: Any) -> nw.DataFrame[Any]:
    """A frame of the caller's kind. Raises DataError for what is none."""
    if isinstance(frame, pd.DataFrame) and not all(isinstance(name, str) for name in frame.columns):
        frame = frame.rename(columns=str)
    try:
        return nw.from_native(frame, eager_only=True)
    except nw.exceptions.DuplicateError as error:
        raise DataError(f"Two columns of the table have one name; rename one of {', '.join(map(str, frame.columns))}.") from error
    except TypeError as error:
        raise DataError(f"Expected a data frame (of pandas or Polars), got {type(frame).__name__}.") from error


def kind_of(frame: Any) -> str:
    """The library that a frame is of, by its name."""
    return "pandas" if isinstance(frame, pd.DataFrame) else str(open_frame(frame).implementation)


def new_frame(columns: Mapping[str, NDArray[Any]], kind: str) -> Any:
    """A frame of that kind."""
    if kind == "pandas":
        return pd.DataFrame(columns, copy=False)
    return nw.from_dict(columns, backend=kind).to_native()  # type: ignore[arg-type]


def as_pandas(frame: Any) -> pd.DataFrame:
    """The same table as a frame of pandas."""
    if isinstance(frame, pd.DataFrame):
        return frame
    table = open_frame(frame)
    return pd.DataFrame({name: table[name].to_numpy() for name in table.columns})


def read_panel(
    frame: Any,
    *,
    past: str | Sequence[str] | None = None,
    future: str | Sequence[str] = (),
    static: str | Sequence[str] = (),
    freq: str | None = None,
    missing: str = "raise",
) -> Panel:
    """Check a long frame (`unique_id`, `ds`, `y`, covariates) and arrange it by series and time.

    `past`, `future` and `static` name covariates; for `past` None takes every column that is nothing else. With
    ``missing="raise"`` a missing value or row is an error; with ``"carry"`` the last value before it stands in.
    Raises DataError for all else that cannot be used.
    """
    if missing not in MISSING:
        raise DataError(f"missing={missing!r} is not a policy; choose one of {', '.join(MISSING)}.")
    table = open_frame(frame)
    columns = [str(c) for c in table.columns]
    future, static = listed(future), listed(static)
    past = tuple(c for c in columns if c not in (*RESERVED, *future, *static)) if past is None else listed(past)
    check_roles(past=past, future=future, static=static)
    require_columns(columns, (*RESERVED, *past, *future, *static))
    if not len(table):
        raise DataError("The table has no rows.")
    names, codes = read_names(table["unique_id"])
    times = read_times(table["ds"])
    numbers = ("y", *past, *future)
    values = np.empty((len(table), len(numbers)))
    for k, column in enumerate(numbers):
        values[:, k] = read_numbers(table[column])
    order = None
    if not in_order(codes, times):
        order = np.lexsort((times, codes))
        codes, times, values = codes[order], times[order], values[order]
    refuse_duplicates(names, codes, times, order)
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    constant = {column: read_static(table[column], names, codes, starts, order) for column in static}
    step = find_step(names, times, starts, freq)
    places, lengths = on_grid(names, codes, times, starts, step)
    panel = Panel(names, lengths, times, values, step, past, future, static=constant)
    return settle_missing(panel, places, starts, missing)


def listed(columns: Sequence[str]) -> tuple[str, ...]:
    """One column or several, as several."""
    return (columns,) if isinstance(columns, str) else tuple(columns)


def in_order(codes: Rows, times: Times) -> bool:
    """Whether the rows are sorted by series and time."""
    return bool(np.all((codes[1:] > codes[:-1]) | ((codes[1:] == codes[:-1]) & (times[1:] >= times[:-1]))))


def check_roles(**roles: Sequence[str]) -> None:
    """Raise DataError for a column in two roles, or for one whose name the long form needs."""
    seen: dict[str, str] = {}
    for role, columns in roles.items():
        for column in columns:
            if column in RESERVED:
                raise DataError(f"{column!r} is no covariate: the long form needs that column; leave it out of {role}_covariates.")
            if column in seen:
                both = f"in {seen[column]}_covariates and in {role}_covariates" if seen[column] != role else f"twice in {role}_covariates"
                raise DataError(f"Column {column!r} stands {both}; keep it once.")
            seen[column] = role


def require_columns(columns: Any, wanted: Sequence[str]) -> None:
    """Raise DataError for the first wanted column that a frame, or a list of names, lacks."""
    columns = [str(c) for c in getattr(columns, "columns", columns)]
    for column in wanted:
        if column not in columns:
            raise DataError(f"There is no column {column!r}.{nearest(column, columns)} Columns: {', '.join(columns)}.")


def read_names(column: nw.Series[Any]) -> tuple[tuple[str, ...], Rows]:
    """The names of the series in order, and for each row which it is."""
    absent = column.is_null().to_numpy()
    if absent.any():
        raise DataError(f"Column 'unique_id' has no value in data row {int(absent.argmax()) + 1}; name the series there.")
    said = column.to_numpy()
    heads = np.concatenate([[0], np.flatnonzero(said[1:] != said[:-1]) + 1])  # rows of a series mostly follow each other
    codes, found = pd.factorize(said[heads])
    names, which = np.unique(np.array([str(name) for name in found], dtype=object), return_inverse=True)
    return tuple(names), np.repeat(which[codes], np.diff(heads, append=len(said))).astype(np.intp)


def read_times(column: Any) -> Times:
    """A column of dates, as times without a zone (with one, in UTC), or of whole numbers."""
    column = nw.from_native(column, series_only=True)
    kind = column.dtype
    if kind.is_numeric() or kind == nw.Boolean:
        if not kind.is_integer() or column.is_null().any():
            raise DataError(
                f"Column {column.name!r} holds {str(kind).lower()} values, neither dates nor whole numbers throughout; "
                "write dates as 2012-01-31, or count the steps."
            )
        return np.asarray(column.to_numpy(), dtype=np.int64)
    if kind == nw.Datetime and kind.time_zone is not None:
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    if kind in (nw.Datetime, nw.Date):
        times = column.to_numpy()
    else:
        times = times_from_text(column)
    missing = np.flatnonzero(np.isnat(times))
    if len(missing):
        at = int(missing[0])
        raise DataError(
            f"Column {column.name!r} holds {column[at]!r} in data row {at + 1}, which is no date like the others; "
            "mend the row or write all dates as 2012-01-31."
        )
    return np.asarray(times, dtype="datetime64[us]")


def times_from_text(column: nw.Series[Any]) -> NDArray[np.datetime64]:
    """Dates written out, NaT where one cannot be read."""
    mixed = DataError(f"Column {column.name!r} holds times of several zones; write them all in UTC.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pandas 2 warns of several zones, pandas 3 raises
            times = pd.to_datetime(pd.Series(column.to_list(), dtype=object), errors="coerce")
    except ValueError as error:
        raise mixed from error
    if times.dtype == object:
        raise mixed
    return np.asarray((times if times.dt.tz is None else times.dt.tz_convert("UTC").dt.tz_localize(None)).to_numpy())


def read_numbers(column: Any) -> NDArray[np.float64]:
    """A column as float64; missing values as NaN. Raises DataError for text and for infinite numbers."""
    column = nw.from_native(column, series_only=True)
    if column.dtype.is_numeric() or column.dtype == nw.Boolean:
        numbers = np.asarray(column.to_numpy(), dtype=np.float64)
    else:
        written = pd.Series(column.to_list(), dtype=object)
        numbers = pd.to_numeric(written, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        text = np.flatnonzero(np.isnan(numbers) & written.notna().to_numpy())
        if len(text):
            at = int(text[0])
            raise DataError(
                f"Column {column.name!r} holds {written[at]!r} in data row {at + 1}, which is no number; "
                "mend the row, or leave the column out."
            )
    endless = np.abs(numbers) > LARGEST
    if endless.any():
        at = int(endless.argmax())
        what = "an infinite number" if np.isinf(numbers[at]) else f"{numbers[at]:g}, too large a number,"
        raise DataError(f"Column {column.name!r} holds {what} in data row {at + 1}; mend the row.")
    return numbers


def read_static(column: nw.Series[Any], names: tuple[str, ...], codes: Rows, starts: Rows, order: Rows | None) -> NDArray[Any]:
    """One value a series: `(series,)`, numbers or texts. Raises DataError where it changes within one, or is missing."""
    if column.dtype.is_numeric() or column.dtype == nw.Boolean:
        found: NDArray[Any] = read_numbers(column)
        absent = np.isnan(found)
    else:
        found = column.to_numpy()
        absent = pd.isna(found)
        found = np.where(absent, "", found.astype(object)).astype(str)
    if order is not None:
        found, absent = found[order], absent[order]
    first = found[starts]
    changed = (found != first[codes]) & ~absent
    for wrong, words in ((absent, "has no value of"), (changed, "has several values of")):
        if wrong.any():
            name = names[codes[int(wrong.argmax())]]
            raise DataError(f"Series {name!r} {words} the static column {column.name!r}, which needs one for all its rows; mend it.")
    return first


def refuse_duplicates(names: tuple[str, ...], codes: Rows, times: Times, order: Rows | None) -> None:
    """Raise DataError where a series has two rows for one time."""
    twice = np.flatnonzero((codes[1:] == codes[:-1]) & (times[1:] == times[:-1])) + 1
    if len(twice):
        at = int(twice[0])
        raise DataError(
            f"Series {names[codes[at]]!r} has two rows for {when(times[at])} (the second in data row "
            f"{int(at if order is None else order[at]) + 1}); keep one of them, or tell the series apart with an id column."
        )


def find_step(names: tuple[str, ...], times: Times, starts: Rows, freq: str | None) -> str:
    """The step of time that is asked for, or that the longest series shows."""
    if freq is None:
        lengths = np.diff(starts, append=len(times))
        longest = int(lengths.argmax())
        freq = infer_step(times[starts[longest] : starts[longest] + lengths[longest]], names[longest])
    check_step(freq)
    if counts(freq) != (times.dtype.kind == "i"):
        held, cure = ("dates", 'freq="D"') if counts(freq) else ("whole numbers", 'freq="1"')
        raise DataError(f"Column 'ds' holds {held}, which have no step of {freq!r}; name another, for example {cure}.")
    return freq


def on_grid(names: tuple[str, ...], codes: Rows, times: Times, starts: Rows, step: str) -> tuple[Rows, Rows]:
    """Where each row lies in its series, counted in steps, and how many steps each series has."""
    places, regular = steps_since(times, times[starts][codes], step)
    if not regular.all():
        at = int(regular.argmin())
        raise DataError(
            f"Series {names[codes[at]]!r} steps by {step!r} from {when(times[starts[codes[at]]])}, but {when(times[at])} is not one "
            "of its steps; round or resample its times to a regular step first, and let missing='carry' fill steps without a row."
        )
    return places, places[np.append(starts[1:], len(times)) - 1] + 1


def settle_missing(panel: Panel, places: Rows, starts: Rows, policy: str) -> Panel:
    """Give each step a row, and each missing value an error or the last value before it, as the policy says."""
    rows, steps = len(places), int(panel.lengths.sum())
    if steps > 100 * rows:
        raise DataError(f"The table has {rows} rows for {steps} steps of {panel.step!r}; name a longer step, or resample it.")
    times, values = panel.times, panel.values
    if steps > rows:
        slots = places + np.repeat(panel.starts, np.diff(starts, append=rows))
        values = np.full((steps, panel.values.shape[1]), np.nan)
        values[slots] = panel.values
        times = full_times(panel, starts)
        if policy == "raise":
            refuse_gaps(panel, slots, times)
    missing = np.isnan(values)
    if not missing.any():
        return replace(panel, times=times, values=values)
    if policy == "raise":
        refuse_holes(panel, times, missing)
    return replace(panel, times=times, values=carry_forward(values, panel.starts), missing=missing)


def full_times(panel: Panel, starts: Rows) -> Times:
    """Every time of every series on its grid, those without a row included."""
    firsts = panel.times[starts]
    found = [
        np.concatenate([firsts[k : k + 1], following(firsts[k : k + 1], panel.step, int(length) - 1)[0]])
        for k, length in enumerate(panel.lengths)
    ]
    return np.asarray(np.concatenate(found))


CURE = 'fill it, or have the last value carried forward (missing="carry", --missing carry)'


def place_of(panel: Panel, row: int) -> str:
    """The series that a row of the full grid belongs to."""
    return panel.names[int(np.searchsorted(panel.starts, row, side="right")) - 1]


def refuse_gaps(panel: Panel, slots: Rows, times: Times) -> None:
    """Raise DataError for the first step that has no row."""
    gaps = np.ones(len(times), bool)
    gaps[slots] = False
    at = int(gaps.argmax())
    raise DataError(
        f"Series {place_of(panel, at)!r} has no row for {when(times[at])} ({int(gaps.sum())} rows missing in all); {CURE}, or name the "
        'step (freq="B", --freq B for working days).'
    )


def refuse_holes(panel: Panel, times: Times, missing: NDArray[np.bool_]) -> None:
    """Raise DataError for the first missing value."""
    row, column = np.argwhere(missing)[0]
    label = ("the target", *map(repr, (*panel.past, *panel.future)))[column]
    raise DataError(
        f"Series {place_of(panel, row)!r} has no value of {label} at {when(times[row])} ({int(missing.sum())} missing in all); {CURE}."
    )


def read_ahead(frame: Any, panel: Panel, steps: int) -> NDArray[np.float64]:
    """The future covariates of the next `steps` of each series: `(series, steps, columns)`.

    Rows of other series and times are not read. Raises DataError where a value is missing.
    """
    if frame is None:
        raise DataError(
            f"This forecaster reads {', '.join(map(repr, panel.future))} ahead: give their values for the next {steps} steps, "
            "predict(..., future=frame with unique_id, ds and these columns)."
        )
    table = open_frame(frame)
    require_columns(table, ("unique_id", "ds", *panel.future))
    expected = following(panel.times[panel.starts + panel.lengths - 1], panel.step, steps)
    ahead = np.full((len(panel.names), steps, len(panel.future)), np.nan)
    if len(table):
        names, codes = read_names(table["unique_id"])
        times = read_times(table["ds"])
        if times.dtype.kind != expected.dtype.kind:
            raise DataError("Column 'ds' holds dates in one frame and whole numbers in the other; write the future frame's as the series'.")
        number = {name: k for k, name in enumerate(panel.names)}
        series = np.array([number.get(name, -1) for name in names])[codes]
        hits = (expected[series] == times[:, None]) & (series >= 0)[:, None]
        used = hits.any(axis=1)
        for k, column in enumerate(panel.future):
            ahead[series[used], hits[used].argmax(axis=1), k] = read_numbers(table[column])[used]
    if np.isnan(ahead).any():
        one, step, column = np.argwhere(np.isnan(ahead))[0]
        raise DataError(
            f"The future frame has no value of {panel.future[column]!r} for series {panel.names[one]!r} at {when(expected[one, step])}; "
            f"it needs each of the {steps} steps after the last known one."
        )
    return ahead
