"""Recurrent networks that tell the class of a sequence, by scikit-learn's protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import compute_class_weight
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from ..data.errors import DataError
from .parameters import all_or_nothing, estimator
from .sequence_estimator import Known, SequenceEstimator
from .sequence_settings import ClassifySettings
from .sequence_targets import as_labels, read_labels
from .sequences import Numbers, Rows, Steps

KINDS = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "str", "object")


@estimator()
class SequenceClassifier(ClassifySettings, ClassifierMixin, SequenceEstimator):  # type: ignore[misc]
    """Tells the class of a sequence with a recurrent network: RNN, LSTM, GRU, or any cell of `ostinato.cells`, or of your own.

    Sequences are an array `(n, time, features)` or `(n, time)`, a list of `(time_i, features)`, or a long frame with
    `unique_id`; labels are of any kind, one for each sequence. A part of each class validates.

    After `fit`: `classes_`, and what `SequenceEstimator` names; `validation_loss_` is the cross entropy in nats.
    """

    task = "classify"

    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation: tuple[Any, Any] | None = None) -> Self:
        """Learn the class `y` of each sequence in `X`; `y` may be the name of a column of a frame.

        `validation`, a pair of `X` and `y`, takes the place of `validation_fraction`. Raises ValueError for parameters
        and DataError for data that cannot be used; the estimator is then as it was.
        """
        return self._fit(X, y, sample_weight, validation)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One more epoch on these sequences; the first call needs all `classes`.

        The first call fixes scaling and flags. The optimiser's state goes on from call to call; after `fit` or `load`,
        the first call begins it anew. Nothing validates.
        """
        if self.class_weight == "balanced":
            raise ValueError('class_weight="balanced" needs all data at once; for partial_fit, give a weight for each class.')
        known = getattr(self, "classes_", None)
        given = known if classes is None else np.unique(as_labels(classes, "classes"))
        if given is None:
            raise ValueError("classes must be passed on the first call to partial_fit: later data may hold labels that these do not.")
        if known is not None and not np.array_equal(given, known):
            raise ValueError(f"classes={given.tolist()} is not what the first call was given, {known.tolist()}.")
        with all_or_nothing(self):
            self.classes_ = two_or_more(given)
            return self._partial_fit(X, y, sample_weight)

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each sequence; of a frame, in order of first appearance."""
        best = self.predict_log_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def predict_proba(self, X: Any) -> Numbers:
        """The probability of each class `(n, classes)`, in the order of `classes_`."""
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: Any) -> Numbers:
        """Logarithms of `predict_proba`, finite also where that is 0. An ensemble's networks are averaged before."""
        _, examples = self._seen(X)
        return np.asarray(log_softmax(self._outputs(examples), axis=1))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy: the part of the sequences whose class is told. A label never seen counts as wrong."""
        check_is_fitted(self, "networks_")
        truth = read_labels(self._read(X, y), y)
        said = self.predict(X)
        places = self._places(truth)
        return float(accuracy_score(places, self._places(said), sample_weight=sample_weight))

    @property
    def _output_size(self) -> int:
        return len(self.classes_)

    def _read_targets(self, data: Steps, y: Any, counts: NDArray[np.bool_]) -> NDArray[np.int64]:
        labels = read_labels(data, y)
        if not hasattr(self, "classes_"):
            self.classes_ = two_or_more(np.unique(labels[counts]))
        places = self._places(labels)
        strays = np.flatnonzero(counts & (places < 0))
        if len(strays):
            raise DataError(
                f"y has the label {labels.tolist()[strays[0]]!r} for sequence {strays[0] + 1}, which was not among the classes "
                f"{', '.join(map(str, self.classes_.tolist()))}; mend it, or leave the sequence out."
            )
        return places

    def _places(self, labels: NDArray[Any]) -> NDArray[np.int64]:
        """The number of each label's class; -1 for a label that was never seen."""
        places = {label: k for k, label in enumerate(self.classes_.tolist())}
        return np.array([places.get(label, -1) for label in labels.tolist()], dtype=np.int64)

    def _watched(self, known: Known, random: np.random.Generator) -> Rows:
        """Of each class its part, rounded; a class always keeps a sequence to be learned from."""
        chosen = []
        for label in np.unique(known.targets):
            own = np.flatnonzero(known.targets == label)
            count = min(round(self.validation_fraction * len(own)), len(own) - 1)
            chosen.append(random.permutation(own)[:count])
        return np.concatenate(chosen)

    def _prepare_targets(self, known: Known) -> None:
        pass  # the classes are those of all sequences, not only of the part to learn from

    def _network_targets(self, known: Known) -> NDArray[np.int64]:
        return known.targets

    def _loss_weights(self, known: Known) -> Numbers:
        weights = self.class_weight
        if weights is None:
            return known.weights
        if isinstance(weights, str) and weights != "balanced":
            raise ValueError(f'class_weight={weights!r} must be None, "balanced" or a mapping from labels to numbers.')
        if isinstance(weights, Mapping):
            stray = [label for label in weights if label not in set(self.classes_.tolist())]
            if stray:
                raise ValueError(
                    f"class_weight has {stray[0]!r}, which is no class of y; those are {', '.join(map(str, self.classes_.tolist()))}."
                )
            each = np.array([float(weights.get(label, 1.0)) for label in self.classes_.tolist()])
            if not (np.isfinite(each) & (each > 0)).all():
                raise ValueError(f"class_weight={dict(weights)!r} must have positive numbers.")
            return np.asarray(known.weights * each[known.targets])
        found = np.unique(known.targets)
        each = np.zeros(len(self.classes_))
        each[found] = compute_class_weight("balanced", classes=found, y=known.targets)
        return np.asarray(known.weights * each[known.targets])

    def _criterion(self) -> nn.Module:
        return WeightedCrossEntropy()

    def _schema(self) -> dict[str, Any]:
        kind = {"U": "str", "O": "object"}.get(self.classes_.dtype.kind, self.classes_.dtype.name)
        return {**super()._schema(), "classes": self.classes_.tolist(), "labels": kind}

    def _restore(self, schema: Mapping[str, Any], arrays: Mapping[str, NDArray[np.floating]]) -> None:
        super()._restore(schema, arrays)
        classes, kind = schema["classes"], schema["labels"]
        if kind not in KINDS or not isinstance(classes, list) or len(classes) < 2:
            raise ValueError(f"its classes are {classes!r} of the kind {kind!r}")
        wanted = {"b": (bool,), "i": (int,), "u": (int,), "f": (int, float)}.get(np.dtype(kind).kind, (str,))
        if not all(type(label) in wanted for label in classes):
            raise ValueError(f"its classes {classes!r} are not all of the kind {kind!r}")
        self.classes_ = np.array(classes, dtype=kind)
        if not np.array_equal(np.unique(self.classes_), self.classes_):
            raise ValueError(f"its classes {classes!r} are not in order, or stand twice")
        if isinstance(self.class_weight, list):
            self.class_weight = {label: float(weight) for label, weight in self.class_weight}


def two_or_more(classes: NDArray[Any]) -> NDArray[Any]:
    """The classes, if there is something to tell apart. Otherwise raises DataError."""
    if len(classes) < 2:
        raise DataError(f"y has one class only ({classes.tolist()[0]!r}), and there is nothing to tell apart; give two classes or more.")
    return classes


class WeightedCrossEntropy(nn.Module):
    """The mean of the cross entropies, each times its weight."""

    def forward(self, logits: Tensor, target: tuple[Tensor, Tensor]) -> Tensor:
        labels, weights = target
        return (weights * torch.nn.functional.cross_entropy(logits, labels, reduction="none")).mean()
