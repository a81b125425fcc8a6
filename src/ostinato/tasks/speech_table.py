"""From a person's phones to the frame that a speaker reads: a row for each utterance, its phones and perhaps its recording."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..data import DATA_SETS, DataError, DataSet, Recordings, find, nearest
from .recording_table import recordings_of
from .recordings import PATH
from .sequence_table import SequenceColumns, groups_of
from .table import is_bundled, read_file, stem
from .text_table import TextTable, is_texts, lines_of
from .timed_phones import PHONES

PHONE = "phone"  # the column of a phone, unless another is named
TIMES = ("start", "end")  # the columns of a phone's, in seconds


def read_speech_table(source: str, columns: SequenceColumns, part: str = "test", *, labelled: bool = True) -> TextTable:
    """A bundled set; a table with a row for each phone: the path of its recording, the phone, `start` and `end` in seconds; or,
    where it need not be `labelled`, lines with phones between spaces, an utterance each.

    Raises DataError for what cannot be used, OSError for what cannot be read.
    """
    if is_bundled(source) and not is_texts(source):
        return recorded(find(source), columns, part)
    try:
        if is_texts(source) and not Path(source).is_dir():
            if labelled:
                raise DataError("Lines of phones have neither times nor recordings; give a table with the columns path, phone, start, end.")
            lines = lines_of(source)
            return utterances(pd.DataFrame({"line": range(1, len(lines) + 1), PHONES: lines}), replace(columns, series="line"), source)
        return of_rows(read_file(source), columns, source, labelled)
    except DataError as error:
        raise DataError(f"{source}: {error}") from error


def recorded(known: DataSet, columns: SequenceColumns, part: str) -> TextTable:
    """A part of a bundled set."""
    found = known.recordings(part) if isinstance(known, Recordings) else []
    if not found or not all(one.phones for one in found):
        having = ", ".join(name for name, one in DATA_SETS.items() if hasattr(one, "spoken"))
        raise DataError(f"{known.name} has no phones with their times, which a speaker learns from; known: {having}.")
    table = pd.DataFrame({PATH: found, PHONES: [list(one.phones) for one in found]})
    return utterances(table, replace(columns, series=PATH), known.name)


def of_rows(table: pd.DataFrame, columns: SequenceColumns, source: str, labelled: bool) -> TextTable:
    """A table with a row for each phone."""
    present = list(map(str, table.columns))
    series = columns.series or (PATH if PATH in present or labelled else "unique_id")
    phone = str(columns.text)
    wanted = {series: " Name it with --id-column.", phone: " Name it with --text."} | dict.fromkeys(TIMES if labelled else (), "")
    for column, cure in wanted.items():
        if column not in present:
            raise DataError(f"There is no column {column!r}.{nearest(column, present)}{cure} There are {', '.join(present)}.")
    if not len(table):
        raise DataError("The table has no rows.")
    timed = set(TIMES) <= set(present)
    cells: list[Any] = table[phone].tolist()
    if timed:
        cells = list(zip(*(table[time].tolist() for time in TIMES), cells, strict=True))
    codes, names = pd.factorize(table[series], use_na_sentinel=False)
    rows: list[list[Any]] = [[] for _ in names]
    for code, cell in zip(codes.tolist(), cells, strict=True):
        rows[code].append(cell)
    found = pd.DataFrame({series: list(names), PHONES: rows})
    if labelled:
        found[PATH] = recordings_of(found, series, Path(source).parent)[PATH].to_numpy()
    return utterances(found, replace(columns, series=series), source)


def utterances(table: pd.DataFrame, columns: SequenceColumns, source: str) -> TextTable:
    """A table with a row for each utterance."""
    if not len(table):
        raise DataError("It holds no phones.")
    names = np.array([getattr(one, "name", one) for one in table[str(columns.series)]], dtype=object)
    has = [column for column in (PHONES, PATH) if column in table]
    known = table[[PATH]].reset_index(drop=True) if PATH in table else None
    groups = groups_of(table, columns)
    return TextTable(
        table[has].reset_index(drop=True), known, stem(source), replace(columns, targets=(PATH,), features=()), (), groups, names
    )
