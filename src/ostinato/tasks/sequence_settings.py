"""The parameters of estimators of sequences, told without torch, so that the command line has them at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .parameters import estimator, param
from .settings import MISSING, Fitting, Recurrence

READOUTS = ("last", "mean", "max")


# Chosen by cross-validation on the training parts of six sets that come with aeon.
@estimator(learning_rate=1e-2, batch_size=16, patience=20)
class SequenceSettings(Fitting, Recurrence):
    """What an estimator of sequences can be told."""

    readout: str = param("max", "what is read of the states: the last one, or the mean or the largest value of all steps", choices=READOUTS)
    missing: str = param(
        "raise", 'a missing value is an error, or with "carry" the last one stands in and a flag tells the network', choices=MISSING
    )


@estimator()
class ClassifySettings(SequenceSettings):
    """What a `SequenceClassifier` can be told."""

    class_weight: str | Mapping[Any, float] | None = param(
        None, 'how much each class counts: None for the same, "balanced" for rare ones more, or a mapping of labels', kind=object
    )


@estimator()
class RegressSettings(SequenceSettings):
    """What a `SequenceRegressor` can be told."""

    per_step: bool = param(False, "whether each step has a target, and not each sequence")
