"""scikit-learn's own checks of estimators, and aeon's. What does not apply stands in a table, each with its reason."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils import check_array
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from ostinato.tasks import SequenceClassifier, SequenceRegressor

CLASSIFIER = {"hidden_size": 8, "max_epochs": 5, "batch_size": 16, "learning_rate": 0.05}
REGRESSOR = {"hidden_size": 16, "max_epochs": 10, "batch_size": 8, "learning_rate": 0.02}
BOTH = {"cell": "rnn", "validation_fraction": 0.0, "random_state": 0}

TIME = "the second axis of a 2-D array is time, of which sequences may have more or less; the same check passes with it as features"
FLOAT = "batches are drawn by chance and added up in float32: equal only up to that"
EXPECTED = {
    "check_n_features_in": TIME,
    "check_n_features_in_after_fitting": TIME,
    "check_estimators_partial_fit_n_features": TIME,
    "check_classifiers_train": TIME,
    "check_transformer_general": TIME,
    "check_sample_weight_equivalence_on_dense_data": FLOAT,
}


def expected(estimator):
    return EXPECTED


@parametrize_with_checks(
    [SequenceClassifier(**CLASSIFIER, **BOTH), SequenceRegressor(**REGRESSOR, **BOTH)], expected_failed_checks=expected
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


# ---------------------------------------------------------------- the same with the second axis as features


def one_step(X):
    """A 2-D array as sequences of one step; all else as it is."""
    return check_array(X)[:, None] if not isinstance(X, np.ndarray) or X.ndim == 2 else X


class StepClassifier(SequenceClassifier):
    def _read(self, X, y=None, *, new=False):
        return super()._read(one_step(X), y, new=new)


class StepRegressor(SequenceRegressor):
    def _read(self, X, y=None, *, new=False):
        return super()._read(one_step(X), y, new=new)


def checks_of_features():
    """Every check that `TIME` excuses, on sequences of one step."""
    for one in (StepClassifier(**CLASSIFIER, **BOTH), StepRegressor(**REGRESSOR, **BOTH)):
        for estimator, check in estimator_checks_generator(one):
            name = getattr(check, "func", check).__name__
            if EXPECTED.get(name) == TIME:
                yield pytest.param(estimator, check, id=f"{type(one).__name__}-{name}")


@pytest.mark.parametrize(("estimator", "check"), list(checks_of_features()))
def test_scikit_learns_checks_of_features(estimator, check):
    check(estimator)


# ---------------------------------------------------------------- aeon


def aeons_checks():
    """Every check that aeon has for a classifier and a regressor; none where aeon is not installed."""
    try:
        from aeon.testing.estimator_checking import parametrize_with_checks as parametrize

        from ostinato.tasks.aeon import RecurrentClassifier, RecurrentRegressor
    except ModuleNotFoundError:
        return pytest.mark.skip(reason="aeon is not installed")
    return parametrize([RecurrentClassifier, RecurrentRegressor])


@aeons_checks()
def test_aeons_checks(check):
    check()
