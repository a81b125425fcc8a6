"""Sequences in: arrays, lists and long frames become one table of steps; every doubt is answered here."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from ..data.errors import DataError, nearest
from .panel import since_seen

ID, ORDER, LABEL = "unique_id", ("ds", "step"), "label"
RESERVED = (ID, *ORDER, LABEL)  # columns of a frame that are never features
LIMIT = float(np.finfo(np.float32).max)  # the networks' numbers
CLOCKS = ("dates", "numbers", "steps")  # by which lengths of time are told
LONGEST = 1e100  # times of larger numbers are none

Rows = NDArray[np.intp]
Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Steps(ABC):
    """Sequences of steps of any kind, below each other; `lengths` tells them apart.

    source: ``"array"``, ``"list"`` or ``"frame"``.  Of a frame also the `table` itself and, where it has a row for each
    step, `ids` in order of first appearance and `rows` (the row of the frame that each step came from).
    """

    lengths: Rows
    source: str
    ids: NDArray[Any] | None = None
    rows: Rows | None = None
    table: nw.DataFrame[Any] | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    @abstractmethod
    def take(self, chosen: Rows) -> Self:
        """Some of the sequences, in that order."""

    @property
    def starts(self) -> Rows:
        """Where each sequence begins."""
        return np.cumsum(self.lengths) - self.lengths

    def steps(self, chosen: Rows) -> Rows:
        """The steps of some of the sequences, in their order."""
        lengths = self.lengths[chosen]
        return np.repeat(self.starts[chosen] - np.cumsum(lengths) + lengths, lengths) + np.arange(int(lengths.sum()))

    def where(self, step: int) -> str:
        """A step of the table, in words."""
        number = int(np.searchsorted(self.starts, step, side="right")) - 1
        name = number + 1 if self.ids is None else repr(self.ids.tolist()[number])
        return f"step {step - int(self.starts[number]) + 1} of sequence {name}"


@dataclass(frozen=True, kw_only=True)
class Sequences(Steps):
    """Sequences of numbers: `values` is `(steps of all, features)`, missing values NaN. Of a frame also `names` of the features.

    clock: what tells the time of steps: ``"dates"``, ``"numbers"``; ``"order"``, where it is neither; ``"steps"``, without.
    times: `(steps of all,)`, the time since the first step of its sequence, of dates in seconds; None without a clock that runs.
    """

    values: Numbers
    names: tuple[str, ...] | None = None
    clock: str = "steps"
    times: Numbers | None = None

    @property
    def features(self) -> int:
        """How many numbers a step has."""
        return int(self.values.shape[1])

    def take(self, chosen: Rows) -> Self:
        """Some of the sequences, in that order."""
        steps = self.steps(chosen)
        return type(self)(
            values=self.values[steps],
            lengths=self.lengths[chosen],
            source=self.source,
            names=self.names,
            clock=self.clock,
            times=None if self.times is None else self.times[steps],
        )

    def since_seen(self) -> Numbers:
        """`(steps of all, features + 1)`: how long ago each feature was last observed, and last, the step before was.

        See `panel.since_seen`.
        """
        gaps = np.pad(np.isnan(self.values), ((0, 0), (0, 1)))
        return since_seen(self.since_first(), gaps, self.starts)

    def since_first(self) -> Numbers:
        """`(steps of all,)`: the time since the first step of its sequence."""
        if self.times is not None:
            return self.times
        return np.asarray(np.arange(len(self.values)) - np.repeat(self.starts, self.lengths), np.float64)

    def feature(self, column: int) -> str:
        """A feature, in words."""
        return f"feature {column + 1}" if self.names is None else repr(self.names[column])


def read_sequences(data: Any, *, names: Sequence[str] | None = None, targets: Sequence[str] = (), missing: str = "raise") -> Sequences:
    """Sequences out of an array `(n, time, features)` or `(n, time)`, a list of `(time_i, features)`, or a long frame.

    A long frame (pandas, Polars or another that narwhals knows) has a row for each step: `unique_id`, perhaps `ds` or
    `step` by which the steps are put in order, and features; `names` are those to take, None takes every other column but
    `label` and `targets`. A frame with nothing but columns of numbers is wide, a row for each sequence of one feature.
    Raises DataError for anything that cannot be used, a missing value included unless ``missing="carry"``.
    """
    if nw.dependencies.is_into_dataframe(data):
        table = nw.from_native(data, eager_only=True)
        found = read_array(wide(table)) if is_wide(table, targets) else read_frame(table, names, targets)
    elif targets:
        raise DataError(f"y={targets[0]!r} names a column, but X is no frame; give y as an array.")
    elif isinstance(data, (list, tuple)) and ragged(data):
        found = read_list(data)
    else:
        found = read_array(data)
    check_values(found, missing)
    return found


def is_wide(table: nw.DataFrame[Any], targets: Sequence[str]) -> bool:
    """Whether a frame has a row for each sequence: it has numbers only, and no column of the long form is there or named."""
    return not targets and not {*RESERVED} & {*table.columns} and all(table.get_column(name).dtype.is_numeric() for name in table.columns)


def wide(table: nw.DataFrame[Any]) -> Numbers:
    """A frame with a row for each sequence of one feature, and a column for each step: `(n, time)`."""
    columns = [read_numbers(table.get_column(name)) for name in table.columns]
    return np.column_stack(columns) if columns else np.empty((len(table), 0))


def read_array(data: Any) -> Sequences:
    """An array `(n, time, features)`, or `(n, time)` of one feature; an array of objects may hold sequences, like a list."""
    from sklearn.utils import check_array

    if isinstance(data, np.ndarray) and data.dtype == object and data.ndim == 1 and ragged(list(data)):
        return read_list(list(data))
    if getattr(data, "ndim", None) == 1 or (isinstance(data, (list, tuple)) and data and np.isscalar(data[0])):
        raise DataError(
            "Expected sequences as (n, time, features) or (n, time), got one row of numbers. Reshape your data: "
            "X.reshape(1, -1) is one sequence, X.reshape(-1, 1) are sequences of one step."
        )
    array = check_array(data, dtype="numeric", ensure_2d=False, allow_nd=True, ensure_all_finite=False, input_name="X")
    if array.ndim not in (2, 3):
        raise DataError(f"Expected sequences as (n, time, features) or (n, time), got an array of the shape {array.shape}.")
    if 0 in array.shape[1:]:
        raise DataError(
            f"Found array with 0 feature(s) (shape={array.shape}) while a minimum of 1 is required: sequences need steps and features."
        )
    count, steps = array.shape[:2]
    values = np.asarray(array, dtype=np.float64).reshape(count * steps, -1)
    return Sequences(values=values, lengths=np.full(count, steps, dtype=np.intp), source="array")


def ragged(data: Sequence[Any]) -> bool:
    """Whether a list holds sequences as arrays, or lists of unlike length; otherwise it is an array written as a list."""
    return any(getattr(one, "ndim", 0) for one in data) or len({len(one) for one in data if isinstance(one, (list, tuple))}) > 1


def read_list(data: Sequence[Any]) -> Sequences:
    """A list of `(time_i, features)`, or of `(time_i,)` for one feature."""
    parts = [read_one(number, one) for number, one in enumerate(data, start=1)]
    widths = [part.shape[1] for part in parts]
    other = next((k for k, width in enumerate(widths) if width != widths[0]), None)
    if other is not None:
        raise DataError(
            f"Sequence {other + 1} has {widths[other]} features, where sequence 1 has {widths[0]}; "
            "all must be (time, features) with the same features."
        )
    return Sequences(values=np.concatenate(parts), lengths=np.array([len(part) for part in parts], dtype=np.intp), source="list")


def read_one(number: int, data: Any) -> Numbers:
    """One sequence `(time, features)` of a list."""
    try:
        one: Numbers = np.asarray(data, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"Sequence {number} holds what is no number, or its steps differ in width ({error}); mend it.") from error
    one = one[:, None] if one.ndim == 1 else one
    if one.ndim != 2:
        raise DataError(f"Sequence {number} has the shape {one.shape}; expected (time, features) or (time,).")
    if not one.size:
        raise DataError(f"Sequence {number} has no steps (shape {one.shape}); leave it out.")
    return one


def read_frame(table: nw.DataFrame[Any], names: Sequence[str] | None, targets: Sequence[str]) -> Sequences:
    """A long frame, its steps put in order by `ds` or `step`; without either, they stand in order."""
    names = None if names is None else tuple(names)
    for column in (ID, *targets, *(names or ())):
        require_column(table, column)
    if not len(table):
        raise DataError("The table has no rows.")
    names = names or tuple(c for c in table.columns if c not in RESERVED and c not in targets)
    if not names:
        raise DataError(f"The table has no features, only {', '.join(table.columns)}; give each step a column of numbers.")
    lengths, ids, rows = sequences_of_rows(table)
    values = np.column_stack([read_numbers(table.get_column(name)) for name in names])[rows]
    clock, times = read_clock(table, rows, lengths)
    return Sequences(values=values, lengths=lengths, source="frame", names=names, ids=ids, rows=rows, table=table, clock=clock, times=times)


def read_clock(table: nw.DataFrame[Any], rows: Rows, lengths: Rows) -> tuple[str, Numbers | None]:
    """What tells the time in a long frame, and the time of each step since the first of its sequence. Others only put in order."""
    column = next((name for name in ORDER if name in table.columns), None)
    if column is None:
        return "steps", None
    told = table.get_column(column)
    if told.dtype.is_numeric():
        clock, times = "numbers", told.to_numpy().astype(np.float64)
        if not (np.abs(times) < LONGEST).all():
            row = int(np.flatnonzero(~(np.abs(times) < LONGEST))[0])
            raise DataError(f"Column {column!r} holds {times[row]} in data row {row + 1}, which is no time; mend it, or leave the row out.")
    elif told.dtype in (nw.Datetime, nw.Date, nw.Duration):
        if told.dtype == nw.Datetime and told.dtype.time_zone is not None:  # type: ignore[attr-defined]
            told = told.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        unit = "timedelta64[us]" if told.dtype == nw.Duration else "datetime64[us]"
        clock, times = "dates", told.to_numpy().astype(unit).astype(np.int64)
    else:
        return "order", None
    starts = np.cumsum(lengths) - lengths
    since = times[rows] - np.repeat(times[rows][starts], lengths)
    return clock, since / 1e6 if clock == "dates" else since


def sequences_of_rows(table: nw.DataFrame[Any]) -> tuple[Rows, NDArray[Any], Rows]:
    """Of a long frame the length and the name of each sequence, by first appearance, and the rows in order of the steps."""
    if table.get_column(ID).is_null().any():
        row = int(np.flatnonzero(table.get_column(ID).is_null().to_numpy())[0])
        raise DataError(f"Column {ID!r} is empty in data row {row + 1}; give the row its sequence, or leave it out.")
    raw = table.get_column(ID).to_numpy()
    ids, first, code = np.unique(raw.astype(str) if raw.dtype == object else raw, return_index=True, return_inverse=True)
    appearance = np.argsort(first)
    rank = np.argsort(appearance)[code]
    return np.bincount(rank).astype(np.intp), ids[appearance], in_order(table, rank)


def require_column(table: nw.DataFrame[Any], column: str) -> None:
    """Raise DataError for a column that the frame lacks."""
    if column not in table.columns:
        cure = " A frame has a row for each step, and that column tells sequences apart." if column == ID else ""
        raise DataError(
            f"There is no column {column!r}.{nearest(column, table.columns)} Columns: {', '.join(map(str, table.columns))}.{cure}"
        )


def in_order(table: nw.DataFrame[Any], rank: Rows) -> Rows:
    """The rows of the frame, sequence by sequence and step by step."""
    column = next((name for name in ORDER if name in table.columns), None)
    if column is None:
        return np.argsort(rank, kind="stable")
    when = table.get_column(column)
    if when.is_null().any():
        row = int(np.flatnonzero(when.is_null().to_numpy())[0])
        raise DataError(f"Column {column!r} is empty in data row {row + 1}; fill it, or leave the row out.")
    moments = np.unique(when.to_numpy(), return_inverse=True)[1]
    rows = np.lexsort((moments, rank))
    same = np.flatnonzero((np.diff(rank[rows]) == 0) & (np.diff(moments[rows]) == 0))
    if len(same):
        row, name = int(rows[same[0] + 1]), table.get_column(ID).to_list()[int(rows[same[0]])]
        raise DataError(f"Sequence {name!r} has two rows for {column} {when[row]} (the second in data row {row + 1}); keep one.")
    return rows


def read_numbers(column: nw.Series[Any]) -> Numbers:
    """A column as float64; missing values as NaN."""
    if column.dtype.is_numeric() or column.dtype == nw.Boolean:
        numbers: Numbers = column.cast(nw.Float64).to_numpy()
        return numbers
    items = column.to_list()
    for row, item in enumerate(items, start=1):
        if isinstance(item, str) or not (item is None or isinstance(item, (int, float, np.number))):
            raise DataError(
                f"Column {column.name!r} holds {item!r} in data row {row}, which is no number; mend it, or leave the column out."
            )
    return np.array([np.nan if item is None else float(item) for item in items])


def check_values(data: Sequences, missing: str) -> None:
    """Raise DataError for the first number that cannot be used: infinite, too large, or missing where that is no policy."""
    with np.errstate(invalid="ignore"):
        endless = np.argwhere(np.abs(data.values) > LIMIT)
    if len(endless):
        step, column = endless[0]
        value = data.values[step, column]
        kind = "an infinite number (inf)" if np.isinf(value) else f"{value:g}, more than float32 holds,"
        raise DataError(f"X has {kind} in {data.feature(column)} at {data.where(step)}; mend it.")
    holes = np.argwhere(np.isnan(data.values))
    if len(holes) and missing == "raise":
        step, column = holes[0]
        raise DataError(
            f"X has no value (NaN) of {data.feature(column)} at {data.where(step)} ({len(holes)} missing in all); "
            'fill it, or have the last value carried forward (missing="carry", --missing carry).'
        )


def split_steps(values: NDArray[Any], data: Steps) -> Any:
    """Something said of every step as the caller's X was: an array, a list of arrays, or in the order of the frame's rows."""
    if data.source == "frame":
        back = np.empty_like(values)
        back[data.rows] = values
        return back
    if data.source == "array":
        return np.stack(np.split(values, len(data)))
    ends = np.cumsum(data.lengths)
    return [values[a:b] for a, b in itertools.pairwise([0, *ends.tolist()])]
