"""Words to phones as papers score them: without stress, each word beside the nearest of its pronunciations.

python -m benchmarks.pronunciation MODEL       of `ostinato fit translate pronunciation`
"""

from __future__ import annotations

import sys
from collections import defaultdict

from rapidfuzz.distance import Levenshtein

from ostinato.data import find
from ostinato.tasks import Translator
from ostinato.tasks.string_scores import error_rate, whole_error_rate

Phones = list[str]


def nearest(ways: list[Phones], said: Phones) -> Phones:
    """The pronunciation that needs the fewest changes."""
    return min(ways, key=lambda way: Levenshtein.distance(way, said))


def unstressed(phones: Phones) -> Phones:
    """ARPAbet's phones without the digits of their stress."""
    return [phone.rstrip("012") for phone in phones]


def rates(ways: dict[str, list[Phones]], said: dict[str, Phones]) -> tuple[float, float]:
    """Phone and word error rate, each word beside the nearest of its `ways`."""
    truth = [nearest(ways[word], phones) for word, phones in said.items()]
    return error_rate(truth, list(said.values())), whole_error_rate(truth, list(said.values()))


def main(path: str) -> None:
    """Print both error rates, with stress and without."""
    ways: dict[str, list[Phones]] = defaultdict(list)
    for word, phones in zip(*find("pronunciation").pairs("test"), strict=True):
        ways[word].append(phones.split())
    said = dict(zip(ways, Translator.load(path).predict(list(ways)), strict=True))
    bare = {word: [unstressed(way) for way in own] for word, own in ways.items()}
    for name, truth, told in (
        ("with stress", ways, said),
        ("without stress", bare, {word: unstressed(phones) for word, phones in said.items()}),
    ):
        print("{}: phone error rate {:.4f}, word error rate {:.4f}, {} words".format(name, *rates(truth, told), len(told)))


if __name__ == "__main__":
    main(sys.argv[1])
