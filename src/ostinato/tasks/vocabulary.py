"""Numbers for tokens: a table of those that were learned from, or a library's model of parts of words."""

from __future__ import annotations

import unicodedata
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import groupby
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..data.errors import DataError
from .sequence_settings import TokenSettings

NOTHING, UNKNOWN, FIRST = 0, 1, 2  # the numbers of no entry at all, of a token that is unknown, and of the first entry
BEGINNING, ENDING, SHAPE = "\x04", "\x02", "\x03"  # what entries begin with that are no tokens
UNREAD = "⁇"  # what stands for an unknown token
Numbers = NDArray[np.int32]


class Vocabulary(ABC):
    """What numbers a token has: `parts` of them, whose embeddings are summed; NOTHING fills up."""

    lowercase: bool
    suffixes: int = 0
    prefixes: int = 0
    parts: int = 1
    size: int  # numbers in all, NOTHING and UNKNOWN among them

    @abstractmethod
    def encode(self, tokens: Sequence[str]) -> Numbers:
        """`(steps, parts)`, at least one step."""

    @abstractmethod
    def pieces(self, numbers: Sequence[int]) -> list[str]:
        """The token, or part of a word, that each number stands for; `⁇` for UNKNOWN, none for NOTHING."""

    @abstractmethod
    def content(self) -> NDArray[np.uint8]:
        """What a model file keeps."""


class TokenTable(Vocabulary):
    """Entries by their place. A token also has its endings and beginnings of up to so many characters, and with either its shape."""

    def __init__(self, entries: Sequence[str], lowercase: bool, suffixes: int, prefixes: int) -> None:
        self.entries, self.lowercase, self.suffixes, self.prefixes = tuple(entries), lowercase, suffixes, prefixes
        self.parts, self.size = 1 + suffixes + prefixes + bool(suffixes or prefixes), FIRST + len(self.entries)
        self._numbers = {entry: FIRST + k for k, entry in enumerate(self.entries)}
        self._known: dict[str, tuple[int, ...]] = {}

    @classmethod
    def fit(cls, data: Sequence[Sequence[str]], settings: TokenSettings) -> Self:
        """The most frequent entries. Raises DataError where none is frequent enough."""
        one, counts = cls((), settings.lowercase, settings.suffixes, settings.prefixes), Counter[str]()
        for token, count in Counter(token for tokens in data for token in tokens if token).items():
            for entry in one._entries(token):
                counts[entry] += count
        often = sorted(((-count, entry) for entry, count in counts.items() if count >= settings.min_count and entry))
        if not often:
            raise DataError(f"No token occurs {settings.min_count} times in what is learned from; set min_count=1, or give more.")
        return cls([entry for _, entry in often[: settings.vocabulary_size]], settings.lowercase, settings.suffixes, settings.prefixes)

    @property
    def letters(self) -> bool:
        """Whether each token that was learned is one character, such as a residue."""
        return all(len(entry) == 1 or entry.startswith(SHAPE) for entry in self.entries)

    def encode(self, tokens: Sequence[str]) -> Numbers:
        return np.array([self._known.get(token) or self._number(token) for token in tokens], dtype=np.int32)

    def _number(self, token: str) -> tuple[int, ...]:
        own, *others = self._entries(token)
        found = (self._numbers.get(own, UNKNOWN), *(self._numbers.get(entry, NOTHING) for entry in others))
        if len(self._known) < 10 * self.size:
            self._known[token] = found
        return found

    def _entries(self, token: str) -> Iterator[str]:
        """What is looked up of a token: itself, and perhaps its endings, beginnings and shape."""
        own = unicodedata.normalize("NFC", token.lower()) if self.lowercase else token
        yield own
        for length in range(1, self.suffixes + 1):
            yield ENDING + own[-length:] if len(own) > length else ""
        for length in range(1, self.prefixes + 1):
            yield BEGINNING + own[:length] if len(own) > length else ""
        if self.suffixes or self.prefixes:
            yield SHAPE + shape(token)

    def pieces(self, numbers: Sequence[int]) -> list[str]:
        return [self.entries[number - FIRST] if number >= FIRST else UNREAD for number in numbers if number != NOTHING]

    def content(self) -> NDArray[np.uint8]:
        return np.frombuffer("\0".join(self.entries).encode(), np.uint8)

    @classmethod
    def restore(cls, content: NDArray[Any], lowercase: bool, suffixes: int, prefixes: int) -> Self:
        """From what a model file keeps. Raises ValueError for what cannot be such."""
        entries = bytes_of(content).decode().split("\0")
        if "" in entries or len(set(entries)) < len(entries):
            raise ValueError("its vocabulary has an entry that is empty, or stands twice")
        return cls(entries, lowercase, suffixes, prefixes)


def shape(token: str) -> str:
    """``"Xx"`` of Ankara, ``"d.d"`` of 12.5: capitals, small letters, digits, each run of them once."""
    kinds = ("X" if c.isupper() else "x" if c.isalpha() else "d" if c.isdigit() else c for c in token[:40])
    return "".join(kind for kind, _ in groupby(kinds))


class Subwords(Vocabulary):
    """Parts of words, chosen by sentencepiece's unigram model (Kudo 2018) so that texts are likely. Needs the extra ``text``."""

    def __init__(self, model: bytes, lowercase: bool) -> None:
        self.model, self.lowercase = model, lowercase
        self._processor = sentencepiece().SentencePieceProcessor()
        self._processor.LoadFromSerializedProto(model)
        self.size = FIRST + int(self._processor.GetPieceSize())

    @classmethod
    def fit(cls, data: Sequence[Sequence[str]], settings: TokenSettings) -> Self:
        """Learn the parts. Raises DataError where there is nothing to learn from."""
        library, written = sentencepiece(), BytesIO()
        texts = [lowered(text, settings.lowercase) for tokens in data for text in tokens if text.strip()]
        try:
            library.SentencePieceTrainer.Train(
                sentence_iterator=iter(texts),
                model_writer=written,
                vocab_size=settings.vocabulary_size,
                hard_vocab_limit=False,
                normalization_rule_name="identity",
                max_sentence_length=2**20,
                num_threads=1,
                minloglevel=2,
                bos_id=-1,
                eos_id=-1,
            )
        except (RuntimeError, OSError) as error:
            raise DataError(f"No parts of words can be learned from these texts ({' '.join(str(error).split())}); give more.") from error
        return cls(written.getvalue(), settings.lowercase)

    def encode(self, tokens: Sequence[str]) -> Numbers:
        found = [k for text in tokens for k in self._processor.EncodeAsIds(lowered(text, self.lowercase))]
        unknown = self._processor.unk_id()
        return np.array([UNKNOWN if k == unknown else FIRST + k for k in found] or [UNKNOWN], dtype=np.int32)[:, None]

    def pieces(self, numbers: Sequence[int]) -> list[str]:
        return [self._processor.IdToPiece(number - FIRST) if number >= FIRST else UNREAD for number in numbers if number != NOTHING]

    def joined(self, pieces: Sequence[str]) -> str:
        """The text that these parts make."""
        return str(self._processor.DecodePieces(list(pieces)))

    def content(self) -> NDArray[np.uint8]:
        return np.frombuffer(self.model, np.uint8)

    @classmethod
    def restore(cls, content: NDArray[Any], lowercase: bool) -> Self:
        """From what a model file keeps. Raises ValueError for what cannot be such."""
        try:
            return cls(bytes_of(content), lowercase)
        except (RuntimeError, OSError) as error:
            raise ValueError(f"its model of parts of words cannot be read ({' '.join(str(error).split())})") from error

    def __getstate__(self) -> dict[str, Any]:
        return {"model": self.model, "lowercase": self.lowercase}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


def lowered(text: str, lowercase: bool) -> str:
    return unicodedata.normalize("NFC", text.lower()) if lowercase else text


def sentencepiece() -> Any:
    """The library. Raises ValueError, with the cure, where it is not installed."""
    try:
        import sentencepiece as library
    except ImportError as error:
        raise ValueError(
            'tokens="subwords" needs the package sentencepiece; install it (pip install "ostinato[text]"), or choose words or characters.'
        ) from error
    return library


def bytes_of(content: NDArray[Any]) -> bytes:
    """The bytes of an array out of a file. Raises ValueError where it is no row of bytes."""
    if content.dtype != np.uint8 or content.ndim != 1 or not len(content):
        raise ValueError(f"its vocabulary is {content.dtype} of the shape {content.shape}, no row of bytes")
    return content.tobytes()
