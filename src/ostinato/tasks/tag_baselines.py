"""What a recurrent network has to beat where each step has a label: the most frequent one, and a linear model of a window."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator
from sklearn.feature_extraction import FeatureHasher
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from .sequence_scaling import Scaling
from .sequence_targets import read_step_labels
from .sequences import Numbers, Sequences, Steps, read_sequences, split_steps
from .tokens import Split, Tokens, is_text, read_tokens
from .vocabulary import lowered, shape

ENDINGS, BEGINNINGS = range(1, 5), range(1, 4)  # how many characters of a token a linear model reads as such
WORDS = 2  # neighbours to each side that it reads
STEPS = 7  # and of numbers


class TagBaseline(BaseEstimator, ABC):  # type: ignore[misc]
    """Reads sequences as `SequenceTagger` does. After `fit`: `classes_`.

    text, tokens, missing: as the tagger's parameters.
    """

    column: ClassVar[str]  # what a table calls it
    column_: str | None
    names_: tuple[str, ...] | None

    def __init__(self, *, text: str | None = None, tokens: str = "words", missing: str = "raise") -> None:
        self.text, self.tokens, self.missing = text, tokens, missing

    @abstractmethod
    def _learn(self, data: Any, places: NDArray[np.intp]) -> None:
        """Fit to the class of each step of all."""

    @abstractmethod
    def _say(self, data: Any) -> Numbers:
        """The probability of each class, of each step of all."""

    def fit(self, X: Any, y: Any) -> Self:
        """Learn the labels of the steps; see `SequenceTagger.fit`."""
        data = self._read(X, y, new=True)
        self.classes_, places = np.unique(read_step_labels(data, y), return_inverse=True)
        self._learn(data, places)
        return self

    def predict(self, X: Any) -> Any:
        """The label of each step, laid out as X is."""
        check_is_fitted(self)
        data = self._read(X)
        return split_steps(np.asarray(self.classes_[self._say(data).argmax(axis=1)]), data)

    def predict_proba(self, X: Any) -> Any:
        """The probabilities of the labels, as a last axis to what `predict` gives."""
        check_is_fitted(self)
        data = self._read(X)
        return split_steps(self._say(data), data)

    def score(self, X: Any, y: Any) -> float:
        """The accuracy over all steps."""
        check_is_fitted(self)
        data = self._read(X, y)
        said = self.classes_[self._say(data).argmax(axis=1)]
        return float(accuracy_score(read_step_labels(data, y).astype(str), said.astype(str)))

    def _read(self, X: Any, y: Any = None, *, new: bool = False) -> Steps:
        targets = (y,) if isinstance(y, str) else ()
        if is_text(X, targets, self.text if new else self.column_):
            data: Any = read_tokens(X, Split(self.tokens, per_step=True), targets, self.text if new else self.column_)
        else:
            data = read_sequences(X, names=None if new else self.names_, targets=targets, missing=self.missing)
        if new:
            self.column_, self.names_ = getattr(data, "column", None), getattr(data, "names", None)
        return data  # type: ignore[no-any-return]


class MostFrequentTag(TagBaseline):
    """A token has the label that it had most often; one that is new, and a step of numbers, the most frequent label of all."""

    column = "most frequent"

    def _learn(self, data: Any, places: NDArray[np.intp]) -> None:
        counts = len(self.classes_)
        self.prior_ = np.bincount(places, minlength=counts) / len(places)
        self.tokens_: dict[str, Numbers] = defaultdict(lambda: np.zeros(counts))
        for token, place in zip(flat(data), places, strict=True):
            self.tokens_[token][place] += 1
        self.tokens_ = {token: found / found.sum() for token, found in self.tokens_.items() if token}

    def _say(self, data: Any) -> Numbers:
        return np.array([self.tokens_.get(token, self.prior_) for token in flat(data)])


class WindowTagger(TagBaseline):
    """A linear model of a step and its neighbours, with the log loss.

    Of tokens (by averaged stochastic gradient) it reads the token, how it begins and ends, its capitals, and two tokens to
    each side, or seven where tokens are single letters; of numbers, all features of the step and of seven to each side.
    """

    column = "linear, window"

    def _learn(self, data: Any, places: NDArray[np.intp]) -> None:
        if isinstance(data, Tokens):
            self.reach_ = STEPS if max(len(token) for tokens in data.tokens for token in tokens) == 1 else WORDS
            self.model_: Any = SGDClassifier(loss="log_loss", alpha=1e-6, average=True, max_iter=20, tol=None, random_state=0)
        else:
            self.scaling_ = Scaling.fit(data)
            self.model_ = LogisticRegression(max_iter=100, tol=1e-3)
        with threadpool_limits(1):
            self.model_.fit(self._features(data), places)

    def _say(self, data: Any) -> Numbers:
        said = np.zeros((int(data.lengths.sum()), len(self.classes_)))
        said[:, self.model_.classes_] = self.model_.predict_proba(self._features(data))
        return said

    def _features(self, data: Any) -> Any:
        return token_window(data, self.reach_) if isinstance(data, Tokens) else number_window(data, self.scaling_)


def flat(data: Any) -> Sequence[str]:
    """The tokens of all, in small letters; empty texts for numbers, of which each is its own."""
    if isinstance(data, Tokens):
        return [lowered(token, True) for tokens in data.tokens for token in tokens]
    return [""] * len(data.values)


def token_window(data: Tokens, reach: int) -> csr_matrix:
    """Hashed features of each token: `(steps, 2**20)`."""
    return FeatureHasher(2**20, input_type="string", alternate_sign=False).transform(
        list(features_of(tokens, k, reach)) for tokens in data.tokens for k in range(len(tokens))
    )


def features_of(tokens: Sequence[str], at: int, reach: int) -> Iterator[str]:
    """What a linear model reads of a token."""
    own = lowered(tokens[at], True)
    yield from (f"shape {shape(tokens[at])}", f"first {at == 0}", "always")
    yield from (f"ends {own[-k:]}" for k in ENDINGS if k < len(own))
    yield from (f"begins {own[:k]}" for k in BEGINNINGS if k < len(own))
    for step in range(-reach, reach + 1):
        other = lowered(tokens[at + step], True) if 0 <= at + step < len(tokens) else ""
        yield f"{step} {other}"
        if len(other) > 1:
            yield f"{step} ends {other[-3:]}"


def number_window(data: Sequences, scaling: Scaling) -> NDArray[np.float32]:
    """The features of each step and of its neighbours, scaled; 0, the mean, beyond the ends."""
    values = scaling.apply(data)
    own = np.arange(len(values)) - np.repeat(data.starts, data.lengths)
    left = np.repeat(data.lengths, data.lengths) - own
    parts = []
    for step in range(-STEPS, STEPS + 1):
        part = np.roll(values, -step, axis=0)
        part[(own + step < 0) | (left - step <= 0)] = 0.0
        parts.append(part)
    return np.hstack(parts)
