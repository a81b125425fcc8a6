"""What a recurrent network has to beat on sequences: answers that need no training loop, by the same protocol."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from .recordings import is_sound
from .sequence_scaling import Scaling
from .sequence_settings import SequenceSettings
from .sequence_targets import columns_named, read_labels, read_targets
from .sequences import Numbers, Sequences, read_sequences, split_steps
from .sound_input import SoundInput
from .tokens import Split, is_text, read_tokens

FOLDS = 5
POINTS = 24  # steps of a resampled sequence
AS_THEY_ARE = 128  # steps up to which sequences that are all of one length are read as they are
PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
BACK = (1, 7, 30)  # steps that a linear model of each step may read, its own and those before it


class SequenceBaseline(BaseEstimator, ABC):  # type: ignore[misc]
    """Reads sequences as the recurrent estimators do, and answers with a model of scikit-learn's.

    `missing` is the estimators' policy. After `fit`: `model_`.
    """

    column: ClassVar[str]  # what a table calls it
    points_: int

    def __init__(self, *, missing: str = "raise") -> None:
        self.missing = missing

    @abstractmethod
    def _model(self, data: Sequences, targets: NDArray[Any]) -> Any:
        """The model that is to be fitted."""

    def _features(self, data: Sequences) -> Numbers:
        """What the model reads of each sequence."""
        return np.hstack([summaries(data), resampled(data, self.points_)])

    def _read(self, X: Any, targets: tuple[str, ...], *, new: bool = False) -> Sequences:
        if is_sound(X):
            if new:
                self.sound_ = SoundInput()
            return self.sound_.read(X, targets, SequenceSettings())  # type: ignore[call-arg]  # all have defaults
        return read_sequences(X, names=None if new else self.names_, targets=targets, missing=self.missing)

    def _learn(self, data: Sequences, targets: NDArray[Any], known: NDArray[np.bool_] | slice = slice(None)) -> Self:
        """Fit the model to those entries that are `known`."""
        self.names_, self.scaling_ = data.names, Scaling.fit(data)
        alike = int(data.lengths[0]) if len(set(data.lengths.tolist())) == 1 else 0
        self.points_ = alike if 0 < alike <= AS_THEY_ARE else POINTS
        model = self._model(data, targets)
        with warnings.catch_warnings(), threadpool_limits(1):  # many small products: two threads take several times as long
            warnings.simplefilter("ignore")  # a class rarer than the folds, a penalty under which the search is slow
            if isinstance(model, GridSearchCV) and isinstance(model.cv, GroupKFold):
                groups = np.repeat(np.arange(len(data)), data.lengths)
                self.model_ = model.fit(self._features(self._scaled(data))[known], targets[known], groups=groups[known])
            else:
                self.model_ = model.fit(self._features(self._scaled(data))[known], targets[known])
        return self

    def _scaled(self, data: Sequences) -> Sequences:
        return replace(data, values=self.scaling_.apply(data).astype(np.float64))

    def _answer(self, data: Sequences, method: str = "predict") -> NDArray[Any]:
        return np.asarray(getattr(self.model_, method)(self._features(self._scaled(data))))


class BaselineClassifier(ClassifierMixin, SequenceBaseline):  # type: ignore[misc]
    """Tells the class of a sequence. After `fit`: `classes_`, `model_`."""

    def fit(self, X: Any, y: Any) -> Self:
        """Learn the class of each sequence; see `SequenceClassifier.fit`."""
        data = self._read(X, (y,) if isinstance(y, str) else (), new=True)
        labels = read_labels(data, y)
        self.classes_ = np.unique(labels)
        return self._learn(data, labels)

    def predict(self, X: Any) -> NDArray[Any]:
        """The class of each sequence."""
        check_is_fitted(self)
        return self._answer(self._read(X, ()))

    def predict_proba(self, X: Any) -> Numbers:
        """The probability of each class `(n, classes)`."""
        check_is_fitted(self)
        return self._answer(self._read(X, ()), "predict_proba")

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy."""
        check_is_fitted(self)
        data = self._read(X, (y,) if isinstance(y, str) else ())
        return float(accuracy_score(read_labels(data, y), self._answer(data), sample_weight=sample_weight))


class BaselineRegressor(RegressorMixin, SequenceBaseline):  # type: ignore[misc]
    """Tells a number or several of a sequence, or of each step. After `fit`: `model_`."""

    per_step = False

    def fit(self, X: Any, y: Any) -> Self:
        """Learn what is to be told; see `SequenceRegressor.fit`."""
        data = self._read(X, columns_named(y), new=True)
        targets, self.single_ = self._targets(data, y)
        return self._learn(data, targets, np.asarray(~np.isnan(targets).any(axis=1)))

    def predict(self, X: Any) -> Any:
        """As `SequenceRegressor.predict`."""
        check_is_fitted(self)
        data = self._read(X, ())
        said = self._answer(data).reshape(len(data.values) if self.per_step else len(data), -1)
        said = said[:, 0] if self.single_ else said
        return split_steps(said, data) if self.per_step else said

    def score(self, X: Any, y: Any) -> float:
        """The coefficient of determination, R²."""
        check_is_fitted(self)
        data = self._read(X, columns_named(y))
        truth, _ = self._targets(data, y)
        seen = ~np.isnan(truth).any(axis=1)
        return float(r2_score(truth[seen], self._answer(data).reshape(truth.shape)[seen]))

    def _targets(self, data: Sequences, y: Any) -> tuple[Numbers, bool]:
        return read_targets(data, y, per_step=self.per_step, may_miss=self.per_step and self.missing == "carry")


class Blind(SequenceBaseline):
    """Reads nothing of the sequences but how many there are, so that X may be texts, too; `text` names their column."""

    text: str | None
    column_: str | None
    per_step = False

    def _read(self, X: Any, targets: tuple[str, ...], *, new: bool = False) -> Any:
        column = self.text if new else self.column_
        if not is_text(X, targets, column):
            return super()._read(X, targets, new=new)
        return read_tokens(X, Split("words"), targets, column)

    def _learn(self, data: Any, targets: NDArray[Any], known: NDArray[np.bool_] | slice = slice(None)) -> Self:
        self.names_, self.column_ = getattr(data, "names", None), getattr(data, "column", None)
        self.model_ = self._model(data, targets).fit(self._features(data)[known], targets[known])
        return self

    def _features(self, data: Any) -> Numbers:
        return np.zeros((int(data.lengths.sum()) if self.per_step else len(data), 1))

    def _answer(self, data: Any, method: str = "predict") -> NDArray[Any]:
        return np.asarray(getattr(self.model_, method)(self._features(data)))


class MajorityClass(Blind, BaselineClassifier):
    """Every sequence is of the most frequent class."""

    column = "majority class"

    def __init__(self, *, text: str | None = None, missing: str = "raise") -> None:
        super().__init__(missing=missing)
        self.text = text

    def _model(self, data: Any, targets: NDArray[Any]) -> Any:
        return DummyClassifier(strategy="prior")


class NearestClassifier(BaselineClassifier):
    """A sequence is of the class of the nearest one learned from, all resampled to 24 steps unless of one length."""

    column = "nearest neighbour"

    def _model(self, data: Sequences, targets: NDArray[Any]) -> Any:
        return KNeighborsClassifier(1)

    def _features(self, data: Sequences) -> Numbers:
        return resampled(data, self.points_)


class LinearClassifier(BaselineClassifier):
    """Logistic regression on summaries of each sequence, or on the sequence resampled: cross-validation chooses, and the penalty."""

    column = "linear"

    def _model(self, data: Sequences, targets: NDArray[Any]) -> Any:
        rarest = int(np.unique(targets, return_counts=True)[1].min())
        folds = StratifiedKFold(min(FOLDS, rarest), shuffle=True, random_state=0) if rarest > 1 else None
        return chosen(LogisticRegression(max_iter=1000), "C", widths(data.features + int(self.scaling_.flags.sum())), folds)


class MeanValue(Blind, BaselineRegressor):
    """Every sequence, or step, has the mean of those learned from."""

    column = "mean"

    def __init__(self, per_step: bool = False, *, text: str | None = None, missing: str = "raise") -> None:
        super().__init__(missing=missing)
        self.per_step, self.text = per_step, text

    def _model(self, data: Any, targets: NDArray[Any]) -> Any:
        return DummyRegressor()


class NearestRegressor(BaselineRegressor):
    """A sequence has the targets of the nearest one learned from, all resampled to 24 steps unless of one length."""

    column = "nearest neighbour"

    def _model(self, data: Sequences, targets: NDArray[Any]) -> Any:
        return KNeighborsRegressor(1)

    def _features(self, data: Sequences) -> Numbers:
        return resampled(data, self.points_)


class LinearRegressor(BaselineRegressor):
    """Ridge regression on summaries of each sequence, or on the sequence resampled; of each step, on the steps up to it.

    Cross-validation chooses among these, how far back to read, and the penalty.
    """

    column = "linear"

    def __init__(self, per_step: bool = False, *, missing: str = "raise") -> None:
        super().__init__(missing=missing)
        self.per_step = per_step

    def _model(self, data: Sequences, targets: NDArray[Any]) -> Any:
        features = data.features + int(self.scaling_.flags.sum())
        count = len(targets) if self.per_step else len(data)
        folds: Any = (
            KFold(min(FOLDS, count // 2), shuffle=not self.per_step, random_state=None if self.per_step else 0) if count > 3 else None
        )
        if self.per_step and len(data) >= FOLDS:
            folds = GroupKFold(FOLDS)
        parts = [slice(0, steps * features) for steps in BACK] if self.per_step else widths(features)
        return chosen(Ridge(), "alpha", parts, folds)

    def _features(self, data: Sequences) -> Numbers:
        return lagged(data, BACK[-1]) if self.per_step else super()._features(data)


def chosen(model: Any, penalty: str, parts: list[slice], folds: Any) -> Any:
    """`model` on one of the `parts` of the columns, chosen with its penalty by cross-validation; without `folds`, the first."""
    steps = [("columns", FunctionTransformer(columns, kw_args={"part": parts[0]})), ("scale", StandardScaler()), ("model", model)]
    if folds is None:
        return Pipeline(steps)
    grid = {"columns__kw_args": [{"part": part} for part in parts], f"model__{penalty}": PENALTIES}
    return GridSearchCV(Pipeline(steps), grid, cv=folds)


def columns(table: Numbers, part: slice) -> Numbers:
    return np.asarray(table[:, part])


def widths(features: int) -> list[slice]:
    """Which columns are summaries, and which the resampled sequence."""
    first = 6 * features + 1
    return [slice(0, first), slice(first, None)]


def summaries(data: Sequences) -> Numbers:
    """Of each sequence its length, and mean, deviation, smallest, largest, first and last value of each feature."""
    starts, lengths = data.starts, data.lengths[:, None]
    mean = np.add.reduceat(data.values, starts) / lengths
    square = np.add.reduceat((data.values - np.repeat(mean, data.lengths, axis=0)) ** 2, starts) / lengths
    ends = (np.minimum.reduceat(data.values, starts), np.maximum.reduceat(data.values, starts))
    return np.hstack([lengths, mean, np.sqrt(square), *ends, data.values[starts], data.values[starts + data.lengths - 1]])


def resampled(data: Sequences, points: int) -> Numbers:
    """Each sequence at the same number of moments, evenly spread over it, by linear interpolation: `(n, points · features)`."""
    at = np.linspace(0, 1, points) * (data.lengths[:, None] - 1)
    below = np.floor(at).astype(np.intp)
    above = np.minimum(below + 1, data.lengths[:, None] - 1)
    part = (at - below)[:, :, None]
    starts = data.starts[:, None]
    between = data.values[starts + below] * (1 - part) + data.values[starts + above] * part
    return np.asarray(between.reshape(len(data), -1))


def lagged(data: Sequences, steps: int) -> Numbers:
    """Of each step its features, then those of the step before it, and so on; 0, the mean, before the first."""
    own = np.arange(len(data.values)) - np.repeat(data.starts, data.lengths)
    parts = []
    for back in range(steps):
        part = np.roll(data.values, back, axis=0)
        part[own < back] = 0.0
        parts.append(part)
    return np.hstack(parts)
