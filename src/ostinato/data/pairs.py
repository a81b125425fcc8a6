"""Pairs of sentences that say the same, to translate; and words with how they are said."""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from .fetched import Fetched
from .parted import PartedSet, hashed_part
from .published import Published
from .sword import verses

if TYPE_CHECKING:
    import pandas as pd


class Pair(NamedTuple):
    """A source and its target, by a name."""

    name: str
    source: str
    target: str


@dataclass(frozen=True)
class TranslateTask:
    """How a set is translated unless a person says otherwise, in the words of `ostinato fit translate`."""

    tokens: str
    symbols: bool
    vocabulary_size: int
    min_count: int
    max_length: int
    hidden_size: int
    embedding_size: int
    dropout: float
    embedding_dropout: float
    token_dropout: float
    learning_rate: float
    schedule: str
    batch_size: int
    max_epochs: int


@dataclass(frozen=True)
class SentencePairs(PartedSet):
    """Pairs of a `source` in the first of `languages` and a `target` in the second; `words` counts both sides' words."""

    task = "translate"
    holds = "pairs of sentences"

    languages: tuple[str, str]
    words: tuple[int, int]
    split: str
    suggested: TranslateTask

    @abstractmethod
    def items(self, part: str) -> list[Pair]:
        """The pairs of a part, in the source's order."""

    def pairs(self, part: str) -> tuple[list[str], list[str]]:
        """The sources of a part, and their targets. Raises DataError where there is no such part, or the data cannot be had."""
        self.check_part(part)
        items = self.items(part)
        return [one.source for one in items], [one.target for one in items]

    def part_frame(self, part: str) -> pd.DataFrame:
        """`unique_id`, `source`, `target`."""
        import pandas as pd

        return pd.DataFrame(self.items(part), columns=["unique_id", "source", "target"])

    def question(self) -> str:
        return f"{self.languages[0]} to {self.languages[1]}"

    def content(self) -> tuple[str, ...]:
        return (f"{self.how_many('pairs')}; {self.words[0]:,} to {self.words[1]:,} words", f"split: {self.split}")


@dataclass(frozen=True)
class Verses(SentencePairs):
    """The verses that two SWORD modules of one versification both have; `tests` are the books of the test."""

    modules: tuple[Fetched, Fetched]
    folders: tuple[str, str]
    tests: tuple[str, ...]

    @property
    def files(self) -> tuple[Published | Fetched, ...]:
        return self.modules

    def items(self, part: str) -> list[Pair]:
        found = []
        for testament in ("ot", "nt"):
            ours, theirs = (
                verses(*(file.read(f"{folder}/{testament}.bz{kind}") for kind in "svz"))
                for file, folder in zip(self.modules, self.folders, strict=True)
            )
            for place, (book, source) in ours.items():
                if place in theirs and (book in self.tests) == (part == "test"):
                    found.append(Pair(f"{book}:{place}", source, theirs[place][1]))
        return found


@dataclass(frozen=True)
class Dictionary(SentencePairs):
    """A word a line, its phones behind it; further ways to say a word have a number in brackets and stay beside it."""

    file: Fetched
    member: str

    @property
    def files(self) -> tuple[Published | Fetched, ...]:
        return (self.file,)

    def items(self, part: str) -> list[Pair]:
        found = []
        for line in self.file.read(self.member).decode("utf-8").splitlines():
            name, _, phones = line.partition("#")[0].strip().partition(" ")
            word = re.sub(r"\(\d+\)$", "", name)
            if word and hashed_part(word, percent=10) == part:
                found.append(Pair(name, word, phones))
        return found
