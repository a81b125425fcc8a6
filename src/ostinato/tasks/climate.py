"""What is usual for the season: a mean with yearly and daily waves for each series and column, and its spread.

Every model forecasts the departure from what is usual, in units of its spread; the forecast is turned back at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data.errors import DataError
from .calendar import SECONDS, step_seconds, waves
from .panel import Panel, Series

HARMONICS = 2


@dataclass(frozen=True)
class Climate:
    """What is usual, for each series.

    `coefficients`: `(series, 1 + 2 · HARMONICS · cycles, columns)`, in the columns' own units.
    `spread`: `(series, columns)`, the standard deviation of the departures; 1 for a column that never departs.
    """

    names: tuple[str, ...]
    cycles: tuple[str, ...]
    coefficients: NDArray[np.float64]
    spread: NDArray[np.float64]

    @classmethod
    def fit(cls, panel: Panel, cycles: tuple[str, ...]) -> Climate:
        """Least squares on the observed values of `panel`."""
        fitted = [fit_series(one, cycles, panel.past) for one in panel.series]
        return cls(
            tuple(one.name for one in panel.series),
            cycles,
            np.stack([coefficients for coefficients, _ in fitted]),
            np.stack([spread for _, spread in fitted]),
        )

    def index(self, name: str) -> int:
        """Which series `name` is. Raises DataError where it was not in the training data."""
        if name not in self.names:
            known = ", ".join(self.names[:5]) + (" …" if len(self.names) > 5 else "")
            raise DataError(f"Series {name!r} was not in the training data (known: {known}); fit again with it, or leave it out.")
        return self.names.index(name)

    def usual(self, name: str, times: pd.DatetimeIndex) -> NDArray[np.float64]:
        """What is usual at `times`: `(time, columns)`."""
        return np.asarray(basis(times, self.cycles) @ self.coefficients[self.index(name)])

    def departures(self, series: Series) -> NDArray[np.float64]:
        """The series' departures from what is usual, in units of the spread: `(time, columns)`; NaN stays."""
        return np.asarray((series.values - self.usual(series.name, series.times)) / self.spread[self.index(series.name)])

    def restore(self, name: str, times: pd.DatetimeIndex, departures: NDArray[np.floating]) -> NDArray[np.float64]:
        """Departures of the target back in its own unit; `departures` ends in the axis of `times`."""
        usual = self.usual(name, times)[:, 0]
        return np.asarray(usual + self.spread[self.index(name), 0] * departures)

    def tensors(self) -> dict[str, NDArray[np.float64]]:
        """The arrays that a model file keeps."""
        return {"climate.coefficients": self.coefficients, "climate.spread": self.spread}

    @classmethod
    def from_tensors(
        cls, names: tuple[str, ...], cycles: tuple[str, ...], columns: int, tensors: Mapping[str, NDArray[np.floating]]
    ) -> Climate:
        """Read back what `tensors` gave. Raises DataError where a shape or a number is not what it must be."""
        shapes = {
            "climate.coefficients": (len(names), 1 + 2 * HARMONICS * len(cycles), columns),
            "climate.spread": (len(names), columns),
        }
        for key, shape in shapes.items():
            if key not in tensors or tensors[key].shape != shape or not np.isfinite(tensors[key]).all():
                raise DataError(f"Its array {key!r} is missing or not of finite numbers in shape {shape}.")
        if not (tensors["climate.spread"] > 0).all():
            raise DataError("Its array 'climate.spread' holds a spread that is not positive.")
        return cls(names, cycles, *(tensors[key].astype(np.float64) for key in shapes))


def cycles_seen(panel: Panel, cycles: tuple[str, ...]) -> tuple[str, ...]:
    """Those cycles that every series passes through at least once, so that their waves can be fitted."""
    shortest = min(len(one) for one in panel.series) * step_seconds(panel.step)
    return tuple(cycle for cycle in cycles if shortest >= 0.99 * SECONDS[cycle])


def basis(times: pd.DatetimeIndex, cycles: tuple[str, ...]) -> NDArray[np.float64]:
    """A column of ones and the waves: `(time, 1 + 2 · HARMONICS · cycles)`."""
    return np.hstack([np.ones((len(times), 1)), waves(times, cycles, HARMONICS)])


def fit_series(series: Series, cycles: tuple[str, ...], past: tuple[str, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coefficients `(basis, columns)` and spread `(columns,)` of one series."""
    waves_of = basis(series.times, cycles)
    columns = series.values.shape[1]
    coefficients = np.zeros((waves_of.shape[1], columns))
    spread = np.ones(columns)
    for c in range(columns):
        seen = ~np.isnan(series.values[:, c])
        if not seen.any():
            raise DataError(
                f"Series {series.name!r} has no value of {('y', *past)[c]!r} in the part to learn from; leave the series or the column out."
            )
        coefficients[:, c] = np.linalg.lstsq(waves_of[seen], series.values[seen, c], rcond=None)[0]
        deviation = float(np.std(series.values[seen, c] - waves_of[seen] @ coefficients[:, c]))
        # A constant column leaves only rounding behind, which must not be blown up to the size of a signal.
        if deviation > 1e-9 * max(1.0, float(np.abs(series.values[seen, c]).max())):
            spread[c] = deviation
    return coefficients, spread
