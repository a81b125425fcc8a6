"""What the estimators of sequences share: from the caller's data to a fitted network, and back to an answer for each."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn

from ..data.errors import DataError
from .estimator import RecurrentEstimator
from .input_kind import InputKind
from .inputs import input_kind, restore_input
from .network import SequenceNetwork, beside, cell_name, width
from .number_input import NumberInput
from .parameters import all_or_nothing, estimator
from .sequence_batches import SequenceExamples
from .sequence_settings import SequenceSettings
from .sequences import Numbers, Rows, Steps
from .settings import BESIDE
from .tokens import says_nothing
from .training import OutputOf, each_batch

SHUFFLE = 0  # the seed of the choice of the validation part: networks of different seeds are measured on the same


@dataclass(frozen=True)
class Known:
    """Steps with what is known of them. `targets` has an entry for each sequence, or with `per_step` for each step of all."""

    data: Steps
    targets: NDArray[Any]
    weights: Numbers
    per_step: bool

    def take(self, chosen: Rows) -> Known:
        """Some of the sequences."""
        targets = self.targets[self.data.steps(chosen) if self.per_step else chosen]
        return replace(self, data=self.data.take(chosen), targets=targets, weights=self.weights[chosen])


@estimator()
class SequenceEstimator(SequenceSettings, ClassNamePrefixFeaturesOutMixin, TransformerMixin, RecurrentEstimator):  # type: ignore[misc]
    """Learns from whole sequences.

    After `fit`, beside what `RecurrentEstimator` names: `input_`, the kind of X and what was measured of it. Where X is
    numbers also `n_features_in_`, `feature_names_in_` (of a frame), and `mean_` and `scale_` of each feature over the
    steps learned from.
    """

    feeds: ClassVar[tuple[str, ...]] = BESIDE
    per_step = False  # a parameter of the regressor

    def _target_columns(self, y: Any) -> tuple[str, ...]:
        """The columns of a frame that `y` names."""
        return (y,) if isinstance(y, str) else ()

    @abstractmethod
    def _read_targets(self, data: Steps, y: Any, counts: NDArray[np.bool_]) -> NDArray[Any]:
        """`y` checked and as numbers, an entry for each sequence or each step of all; `counts` tells which are not left out."""

    @abstractmethod
    def _prepare_targets(self, known: Known) -> None:
        """Measure what the targets' form depends on."""

    @abstractmethod
    def _network_targets(self, known: Known) -> NDArray[Any]:
        """The targets as the criterion takes them."""

    @abstractmethod
    def _loss_weights(self, known: Known) -> Numbers:
        """How much each sequence counts."""

    @abstractmethod
    def _criterion(self) -> nn.Module:
        """The loss of an output, given targets and weights."""

    @property
    @abstractmethod
    def _output_size(self) -> int:
        """Numbers that the network gives."""

    @property
    def n_features_in_(self) -> int:
        """How many numbers a step has."""
        return self._numbers.features

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """What a frame calls them."""
        if self._numbers.names is None:
            raise AttributeError(f"this {type(self).__name__} was fitted on no frame: its features have no names")
        return np.array(self._numbers.names, dtype=object)

    @property
    def mean_(self) -> Numbers:
        """The mean of each feature."""
        return self._numbers.scaling.mean

    @property
    def scale_(self) -> Numbers:
        """The spread of each feature; 1 for a constant one."""
        return self._numbers.scaling.scale

    @property
    def _numbers(self) -> NumberInput:
        """The input, where it is numbers. Raises AttributeError for another kind, and before the fit."""
        if not isinstance(self.input_, NumberInput):
            raise AttributeError(f"this {type(self).__name__} was fitted on {self.input_.name}, which have no features")
        return self.input_

    def build_network(self) -> nn.Module:
        """The untrained network. Raises ValueError for a cell with inputs that this kind of X has not."""
        needed = beside(self, self.input_size_)
        if needed != self.input_.beside:
            raise ValueError(
                f"cell={cell_name(self.cell)!r} reads {', '.join(needed) or 'nothing'} beside the sequence, {self.input_.name} give "
                f"{', '.join(self.input_.beside) or 'nothing'}; take another cell."
            )
        return SequenceNetwork(
            self, self.input_.module(self), self.input_size_, self._output_size, "steps" if self.per_step else self.readout
        )

    def _fit(self, X: Any, y: Any, sample_weight: Any, validation: tuple[Any, Any] | None) -> Self:
        with all_or_nothing(self):
            self._check()
            self._forget()
            known = self._known(X, y, sample_weight, new=True)
            if validation is None:
                learn, watch = self._split(known)
            else:
                learn, watch = known, self._known(*pair(validation), None)
            self._prepare(learn)
            self._learn_networks(self._criterion, self._examples(learn), None if watch is None else self._examples(watch))
        return self

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any) -> Self:
        """One epoch. What was measured on the first data stays: scaling, flags, classes."""
        with all_or_nothing(self):
            self._check()
            new = not hasattr(self, "networks_")
            known = self._known(X, y, sample_weight, new=new)
            if new:
                self._prepare(known)
            self._learn_on(self._criterion, self._examples(known))
        return self

    def _forget(self) -> None:
        for name in [name for name in vars(self) if name.endswith("_") and not name.startswith("_")]:
            delattr(self, name)

    def _known(self, X: Any, y: Any, sample_weight: Any, *, new: bool = False) -> Known:
        """The caller's data, checked; sequences of weight 0 are left out. `new` tells that nothing was learned before."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None; give what is to be learned.")
        data = self._read(X, y, new=new)
        weights = read_weights(sample_weight, len(data))
        known = Known(data, self._read_targets(data, y, weights > 0), weights, self.per_step)
        return known if known.weights.all() else known.take(np.flatnonzero(known.weights))

    def _read(self, X: Any, y: Any = None, *, new: bool = False) -> Steps:
        """The caller's sequences. The first tell the kind of input."""
        targets = self._target_columns(y)
        kind = input_kind(X, targets, self.text if new else self.input_.column)
        if new:
            self.input_: InputKind = kind.of(self)
        elif not isinstance(self.input_, kind) and not says_nothing(X):
            raise DataError(f"X is no {self.input_.name}, which this {type(self).__name__} was fitted on; give such.")
        return self.input_.read(X, targets, self)

    def _split(self, known: Known) -> tuple[Known, Known | None]:
        """The part to learn from, and the part that validates, if any."""
        watched = self._watched(known, np.random.default_rng(SHUFFLE)) if self.validation_fraction else np.array([], np.intp)
        if not len(watched):
            return known, None
        return known.take(np.setdiff1d(np.arange(len(known.data)), watched)), known.take(np.sort(watched))

    def _watched(self, known: Known, random: np.random.Generator) -> Rows:
        """The sequences that validate."""
        return random.permutation(len(known.data))[: round(self.validation_fraction * len(known.data))]

    def _prepare(self, learn: Known) -> None:
        """Measure on the part to learn from all that the networks need."""
        self.input_.fit(learn.data, self)
        self.input_size_ = self.input_.width
        self._prepare_targets(learn)

    def _examples(self, known: Known) -> SequenceExamples:
        weights = self._loss_weights(known)
        return SequenceExamples(
            *self.input_.apply(known.data),
            self._network_targets(known),
            (weights / weights.mean()).astype(np.float32),
            per_step=self.per_step,
        )

    def _seen(self, X: Any, y: Any = None) -> tuple[Steps, SequenceExamples]:
        """Steps to answer for, and what the networks see of them."""
        check_is_fitted(self, "networks_")
        data = self._read(X, y)
        return data, SequenceExamples(*self.input_.apply(data))

    def transform(self, X: Any) -> NDArray[np.float32]:
        """The states that the answer is read from, as features `(n, width)`: the last ones, or as `readout` says.

        With an ensemble, those of each network beside each other.
        """
        _, examples = self._seen(X)
        states = np.empty((len(examples), self.ensemble, self._n_features_out // self.ensemble), np.float32)
        for number, network in enumerate(self.networks_):
            for rows, said in each_batch(cast(OutputOf, network.summary), examples, self.device):
                states[rows, number] = said
        return states.reshape(len(examples), -1)

    def _step_outputs(self, examples: SequenceExamples, method: str = "forward", outputs: int | None = None) -> Numbers:
        """The mean of what the networks, or a method of theirs, say of every step `(steps, outputs)`."""
        said = np.zeros((len(examples.values), outputs or self._output_size))
        for network in self.networks_:
            for rows, padded in each_batch(cast(OutputOf, getattr(network, method)), examples, self.device):
                real = np.arange(padded.shape[1]) < examples.sizes[rows, None]
                said[(examples.starts[rows, None] + np.arange(padded.shape[1]))[real]] += padded[real]
        return said / len(self.networks_)

    @property
    def _n_features_out(self) -> int:
        check_is_fitted(self, "networks_")
        return self.ensemble * width(self, self.input_size_)

    def _schema(self) -> dict[str, Any]:
        return {"input": self.input_.name, **self.input_.schema()}

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return self.input_.arrays()

    def _restore(self, schema: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        self.input_ = restore_input(schema, arrays, self)
        self.input_size_ = self.input_.width

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = self.missing == "carry"
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def pair(validation: Any) -> tuple[Any, Any]:
    if not isinstance(validation, tuple) or len(validation) != 2:
        raise ValueError("validation must be a pair (X, y) of sequences and what is known of them.")
    return validation


def read_weights(weights: Any, count: int) -> Numbers:
    """A weight for each sequence, none below 0. Raises ValueError."""
    from sklearn.utils import column_or_1d

    if weights is None:
        return np.ones(count)
    found: Numbers = column_or_1d(np.asarray(weights), dtype=np.float64)
    if len(found) != count:
        raise DataError(f"sample_weight has {len(found)} weights for {count} sequences; give one for each.")
    if not np.isfinite(found).all() or (found < 0).any():
        at = int(np.flatnonzero(~(np.isfinite(found) & (found >= 0)))[0])
        raise DataError(f"sample_weight has {found[at]} for sequence {at + 1}; a weight is 0 or more.")
    if not found.any():
        raise DataError("sample_weight is zero for every sequence; at least one must count.")
    return found
