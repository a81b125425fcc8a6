"""What a recurrent network has to beat on texts: linear models of how often words occur, and a lexicon, by the same protocol."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from threadpoolctl import threadpool_limits

from .sequence_baselines import BaselineClassifier, BaselineRegressor, SequenceBaseline
from .sequences import Numbers
from .tokens import Split, read_tokens
from .vocabulary import lowered

FOLDS = 3
PENALTIES = (3.0, 30.0, 300.0)  # of a logistic regression, where more is looser
SHRINKAGES = (0.3, 1.0, 3.0, 10.0)  # of a ridge regression, where more is tighter


class TextBaseline(SequenceBaseline):
    """Reads texts as the recurrent estimators do. text: the column of a frame that holds them, if it is not the only one."""

    column_: str | None
    split = Split("words")

    def __init__(self, *, text: str | None = None, missing: str = "raise") -> None:
        super().__init__(missing=missing)
        self.text = text

    @abstractmethod
    def _model(self, data: Any, targets: NDArray[Any]) -> Any: ...

    def _read(self, X: Any, targets: tuple[str, ...], *, new: bool = False) -> Any:
        data = read_tokens(X, self.split, targets, self.text if new else self.column_)
        if new:
            self.column_ = data.column
        return data

    def _learn(self, data: Any, targets: NDArray[Any], known: NDArray[np.bool_] | slice = slice(None)) -> Self:
        rows = np.arange(len(data))[known]
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore")  # a penalty under which the search is slow
            self.model_ = self._model(data, targets[rows]).fit([data.tokens[row] for row in rows], targets[rows])
        return self

    def _answer(self, data: Any, method: str = "predict") -> NDArray[Any]:
        return np.asarray(getattr(self.model_, method)(list(data.tokens)))


class LinearBagOfWords(TextBaseline, BaselineClassifier):
    """Logistic regression on the weighted counts (tf-idf) of a text's words, all of them; cross-validation chooses the penalty."""

    column = "linear, words"

    def _model(self, data: Any, targets: NDArray[Any]) -> Any:
        model = Pipeline([("words", counts()), ("linear", LogisticRegression(C=PENALTIES[1], max_iter=1000))])
        rarest = int(np.unique(targets, return_counts=True)[1].min())
        if rarest < 2:
            return model
        folds = StratifiedKFold(min(FOLDS, rarest), shuffle=True, random_state=0)
        return GridSearchCV(model, {"linear__C": PENALTIES}, cv=folds)


class LinearBagOfWordsRegressor(TextBaseline, BaselineRegressor):
    """Ridge regression on the same; cross-validation chooses the penalty."""

    column = "linear, words"

    def _model(self, data: Any, targets: NDArray[Any]) -> Any:
        model = Pipeline([("words", counts()), ("linear", Ridge(SHRINKAGES[1]))])
        if len(targets) < 2 * FOLDS:
            return model
        return GridSearchCV(model, {"linear__alpha": SHRINKAGES}, cv=KFold(FOLDS, shuffle=True, random_state=0))


class Lexicon(TextBaseline, BaselineClassifier):
    """The four sentiment scores that VADER gives an English text by its lexicon and rules (Hutto and Gilbert 2014).

    A logistic regression on these four numbers tells the class, so that nothing but its few weights is learned. Needs the extra ``text``.
    """

    column = "lexicon (VADER)"
    split = Split("subwords")  # the text as it is: VADER reads capitals and punctuation

    def _model(self, data: Any, targets: NDArray[Any]) -> Any:
        return Pipeline([("scores", valences()), ("scale", StandardScaler()), ("linear", LogisticRegression())])


class LexiconRegressor(TextBaseline, BaselineRegressor):
    """A linear regression on the same four numbers."""

    column = "lexicon (VADER)"
    split = Split("subwords")

    def _model(self, data: Any, targets: NDArray[Any]) -> Any:
        return Pipeline([("scores", valences()), ("scale", StandardScaler()), ("linear", Ridge())])


def counts() -> TfidfVectorizer:
    return TfidfVectorizer(analyzer=words_of, sublinear_tf=True)


def words_of(tokens: list[str]) -> list[str]:
    """The words of a text, in small letters."""
    return [lowered(token, True) for token in tokens]


def valences() -> FunctionTransformer:
    """From texts, each in a list, to VADER's scores `(n, 4)`: negative, neutral, positive, compound."""
    vader()
    return FunctionTransformer(valences_of)


def valences_of(texts: list[list[str]]) -> Numbers:
    analyzer = vader()
    return np.array([list(analyzer.polarity_scores(" ".join(parts)).values()) for parts in texts])


def vader() -> Any:
    """VADER's analyser. Raises ValueError, with the cure, where it is not installed."""
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ImportError as error:
        raise ValueError('The lexicon needs the package vaderSentiment; install it (pip install "ostinato[text]").') from error
    return SentimentIntensityAnalyzer()
