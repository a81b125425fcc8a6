"""Recurrent networks that tell a number of a sequence, or of each of its steps, by scikit-learn's protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from ..data.errors import DataError
from .parameters import estimator
from .sequence_estimator import Known, SequenceEstimator, measured, read_weights
from .sequence_inputs import SequenceExamples, spread
from .sequence_settings import RegressSettings
from .sequences import LIMIT, Numbers, Sequences, by_id, each_step, per_sequence, split_steps
from .training import each_batch


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

    def _said(self, data: Sequences) -> Numbers:
        """What is said of each sequence, or step, in the targets' own unit: `(entries, outputs)`."""
        examples = SequenceExamples(self.scaling_.apply(data), data.lengths)
        said = self._step_outputs(examples) if self.per_step else self._outputs(examples)
        return np.asarray(said * self.target_scale_ + self.target_mean_)

    def _step_outputs(self, examples: SequenceExamples) -> Numbers:
        """The mean of what the networks say of every step `(steps, outputs)`."""
        said = np.zeros((len(examples.values), self.n_outputs_))
        for network in self.networks_:
            for rows, padded in each_batch(network, examples, self.device):
                real = np.arange(padded.shape[1]) < examples.sizes[rows, None]
                said[(examples.starts[rows, None] + np.arange(padded.shape[1]))[real]] += padded[real]
        return said / len(self.networks_)

    @property
    def _output_size(self) -> int:
        return cast(int, self.n_outputs_)

    def _target_columns(self, y: Any) -> tuple[str, ...]:
        several = isinstance(y, (list, tuple)) and bool(y) and all(isinstance(name, str) for name in y)
        return tuple(y) if several else super()._target_columns(y)

    def _read_targets(self, data: Sequences, y: Any, counts: NDArray[np.bool_]) -> Numbers:
        targets, single = self._targets(data, y)
        if not hasattr(self, "n_outputs_"):
            self.n_outputs_, self.single_ = targets.shape[1], single
        return targets

    def _targets(self, data: Sequences, y: Any) -> tuple[Numbers, bool]:
        """`(entries, outputs)`, an entry for each sequence or step, and whether `y` has no axis of outputs.

        Raises DataError for what does not fit `data`.
        """
        columns = self._target_columns(y)
        if columns:
            read = [each_step(data, name) if self.per_step else per_sequence(data, name, numbers=True) for name in columns]
            targets, single = np.column_stack(read), isinstance(y, str)
        else:
            targets, single = step_targets(data, y) if self.per_step else sequence_targets(data, y)
        check_targets(targets, may_miss=self.per_step and self.missing == "carry")
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


def sequence_targets(data: Sequences, y: Any) -> tuple[Numbers, bool]:
    """A row of targets for each sequence, and whether `y` has no axis of outputs."""
    targets = numbers(by_id(data, y))
    if len(targets) != len(data):
        raise DataError(f"y has {len(targets)} targets for {len(data)} sequences; give one for each.")
    if targets.ndim > 2:
        raise DataError(f"y has the shape {targets.shape}; expected (n,) or (n, outputs). For a target of each step set per_step=True.")
    return targets.reshape(len(data), -1), targets.ndim == 1


def step_targets(data: Sequences, y: Any) -> tuple[Numbers, bool]:
    """A row of targets for each step, and whether `y` has no axis of outputs."""
    if data.rows is not None:
        targets = numbers(y)
        if len(targets) != len(data.rows) or targets.ndim > 2:
            raise DataError(
                f"y has the shape {targets.shape} for a frame of {len(data.rows)} rows; give a target for each, or name a column."
            )
        return targets.reshape(len(targets), -1)[data.rows], targets.ndim == 1
    if len(y) != len(data):
        raise DataError(f"y has targets for {len(y)} sequences, but X has {len(data)}; give one for each step.")
    parts = [numbers(part) for part in y]
    axes = {part.ndim for part in parts}
    at = next((k for k, part in enumerate(parts) if len(part) != data.lengths[k]), None)
    if at is not None:
        raise DataError(f"y has {len(parts[at])} targets for sequence {at + 1}, which has {data.lengths[at]} steps; give one for each.")
    if axes not in ({1}, {2}) or len({part.shape[1:] for part in parts}) > 1:
        raise DataError("With per_step=True each sequence has targets (time,) or (time, outputs), all with the same outputs.")
    return np.concatenate(parts).reshape(len(data.values), -1), axes == {1}


def numbers(y: Any) -> Numbers:
    """Targets as float64, at least one axis. Raises ValueError for what is no number."""
    y = y.to_numpy() if hasattr(y, "to_numpy") else y
    if np.ndim(y) == 0:
        raise DataError(f"y is {y!r}; give a target for each sequence, or with per_step=True for each step.")
    return np.asarray(check_array(y, dtype=np.float64, ensure_2d=False, allow_nd=True, ensure_all_finite="allow-nan", input_name="y"))


def check_targets(targets: Numbers, *, may_miss: bool) -> None:
    """Raise DataError for a target that cannot be learned from."""
    missing = np.isnan(targets)
    if missing.any() and not may_miss:
        row = int(np.argwhere(missing)[0][0])
        cure = (
            'leave the sequence out, or with per_step=True set missing="carry": a missing target is then neither learned from nor scored.'
        )
        raise DataError(f"Input y contains NaN (target {row + 1}, {int(missing.sum())} missing in all); {cure}")
    if missing.all(axis=0).any():
        raise DataError(f"y has no value at all of output {int(np.flatnonzero(missing.all(axis=0))[0]) + 1}; leave it out.")
    if (np.abs(targets[~missing]) > LIMIT).any():
        raise DataError("Input y contains infinity or a value too large for float32; mend it.")


class WeightedSquaredError(nn.Module):
    """The mean of the squared errors over the observed targets (those that are not NaN), each times its sequence's weight."""

    def forward(self, said: Tensor, target: tuple[Tensor, Tensor]) -> Tensor:
        wanted, weights = target
        observed = ~torch.isnan(wanted)
        error = torch.where(observed, said - wanted, torch.zeros_like(said))
        return (weights.reshape(-1, *[1] * (said.dim() - 1)) * error * error).sum() / observed.sum().clamp(min=1)
