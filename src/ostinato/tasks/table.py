"""From a file, or a bundled data set, to the long form that forecasters read."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import pandas as pd

from ..data import DATA_SETS, DataError, SeriesTable, find_kind, nearest
from .frame import RESERVED, read_numbers, read_times, require_columns

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True)
class Columns:
    """What a table calls its time, its target and its series, and its covariates; `past` None takes all other numbers."""

    time: str | None = None
    target: str | None = None
    series: str | None = None
    past: tuple[str, ...] | None = None
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()


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


def stem(source: str) -> str:
    """A data set's name, or a file's without its endings."""
    name = Path(source).name.removesuffix(".gz")
    return Path(name).stem if not is_bundled(source) else source


def read_table(source: str, columns: Columns, series_name: str | None = None) -> Table:
    """Read a file, or a bundled data set by its name, which knows its own columns where `columns` names none.

    A file of one series, without a column that names it, is called `series_name`, or else like its file. Raises DataError
    for a table that cannot be used, OSError for a file that cannot be read.
    """
    if is_bundled(source):
        known = find_kind(source, SeriesTable)
        table, columns = bundled(known, columns)
        frame, columns, left_out = long_frame(table, columns, next(iter(known.rows)))
        return Table(frame, known.name, columns, known.units.get(str(columns.target), ""), left_out)
    table = read_file(source)
    try:
        frame, columns, left_out = long_frame(table, columns, series_name or stem(source))
    except DataError as error:
        raise DataError(f"{source}: {error}") from error
    return Table(frame, stem(source), columns, "", left_out)


def bundled(known: SeriesTable, columns: Columns) -> tuple[pd.DataFrame, Columns]:
    """A bundled table as it was published, its times read, and its columns where `columns` names none."""
    table = pd.read_csv(BytesIO(known.read()), skiprows=[1] if known.units_row else None)
    table[known.time] = pd.to_datetime(table[known.time], format=known.time_format)
    target = columns.target or known.target
    others = tuple(c for c in (known.target, *known.past) if c not in (target, *columns.future, *columns.static))
    named = replace(columns, time=columns.time or known.time, target=target, series=columns.series or known.id_column)
    return table, replace(named, past=others if columns.past is None else columns.past)


def read_file(path: str, text: str | None = None) -> pd.DataFrame:
    """A file as a frame; of CSV the column `text` is taken as it is written, ``NA`` and ``12`` too, and an empty cell is a text.

    Raises DataError where it is no table, OSError where it cannot be read.
    """
    if not Path(path).exists():
        files = [p.name for p in Path(path).absolute().parent.glob("*") if p.suffix in (".csv", ".gz", ".parquet")]
        near = nearest(Path(path).name, [*files, *DATA_SETS])
        raise DataError(f"There is no file {path!r}.{near} `ostinato data` lists the data sets.")
    with open(path, "rb") as file:  # also the system's answer for folders and files that may not be read
        start = file.read(4096)
    if start[8:9] == b"{" and b"__metadata__" in start:
        raise DataError(f"{path} is a model file, not a table; `ostinato info` shows what it holds.")
    if path.endswith(".parquet"):
        return read_parquet(path)
    gzipped = start.startswith(b"\x1f\x8b")
    if gzipped != path.endswith(".gz"):
        raise DataError(f"{path} is {'' if gzipped else 'not '}gzipped; have its name end in {'.csv.gz' if gzipped else '.csv'}.")
    return read_csv(path, text)


def read_parquet(path: str) -> pd.DataFrame:
    """A Parquet file as a frame."""
    try:
        return pd.read_parquet(path)
    except ImportError as error:
        raise DataError(f"{path} needs the package pyarrow; install it (pip install pyarrow), or write the table as CSV.") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no Parquet file: {in_short(error)}.") from error


def read_csv(path: str, text: str | None = None) -> pd.DataFrame:
    """A CSV file as a frame; see `read_file`."""
    try:
        table = pd.read_csv(path, encoding="utf-8-sig")
        if text in table:
            table[text] = pd.read_csv(path, encoding="utf-8-sig", usecols=[text], dtype=str, keep_default_na=False)[text].astype(object)
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path} is empty; it needs a line that names the columns, and a line for each time.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not written in UTF-8 ({in_short(error)}); convert it: iconv -f latin1 -t utf-8.") from error
    except (pd.errors.ParserError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is no CSV file: {in_short(error)}.") from error
    if len(table.columns) == 1:
        for sign, words in SEPARATORS.items():
            if sign in str(table.columns[0]):
                raise DataError(f"{path} is separated by {words}; write it with commas between columns, and points in numbers.")
    return table


def in_short(error: Exception) -> str:
    return " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ").rstrip(".")


def long_frame(table: pd.DataFrame, columns: Columns, name: str) -> tuple[pd.DataFrame, Columns, tuple[str, ...]]:
    """The table with the names of the long form, its columns completed, and those left out because they hold text."""
    time, target, series = columns.time or "ds", columns.target or "y", columns.series
    if series is None and "unique_id" in table.columns:
        series = "unique_id"
    if not len(table):
        raise DataError("The table has no rows.")
    for column, flag in ((time, "--time-column"), (target, "--target"), *([(series, "--id-column")] if series else [])):
        if column not in table.columns:
            raise DataError(
                f"There is no column {column!r}.{nearest(column, list(map(str, table.columns)))} "
                f"Name it with {flag}; there are {', '.join(map(str, table.columns))}."
            )
    named = [time, target, *([series] if series else [])]
    past, left_out = past_columns(table, columns, named)
    require_columns(table, [*named, *past, *columns.future, *columns.static])
    for column in (*past, *columns.future, *columns.static):
        if column in RESERVED:
            raise DataError(f"The covariate {column!r} has a name that the long form needs; rename it.")
    frame = pd.DataFrame({"unique_id": table[series] if series else name, "ds": read_times(table[time])})
    frame["y"] = read_numbers(table[target])
    for column in (*past, *columns.future):
        frame[column] = read_numbers(table[column])
    for column in columns.static:
        frame[column] = table[column].to_numpy()
    return frame, replace(columns, time=time, target=target, series=series, past=past), left_out


def past_columns(table: pd.DataFrame, columns: Columns, named: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The past covariates, and those left out because they hold text."""
    if columns.past is not None:
        return columns.past, ()
    others = [c for c in table.columns if c not in (*named, *columns.future, *columns.static)]
    numbers = tuple(c for c in others if pd.api.types.is_numeric_dtype(table[c].dtype))
    return numbers, tuple(c for c in others if c not in numbers)
