"""The estimators of sequences among aeon's: its base classes, its layout `(cases, channels, time)`. Needs the extra ``aeon``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from aeon.classification import BaseClassifier
from aeon.regression import BaseRegressor
from numpy.typing import NDArray

from .classifier import SequenceClassifier
from .parameters import estimator, rules
from .regressor import SequenceRegressor
from .sequence_settings import ClassifySettings, SequenceSettings

TAGS: Mapping[str, Any] = {
    "X_inner_type": ["np-list", "numpy3D"],
    "algorithm_type": "deeplearning",
    "capability:missing_values": True,
    "capability:multivariate": True,
    "capability:unequal_length": True,
}
SMALL = {"cell": "rnn", "hidden_size": 4, "max_epochs": 2}


@estimator(missing="carry")
class RecurrentClassifier(ClassifySettings, BaseClassifier):  # type: ignore[misc]
    """`SequenceClassifier` as a classifier of aeon's, which may have gaps. After `fit`: `estimator_`, which is one."""

    _tags = TAGS

    def __post_init__(self) -> None:
        BaseClassifier.__init__(self)

    def _fit(self, X: Any, y: Any) -> RecurrentClassifier:
        self.estimator_ = SequenceClassifier(**settings(self)).fit(steps_first(X), y)
        return self

    def _predict(self, X: Any) -> NDArray[Any]:
        return self.estimator_.predict(steps_first(X))

    def _predict_proba(self, X: Any) -> NDArray[np.float64]:
        return self.estimator_.predict_proba(steps_first(X))

    @classmethod
    def _get_test_params(cls, parameter_set: str = "default") -> dict[str, Any]:
        return SMALL


@estimator(missing="carry")
class RecurrentRegressor(SequenceSettings, BaseRegressor):  # type: ignore[misc]
    """`SequenceRegressor` as a regressor of aeon's, which may have gaps. After `fit`: `estimator_`, which is one."""

    _tags = TAGS

    def __post_init__(self) -> None:
        BaseRegressor.__init__(self)

    def _fit(self, X: Any, y: Any) -> RecurrentRegressor:
        self.estimator_ = SequenceRegressor(**settings(self)).fit(steps_first(X), y)
        return self

    def _predict(self, X: Any) -> NDArray[np.float64]:
        return np.asarray(self.estimator_.predict(steps_first(X)))

    @classmethod
    def _get_test_params(cls, parameter_set: str = "default") -> dict[str, Any]:
        return SMALL


def settings(one: ClassifySettings | SequenceSettings) -> dict[str, Any]:
    """The parameters of an estimator, by name."""
    return {name: getattr(one, name) for name in rules(type(one))}


def steps_first(X: Any) -> Any:
    """`(channels, time)` of each case as `(time, channels)`."""
    return X.transpose(0, 2, 1) if isinstance(X, np.ndarray) else [case.T for case in X]
