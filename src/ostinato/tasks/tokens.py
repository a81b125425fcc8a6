"""Texts and tokens in: lists, arrays, columns of a frame become tokens of each sequence; every doubt is answered here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import narwhals.stable.v2 as nw
import numpy as np

from ..data.errors import DataError
from .sequences import ID, RESERVED, Rows, Steps, require_column, sequences_of_rows

LAST_MARK = 0x20000  # no combining mark lies beyond


@dataclass(frozen=True, kw_only=True)
class Tokens(Steps):
    """Sequences of tokens, a list for each. A text that the vocabulary is to split is one token. `column` had them in a frame."""

    tokens: tuple[list[str], ...]
    column: str | None = None

    def take(self, chosen: Rows) -> Self:
        """Some of the sequences, in that order."""
        return type(self)(tokens=tuple(self.tokens[k] for k in chosen), lengths=self.lengths[chosen], source=self.source)


@dataclass(frozen=True)
class Split:
    """How a text becomes tokens: ``"words"``, ``"characters"``, or ``"subwords"``, which leaves it to the vocabulary.

    per_step: whether each token is answered; none may then be empty. Otherwise one without tokens has one that is unknown.
    """

    into: str
    per_step: bool = False

    def __call__(self, text: str) -> list[str]:
        if self.into == "words":
            return words().findall(text)
        return list(text) if self.into == "characters" else [text]


@cache
def words() -> re.Pattern[str]:
    """Letters, digits, underscores and the marks on them, with apostrophes inside; every other sign but space by itself."""
    marks = "".join(chr(k) for k in range(0x300, LAST_MARK) if unicodedata.category(chr(k)).startswith("M"))
    letter = f"[\\w{marks}]"
    return re.compile(f"{letter}+(?:['’]{letter}+)*|[^\\w\\s]")


def is_text(X: Any, targets: tuple[str, ...], column: str | None) -> bool:
    """Whether X is texts or tokens, by the first of its items; of a frame, whether it has a column of them."""
    if isinstance(X, (str, bytes)):
        raise DataError("X is one text; give a list of texts.")
    if nw.dependencies.is_into_dataframe(X):
        return text_column(nw.from_native(X, eager_only=True), targets, column) is not None
    return holds_text(items_of(X))


def text_column(table: nw.DataFrame[Any], targets: tuple[str, ...], column: str | None) -> str | None:
    """The column that is named, or the only one beside those of the long form, if it holds text. Raises DataError."""
    if column is not None:
        require_column(table, column)
        return column
    others = [name for name in table.columns if name not in (*RESERVED, *targets)]
    if len(others) != 1 or table.get_column(others[0]).dtype.is_numeric():
        return None
    return others[0] if holds_text(table.get_column(others[0]).to_list()) else None


def items_of(X: Any) -> Sequence[Any]:
    """The items of a list, an array or a column of objects or texts; none of anything else."""
    if isinstance(X, np.ndarray):
        return list(X) if X.dtype.kind in "OUS" and X.ndim in (1, 2) else ()
    if isinstance(X, (list, tuple)):
        return X
    return X.to_list() if nw.dependencies.is_into_series(X) else ()


def holds_text(items: Iterable[Any]) -> bool:
    """Whether the first item that says something is a text, or a sequence of texts."""
    for item in items:
        if isinstance(item, (str, bytes)):
            return True
        if isinstance(item, (list, tuple)) or (isinstance(item, np.ndarray) and item.ndim):
            if len(item):
                return isinstance(item[0], (str, bytes))
        elif not is_missing(item):
            return False
    return False


def says_nothing(X: Any) -> bool:
    """Whether X is a list without items, or of missing ones only, which may be meant as of any kind."""
    return isinstance(X, (list, tuple)) and all(map(is_missing, X))


def is_missing(item: Any) -> bool:
    """Whether it is None, NaN, or pandas' NA or NaT."""
    return item is None or type(item).__name__ in ("NAType", "NaTType") or (isinstance(item, float) and item != item)


def read_tokens(X: Any, split: Split, targets: tuple[str, ...] = (), column: str | None = None) -> Tokens:
    """Tokens out of texts or lists of tokens, or of the column of a frame that has them.

    A frame with `unique_id` has a row for each token, any other one for each sequence. Raises DataError, with the place.
    """
    if nw.dependencies.is_into_dataframe(X):
        return read_frame(nw.from_native(X, eager_only=True), split, targets, column)
    items = items_of(X)
    if not len(items):
        raise DataError("X holds no text (0 sample(s)) while a minimum of 1 is required; give a list of texts, or of lists of tokens.")
    parts = tuple(one_sequence(item, split, f"sequence {k + 1}") for k, item in enumerate(items))
    return Tokens(tokens=parts, lengths=sizes(parts), source="array" if isinstance(X, np.ndarray) and X.ndim == 2 else "list")


def read_frame(table: nw.DataFrame[Any], split: Split, targets: tuple[str, ...], column: str | None) -> Tokens:
    """A frame with a row for each token, or for each sequence."""
    for name in targets:
        require_column(table, name)
    column = text_column(table, targets, column)
    if column is None:
        raise DataError(f"No column of texts can be told among {', '.join(table.columns)}; name it with text.")
    if not len(table):
        raise DataError("The table has no rows.")
    items = table.get_column(column).to_list()
    if ID not in table.columns:
        parts = tuple(one_sequence(item, split, f"data row {k + 1} of column {column!r}") for k, item in enumerate(items))
        return Tokens(tokens=parts, lengths=sizes(parts), source="frame", table=table, column=column)
    lengths, ids, rows = sequences_of_rows(table)
    flat = checked_tokens(items, lambda k: f"data row {k + 1} of column {column!r}")
    parts = tuple([flat[row] for row in own] for own in np.split(rows, np.cumsum(lengths)[:-1]))
    return Tokens(tokens=parts, lengths=lengths, source="frame", ids=ids, rows=rows, table=table, column=column)


def sizes(parts: Sequence[Sequence[str]]) -> Rows:
    return np.array([len(part) for part in parts], dtype=np.intp)


def one_sequence(item: Any, split: Split, where: str, whose: str = "X") -> list[str]:
    """The tokens of one text, or those that are given; errors say `whose` it is."""
    if isinstance(item, (list, tuple, np.ndarray)):
        tokens = checked_tokens(item, lambda k: f"token {k + 1} of {where}", whose)
    else:
        tokens = split(checked(item, where, whose))
    if not tokens and split.per_step:
        raise DataError(f"X has no tokens in {where}; leave it out.")
    return tokens or [""]


def checked_tokens(items: Iterable[Any], where: Callable[[int], str], whose: str = "X") -> list[str]:
    return [item if is_plain(item) else checked(item, where(k), whose) for k, item in enumerate(items)]


def is_plain(item: Any) -> bool:
    """Whether it is a text of which nothing can be doubted."""
    return type(item) is str and item.isascii() and "\0" not in item


def checked(item: Any, where: str, whose: str = "X") -> str:
    """A text in Unicode's composed form (NFC). Raises DataError for what is none, and for characters that no file can hold."""
    if isinstance(item, bytes):
        raise DataError(f"{whose} has bytes, {item[:20]!r}, in {where}; decode them: .decode('utf-8').")
    if is_missing(item):
        raise DataError(f"{whose} has no text ({item}) in {where}; give one, which may be empty, or leave it out.")
    if not isinstance(item, str):
        raise DataError(f"{whose} has {item!r} in {where}, which is no text; write it as one, or leave it out.")
    if "\0" in item:
        raise DataError(f"{whose} has the character U+0000 in {where}; take it out.")
    try:
        item.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{whose} has half a character ({item[error.start]!a}) in {where}; read the text with errors='replace'.") from error
    return unicodedata.normalize("NFC", str(item))
