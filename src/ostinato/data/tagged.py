"""Sequences with a tag at each step, to tag."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from .fetched import Fetched
from .parted import PartedSet, hashed_part
from .published import Published

if TYPE_CHECKING:
    import pandas as pd


EXTRAS = re.compile(r"-(tl|hl|nc|t|n)\b.*")


class Tagged(NamedTuple):
    """One sequence, by a name that its source gives it."""

    name: str
    tokens: list[str]
    tags: list[str]


@dataclass(frozen=True)
class TagTask:
    """How a set is tagged unless a person says otherwise, in the words of `ostinato fit tag`.

    Chosen on a part held back from what is learned from.
    """

    label: str
    coarse: str | None
    train_sequences: int | None
    hidden_size: int
    num_layers: int
    dropout: float
    embedding_size: int
    token_dropout: float
    embedding_dropout: float
    suffixes: int
    prefixes: int
    learning_rate: float
    schedule: str
    batch_size: int
    max_epochs: int
    validation_fraction: float


@dataclass(frozen=True)
class TaggedSequences(PartedSet):
    """Sequences of tokens with a tag each; `lengths` are the shortest and the longest, `steps` counts the tokens by part.

    `reads` is the column of its frame that a tagger reads unless it is told otherwise; None for the columns of numbers.
    """

    task = "tag"
    holds = "tagged sequences"
    reads: ClassVar[str | None] = "token"

    tags: tuple[str, ...]
    lengths: tuple[int, int]
    steps: dict[str, int]
    split: str
    suggested: TagTask

    @abstractmethod
    def items(self, part: str) -> list[Tagged]:
        """The sequences of a part, in the source's order."""

    def sequences(self, part: str) -> tuple[list[list[str]], list[list[str]]]:
        """The tokens of a part's sequences, and their tags. Raises DataError where there is no such part, or no data."""
        self.check_part(part)
        items = self.items(part)
        return [one.tokens for one in items], [one.tags for one in items]

    def part_frame(self, part: str) -> pd.DataFrame:
        """`unique_id`, `step` from 0, `token`, `tag`."""
        import pandas as pd

        rows = ((one.name, step, *pair) for one in self.items(part) for step, pair in enumerate(zip(one.tokens, one.tags, strict=True)))
        return pd.DataFrame(rows, columns=["unique_id", "step", "token", "tag"])

    def question(self) -> str:
        return f"{len(self.tags)} tags: {', '.join(self.tags)}"

    def content(self) -> tuple[str, ...]:
        steps = ", ".join(f"{part} {count:,}" for part, count in self.steps.items())
        return (
            f"{self.how_many('sequences')} of {self.lengths[0]} to {self.lengths[1]} tokens; tokens: {steps}",
            f"split: {self.split}",
        )


@dataclass(frozen=True)
class Treebank(TaggedSequences):
    """CoNLL-U files, of which the second column is the token and the fourth the tag; documents are kept together."""

    published: tuple[Published, ...]

    @property
    def files(self) -> tuple[Published | Fetched, ...]:
        return self.published

    def items(self, part: str) -> list[Tagged]:
        sentences = [one for file in self.published for one in conllu(file)]
        return [one for one in sentences if hashed_part(one.name.rpartition(":")[0]) == part]


@lru_cache(maxsize=2)  # asked for once a part
def conllu(file: Published) -> tuple[Tagged, ...]:
    """The sentences of a CoNLL-U file, by their ``sent_id``."""
    sentences = []
    for block in file.read().decode("utf-8").split("\n\n"):
        lines = block.splitlines()
        words = [line.split("\t") for line in lines if line and not line.startswith("#")]
        if words:
            name = next(line.partition("= ")[2] for line in lines if line.startswith("# sent_id"))
            sentences.append(Tagged(name, [word[1] for word in words], [word[3] for word in words]))
    return tuple(sentences)


@dataclass(frozen=True)
class SlashTagged(TaggedSequences):
    """Files of sentences, one a line, of ``token/tag``; a file is in one part. `simple` gives the tag for each of the source's (`fold`)."""

    file: Fetched
    simple: dict[str, str]

    @property
    def files(self) -> tuple[Published | Fetched, ...]:
        return (self.file,)

    def items(self, part: str) -> list[Tagged]:
        texts = {name: text for name, text in self.file.read_all().items() if name != self.file.licence and hashed_part(name) == part}
        return [one for name, text in texts.items() for one in self._sentences(name, text.decode("ascii"))]

    def _sentences(self, name: str, text: str) -> Iterator[Tagged]:
        for number, line in enumerate(filter(str.strip, text.splitlines())):
            words = [word.rpartition("/") for word in line.split()]
            yield Tagged(f"{name}:{number}", [word[0] for word in words], [fold(word[2], self.simple) for word in words])


def fold(tag: str, simple: dict[str, str]) -> str:
    """The simple tag of one of the Brown corpus: foreign, title, headline, cited, negated, joined and possessive are left aside."""
    core = EXTRAS.sub("", tag.removeprefix("fw-")).partition("+")[0]
    core = core.rstrip("*") or core
    return simple[core] if core in simple else simple[core.rstrip("$")]
