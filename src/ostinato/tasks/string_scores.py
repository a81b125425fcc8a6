"""How far strings are from the true ones."""

from __future__ import annotations

from collections.abc import Sequence

from ..data.errors import DataError


def bleu(truth: Sequence[str], said: Sequence[str]) -> float:
    """BLEU of the whole (Papineni et al. 2002), from 0 to 1, by sacrebleu with its own tokens; capitals count."""
    from sacrebleu.metrics.bleu import BLEU

    return float(BLEU(force=True).corpus_score(list(said), [list(truth)]).score) / 100


def chrf(truth: Sequence[str], said: Sequence[str]) -> float:
    """chrF2 of the whole (Popović 2015), from 0 to 1, by sacrebleu."""
    from sacrebleu.metrics.chrf import CHRF

    return float(CHRF().corpus_score(list(said), [list(truth)]).score) / 100


def error_rate(truth: Sequence[Sequence[str]], said: Sequence[Sequence[str]]) -> float:
    """Insertions, deletions and substitutions that make `truth` of `said`, for each symbol of the truth. It may exceed 1."""
    from rapidfuzz.distance import Levenshtein

    count = sum(map(len, truth))
    if not count:
        raise DataError("Every true string is empty: there is nothing to score.")
    return sum(Levenshtein.distance(a, b) for a, b in zip(truth, said, strict=True)) / count


def word_error_rate(truth: Sequence[str], said: Sequence[str]) -> float:
    """`error_rate` of words, which white space parts."""
    return error_rate([one.split() for one in truth], [one.split() for one in said])


def whole_error_rate(truth: Sequence[Sequence[str]], said: Sequence[Sequence[str]]) -> float:
    """The part of the strings that are not told exactly."""
    return sum(list(a) != list(b) for a, b in zip(truth, said, strict=True)) / len(truth)
