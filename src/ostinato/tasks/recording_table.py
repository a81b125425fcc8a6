"""From a folder of recordings, a sound file, or a table with their paths, to a table with a row for each recording."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from ..data import DataError, Recordings
from .recordings import PATH, files_in, is_path

PAUSE = "pau"  # a label of festvox for where nothing is said
FOLDER = r".*?([^/]*)/[^/]*"  # the folder that a recording lies in


def is_sound_source(source: str) -> bool:
    """Whether it is a folder, or a sound file."""
    return Path(source).is_dir() or is_path(source)


def sound_source(source: str, target: str | None, label_from: str | None) -> pd.DataFrame:
    """A folder's recordings, or the one: a column `path`, and `target`, if there is one, taken from their paths.

    label_from: a regular expression that a path below the folder must match; its first group is the label. None takes the
    folder that a recording lies in. Raises DataError where a label cannot be told.
    """
    paths = files_in(source) if Path(source).is_dir() else [source]
    table = pd.DataFrame({PATH: paths})
    if target is None:
        return table
    try:
        pattern = re.compile(FOLDER if label_from is None else label_from)
    except re.error as error:
        raise DataError(f"label_from={label_from!r} is no regular expression ({error}); such as '([0-9]+)_.*'.") from error
    if not pattern.groups:
        raise DataError(f"label_from={label_from!r} has no group; put round brackets around the part that is the label.")
    labels = []
    for path in paths:
        below = Path(path).relative_to(source).as_posix() if Path(source).is_dir() else Path(path).as_posix()
        found = pattern.search(below) if label_from is not None else pattern.fullmatch(below)
        if found is None or not found[1]:
            cure = "put each class in a folder of its own, or tell by label_from (--label-from) what names it"
            raise DataError(f"The path {below!r} tells no label; {cure if label_from is None else f'{label_from!r} does not match it'}.")
        labels.append(found[1])
    return table.assign(**{target: labels})


def spoken(known: Recordings, part: str) -> pd.DataFrame:
    """A part of a data set: its recordings in the column `path`, and what is said in each."""
    found = known.recordings(part)
    return pd.DataFrame(
        {
            PATH: found,
            "speaker": [one.speaker for one in found],
            "label": [one.label for one in found],
            "text": [one.text for one in found],
            "phones": [" ".join(phone.label for phone in one.phones if phone.label != PAUSE) for one in found],
        }
    )


def transcripts(column: pd.Series, kind: str) -> list[str] | list[tuple[str, ...]]:
    """Transcripts as texts of characters, or as symbols that spaces part. Raises DataError where one is missing."""
    missing = column.isna()
    if missing.any():
        row = int(np.flatnonzero(missing)[0])
        raise DataError(f"Column {column.name!r} has no transcript in data row {row + 1}; give it one, or leave the recording out.")
    found = [str(one) for one in column]
    return [tuple(one.split()) for one in found] if kind == "symbols" else found


def path_column(table: pd.DataFrame, named: str | None) -> str | None:
    """The column with the paths of recordings: that one named, or `path`; None where there are none in it."""
    column = named or (PATH if "unique_id" not in table.columns else "unique_id")
    if column not in table.columns or not len(table):
        return None
    return column if all(is_path(one) or hasattr(one, "samples") for one in table[column].head(3)) else None


def recordings_of(table: pd.DataFrame, column: str, folder: Path | None) -> pd.DataFrame:
    """`unique_id` and `path` of each; a path that is relative starts at `folder`, that of the table."""
    names = [getattr(one, "name", one) for one in table[column]]
    empty = next((row for row, one in enumerate(names, start=1) if not isinstance(one, str)), None)
    if empty is not None:
        raise DataError(f"Column {column!r} has no path in data row {empty}; give it one, or leave the row out.")
    twice = pd.Series(names).duplicated()
    if twice.any():
        raise DataError(f"The recording {names[int(twice.argmax())]!r} stands twice (data row {int(twice.argmax()) + 1}); keep one.")
    paths = [str(folder / one) if folder is not None and isinstance(one, str) else one for one in table[column]]
    return pd.DataFrame({"unique_id": names, PATH: paths})
