"""What is done to a target before anything is learned from it, and undone on every forecast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.errors import DataError
from .forecast_settings import TRANSFORMS

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Transform:
    """There and back. `allows` tells which values can go there, in words and as a test; NaN always can."""

    there: Callable[[Array], Array]
    back: Callable[[Array], Array]
    allows: Callable[[Array], NDArray[np.bool_]]
    words: str

    def check(self, name: str, values: Array, place: Callable[[int], str]) -> None:
        """Raise DataError for the first value that cannot go there; `place` tells where row i is."""
        wrong = np.flatnonzero(~self.allows(values) & ~np.isnan(values))
        if len(wrong):
            at = int(wrong[0])
            raise DataError(
                f"target_transform={name!r} is for a target of {self.words}, but it is {values[at]:g} {place(at)}; "
                'mend the value, or set target_transform="identity".'
            )


KNOWN = dict(
    zip(
        TRANSFORMS,
        (
            Transform(lambda y: y, lambda z: z, lambda y: np.ones(len(y), bool), "any number"),
            Transform(np.log1p, lambda z: np.maximum(np.expm1(z), 0.0), lambda y: y >= 0, "0 or more"),
            Transform(np.log, np.exp, lambda y: y > 0, "more than 0"),
        ),
        strict=True,
    )
)
