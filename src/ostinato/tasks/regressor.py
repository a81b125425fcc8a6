"""Recurrent networks that tell a number of a sequence, or of each of its steps, by scikit-learn's protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from ..data.errors import DataError
from .parameters import estimator
from .sequence_batches import SequenceExamples
from .sequence_estimator import Known, SequenceEstimator, read_weights
from .sequence_scaling import measured, spread
from .sequence_settings import RegressSettings
from .sequence_targets import columns_named, read_targets
from .sequences import Numbers, Steps, split_steps


@estimator()
class SequenceRegressor(RegressSettings, RegressorMixin, SequenceEstimator):  # type: ignore[misc]
    """Tells a number or several of a sequence, or of each of its steps, with a recurrent network of any cell.

    Sequences are an array `(n, time, features)` or `(n, time)`, a list of `(time_i, features)`, or a long frame with
    `unique_id`. Targets are `(n,)` or `(n, outputs)`. With `per_step` they are laid out as the sequences are, `(n, time)`
    or `(n, time, outputs)`, a list, or a value for each row of the frame; a network that is not bidirectional then
    tells each from the steps up to it. Targets are scaled inside, and answers come in the targets' own unit.

    After `fit`: `n_outputs_`, `target_mean_` and `target_scale_`, and what `SequenceEstimator` names; `validation_loss_`
    is the mean squared error in units of the targets' variance.
    """

    task = "regress"

    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation: tuple[Any, Any] | None = None) -> Self:
        """Learn `y` of each sequence in `X`, or of each step; `y` may name a column of a frame, or several in a list.

        `validation`, a pair of `X` and `y`, takes the place of `validation_fraction`. Raises ValueError for parameters
        and DataError for data that cannot be used; the estimator is then as it was.
        """
        return self._fit(X, y, sample_weight, validation)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One more epoch on these sequences.

        The first call fixes scaling and flags. The optimiser's state goes on from call to call; after `fit` or `load`,
        the first call begins it anew. Nothing validates.
        """
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X: Any) -> Any:
        """`(n,)` or `(n, outputs)`, as the targets were; with `per_step` as `X` is: an array, a list, or for each row of a frame."""
        check_is_fitted(self, "networks_")
        data = self._read(X)
        said = self._said(data)[:, 0] if self.single_ else self._said(data)
        return split_steps(said, data) if self.per_step else said

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The coefficient of determination, R², over all steps with `per_step`; the mean over several outputs."""
        check_is_fitted(self, "networks_")
        data = self._read(X, y)
        truth, _ = self._targets(data, y)
        weights = read_weights(sample_weight, len(data))
        weights = np.repeat(weights, data.lengths) if self.per_step else weights
        seen = ~np.isnan(truth).any(axis=1)
        return float(r2_score(truth[seen], self._said(data)[seen], sample_weight=weights[seen]))

    def _said(self, data: Steps) -> Numbers:
        """What is said of each sequence, or step, in the targets' own unit: `(entries, outputs)`."""
        examples = SequenceExamples(*self.input_.apply(data))
        said = self._step_outputs(examples) if self.per_step else self._outputs(examples)
        return np.asarray(said * self.target_scale_ + self.target_mean_)

    @property
    def _output_size(self) -> int:
        return cast(int, self.n_outputs_)

    def _target_columns(self, y: Any) -> tuple[str, ...]:
        return columns_named(y)

    def _read_targets(self, data: Steps, y: Any, counts: NDArray[np.bool_]) -> Numbers:
        targets, single = self._targets(data, y)
        if not hasattr(self, "n_outputs_"):
            self.n_outputs_, self.single_ = targets.shape[1], single
        return targets

    def _targets(self, data: Steps, y: Any) -> tuple[Numbers, bool]:
        targets, single = read_targets(data, y, per_step=self.per_step, may_miss=self.per_step and self.missing == "carry")
        outputs = getattr(self, "n_outputs_", targets.shape[1])
        if targets.shape[1] != outputs:
            raise DataError(f"y has {targets.shape[1]} outputs, where the first had {outputs}; give the same.")
        return targets, single

    def _prepare_targets(self, known: Known) -> None:
        self.target_mean_, self.target_scale_ = spread(known.targets)

    def _network_targets(self, known: Known) -> NDArray[np.float32]:
        return ((known.targets - self.target_mean_) / self.target_scale_).astype(np.float32)

    def _loss_weights(self, known: Known) -> Numbers:
        return known.weights

    def _criterion(self) -> nn.Module:
        return WeightedSquaredError()

    def _schema(self) -> dict[str, Any]:
        return {**super()._schema(), "outputs": self.n_outputs_, "single": self.single_}

    def _arrays(self) -> dict[str, NDArray[np.floating]]:
        return {**super()._arrays(), "target.mean": self.target_mean_, "target.scale": self.target_scale_}

    def _restore(self, schema: Mapping[str, Any], arrays: Mapping[str, NDArray[np.floating]]) -> None:
        super()._restore(schema, arrays)
        self.n_outputs_, self.single_ = schema["outputs"], schema["single"]
        if type(self.n_outputs_) is not int or self.n_outputs_ < 1:
            raise ValueError(f"its field 'outputs' is {self.n_outputs_!r}")
        if not isinstance(self.single_, bool) or (self.single_ and self.n_outputs_ > 1):
            raise ValueError(f"its field 'single' is {self.single_!r} for {self.n_outputs_} outputs")
        self.target_mean_, self.target_scale_ = measured(arrays, "target", self.n_outputs_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class WeightedSquaredError(nn.Module):
    """The mean of the squared errors over the observed targets (those that are not NaN), each times its sequence's weight."""

    def forward(self, said: Tensor, target: tuple[Tensor, Tensor]) -> Tensor:
        return weighted_squares(said, *target)


def weighted_squares(said: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    """The mean of the squared errors of what is wanted and not NaN, each times its sequence's weight."""
    observed = ~torch.isnan(wanted)
    error = torch.where(observed, said - wanted, torch.zeros_like(said))
    return (weights.reshape(-1, *[1] * (said.dim() - 1)) * error * error).sum() / observed.sum().clamp(min=1)
