"""Static covariates as numbers that a model reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.errors import DataError
from .panel import Panel


@dataclass(frozen=True)
class StaticFeatures:
    """How the columns are read: a number is standardised, a text becomes one column of 0 and 1 for each of its values.

    A text that was not in the training data has 0 in all of them.

    `values`: for each column its texts, or None where it holds numbers, of which `centre` and `width` have the mean and
    the standard deviation.
    """

    values: Mapping[str, tuple[str, ...] | None]
    centre: NDArray[np.float64]
    width: NDArray[np.float64]

    @classmethod
    def fit(cls, panel: Panel) -> StaticFeatures:
        """What the series of `panel` hold."""
        numbers = [column for column in panel.static.values() if column.dtype.kind == "f"]
        spread = np.array([np.std(column) for column in numbers])
        texts = {name: None if c.dtype.kind == "f" else tuple(str(t) for t in np.unique(c)) for name, c in panel.static.items()}
        return cls(texts, np.array([np.mean(column) for column in numbers]), np.where(spread > 0, spread, 1.0))

    @property
    def count(self) -> int:
        """How many features there are."""
        return sum(1 if texts is None else len(texts) for texts in self.values.values())

    def of(self, panel: Panel) -> NDArray[np.float32]:
        """The features of each series: `(series, count)`. Raises DataError for text where there were numbers, or the reverse."""
        found: list[NDArray[Any]] = []
        number = 0
        for name, texts in self.values.items():
            column = panel.static[name]
            if (texts is None) != (column.dtype.kind == "f"):
                held, was = ("text", "numbers") if texts is None else ("numbers", "text")
                raise DataError(f"The static column {name!r} holds {held}, but {was} in the training data; write it as it was.")
            if texts is None:
                found.append(((column - self.centre[number]) / self.width[number])[:, None])
                number += 1
            else:
                found.append(column[:, None] == np.array(texts))
        return np.hstack(found).astype(np.float32) if found else np.zeros((len(panel.names), 0), np.float32)

    def schema(self) -> dict[str, list[str] | None]:
        """The texts, as JSON."""
        return {name: None if texts is None else list(texts) for name, texts in self.values.items()}

    def tensors(self) -> dict[str, NDArray[np.float64]]:
        """The numbers' means and spreads."""
        return {"static.centre": self.centre, "static.width": self.width}

    @classmethod
    def from_file(cls, schema: Any, tensors: Mapping[str, NDArray[Any]]) -> StaticFeatures:
        """Read back what `schema` and `tensors` gave. Raises ValueError or KeyError where they are not as they must be."""
        if not isinstance(schema, dict):
            raise ValueError("its field 'static' is no mapping")
        for texts in schema.values():
            if texts is not None and not (isinstance(texts, list) and all(isinstance(text, str) for text in texts)):
                raise ValueError("its field 'static' holds something that is no list of texts")
        numbers = sum(texts is None for texts in schema.values())
        centre, width = tensors["static.centre"].astype(np.float64), tensors["static.width"].astype(np.float64)
        if centre.shape != (numbers,) or width.shape != (numbers,) or not (np.isfinite(centre).all() and (width > 0).all()):
            raise ValueError("its arrays 'static.centre' and 'static.width' do not fit its static columns")
        return cls({name: None if texts is None else tuple(texts) for name, texts in schema.items()}, centre, width)
