"""What a recurrent network has to beat on texts: a linear model of how often words occur, by the same protocol."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from .sequence_baselines import BaselineClassifier
from .tokens import Split, read_tokens
from .vocabulary import lowered

FOLDS = 3
PENALTIES = (3.0, 30.0, 300.0)


class LinearBagOfWords(BaselineClassifier):
    """Logistic regression on the weighted counts (tf-idf) of a text's words, all of them; cross-validation chooses the penalty.

    text: the column of a frame that holds the texts, if it is not the only one.
    """

    column = "linear, words"
    column_: str | None

    def __init__(self, *, text: str | None = None, missing: str = "raise") -> None:
        super().__init__(missing=missing)
        self.text = text

    def _read(self, X: Any, targets: tuple[str, ...], *, new: bool = False) -> Any:
        data = read_tokens(X, Split("words"), targets, self.text if new else self.column_)
        if new:
            self.column_ = data.column
        return data

    def _learn(self, data: Any, targets: NDArray[Any], known: NDArray[np.bool_] | slice = slice(None)) -> Self:
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore")  # a penalty under which the search is slow
            self.model_ = self._model(data, targets).fit(data.tokens, targets)
        return self

    def _model(self, data: Any, targets: NDArray[Any]) -> Any:
        counts = TfidfVectorizer(analyzer=words_of, sublinear_tf=True)
        model = Pipeline([("words", counts), ("linear", LogisticRegression(C=PENALTIES[1], max_iter=1000))])
        rarest = int(np.unique(targets, return_counts=True)[1].min())
        if rarest < 2:
            return model
        folds = StratifiedKFold(min(FOLDS, rarest), shuffle=True, random_state=0)
        return GridSearchCV(model, {"linear__C": PENALTIES}, cv=folds)

    def _answer(self, data: Any, method: str = "predict") -> NDArray[Any]:
        return np.asarray(getattr(self.model_, method)(data.tokens))


def words_of(tokens: list[str]) -> list[str]:
    """The words of a text, in small letters."""
    return [lowered(token, True) for token in tokens]
