"""Labelled texts, to classify."""

from __future__ import annotations

import json
from abc import abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from .fetched import Fetched, inner
from .mail import body
from .parted import PartedSet, hashed_part
from .published import Published

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


class Text(NamedTuple):
    """One text, by a name that its source gives it."""

    name: str
    text: str
    label: str


@dataclass(frozen=True)
class TextTask:
    """How texts are classified unless a person says otherwise, in the words of `ostinato fit classify`.

    Chosen on a part held back from the training part.
    """

    max_epochs: int
    max_length: int
    learning_rate: float = 1e-2
    embedding_size: int = 128
    embedding_dropout: float = 0.5
    hidden_size: int = 32
    bidirectional: bool = True
    readout: str = "mean"
    dropout: float = 0.5
    batch_size: int = 32
    schedule: str = "OneCycleLR"
    validation_fraction: float = 0.0
    lowercase: bool = True
    ensemble: int = 1
    lexicon: bool = False
    target: tuple[str, ...] = ("y",)


@dataclass(frozen=True)
class LabelledTexts(PartedSet):
    """Texts with a label each; `characters` are those of the shortest and the longest, `split` says how the parts were chosen."""

    task = "classify"
    holds = "labelled texts"

    file: Published | Fetched
    classes: tuple[str, ...]
    characters: tuple[int, int]
    split: str
    suggested: TextTask

    @property
    def files(self) -> tuple[Published | Fetched, ...]:
        return (self.file,)

    @abstractmethod
    def items(self, part: str) -> list[Text]:
        """The texts of a part, in the source's order."""

    def texts(self, part: str) -> tuple[list[str], NDArray[np.str_]]:
        """The texts of a part and their labels. Raises DataError where there is no such part, or the data cannot be had."""
        import numpy as np

        self.check_part(part)
        items = self.items(part)
        return [one.text for one in items], np.array([one.label for one in items])

    def part_frame(self, part: str) -> pd.DataFrame:
        """`unique_id`, `text`, `label`."""
        import pandas as pd

        return pd.DataFrame(self.items(part), columns=["unique_id", "text", "label"])

    def question(self) -> str:
        return f"{len(self.classes)} classes: {', '.join(self.classes)}"

    def content(self) -> tuple[str, ...]:
        low, high = self.characters
        return (f"{self.how_many('texts')} of {low:,} to {high:,} characters", f"split: {self.split}")


@dataclass(frozen=True)
class Mails(LabelledTexts):
    """A folder of mails for each kind; `labels` says what a folder holds. Headers are cut, mails without words left out."""

    labels: dict[str, str]

    def items(self, part: str) -> list[Text]:
        return [one for one in self.mails() if hashed_part(one.text.casefold()) == part]

    def mails(self) -> list[Text]:
        """All mails that have words."""
        assert isinstance(self.file, Fetched)
        return [Text(name, text, self.labels[name.partition("/")[0]]) for name, text in bodies(self.file) if text]


@lru_cache(maxsize=1)  # seconds of work, and asked for once a part
def bodies(file: Fetched) -> tuple[tuple[str, str], ...]:
    """(name, text) of every mail of the archive."""
    return tuple((name.removesuffix(".txt"), body(content)) for name, content in file.read_all().items() if name.endswith(".txt"))


@dataclass(frozen=True)
class JsonLines(LabelledTexts):
    """A text a line, as JSON with `name`, `part`, `text` and `label`."""

    def items(self, part: str) -> list[Text]:
        assert isinstance(self.file, Published)
        rows = [json.loads(line) for line in self.file.read().decode("utf-8").splitlines()]
        return [Text(row["name"], row["text"], row["label"]) for row in rows if row["part"] == part]


@dataclass(frozen=True)
class LabelBeforeText(LabelledTexts):
    """Tab-separated label and text below three lines of heading, a member of the archive for each part."""

    members: dict[str, str]

    def items(self, part: str) -> list[Text]:
        assert isinstance(self.file, Fetched)
        lines = self.file.read(self.members[part]).decode("utf-8").split("\n")[3:]
        rows = [line.split("\t") for line in lines if line]
        return [Text(f"{part}-{number:04d}", text, label) for number, (label, text) in enumerate(rows)]


@dataclass(frozen=True)
class RatedSentences(LabelledTexts):
    """Sentences with people's mean rating, of which the sign is the label; those of rating zero are left out.

    `members` has the member of each source within the archive `inside`; the source `divided` is in parts by a hash.
    """

    also = ("regress",)

    inside: str
    members: dict[str, str]
    divided: str

    def items(self, part: str) -> list[Text]:
        return [Text(name, text, "positive" if rating > 0 else "negative") for name, rating, text in self._rows(part)]

    def ratings(self, part: str) -> NDArray[np.float64]:
        """The mean rating of each text of a part, from -4 (most negative) to 4."""
        import numpy as np

        self.check_part(part)
        return np.array([rating for _, rating, _ in self._rows(part)])

    def part_frame(self, part: str) -> pd.DataFrame:
        """`unique_id`, `text`, `label`, `rating`."""
        return super().part_frame(part).assign(rating=self.ratings(part))

    def _rows(self, part: str) -> list[tuple[str, float, str]]:
        assert isinstance(self.file, Fetched)
        source = part if part in self.members else self.divided
        content = inner(self.file.read(self.inside), self.inside, self.members[source]).decode("utf-8")
        rows = [line.split("\t") for line in content.split("\r\n") if line]
        kept = [(f"{source}-{name}", float(rating), text) for name, rating, text in rows if float(rating)]
        return [row for row in kept if source == part or hashed_part(row[2].casefold()) == part]
