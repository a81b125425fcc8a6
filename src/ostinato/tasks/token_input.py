"""Tokens in: words, characters or parts of words, of which each has an embedding."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .input_kind import Arrays, Fields, InputKind
from .sequence_settings import TOKENS, SequenceSettings
from .sequences import Rows
from .tokens import Split, Tokens, read_tokens
from .vocabulary import NOTHING, UNKNOWN, Subwords, TokenTable, Vocabulary

SPREAD = 0.1  # of embeddings before they learn: what is seen a few times only says little
WIDE = 1.0  # of a few dozen that are all seen often


class TokenInput(InputKind):
    """Texts, or lists of tokens. After `fit`: `vocabulary`, and `longer`, how many of the first texts were cut.

    column: what holds them in a frame.  max_length: tokens that are read of a text; of one of which each token is answered, all.
    spread: of the embeddings' numbers before they learn.
    """

    name = "tokens"
    vocabulary: Vocabulary
    longer: int

    def __init__(self, split: Split, column: str | None, max_length: int | None, width: int, spread: float = SPREAD) -> None:
        self.split, self.column, self.max_length, self._width, self._spread = split, column, max_length, width, spread

    @classmethod
    def of(cls, settings: SequenceSettings) -> Self:
        """As an estimator's parameters ask for. Raises ValueError where they contradict each other."""
        per_step = bool(getattr(settings, "per_step", False))
        if per_step and settings.tokens == "subwords":
            raise ValueError('tokens="subwords" makes its own steps, but each step of X is to be answered; choose words or characters.')
        if (settings.suffixes or settings.prefixes) and settings.tokens == "subwords":
            raise ValueError('suffixes and prefixes are of words; with tokens="subwords" set suffixes=0 and prefixes=0.')
        return cls(Split(settings.tokens, per_step), settings.text, None if per_step else settings.max_length, settings.embedding_size)

    def read(self, X: Any, targets: tuple[str, ...], settings: SequenceSettings) -> Tokens:
        data = read_tokens(X, self.split, targets, self.column)
        if not hasattr(self, "vocabulary"):
            self.column = data.column
        return data

    def fit(self, data: Tokens, settings: SequenceSettings) -> None:
        read = [tokens[: self.max_length] for tokens in data.tokens]
        self.vocabulary = Subwords.fit(read, settings) if self.split.into == "subwords" else TokenTable.fit(read, settings)
        self.longer = sum(length > (self.max_length or length) for length in map(len, map(self.vocabulary.encode, data.tokens)))

    @property
    def width(self) -> int:
        return self._width

    def apply(self, data: Tokens) -> tuple[NDArray[np.int32], Rows]:
        parts = [self.vocabulary.encode(tokens)[: self.max_length] for tokens in data.tokens]
        return np.concatenate(parts), np.array([len(part) for part in parts], dtype=np.intp)

    def module(self, settings: SequenceSettings) -> nn.Module:
        return Embedding(self.vocabulary.size, self.width, settings.token_dropout, settings.embedding_dropout, self._spread)

    def schema(self) -> dict[str, Any]:
        one = self.vocabulary
        told = {"tokens": self.split.into, "lowercase": one.lowercase, "suffixes": one.suffixes, "prefixes": one.prefixes}
        return {**told, "entries": one.size, "column": self.column, "max_length": self.max_length, "longer": self.longer}

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"vocabulary": self.vocabulary.content()}

    @classmethod
    def restore(cls, schema: Fields, arrays: Arrays, settings: SequenceSettings) -> Self:
        into, lowercase, column = schema["tokens"], schema["lowercase"], schema["column"]
        if into not in TOKENS or not isinstance(lowercase, bool) or not isinstance(column, (str, type(None))):
            raise ValueError(f"its tokens are {into!r} of the column {column!r}, and 'lowercase' is {lowercase!r}")
        for name, least in (("suffixes", 0), ("prefixes", 0), ("longer", 0), ("max_length", 1)):
            count = schema[name]
            if not (name == "max_length" and count is None) and (type(count) is not int or count < least):
                raise ValueError(f"its field {name!r} is {count!r}")
        split = Split(into, bool(getattr(settings, "per_step", False)))
        one, content = cls(split, column, schema["max_length"], settings.embedding_size), arrays["vocabulary"]
        one.longer = schema["longer"]
        if into == "subwords":
            one.vocabulary = Subwords.restore(content, lowercase)
        else:
            one.vocabulary = TokenTable.restore(content, lowercase, schema["suffixes"], schema["prefixes"])
        if schema["entries"] != one.vocabulary.size:
            raise ValueError(f"it has {one.vocabulary.size} entries, where its field 'entries' is {schema['entries']!r}")
        return one


class Embedding(nn.Module):
    """The sum of the embeddings of a token's entries. While it learns, `lost` of the tokens are as if unknown."""

    def __init__(self, entries: int, size: int, lost: float, dropout: float, spread: float) -> None:
        super().__init__()
        self.lost, self.dropout = lost, nn.Dropout(dropout)
        self.table = nn.EmbeddingBag(entries, size, mode="sum", padding_idx=NOTHING)
        with torch.no_grad():
            self.table.weight.mul_(spread)

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, time, parts)` to `(batch, time, size)`."""
        if self.training and self.lost:
            own = torch.where(torch.rand(x.shape[:2], device=x.device) < self.lost, UNKNOWN, x[..., 0])
            x = torch.cat([own.unsqueeze(2), x[..., 1:]], dim=2)
        summed: Tensor = self.table(x.reshape(-1, x.shape[2]))
        return self.dropout(summed.reshape(*x.shape[:2], -1))  # type: ignore[no-any-return]
