"""What is usual for the season: a mean with yearly and daily waves for each series and column, and its spread.

Every model forecasts the departure from what is usual, in units of its spread; the forecast is turned back at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..data.errors import DataError
from .calendar import SECONDS, Times, step_seconds, waves
from .panel import Panel

HARMONICS = 2
LEAST = 3  # observed values for each coefficient that is fitted


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
        seasons = basis(panel.times, cycles)
        labels = ("y", *panel.past, *panel.future)
        fitted = [fit_series(panel, number, seasons, labels) for number in range(len(panel.names))]
        return cls(panel.names, cycles, np.stack([one for one, _ in fitted]), np.stack([spread for _, spread in fitted]))

    def of(self, panel: Panel) -> Climate:
        """The same for the series of `panel`, in its order; of a series not seen before, measured on what `panel` holds.

        Raises DataError where that is less than one turn of each cycle.
        """
        if panel.names == self.names:
            return self
        number = {name: k for k, name in enumerate(self.names)}
        known = np.array([number.get(name, -1) for name in panel.names])
        coefficients, spread = self.coefficients[known], self.spread[known]
        new = known < 0
        if new.any():
            strangers = panel.only(new)
            self._check_long_enough(strangers)
            own = Climate.fit(strangers, self.cycles)
            coefficients[new], spread[new] = own.coefficients, own.spread
        return replace(self, names=panel.names, coefficients=coefficients, spread=spread)

    def _check_long_enough(self, strangers: Panel) -> None:
        turns = max((SECONDS[cycle] / step_seconds(strangers.step) for cycle in self.cycles), default=0.0)
        need = max(LEAST * self.coefficients.shape[1], round(turns))
        for name, length in zip(strangers.names, strangers.lengths, strict=True):
            if length < need:
                known = ", ".join(self.names[:5]) + (" …" if len(self.names) > 5 else "")
                raise DataError(
                    f"Series {name!r} was not in the training data (known: {known}), and its {length} steps are too few to see what is "
                    f"usual for it, which takes {need}; give more of its past, fit again with it, or leave it out."
                )

    def usual(self, panel: Panel, seasons: NDArray[np.float64]) -> NDArray[np.float64]:
        """What is usual at each row of `panel`, whose `basis` is `seasons`: `(rows, columns)`."""
        found = np.empty((len(seasons), self.coefficients.shape[2]))
        for number in range(len(panel.names)):
            rows = panel.rows(number)
            np.matmul(seasons[rows], self.coefficients[number], out=found[rows])
        return found

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
    shortest = float(panel.lengths.min()) * step_seconds(panel.step)
    return tuple(cycle for cycle in cycles if shortest >= 0.99 * SECONDS[cycle])


def basis(times: Times, cycles: tuple[str, ...]) -> NDArray[np.float64]:
    """A column of ones and the waves: `(time, 1 + 2 · HARMONICS · cycles)`."""
    return np.hstack([np.ones((len(times), 1)), waves(times, cycles, HARMONICS)])


def first_waves(cycles: int) -> list[int]:
    """The columns of `basis` that have each cycle's own waves, without overtones."""
    return [1 + 2 * HARMONICS * cycle + k for cycle in range(cycles) for k in (0, 1)]


def fit_series(
    panel: Panel, number: int, seasons: NDArray[np.float64], labels: tuple[str, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coefficients `(basis, columns)` and spread `(columns,)` of one series."""
    rows = panel.rows(number)
    waves_of, values = seasons[rows], panel.values[rows]
    if panel.missing is None or not panel.missing[rows].any():
        coefficients = np.asarray(np.linalg.lstsq(waves_of, values, rcond=None)[0], np.float64)
        return coefficients, spreads(values, waves_of @ coefficients)
    seen = ~panel.missing[rows]
    coefficients, spread = np.zeros((waves_of.shape[1], values.shape[1])), np.ones(values.shape[1])
    for c in range(values.shape[1]):
        there = seen[:, c]
        if not there.any():
            raise DataError(
                f"Series {panel.names[number]!r} has no value of {labels[c]!r} in the part to learn from; "
                "leave the series or the column out."
            )
        coefficients[:, c] = np.linalg.lstsq(waves_of[there], values[there, c], rcond=None)[0]
        spread[c : c + 1] = spreads(values[there, c : c + 1], (waves_of[there] @ coefficients[:, c])[:, None])
    return coefficients, spread


def spreads(values: NDArray[np.float64], usual: NDArray[np.float64]) -> NDArray[np.float64]:
    """The standard deviation of each column's departures from `usual`; 1 where there are none."""
    deviation = np.std(values - usual, axis=0)
    # A constant column leaves only rounding behind, which must not be blown up to the size of a signal.
    return np.where(deviation > 1e-9 * np.maximum(1.0, np.abs(values).max(axis=0)), deviation, 1.0)
