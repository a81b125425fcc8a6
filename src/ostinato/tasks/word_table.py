"""What a translator has to beat: the text itself, and a table of words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .string_scores import bleu
from .tokens import words

Sentences = Sequence[Sequence[str]]
ROUNDS = 5


class TranslationBaseline(BaseEstimator):  # type: ignore[misc]
    """Turns texts into texts by the translators' protocol."""

    column: ClassVar[str]  # what a table calls it

    def predict(self, X: Sequence[str]) -> list[str]:
        """A text for each."""
        raise NotImplementedError

    def score(self, X: Sequence[str], y: Sequence[str]) -> float:
        """BLEU, from 0 to 1."""
        return bleu(y, self.predict(X))


class Copy(TranslationBaseline):
    """Says what it reads."""

    column = "copy"

    def fit(self, X: Sequence[str], y: Sequence[str]) -> Self:
        """There is nothing to learn."""
        return self

    def predict(self, X: Sequence[str]) -> list[str]:
        return list(X)


class WordByWord(TranslationBaseline):
    """Says for each word, in the same order, the likeliest of the other language; a word never seen stays. After `fit`: `table_`."""

    column = "word table"

    def fit(self, X: Sequence[str], y: Sequence[str]) -> Self:
        """Learn which word stands for which, capitals as small letters."""
        self.table_ = WordTable(*([words().findall(text.lower()) for text in texts] for texts in (X, y)))
        return self

    def predict(self, X: Sequence[str]) -> list[str]:
        check_is_fitted(self)
        return [" ".join(self.table_.translate(words().findall(text.lower()))) for text in X]


class WordTable:
    """IBM's first model of translation (Brown et al. 1993), learned from pairs of sentences by expectation and maximisation."""

    def __init__(self, source: Sentences, target: Sentences) -> None:
        from_words, at = numbered(source)
        to_words, to = numbered(target)
        pairs = [(a, b) for a, b in zip(at, to, strict=True) if len(a) and len(b)]
        s = np.concatenate([np.tile(a, len(b)) for a, b in pairs])
        t = np.concatenate([np.repeat(b, len(a)) for a, b in pairs])
        # a group is one target word of one sentence, beside every word of the source
        groups = np.repeat(np.arange(sum(len(b) for _, b in pairs)), np.concatenate([np.full(len(b), len(a)) for a, b in pairs]))
        keys, place = np.unique(s * len(to_words) + t, return_inverse=True)
        of_source, of_target = keys // len(to_words), keys % len(to_words)
        chance = np.full(len(keys), 1.0 / len(to_words))
        for _ in range(ROUNDS):
            share = chance[place]
            share /= np.bincount(groups, share)[groups]
            counts = np.bincount(place, share)
            chance = counts / np.bincount(of_source, counts)[of_source]
        self.table: dict[str, str] = {}
        for key in np.argsort(chance, kind="stable"):  # the likeliest is written last
            self.table[from_words[of_source[key]]] = to_words[of_target[key]]

    def translate(self, sentence: Sequence[str]) -> list[str]:
        """Word by word, in the same order; a word never seen stays as it is."""
        return [self.table.get(word, word) for word in sentence]


def numbered(sentences: Sentences) -> tuple[list[str], list[NDArray[np.int64]]]:
    """The words there are, and each sentence as their numbers."""
    places: dict[str, int] = {}
    found = [np.array([places.setdefault(word, len(places)) for word in one], np.int64) for one in sentences]
    return list(places), found
