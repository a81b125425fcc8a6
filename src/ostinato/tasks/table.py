"""From a CSV file, or a bundled data set, to the long form that forecasters read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..data import DATA_SETS, DataError, SeriesTable, find_kind, nearest
from .frame import RESERVED, read_numbers, read_times, require_columns


@dataclass(frozen=True)
class Columns:
    """What a table calls its time, its target and its series; `past` are the covariates to use, None for all numbers."""

    time: str = "ds"
    target: str = "y"
    series: str | None = None
    past: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Table:
    """A table in long form (`unique_id`, `ds`, `y`, covariates), what it was called, and what was left out of it."""

    frame: pd.DataFrame
    name: str
    columns: Columns
    unit: str
    left_out: tuple[str, ...]


def is_bundled(source: str) -> bool:
    """Whether `source` is meant as the name of a bundled data set: no such file, and nothing that looks like one."""
    return not Path(source).exists() and not Path(source).suffix and os.sep not in source


def read_table(source: str, columns: Columns, series_name: str | None = None) -> Table:
    """Read a bundled data set by its name, which has columns of its own, or a CSV file with `columns`.

    A CSV of one series, without a column that names it, is called `series_name`, or else like its file. Raises DataError
    for a table that cannot be used, OSError for a file that cannot be read.
    """
    if is_bundled(source):
        known = find_kind(source, SeriesTable)
        columns = Columns(known.time, known.target, known.id_column, known.past)
        return Table(known.frame(), known.name, columns, known.units.get(known.target, ""), ())
    table = read_csv(source)
    try:
        frame, columns, left_out = long_frame(table, columns, series_name or Path(source).stem)
    except DataError as error:
        raise DataError(f"{source}: {error}") from error
    return Table(frame, Path(source).stem, columns, "", left_out)


def read_csv(path: str) -> pd.DataFrame:
    """A CSV file as a frame. Raises DataError where it is none, OSError where it cannot be read."""
    if not Path(path).exists():
        raise DataError(f"There is no file {path!r}; bundled data sets are {', '.join(DATA_SETS)}.")
    try:
        return pd.read_csv(path)
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path} is empty.") from error
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        cause = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ").rstrip(".")
        raise DataError(f"{path} is no CSV file in UTF-8: {cause}.") from error


def long_frame(table: pd.DataFrame, columns: Columns, name: str) -> tuple[pd.DataFrame, Columns, tuple[str, ...]]:
    """The table with the names of the long form, its columns completed, and those left out because they hold text."""
    series = columns.series
    if series is None and "unique_id" in table.columns:
        series = "unique_id"
    if not len(table):
        raise DataError("The table has no rows.")
    for column, flag in ((columns.time, "--time-column"), (columns.target, "--target")):
        if column not in table.columns:
            raise DataError(
                f"There is no column {column!r}.{nearest(column, list(table.columns))} "
                f"Name it with {flag}; there are {', '.join(map(str, table.columns))}."
            )
    named = [columns.time, columns.target, *([series] if series else [])]
    require_columns(table, [*named, *(columns.past or ())])
    others = [c for c in table.columns if c not in named]
    past = others if columns.past is None else list(columns.past)
    left_out: list[str] = []
    if columns.past is None:
        left_out = [c for c in others if not pd.api.types.is_numeric_dtype(table[c].dtype)]
        past = [c for c in others if c not in left_out]
    for column in past:
        if column in RESERVED:
            raise DataError(f"The covariate {column!r} has a name that the long form needs; rename it.")
    frame = pd.DataFrame({"unique_id": table[series] if series else name, "ds": read_times(table[columns.time])})
    frame["y"] = read_numbers(table[columns.target])
    for column in past:
        frame[column] = read_numbers(table[column])
    return frame, Columns(columns.time, columns.target, series, tuple(past)), tuple(left_out)
