"""What a translator has to beat: the text itself, and a table of words."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .string_scores import bleu, error_rate
from .tokens import Split, read_tokens, words

Sentences = Sequence[Sequence[str]]
ROUNDS = 5


class TranslationBaseline(BaseEstimator, ABC):  # type: ignore[misc]
    """Turns texts into strings by the translators' protocol: texts into texts word by word, or letters into lists of symbols."""

    column: ClassVar[str]  # what a table calls it
    task = "translate"

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from texts and the string of each."""
        strings = list(y)
        self.symbols_ = not isinstance(strings[0], str)
        self._learn(self._parts(X), [list(one) if self.symbols_ else parts_of(one, False) for one in strings])
        return self

    def predict(self, X: Any) -> list[Any]:
        """A string for each."""
        check_is_fitted(self)
        return [said if self.symbols_ else " ".join(said) for said in map(self._say, self._parts(X))]

    def score(self, X: Any, y: Any) -> float:
        """As `Translator.score`."""
        said = self.predict(X)
        return 1 - error_rate(list(y), said) if self.symbols_ else bleu(list(y), said)

    def _parts(self, X: Any) -> list[list[str]]:
        return [parts_of(text, self.symbols_) for (text,) in read_tokens(X, Split("subwords")).tokens]

    @abstractmethod
    def _learn(self, source: list[list[str]], target: list[list[str]]) -> None: ...

    @abstractmethod
    def _say(self, source: list[str]) -> list[str]: ...


class Copy(TranslationBaseline):
    """Says what it reads."""

    column = "copy"

    def _learn(self, source: list[list[str]], target: list[list[str]]) -> None:
        pass

    def _say(self, source: list[str]) -> list[str]:
        return source


class WordByWord(TranslationBaseline):
    """Says for each part, in the same order, the likeliest of the other language; one never seen stays. After `fit`: `table_`."""

    column = "word table"

    def _learn(self, source: list[list[str]], target: list[list[str]]) -> None:
        self.table_ = WordTable(source, target)

    def _say(self, source: list[str]) -> list[str]:
        return self.table_.translate(source)


def parts_of(text: str, letters: bool) -> list[str]:
    """A text's letters, or its words and signs; capitals as small letters."""
    return list(text.lower()) if letters else words().findall(text.lower())


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
