"""Which word stands for which: IBM's first model of translation (Brown et al. 1993), by expectation and maximisation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Sentences = Sequence[Sequence[str]]
ROUNDS = 5


class WordTable:
    """For each word of one language the likeliest of the other, learned from pairs of sentences."""

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
