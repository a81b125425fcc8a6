"""What is done to a target before anything is learned from it, and undone on every forecast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..data.errors import DataError
from .calendar import when
from .forecast_settings import TRANSFORMS
from .panel import Panel

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


def as_returns(panel: Panel, *, drop: bool) -> Panel:
    """Prices as returns: 100 times the change of the logarithm since the last price, each series from its second row on.

    A missing price has the return 0 standing in, for the last price stands in for it. Raises DataError for a price that is
    not more than 0, and for a series of one row, unless short ones are to `drop` anyway.
    """
    prices = panel.values[:, 0]
    wrong = np.flatnonzero(prices <= 0)
    if len(wrong):
        raise DataError(
            f"returns=True is for prices of more than 0, but it is {prices[wrong[0]]:g} at {when(panel.times[wrong[0]])}; "
            "mend the price, or leave returns out."
        )
    short = np.flatnonzero(panel.lengths < 2)
    if len(short) and not drop:
        raise DataError(
            f"Series {panel.names[short[0]]!r} has 1 row, and a return needs 2; give more of it, or leave such series out "
            '(short_series="drop").'
        )
    change = 100 * np.diff(np.log(prices), prepend=np.nan)
    missing = panel.missing
    if missing is not None:  # the first price after missing ones at the start has no return
        missing = missing | np.pad(np.isnan(change)[:, None], ((0, 0), (0, missing.shape[1] - 1)))
    return replace(panel, values=np.column_stack([change, panel.values[:, 1:]]), missing=missing).after_first()


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
