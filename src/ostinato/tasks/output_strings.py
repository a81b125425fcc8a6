"""Strings out: texts, or lists of symbols, as numbers that a decoder says one after the other, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..data.errors import DataError
from .beam import END
from .sequence_settings import TOKENS, TokenSettings
from .sequence_targets import per_sequence
from .sequences import Steps
from .tokens import Split, one_sequence
from .vocabulary import NOTHING, Subwords, TokenTable, Vocabulary

SYMBOLS = "symbols"  # what lists of symbols are said to be split into
BEYOND = -1  # no symbol, after the end of a string
assert END == NOTHING


@dataclass(frozen=True)
class OutputStrings:
    """What can be said. into: as texts are split, or ``"symbols"`` for lists of them.  longest: of symbols, with its end."""

    vocabulary: Vocabulary
    into: str
    longest: int

    @classmethod
    def of(cls, strings: Sequence[list[str]], into: str, settings: TokenSettings) -> Self:
        """Of the strings to learn from, as `read_strings` gives them. Raises DataError where there is nothing to say."""
        least = 1 if into in (SYMBOLS, "characters") else settings.min_count
        asked = replace(settings, min_count=least, lowercase=False, suffixes=0, prefixes=0)
        vocabulary: Vocabulary = Subwords.fit(strings, asked) if into == "subwords" else TokenTable.fit(strings, asked)
        longest = max(len(vocabulary.encode(one)) for one in strings)
        return cls(vocabulary, into, 1 + min(longest, settings.max_length or longest))

    def numbers(self, strings: Sequence[list[str]]) -> NDArray[np.int64]:
        """`(strings, the most symbols)`: each string's symbols, then END, then BEYOND; of a string too long its first symbols."""
        parts = [np.append(self.vocabulary.encode(one)[:, 0] if one != [""] else [], END)[: self.longest] for one in strings]
        found = np.full((len(parts), max(map(len, parts))), BEYOND, dtype=np.int64)
        for row, part in zip(found, parts, strict=True):
            row[: len(part)] = part
        return found

    def spell(self, numbers: Sequence[int]) -> Any:
        """The string of these numbers: a text, or a list of symbols."""
        pieces = self.vocabulary.pieces(numbers)
        if isinstance(self.vocabulary, Subwords):
            return self.vocabulary.joined(pieces)
        return pieces if self.into == SYMBOLS else ("" if self.into == "characters" else " ").join(pieces)

    def schema(self) -> dict[str, Any]:
        """What a model file says of it."""
        return {"says": self.into, "longest": self.longest, "symbols": self.vocabulary.size}

    @classmethod
    def restore(cls, schema: Mapping[str, Any], content: NDArray[Any]) -> Self:
        """From a model file. Raises ValueError and KeyError for what cannot be such."""
        into, longest = schema["says"], schema["longest"]
        if into not in (*TOKENS, SYMBOLS) or type(longest) is not int or longest < 1:
            raise ValueError(f"it says {into!r}, at most {longest!r}")
        vocabulary: Vocabulary = Subwords.restore(content, False) if into == "subwords" else TokenTable.restore(content, False, 0, 0)
        if schema["symbols"] != vocabulary.size:
            raise ValueError(f"it has {vocabulary.size} symbols, where its field 'symbols' is {schema['symbols']!r}")
        return cls(vocabulary, into, longest)


def read_strings(data: Steps, y: Any, into: str) -> tuple[list[list[str]], str]:
    """The tokens of a string for each sequence, in a list or a column of the frame, and what they are split into.

    Lists of symbols are taken as they are. Raises DataError for what is no string, and for another number of them.
    """
    given, symbols = given_strings(data, y)
    split = Split("words" if symbols else into)
    return [one_sequence(one, split, f"sequence {k + 1}", "y") for k, one in enumerate(given)], SYMBOLS if symbols else into


def given_strings(data: Steps, y: Any) -> tuple[list[Any], bool]:
    """The strings as the caller gave them, and whether they are lists of symbols. Raises DataError for both kinds in one."""
    given = list(per_sequence(data, y)) if isinstance(y, str) else list(y)
    if len(given) != len(data):
        raise DataError(f"y has {len(given)} strings for {len(data)} sequences; give one for each.")
    symbols = isinstance(given[0], (list, tuple, np.ndarray))
    odd = next((k for k, one in enumerate(given) if isinstance(one, (list, tuple, np.ndarray)) != symbols), None)
    if odd is not None:
        kinds = ("a list of symbols", "a text") if symbols else ("a text", "a list of symbols")
        raise DataError(f"y has {kinds[1]} for sequence {odd + 1}, but {kinds[0]} for the first; give one kind.")
    return given, symbols
