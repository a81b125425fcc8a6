"""Intervals around forecasts, from how wrong forecasts of known values were: split conformal, in units of a local scale.

The local scale is how large an error is usual here: it grows and shrinks with the step ahead, the season, how much the
series has swung of late, from step to step and over a whole horizon, and the level forecast. It is learned from the
moments that the forecaster learned from; how far errors reach in its units is measured on others, which validated.
Vovk, Gammerman and Shafer 2005; the local scale: Papadopoulos, Gammerman and Vovk 2008, Lei et al. 2018.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.errors import DataError
from .calendar import following, waves
from .climate import Climate, basis
from .panel import Moments, Panel

LEAST_LATE = 30  # steps that count as of late, at least
TURNS_LATE = 7  # and times the horizon
TAILS = 0.05  # of the local scales seen lie beyond the bounds at either side
MOMENTS = 2000  # from which the scale is learned, and errors are measured, at most
KEPT = 1000  # errors that are kept, at most, evenly over their order
PENALTY = 0.01  # on squared weights of the scale, beside the mean loss

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Intervals:
    """How wrong forecasts are.

    `scale`: `(horizon,)`, the mean absolute error by step ahead, in units of the spread.
    `weights`, `centre`, `width`: `(features,)`; the local scale's logarithm is linear in standardised features, within
    `bounds` that all but the TAILS of those seen keep.
    `errors`: sorted, in units of the local scale.  `count`: moments that they were measured at.
    """

    scale: Array
    weights: Array
    centre: Array
    width: Array
    bounds: Array
    errors: Array
    count: int

    @classmethod
    def measure(cls, learned: Errors, held: Errors) -> Intervals:
        """The scale from one set of errors, and how far errors reach from another."""
        scale = mean_sizes(learned.found)
        flat = learned.features.reshape(-1, learned.features.shape[2])
        known = np.maximum((~np.isnan(flat)).sum(axis=0), 1)
        centre = np.nansum(flat, axis=0) / known
        width = np.sqrt(np.nansum((flat - centre) ** 2, axis=0) / known)
        width = np.where(width > 1e-9, width, 1.0)
        rows = standard(learned.features, centre, width)
        observed = ~np.isnan(learned.found)
        weights = fit_scale(rows[observed], np.abs(learned.found / scale)[observed])
        bounds = np.quantile(rows[observed] @ weights, [TAILS, 1 - TAILS])
        draft = cls(scale, weights, centre, width, bounds, np.zeros(0), 0)
        ratio = held.found / draft.local_scale(held.features)
        again = mean_sizes(ratio)
        errors = np.sort((ratio / again)[~np.isnan(ratio)])
        if len(errors) > KEPT:
            errors = errors[np.round(np.linspace(0, len(errors) - 1, KEPT)).astype(np.intp)]
        count = int((~np.isnan(ratio)).any(axis=1).sum())
        return cls(scale * again, weights, centre, width, bounds, errors, count)

    def local_scale(self, features: Array) -> Array:
        """How large an error is usual: `(n, horizon)` for features `(n, horizon, features)`."""
        logarithm = standard(features, self.centre, self.width) @ self.weights
        return np.asarray(self.scale * np.exp(np.clip(logarithm, *self.bounds)))

    def around(self, features: Array, levels: Sequence[float]) -> dict[float, tuple[Array, Array]]:
        """For each level, how far below and above the forecast its interval ends: `(n, horizon)` each."""
        local = self.local_scale(features)
        found = {}
        for level in levels:
            low, high = self.reach(level)
            found[level] = (low * local, high * local)
        return found

    def reach(self, level: float) -> tuple[float, float]:
        """The errors between which `level` percent lie, with the correction for how few were measured. Raises DataError."""
        tail = (1 - level / 100) / 2
        upper = np.ceil((self.count + 1) * (1 - tail) - 1e-9) / max(self.count, 1)
        if upper > 1:
            most = max(0.0, 100 * (1 - 2 / (self.count + 1)))
            raise DataError(
                f"level={level:g} needs errors at more moments than the {self.count} that validated, which tell at most "
                f"{np.floor(most * 10) / 10:g}; ask for less, or fit on more data or with a larger validation_fraction."
            )
        beyond = len(self.errors) - int(np.ceil(len(self.errors) * upper - 1e-9))
        return float(self.errors[beyond]), float(self.errors[-1 - beyond])

    def tensors(self) -> dict[str, Array]:
        """The arrays that a model file keeps."""
        found = {f"intervals.{name}": getattr(self, name) for name in NAMES}
        return {**found, "intervals.count": np.array([self.count], np.float64)}

    @classmethod
    def from_tensors(cls, horizon: int, cycles: int, tensors: Mapping[str, NDArray[np.floating]]) -> Intervals | None:
        """Read back what `tensors` gave; None where there are none. Raises ValueError where they are not as they must be."""
        keys = [f"intervals.{name}" for name in (*NAMES, "count")]
        if not any(key in tensors for key in keys):
            return None
        if not all(key in tensors for key in keys):
            raise ValueError("its intervals are incomplete")
        found = {key: tensors[key].astype(np.float64) for key in keys}
        features = feature_count(cycles)
        shapes = [(horizon,), (features,), (features,), (features,), (2,), found["intervals.errors"].shape, (1,)]
        count = found["intervals.count"].ravel()
        if [array.shape for array in found.values()] != shapes or not all(np.isfinite(array).all() for array in found.values()):
            raise ValueError("its intervals are of other shapes than its horizon and cycles ask for, or not finite")
        errors = found["intervals.errors"]
        if errors.ndim != 1 or not len(errors) or (np.diff(errors) < 0).any() or not (found["intervals.scale"] > 0).all():
            raise ValueError("its intervals are not sorted, or have no scale")
        if not 1 <= count[0] < 2**53 or count[0] != int(count[0]) or not (found["intervals.width"] > 0).all():
            raise ValueError("its intervals have no count of moments")
        return cls(**{name: found[f"intervals.{name}"] for name in NAMES}, count=int(count[0]))


NAMES = ("scale", "weights", "centre", "width", "bounds", "errors")


@dataclass(frozen=True)
class Errors:
    """What happened less what was forecast, `(n, horizon)` in units of the spread, NaN where unknown, and its features."""

    found: Array
    features: Array


def mean_sizes(errors: Array) -> Array:
    """The mean absolute error by step ahead: `(horizon,)`; 1 where there is none."""
    sizes = np.nansum(np.abs(errors), axis=0) / np.maximum((~np.isnan(errors)).sum(axis=0), 1)
    return np.where(sizes > 0, sizes, 1.0)


def errors_of(panel: Panel, climate: Climate, moments: Moments, forecasts: Array) -> Errors:
    """The errors of `forecasts` `(n, horizon)`, in the target's unit, made at `moments` all whose steps ahead are in `panel`."""
    ahead = moments.rows(panel)[:, None] + np.arange(1, forecasts.shape[1] + 1)
    found = (panel.target()[ahead] - forecasts) / climate.spread[moments.series, :1]
    return Errors(found, features_of(panel, climate, moments, forecasts))


def features_of(panel: Panel, climate: Climate, moments: Moments, forecasts: Array) -> Array:
    """What the local scale depends on: `(n, horizon, features)`.

    The logarithms of the mean swings of late, NaN where too little is known; the departure now; the departure forecast;
    the season of the time forecast.
    """
    count, horizon = forecasts.shape
    rows, spread = moments.rows(panel), climate.spread[moments.series, :1]
    series = np.repeat(np.arange(len(panel.names)), panel.lengths)
    departures = np.nan_to_num((panel.values[:, 0] - usual_at(panel.times, climate, series)) / climate.spread[series, 0])
    ahead = following(panel.times[rows], panel.step, horizon)
    seasons = waves(ahead.ravel(), climate.cycles, 1).reshape(count, horizon, -1)
    usual = usual_at(ahead.ravel(), climate, np.repeat(moments.series, horizon)).reshape(count, horizon)
    said = (forecasts - usual) / spread
    each = [np.log(swings(departures, panel, moments, apart, late(horizon)) + 0.01) for apart in (1, horizon)] + [departures[rows]]
    flat = [np.broadcast_to(one[:, None], said.shape) for one in each]
    return np.concatenate([np.stack([*flat, said], axis=2), seasons], axis=2)


def feature_count(cycles: int) -> int:
    """How many features there are."""
    return 4 + 2 * cycles


def late(horizon: int) -> int:
    """How many steps count as of late."""
    return max(LEAST_LATE, TURNS_LATE * horizon)


def standard(features: Array, centre: Array, width: Array) -> Array:
    """Features in units of their spread; 0, their mean, where one is unknown."""
    return np.nan_to_num((features - centre) / width)


def usual_at(times: NDArray, climate: Climate, series: NDArray[np.intp]) -> Array:  # type: ignore[type-arg]
    """What is usual of the target of each series at each time: `(n,)`."""
    return np.asarray(np.einsum("nk,nk->n", basis(times, climate.cycles), climate.coefficients[series, :, 0]))


def swings(values: Array, panel: Panel, moments: Moments, apart: int, span: int) -> Array:
    """The mean absolute difference between values so many steps apart, over the last `span` before each moment.

    Over fewer where there are fewer; NaN where there are none.
    """
    steps = np.zeros(len(values))
    steps[apart:] = np.abs(values[apart:] - values[:-apart])
    total = np.cumsum(steps)
    rows, count = moments.rows(panel), np.minimum(span, moments.ends - apart)  # so none reaches into the series before
    known = count > 0
    found = np.full(len(rows), np.nan)
    found[known] = (total[rows[known]] - total[rows[known] - count[known]]) / count[known]
    return found


def fit_scale(rows: Array, sizes: Array) -> Array:
    """Weights w so that exp(rows · w) is the usual size: the most likely ones if sizes have exponential tails.

    Newton's method on the mean of size · exp(-r · w) + r · w, which is convex.
    """
    weights = np.zeros(rows.shape[1])

    def loss(w: Array) -> float:
        fitted = rows @ w
        return float(np.mean(sizes * np.exp(-np.clip(fitted, -30, 30)) + fitted) + PENALTY * w @ w / 2)

    best = loss(weights)
    for _ in range(30):
        relative = sizes * np.exp(-np.clip(rows @ weights, -30, 30))
        gradient = rows.T @ (1 - relative) / len(rows) + PENALTY * weights
        curvature = (rows.T * relative) @ rows / len(rows) + PENALTY * np.eye(len(weights))
        step = np.linalg.solve(curvature, gradient)
        length = 1.0
        while length > 1e-3 and loss(weights - length * step) > best:
            length /= 2
        found = loss(weights - length * step)
        if best - found < 1e-7:
            break
        weights, best = weights - length * step, found
    return weights


def some(moments: Moments) -> Moments:
    """At most MOMENTS of them, evenly spread."""
    if len(moments.ends) <= MOMENTS:
        return moments
    chosen = np.round(np.linspace(0, len(moments.ends) - 1, MOMENTS)).astype(np.intp)
    return Moments(moments.series[chosen], moments.ends[chosen])


def read_levels(level: Any) -> tuple[float, ...]:
    """The levels asked for, in percent, from the lowest. Raises ValueError for what is none."""
    if level is None:
        return ()
    asked = [level] if isinstance(level, (Real, str)) or not hasattr(level, "__iter__") else list(level)
    for one in asked:
        if isinstance(one, bool) or not isinstance(one, Real) or not 0 < float(one) < 100:
            raise ValueError(f"level={one!r} must be a number of percent greater than 0 and less than 100, such as 80 or 95.")
    return tuple(sorted({float(one) for one in asked}))


def level_columns(column: str, levels: Sequence[float]) -> list[tuple[float, str, str]]:
    """For each level, the names of the columns of its lower and upper end."""
    return [(level, f"{column}-lo-{level:g}", f"{column}-hi-{level:g}") for level in levels]
