"""What is known of recordings as strings: of characters, or of symbols such as phones; and how far two strings differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.errors import DataError
from .ctc import Places, steps_needed
from .sequence_targets import per_sequence
from .sequences import Steps

MOST_CELLS = 2**27  # steps of a recording times states of its transcript in CTC: half a gigabyte
Transcript = Sequence[str]  # a text is the sequence of its characters


@dataclass(frozen=True)
class Alphabet:
    """The symbols that can be told, in order; `joined` where they are characters, and a transcript is one text."""

    symbols: tuple[str, ...]
    joined: bool

    @classmethod
    def of(cls, transcripts: Sequence[Transcript]) -> Alphabet:
        """All symbols that occur. Raises DataError where there are none, or too many."""
        symbols = tuple(sorted({symbol for one in transcripts for symbol in one}))
        if not symbols:
            raise DataError("Every transcript of y is empty: there is nothing to tell.")
        return cls(symbols, isinstance(transcripts[0], str)).checked()

    def checked(self) -> Alphabet:
        """Itself. Raises ValueError for what can be no alphabet."""
        if (
            not self.symbols
            or not all(isinstance(one, str) and one for one in self.symbols)
            or tuple(sorted(set(self.symbols))) != self.symbols
        ):
            raise ValueError("its alphabet is no list of different symbols in order")
        if self.joined and any(len(one) > 1 for one in self.symbols):
            raise ValueError("its alphabet has symbols of several characters, but transcripts are to be texts")
        return self

    def places(self, transcript: Transcript, where: str) -> Places:
        """The number of each symbol, from 1 on. Raises DataError for a symbol that was not learned from."""
        known = {symbol: place for place, symbol in enumerate(self.symbols, start=1)}
        stray = next((symbol for symbol in transcript if symbol not in known), None)
        if stray is not None:
            raise DataError(
                f"The transcript of {where} has the symbol {stray!r}, which was not among those learned from "
                f"({' '.join(self.symbols)}); mend it, or leave the recording out."
            )
        return np.array([known[symbol] for symbol in transcript], dtype=np.intp)

    def spell(self, places: Places) -> Any:
        """The transcript of these numbers: a text, or a list of symbols."""
        return self.written(self.named(places.tolist()))

    def named(self, places: Iterable[int]) -> list[str]:
        """The symbols of these numbers."""
        return [self.symbols[place - 1] for place in places]

    def written(self, symbols: list[str]) -> Any:
        """Symbols as a transcript: a text, or a list of symbols."""
        return "".join(symbols) if self.joined else symbols


def read_transcripts(data: Steps, y: Any) -> list[Transcript]:
    """A transcript for each recording: texts, or lists of symbols, in a sequence or a column of the frame. Raises DataError."""
    found = list(per_sequence(data, y)) if isinstance(y, str) else list(y)
    if len(found) != len(data):
        raise DataError(f"y has {len(found)} transcripts for {len(data)} recordings; give one for each.")
    for number, one in enumerate(found):
        if not isinstance(one, str) and not (isinstance(one, (list, tuple)) and all(isinstance(symbol, str) and symbol for symbol in one)):
            raise DataError(f"The transcript of {named(data, number)} is {one!r}; give a text, or a list of symbols that are texts.")
        if isinstance(one, str) != isinstance(found[0], str):
            raise DataError(f"The transcript of {named(data, number)} is a {kind(one)}, the first one a {kind(found[0])}; give one kind.")
    return found


def kind(one: Transcript) -> str:
    return "text" if isinstance(one, str) else "list of symbols"


def named(data: Steps, number: int) -> str:
    """One of the recordings, in words."""
    return f"sequence {number + 1}" if data.ids is None else str(data.ids.tolist()[number])


def check_room(name: str, steps: int, places: Places) -> None:
    """Raise DataError where a recording has too few steps for its transcript, or too many to learn from as a whole."""
    needed = steps_needed(places)
    if needed > steps:
        raise DataError(
            f"{name} has {steps} steps, but its transcript of {len(places)} symbols needs {needed}; lower stack (--stack) or hop_ms, "
            "raise max_length for texts, or look whether the transcript is that of another recording."
        )
    if steps * (2 * len(places) + 1) > MOST_CELLS:
        raise DataError(
            f"{name} has {steps} steps and a transcript of {len(places)} symbols, too long to learn from as a whole; cut it into sentences."
        )
