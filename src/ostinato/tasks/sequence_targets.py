"""What is known of sequences: labels, or numbers of each sequence or each of its steps; checked, in the sequences' order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from ..data.errors import DataError
from .sequences import LIMIT, Numbers, Steps, read_numbers
from .tokens import is_missing


def read_labels(data: Steps, y: Any) -> NDArray[Any]:
    """A label for each sequence; `y` holds them, or names a column of the frame. Raises ValueError for anything else."""
    labels = as_labels(per_sequence(data, y) if isinstance(y, str) else by_id(data, y), "y")
    if len(labels) != len(data):
        raise DataError(f"y has {len(labels)} labels for {len(data)} sequences; give one for each.")
    return labels


def read_step_labels(data: Steps, y: Any) -> NDArray[Any]:
    """A label for each step of all; `y` has a list for each sequence (of a text, its characters), or names a column of the frame.

    Of a long frame `y` may also have a label for each row. Raises ValueError for anything else.
    """
    if isinstance(y, str) or data.rows is not None:
        if data.table is None or data.rows is None:
            raise DataError(f"y={y!r} names a column, but X is no frame with a row for each step; give a list of labels for each sequence.")
        said = data.table.get_column(y).to_list() if isinstance(y, str) else list(y)
        if len(said) != len(data.rows):
            raise DataError(f"y has {len(said)} labels for a frame of {len(data.rows)} rows; give one for each, or name a column.")
        flat = [said[row] for row in data.rows]
    else:
        if len(y) != len(data):
            raise DataError(f"y has labels for {len(y)} sequences, but X has {len(data)}; give a list of labels for each.")
        parts = [part if isinstance(part, str) else np.asarray(part, dtype=object).tolist() for part in y]
        for number, (part, steps) in enumerate(zip(parts, data.lengths, strict=True), start=1):
            if not isinstance(part, (str, list)) or len(part) != steps:
                count = len(part) if isinstance(part, (str, list)) else f"{part!r}, which is no list of"
                raise DataError(f"y has {count} labels for sequence {number}, which has {steps} steps; give one for each.")
        flat = [label for part in parts for label in part]
    at = next((k for k, label in enumerate(flat) if label is None or label != label), None)
    if at is not None:
        raise DataError(f"y has no label ({flat[at]}) at {data.where(at)}; give it one, or leave the sequence out.")
    return as_labels(flat, "y")


def as_labels(y: Any, name: str) -> NDArray[Any]:
    """Labels `(n,)`. Raises ValueError where some are missing, or are not labels."""
    labels: NDArray[Any] = np.asarray(y)
    each = y if isinstance(y, (list, tuple)) else labels if labels.dtype.kind in "Of" and labels.ndim == 1 else ()
    at = next((k for k, label in enumerate(each) if is_missing(label)), None)  # of a list too: np.asarray makes NaN the word "nan"
    if at is not None:
        raise DataError(f"{name} has no label ({each[at]}) for sequence {at + 1}; give it one, or leave the sequence out.")
    labels = column_or_1d(labels, warn=True, input_name=name)
    check_classification_targets(labels)
    return labels


def read_targets(data: Steps, y: Any, *, per_step: bool, may_miss: bool = False) -> tuple[Numbers, bool]:
    """`(entries, outputs)`, an entry for each sequence or step, and whether `y` has no axis of outputs.

    `y` holds them, or names a column of the frame, or several. Raises DataError for what does not fit `data`.
    """
    columns = columns_named(y)
    if columns and data.table is None:
        raise DataError(f"y has the text {columns[0]!r}, where X is no frame that has it as a column; give a number for each sequence.")
    if columns:
        read = [each_step(data, name) if per_step else per_sequence(data, name, numbers=True) for name in columns]
        targets, single = np.column_stack(read), isinstance(y, str)
    else:
        targets, single = step_targets(data, y) if per_step else sequence_targets(data, y)
    check_targets(targets, may_miss=may_miss)
    return targets, single


def columns_named(y: Any) -> tuple[str, ...]:
    """The columns of a frame that `y` names: one, or several in a list."""
    if isinstance(y, str):
        return (y,)
    return tuple(y) if isinstance(y, (list, tuple)) and y and all(isinstance(name, str) for name in y) else ()


def each_step(data: Steps, column: str) -> Numbers:
    """A column of numbers of the frame, in the order of the steps."""
    assert data.table is not None and data.rows is not None
    return read_numbers(data.table.get_column(column))[data.rows]


def per_sequence(data: Steps, column: str, *, numbers: bool = False) -> NDArray[Any]:
    """What a column of the frame says of each sequence. Raises DataError where it says two things of one."""
    if data.table is None:
        raise DataError(f"y names the column {column!r}, but X is no frame; give y itself.")
    if data.rows is None:
        column_read = data.table.get_column(column)
        return read_numbers(column_read) if numbers else np.array(column_read.to_list() + [None], dtype=object)[:-1]
    said = each_step(data, column) if numbers else data.table.get_column(column).to_numpy()[data.rows]
    first = said[data.starts]
    differs = said != np.repeat(first, data.lengths)
    if differs.any():
        where = data.where(int(np.flatnonzero(differs)[0]))
        raise DataError(f"Column {column!r} changes at {where}; a sequence has one {column}, the same in all its rows.")
    return np.asarray(first)


def by_id(data: Steps, y: Any) -> Any:
    """A pandas Series indexed by `unique_id` put in the order of the sequences; all else as it is."""
    index = getattr(y, "index", None)
    if data.ids is None or data.rows is None or index is None or callable(index) or len(y) != len(data):
        return y
    places = {name: k for k, name in enumerate(index.tolist())}
    if set(places) == set(data.ids.tolist()):
        return np.asarray(y)[[places[name] for name in data.ids.tolist()]]
    if index.tolist() != list(range(len(y))):
        raise DataError(
            "y is indexed by other names than the unique_id of X; index it by these, or give an array in order of first appearance."
        )
    return y


def sequence_targets(data: Steps, y: Any) -> tuple[Numbers, bool]:
    """A row of targets for each sequence, and whether `y` has no axis of outputs."""
    targets = numbers(by_id(data, y))
    if len(targets) != len(data):
        raise DataError(f"y has {len(targets)} targets for {len(data)} sequences; give one for each.")
    if targets.ndim > 2:
        raise DataError(f"y has the shape {targets.shape}; expected (n,) or (n, outputs). For a target of each step set per_step=True.")
    return targets.reshape(len(data), -1), targets.ndim == 1


def step_targets(data: Steps, y: Any) -> tuple[Numbers, bool]:
    """A row of targets for each step, and whether `y` has no axis of outputs."""
    if data.rows is not None:
        targets = numbers(y)
        if len(targets) != len(data.rows) or targets.ndim > 2:
            raise DataError(
                f"y has the shape {targets.shape} for a frame of {len(data.rows)} rows; give a target for each, or name a column."
            )
        return targets.reshape(len(targets), -1)[data.rows], targets.ndim == 1
    if len(y) != len(data):
        raise DataError(f"y has targets for {len(y)} sequences, but X has {len(data)}; give one for each step.")
    parts = [numbers(part) for part in y]
    axes = {part.ndim for part in parts}
    at = next((k for k, part in enumerate(parts) if len(part) != data.lengths[k]), None)
    if at is not None:
        raise DataError(f"y has {len(parts[at])} targets for sequence {at + 1}, which has {data.lengths[at]} steps; give one for each.")
    if axes not in ({1}, {2}) or len({part.shape[1:] for part in parts}) > 1:
        raise DataError("With per_step=True each sequence has targets (time,) or (time, outputs), all with the same outputs.")
    return np.concatenate(parts).reshape(int(data.lengths.sum()), -1), axes == {1}


def numbers(y: Any) -> Numbers:
    """Targets as float64, at least one axis. Raises ValueError for what is no number."""
    y = y.to_numpy() if hasattr(y, "to_numpy") else np.asarray(y)
    if y.ndim == 0:
        raise DataError(f"y is {y!r}; give a target for each sequence, or with per_step=True for each step.")
    return np.asarray(check_array(y, dtype=np.float64, ensure_2d=False, allow_nd=True, ensure_all_finite="allow-nan", input_name="y"))


def check_targets(targets: Numbers, *, may_miss: bool) -> None:
    """Raise DataError for a target that cannot be learned from."""
    missing = np.isnan(targets)
    if missing.any() and not may_miss:
        row = int(np.argwhere(missing)[0][0])
        cure = (
            'leave the sequence out, or with per_step=True set missing="carry": a missing target is then neither learned from nor scored.'
        )
        raise DataError(f"Input y contains NaN (target {row + 1}, {int(missing.sum())} missing in all); {cure}")
    if missing.all(axis=0).any():
        raise DataError(f"y has no value at all of output {int(np.flatnonzero(missing.all(axis=0))[0]) + 1}; leave it out.")
    if (np.abs(targets[~missing]) > LIMIT).any():
        raise DataError("Input y contains infinity or a value too large for float32; mend it.")
