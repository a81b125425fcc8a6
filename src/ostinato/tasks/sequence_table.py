"""From a file, or a bundled data set, to the long frame of sequences that their estimators read, and what is known of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data import DataError, LabelledSequences, Recordings, find, find_kind, nearest
from .frame import read_numbers, read_times
from .recording_table import is_sound_source, path_column, recordings_of, sound_source, spoken, transcripts
from .recordings import PATH
from .sequences import Rows
from .table import is_bundled, read_file, stem

RESERVED = ("unique_id", "ds")
ROW, VALUE = "row", "value"  # of a wide table, what tells rows apart where no column does; its one feature
SHUFFLE = 0  # the seed of the choice of the test part: the same whatever the networks' seed


@dataclass(frozen=True)
class SequenceColumns:
    """What a table calls its columns: which tells sequences apart, which orders steps, what is to be told, features.

    `time` None takes `ds` or `step` if there is one, or else the order of the rows; `features` None takes all other numbers.
    `targets` are a label, or numbers; none of them need be there where they are to be predicted. Of recordings, `series`
    has their paths, and `label_from` tells how a path in a folder names the label (see `sound_source`). `transcripts` tells
    what targets are made of: `characters`, or `symbols`; None for others. `text` has texts, or tokens. `coarse` has coarser labels,
    to one of which each label belongs. `steps` tells that the table is wide, a row for each sequence, and which
    columns are its steps, in order; an empty one takes all other numbers. `group` tells what a sequence belongs to, such as its
    speaker, where one group is left out. `letters` tells that the tokens of a line are its letters.
    """

    series: str | None = None
    time: str | None = None
    targets: tuple[str, ...] = ()
    features: tuple[str, ...] | None = None
    label_from: str | None = None
    transcripts: str | None = None
    text: str | None = None
    coarse: str | None = None
    steps: tuple[str, ...] | None = None
    group: str | None = None
    letters: bool = False


@dataclass(frozen=True)
class SequenceTable:
    """Steps in long form (`unique_id`, `ds` if there was an order, features); of targets and coarse labels the columns that are there.

    Of recordings a row each: `unique_id` and `path`. `groups`: what each row belongs to, if a column tells it.
    """

    frame: pd.DataFrame
    known: pd.DataFrame | None
    name: str
    columns: SequenceColumns
    left_out: tuple[str, ...]
    groups: NDArray[Any] | None

    @property
    def ids(self) -> NDArray[Any]:
        """The sequences in order of first appearance."""
        return np.asarray(self.frame["unique_id"].drop_duplicates().to_numpy())

    def of_sequences(self) -> NDArray[Any]:
        """What is known of each sequence: `(n,)`, or `(n, targets)`. Raises DataError where it changes within one."""
        assert self.known is not None
        first = self._first_rows({name: self.known[name].to_numpy() for name in self.columns.targets})
        found = self.known[list(self.columns.targets)].to_numpy()[first]
        return np.asarray(found[:, 0] if found.shape[1] == 1 else found)

    def of_group(self, group: str) -> NDArray[np.bool_]:
        """Whether each sequence is of that group. Raises DataError where one is of several."""
        assert self.groups is not None
        first = self._first_rows({str(self.columns.group): self.groups})
        return np.asarray(self.groups[first] == group)

    def _first_rows(self, columns: Mapping[str, NDArray[Any]]) -> Rows:
        """The first row of each sequence. Raises DataError where one of these columns changes within one."""
        codes, _ = pd.factorize(self.frame["unique_id"])
        first = np.unique(codes, return_index=True)[1]
        for name, values in columns.items():
            changed = pd.Series(values != values[first][codes]) & ~(pd.isna(values) & pd.isna(values[first][codes]))
            if changed.any():
                row = int(np.flatnonzero(changed)[0])
                raise DataError(
                    f"Column {name!r} changes within sequence {self.frame['unique_id'].tolist()[row]!r} (data row {row + 1}); "
                    "a sequence has one value of it, the same in all its rows."
                )
        return first

    def of_steps(self) -> NDArray[Any]:
        """What is known of each step, in the order of the rows."""
        assert self.known is not None
        found = self.known[list(self.columns.targets)].to_numpy()
        return np.asarray(found[:, 0] if found.shape[1] == 1 else found)

    def take(self, chosen: NDArray[np.bool_]) -> Self:
        """Some of the sequences: `chosen` has an entry for each."""
        codes, _ = pd.factorize(self.frame["unique_id"])
        return self._rows(chosen[codes])

    def _rows(self, rows: NDArray[np.bool_]) -> Self:
        known = None if self.known is None else self.known[rows].reset_index(drop=True)
        groups = None if self.groups is None else self.groups[rows]
        return replace(self, frame=self.frame[rows].reset_index(drop=True), known=known, groups=groups)

    def with_more(self, other: Self) -> Self:
        """The sequences of both."""
        known = None if self.known is None else pd.concat([self.known, other.known], ignore_index=True)
        groups = None if self.groups is None or other.groups is None else np.concatenate([self.groups, other.groups])
        return replace(self, frame=pd.concat([self.frame, other.frame], ignore_index=True), known=known, groups=groups)


def read_sequence_table(
    source: str, columns: SequenceColumns, part: str | None = None, *, numbers: bool = False, labelled: bool = True
) -> SequenceTable:
    """Read a file, or a part of a bundled data set. `numbers` tells that targets are numbers, not labels.

    Unless it must be `labelled`, the table may lack targets, and is then read without them. Raises DataError for a table that
    cannot be used, OSError for a file that cannot be read.
    """
    if is_bundled(source):
        known = find(source)
        if columns.steps is not None:
            raise DataError(f"The data set {source!r} has a row for each step, not for each sequence; leave --wide out.")
        if isinstance(known, Recordings):
            table, columns = spoken(known, part or "test"), replace(columns, series=PATH)
        else:
            table = find_kind(source, LabelledSequences).frame(part or "test")
    elif is_sound_source(source):
        if labelled and columns.transcripts:
            raise DataError(f"{source} has no transcripts; give a table of paths and transcripts (columns path, text).")
        table = sound_source(source, columns.targets[0] if labelled and columns.targets else None, columns.label_from)
        columns = replace(columns, series=PATH)
    else:
        table = read_file(source)
    try:
        path = path_column(table, columns.series)
        if path is not None:
            folder = Path(source).parent if Path(source).is_file() and not is_sound_source(source) else None
            return table_of_recordings(table, replace(columns, series=path), stem(source), folder, numbers, labelled)
        if columns.steps is not None:
            return wide_sequences(table, columns, stem(source), numbers, labelled)
        return long_sequences(table, columns, stem(source), numbers, labelled)
    except DataError as error:
        raise DataError(f"{source}: {error}") from error


def long_sequences(table: pd.DataFrame, columns: SequenceColumns, name: str, numbers: bool, labelled: bool) -> SequenceTable:
    """The table with the names of the long form."""
    series = columns.series or "unique_id"
    present = list(map(str, table.columns))
    if not len(table):
        raise DataError("The table has no rows.")
    time = columns.time or next((c for c in ("ds", "step") if c in present), None)
    flag = flag_of(columns, numbers)
    predicting = not labelled and not set(columns.targets) <= set(present)
    wanted = [(series, "--id-column"), *([(time, "--time-column")] if time else []), *((f, "--features") for f in columns.features or ())]
    wanted += [(columns.text, "--text")] if columns.text else []
    wanted += [] if predicting else [(target, flag) for target in columns.targets]
    for column, said in wanted:
        if column not in present:
            raise DataError(
                f"There is no column {column!r}.{nearest(column, present)} Name it with {said}; there are {', '.join(present)}."
            )
    coarse = columns.coarse if columns.coarse in present and columns.coarse not in columns.targets else None
    told = [*columns.targets, *([coarse] if coarse else [])]
    features, left_out = feature_columns(table, columns, [one for one in (series, time, columns.group, *told) if one])
    if table[series].isna().any():
        row = int(np.flatnonzero(table[series].isna())[0])
        raise DataError(f"Column {series!r} is empty in data row {row + 1}; give the row its sequence, or leave it out.")
    frame = pd.DataFrame({"unique_id": table[series].to_numpy()})
    if time:
        decimal = pd.api.types.is_float_dtype(table[time].dtype)  # such as hours since admission
        frame["ds"] = read_numbers(table[time]) if decimal else read_times(table[time])
    for feature in features:
        frame[feature] = table[feature].astype(object) if feature == columns.text else read_numbers(table[feature])
    known = None
    if not predicting:
        known = pd.DataFrame({target: target_of(table[target], columns, numbers) for target in told})
    named = replace(columns, series=series, time=time, features=features, coarse=coarse)
    return SequenceTable(frame, known, name, named, left_out, groups_of(table, columns))


def wide_sequences(table: pd.DataFrame, columns: SequenceColumns, name: str, numbers: bool, labelled: bool) -> SequenceTable:
    """A table with a row for each sequence, and a column for each step of its one feature."""
    present = list(map(str, table.columns))
    table = table.set_axis(present, axis=1)
    named = None if columns.series == ROW and ROW not in present else columns.series  # a model file's, of a table without one
    series = named or ("unique_id" if "unique_id" in present else None)
    if series is not None and series in present and table[series].duplicated().any():
        row = int(np.flatnonzero(table[series].duplicated())[0])
        raise DataError(f"{table[series].iloc[row]!r} of column {series!r} stands twice (data row {row + 1}); a row is a sequence here.")
    others = [c for c in present if c not in (series, columns.group, *columns.targets)]
    left_out = () if columns.steps else tuple(c for c in others if not pd.api.types.is_numeric_dtype(table[c].dtype))
    steps = columns.steps or tuple(c for c in others if c not in left_out)
    if not steps:
        raise DataError(f"There is no column of numbers for a step among {', '.join(present)}.")
    wanted = [(step, "--features") for step in steps] + ([(series, "--id-column")] if series is not None else [])
    wanted += [(target, flag_of(columns, numbers)) for target in columns.targets if labelled or target in present]
    for column, said in wanted:
        if column not in present:
            raise DataError(
                f"There is no column {column!r}.{nearest(column, present)} Name it with {said}; there are {', '.join(present)}."
            )
    ids = np.arange(1, len(table) + 1) if series is None else table[series].to_numpy()
    each = np.repeat(np.arange(len(table)), len(steps))
    values = np.column_stack([read_numbers(table[step]) for step in steps])
    long = table[[c for c in present if c in (columns.group, *columns.targets)]].iloc[each].reset_index(drop=True)
    long.insert(0, series or ROW, ids[each])
    long[VALUE] = values.ravel()
    inside = replace(columns, series=series or ROW, features=(VALUE,), time=None)
    found = long_sequences(long, inside, name, numbers, labelled)
    return replace(found, columns=replace(found.columns, steps=steps), left_out=left_out)


def table_of_recordings(
    table: pd.DataFrame, columns: SequenceColumns, name: str, folder: Path | None, numbers: bool, labelled: bool
) -> SequenceTable:
    """The recordings of a table, and what is known of each."""
    present = list(map(str, table.columns))
    for target in columns.targets:
        if labelled and target not in present:
            flag = flag_of(columns, numbers)
            raise DataError(
                f"There is no column {target!r}.{nearest(target, present)} Name it with {flag}; there are {', '.join(present)}."
            )
    known = None
    if columns.targets and set(columns.targets) <= set(present):
        known = pd.DataFrame({target: target_of(table[target], columns, numbers) for target in columns.targets})
    frame, groups = recordings_of(table, str(columns.series), folder), groups_of(table, columns)
    return SequenceTable(frame, known, name, replace(columns, features=()), (), groups)


def groups_of(table: pd.DataFrame, columns: SequenceColumns) -> NDArray[Any] | None:
    """What each row belongs to, as texts. Raises DataError where there is no such column, or nothing in it."""
    if columns.group is None:
        return None
    present = list(map(str, table.columns))
    if columns.group not in present:
        near = nearest(columns.group, present)
        raise DataError(f"There is no column {columns.group!r}.{near} Name it with --leave-out; there are {', '.join(present)}.")
    column = table[columns.group]
    if column.isna().any():
        row = int(np.flatnonzero(column.isna())[0])
        raise DataError(f"Column {columns.group!r} is empty in data row {row + 1}; give the row its group, or leave it out.")
    return np.asarray(column.astype(str).to_numpy(dtype=object))


def flag_of(columns: SequenceColumns, numbers: bool) -> str:
    """The flag that names a target's column."""
    return "--text" if columns.transcripts else "--target" if numbers else "--label"


def target_of(column: pd.Series, columns: SequenceColumns, numbers: bool) -> Any:
    """What a column has to tell."""
    if columns.transcripts:
        return pd.Series(transcripts(column, columns.transcripts), dtype=object)
    return read_numbers(column) if numbers else labels(column)


def labels(column: pd.Series) -> NDArray[Any]:
    """Labels as texts, or as the whole numbers they are. Raises DataError where one is missing."""
    if column.isna().any():
        row = int(np.flatnonzero(column.isna())[0])
        raise DataError(f"Column {column.name!r} has no label in data row {row + 1}; give it one, or leave the sequence out.")
    return np.asarray(column.to_numpy() if pd.api.types.is_integer_dtype(column.dtype) else column.astype(str).to_numpy(dtype=object))


def feature_columns(table: pd.DataFrame, columns: SequenceColumns, named: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The features, and the columns left out because they hold text."""
    if columns.text is not None:
        return (columns.text,), ()
    if columns.features is not None:
        features, left_out = columns.features, ()
    else:
        others = [c for c in table.columns if c not in named]
        features = tuple(c for c in others if pd.api.types.is_numeric_dtype(table[c].dtype))
        left_out = tuple(c for c in others if c not in features)
    if not features:
        cure = f"give each step some, or read {left_out[0]!r} with --text" if left_out else "give each step some"
        raise DataError(f"The table has no features: beside {', '.join(named)} it has no column of numbers; {cure}.")
    wrong = next((c for c in features if c in RESERVED), None)
    if wrong is not None:
        raise DataError(f"The feature {wrong!r} has a name that the long form needs; rename it.")
    return features, left_out


def coarse_labels(*tables: SequenceTable) -> dict[Any, Any]:
    """The coarse label of each label, where the tables have such. Raises DataError where a label has two."""
    target, coarse = tables[0].columns.targets[0], tables[0].columns.coarse
    parts = [one.known[[target, coarse]] for one in tables if coarse is not None and one.known is not None and coarse in one.known]
    found: dict[Any, Any] = {}
    for label, coarser in pd.concat(parts).drop_duplicates().itertuples(index=False) if parts else ():
        if found.setdefault(label, coarser) != coarser:
            raise DataError(
                f"Column {coarse!r} has {found[label]!r} and {coarser!r} where {target!r} is {label!r}; a label has one coarse label."
            )
    return found


def some(table: SequenceTable, count: int | None) -> SequenceTable:
    """At most so many of the sequences, chosen by lot."""
    total = len(table.ids)
    if count is None or count >= total:
        return table
    chosen = np.zeros(total, dtype=bool)
    chosen[np.random.default_rng(SHUFFLE).permutation(total)[:count]] = True
    return table.take(chosen)


def split(table: SequenceTable, fraction: float, classes: NDArray[Any] | None) -> tuple[SequenceTable, SequenceTable]:
    """A part to learn from and a part to test on, chosen by lot, within each class if there are such.

    Raises DataError where either would be empty.
    """
    count = len(table.ids)
    random = np.random.default_rng(SHUFFLE)
    held = np.zeros(count, dtype=bool)
    groups = [np.arange(count)] if classes is None else [np.flatnonzero(classes == label) for label in np.unique(classes)]
    for group in groups:
        held[random.permutation(group)[: min(round(fraction * len(group)), len(group) - 1)]] = True
    if not held.any():
        raise DataError(
            f"{table.name} has {count} sequences, too few to hold {fraction:g} of each kind back to score on; "
            "give more, or another table with --test."
        )
    return table.take(~held), table.take(held)
