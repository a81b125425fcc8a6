"""A group that is scored on and not learned from: a speaker, a site, a year."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from ..data import DataError, nearest
from .sequence_table import SequenceTable

SHOWN = 10  # groups that a message names
Read = TypeVar("Read", bound=SequenceTable)


def together(one: Read, other: Read) -> Read:
    """Both parts of a data set. Raises DataError where they call different sequences the same."""
    twice = np.intersect1d(one.ids.astype(str), other.ids.astype(str))
    if len(twice):
        raise DataError(f"{one.name} has a sequence {twice[0]!r} in each of its parts, so no group can be left out of both together.")
    return one.with_more(other)


def leave_out(table: Read, group: str) -> tuple[Read, Read]:
    """What is not of that group, and what is. Raises DataError where either is nothing, or a sequence is of two groups."""
    held = table.of_group(group)
    if held.any() and not held.all():
        return table.take(~held), table.take(held)
    column = f"in column {table.columns.group!r}"
    if held.any():
        raise DataError(f"{table.name} has nothing but {group!r} {column}: nothing is left to learn from.")
    there = list(dict.fromkeys(table.groups.tolist() if table.groups is not None else []))
    more = f" and {len(there) - SHOWN} more" if len(there) > SHOWN else ""
    raise DataError(f"{table.name} has no {group!r} {column}.{nearest(group, there)} There are {', '.join(there[:SHOWN])}{more}.")
