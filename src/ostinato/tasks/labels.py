"""What estimators that tell labels share: classes, how much each counts, their part of a model file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import compute_class_weight

from ..data.errors import DataError
from .parameters import all_or_nothing, estimator
from .sequence_estimator import SequenceEstimator
from .sequence_settings import ClassifySettings
from .sequence_targets import as_labels
from .sequences import Numbers

KINDS = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "str", "object")


@estimator()
class LabelEstimator(ClassifySettings, SequenceEstimator):
    """Tells a label of each sequence, or of each of its steps. After `fit`: `classes_`."""

    @property
    def _output_size(self) -> int:
        return len(self.classes_)

    def _partial_fit_labels(self, X: Any, y: Any, classes: Any, sample_weight: Any) -> Self:
        """One more epoch. The first call needs all `classes`."""
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

    def _learned_places(self, labels: NDArray[Any], counts: NDArray[np.bool_], name: str) -> NDArray[np.int64]:
        """The number of each label's class. The first labels, those that count, tell the classes; `name` is what has a label."""
        if not hasattr(self, "classes_"):
            self.classes_ = two_or_more(np.unique(labels[counts]))
        places = self._places(labels)
        strays = np.flatnonzero(counts & (places < 0))
        if len(strays):
            raise DataError(
                f"y has the label {labels.tolist()[strays[0]]!r} for {name} {strays[0] + 1}, which was not among the classes "
                f"{', '.join(map(str, self.classes_.tolist()))}; mend it, or leave the {name} out."
            )
        return places

    def _places(self, labels: NDArray[Any]) -> NDArray[np.int64]:
        """The number of each label's class; -1 for a label that was never seen."""
        places = {label: k for k, label in enumerate(self.classes_.tolist())}
        return np.array([places.get(label, -1) for label in labels.tolist()], dtype=np.int64)

    def _weight_of_each(self, targets: NDArray[np.int64]) -> Numbers:
        """How much each target's class counts."""
        weights = self.class_weight
        if weights is None:
            return np.ones(len(targets))
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
            return np.asarray(each[targets])
        found = np.unique(targets)
        each = np.zeros(len(self.classes_))
        each[found] = compute_class_weight("balanced", classes=found, y=targets)
        return np.asarray(each[targets])

    def _schema(self) -> dict[str, Any]:
        kind = {"U": "str", "O": "object"}.get(self.classes_.dtype.kind, self.classes_.dtype.name)
        return {**super()._schema(), "classes": self.classes_.tolist(), "labels": kind}

    def _restore(self, schema: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
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
