"""Recurrent networks that tell the class of a sequence, by scikit-learn's protocol."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from .labels import LabelEstimator
from .parameters import estimator
from .sequence_estimator import Known
from .sequence_targets import read_labels
from .sequences import Numbers, Rows, Steps


@estimator()
class SequenceClassifier(ClassifierMixin, LabelEstimator):  # type: ignore[misc]
    """Tells the class of a sequence with a recurrent network: RNN, LSTM, GRU, or any cell of `ostinato.cells`, or of your own.

    Sequences are an array `(n, time, features)` or `(n, time)`, a list of `(time_i, features)`, or a long frame with
    `unique_id`; or they are texts, lists of tokens, or a frame with a column of texts. Labels are of any kind, one for each
    sequence. A part of each class validates.

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
        return self._partial_fit_labels(X, y, classes, sample_weight)

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

    def _read_targets(self, data: Steps, y: Any, counts: NDArray[np.bool_]) -> NDArray[np.int64]:
        return self._learned_places(read_labels(data, y), counts, "sequence")

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
        return known.weights * self._weight_of_each(known.targets)

    def _criterion(self) -> nn.Module:
        return WeightedCrossEntropy()


class WeightedCrossEntropy(nn.Module):
    """The mean of the cross entropies, each times its weight."""

    def forward(self, logits: Tensor, target: tuple[Tensor, Tensor]) -> Tensor:
        labels, weights = target
        return (weights * torch.nn.functional.cross_entropy(logits, labels, reduction="none")).mean()
