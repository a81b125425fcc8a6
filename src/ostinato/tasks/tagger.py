"""Recurrent networks that tell a label of each step of a sequence, by scikit-learn's protocol."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from .labels import LabelEstimator
from .parameters import estimator
from .sequence_batches import GAP
from .sequence_estimator import Known, read_weights
from .sequence_settings import TagSettings
from .sequence_targets import read_step_labels
from .sequences import Numbers, Steps, split_steps


@estimator()
class SequenceTagger(TagSettings, LabelEstimator):
    """Tells a label of each step with a recurrent network of any cell: the part of speech of each word, the fold of each residue.

    Sequences are lists of tokens, texts (with ``tokens="characters"`` a label for each character), arrays
    `(n, time, features)`, a list of `(time_i, features)`, or a long frame with `unique_id`. Labels are laid out as the
    sequences are: a list for each, which may be a text of one-letter labels, or a value for each row of the frame.

    After `fit`: `classes_`, and what `SequenceEstimator` names; `validation_loss_` is the cross entropy of a step in nats.
    """

    task = "tag"
    per_step = True

    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation: tuple[Any, Any] | None = None) -> Self:
        """Learn the labels `y` of the steps of each sequence in `X`; `y` may be the name of a column of a long frame.

        `sample_weight` has a weight for each sequence. `validation`, a pair of `X` and `y`, takes the place of
        `validation_fraction`. Raises ValueError for parameters and DataError for data that cannot be used; the estimator
        is then as it was.
        """
        return self._fit(X, y, sample_weight, validation)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One more epoch on these sequences; the first call needs all `classes`, and fixes what is measured of X.

        The optimiser's state goes on from call to call; after `fit` or `load`, the first call begins it anew.
        """
        return self._partial_fit_labels(X, y, classes, sample_weight)

    def predict(self, X: Any) -> Any:
        """The most probable label of each step, laid out as X is: a list of arrays, an array, or for each row of a frame."""
        data, said = self._said(X)
        return split_steps(np.asarray(self.classes_[said.argmax(axis=1)]), data)

    def predict_proba(self, X: Any) -> Any:
        """The probabilities of the labels, in the order of `classes_`, as a last axis to what `predict` gives."""
        data, said = self._said(X)
        return split_steps(np.exp(log_softmax(said, axis=1)), data)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy over all steps. A label never seen counts as wrong."""
        data, said = self._said(X, y)
        truth = self._places(read_step_labels(data, y))
        weights = np.repeat(read_weights(sample_weight, len(data)), data.lengths)
        return float(accuracy_score(truth, said.argmax(axis=1), sample_weight=weights))

    def _said(self, X: Any, y: Any = None) -> tuple[Steps, Numbers]:
        """What the networks give for each step: `(steps, classes)`."""
        check_is_fitted(self, "networks_")
        data, examples = self._seen(X, y)
        return data, self._step_outputs(examples)

    def _read_targets(self, data: Steps, y: Any, counts: NDArray[np.bool_]) -> NDArray[np.int64]:
        return self._learned_places(read_step_labels(data, y), np.repeat(counts, data.lengths), "step")

    def _prepare_targets(self, known: Known) -> None:
        pass  # the classes are those of all sequences, not only of the part to learn from

    def _network_targets(self, known: Known) -> NDArray[np.int64]:
        return known.targets

    def _loss_weights(self, known: Known) -> Numbers:
        return np.repeat(known.weights, known.data.lengths) * self._weight_of_each(known.targets)

    def _criterion(self) -> nn.Module:
        return StepCrossEntropy()


class StepCrossEntropy(nn.Module):
    """The mean over all real steps of the cross entropies, each times its weight."""

    def forward(self, logits: Tensor, target: tuple[Tensor, Tensor]) -> Tensor:
        labels, weights = target
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=GAP, reduction="none")
        return (weights.flatten() * loss).sum() / (labels != GAP).sum()
