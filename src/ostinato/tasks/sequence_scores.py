"""How good answers about sequences are: classes, and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_regressor

from .speech_scores import speech_scores
from .string_scores import bleu, chrf, error_rate, whole_error_rate, word_error_rate


def class_scores(truth: NDArray[Any], said: NDArray[Any], probabilities: NDArray[np.float64], classes: NDArray[Any]) -> dict[str, Any]:
    """Accuracy, the mean F1 of the classes, the log loss in nats, and precision and recall of each class, ready for JSON.

    `probabilities` `(n, classes)` in the order of `classes`. A label that is none of these counts as wrong; the log loss
    leaves it out, and is None where nothing is left, or where it would be infinite.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    known = np.isin(truth, classes)
    places = np.searchsorted(classes, truth[known])
    chosen = probabilities[known, places] if known.any() else np.zeros(0)
    labels = list(classes) + sorted(set(truth[~known].tolist()), key=str)
    texts = [str(label) for label in labels]
    true, told = truth.astype(str), said.astype(str)
    precision, recall, f1, support = precision_recall_fscore_support(true, told, labels=texts, zero_division=0.0)
    here = support > 0
    return {
        "accuracy": float(np.mean(true == told)),
        "macro_f1": float(f1[here].mean()),
        "log_loss": float(0.0 - np.log(chosen).mean()) if len(chosen) and chosen.min() > 0 else None,
        "sequences": len(truth),
        "unknown_labels": int((~known).sum()),
        "classes": {
            text: {"precision": float(p), "recall": float(r), "f1": float(f), "sequences": int(n)}
            for text, p, r, f, n in zip(texts, precision, recall, f1, support, strict=True)
        },
        "confusion": {"labels": texts, "counts": confusion_matrix(true, told, labels=texts).tolist()},
    }


def coarse_accuracy(truth: NDArray[Any], probabilities: NDArray[np.float64], classes: NDArray[Any], coarse: Mapping[Any, Any]) -> float:
    """The accuracy of coarse labels: the answer is the one whose labels have together the largest probability.

    A true label that `coarse` does not know counts as wrong.
    """
    groups = sorted(set(coarse.values()), key=str)
    belongs = np.array([[coarse.get(label) == group for group in groups] for label in classes.tolist()], dtype=np.float64)
    places = {label: groups.index(group) for label, group in coarse.items()}
    said = (probabilities @ belongs).argmax(axis=1)
    return float(np.mean([places.get(label, -1) for label in truth.tolist()] == said))


def number_scores(truth: NDArray[Any], said: NDArray[Any]) -> dict[str, Any]:
    """Mean absolute error, root of the mean squared error, and R² (of several targets, their mean), ready for JSON.

    Where the truth is missing nothing is scored. R² is None where the truth does not vary.
    """
    truth, said = (np.asarray(one, dtype=np.float64).reshape(len(one), -1) for one in (truth, said))
    error = said - truth
    seen = ~np.isnan(truth)
    spread = np.nansum((truth - np.nanmean(truth, axis=0)) ** 2, axis=0)
    part = 1 - np.nansum(error**2, axis=0) / np.where(spread > 0, spread, np.nan)
    return {
        "mae": float(np.abs(error[seen]).mean()),
        "rmse": float(np.sqrt((error[seen] ** 2).mean())),
        "r2": None if np.isnan(part).any() else float(part.mean()),
        "count": int(seen.sum()),
    }


def transcript_scores(truth: list[Any], said: list[Any]) -> dict[str, Any]:
    """Error rates of symbols and, of texts, of words, and the part of the transcripts that is right throughout, ready for JSON."""
    texts = all(isinstance(one, str) for one in truth)
    right = 1 - whole_error_rate(truth, said)
    return {
        "error_rate": error_rate(truth, said),
        "word_error_rate": word_error_rate(truth, said) if texts else None,
        "right": right,
        "sequences": len(truth),
        "symbols": sum(map(len, truth)),
    }


def translation_scores(truth: list[Any], said: list[Any]) -> dict[str, Any]:
    """Of texts BLEU and chrF, from 0 to 100; of lists of symbols, as for transcripts; ready for JSON."""
    if not all(isinstance(one, str) for one in truth):
        return transcript_scores(truth, said)
    scores = {"bleu": 100 * bleu(truth, said), "chrf": 100 * chrf(truth, said)}
    return {**scores, "right": 1 - whole_error_rate(truth, said), "sequences": len(truth)}


def scores_of(fitted: Any, sequences: Any, truth: NDArray[Any], coarse: Mapping[Any, Any] | None = None) -> dict[str, Any]:
    """The scores of a fitted classifier, tagger, regressor, transcriber, translator or speaker, of whose sequences the truth is known.

    With a `coarse` label for each label also `coarse_accuracy`.
    """
    if hasattr(fitted, "predict_durations"):
        return speech_scores(fitted, sequences, truth)
    said = fitted.predict(sequences)
    if hasattr(fitted, "classes_"):
        probabilities = fitted.predict_proba(sequences)
        also = {"coarse_accuracy": coarse_accuracy(truth, probabilities, fitted.classes_, coarse)} if coarse else {}
        return class_scores(truth, said, probabilities, fitted.classes_) | also
    if getattr(fitted, "task", "") == "translate":
        return translation_scores(list(truth), said)
    return number_scores(truth, said) if is_regressor(fitted) else transcript_scores(list(truth), said)
