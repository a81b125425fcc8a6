"""Windows of inputs and targets, cut from the series only when a batch asks for them.

So memory grows with the data and not with the data times the window, and every model sees the same inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.errors import DataError
from .calendar import following
from .climate import Climate, basis, first_waves
from .panel import Moments, Panel, Rows, ranges


@dataclass(frozen=True)
class Windows:
    """All series below each other, each followed by `horizon` steps that are yet to come.

    `past`: `(rows, features)`, what is known of a step once it has passed: departures, calendar, flags.
    `future`: `(rows, known)`, what is known of a step in advance: the calendar, departures of future covariates.
    `target`: `(rows,)`, the target's departure; NaN where unknown.
    `static`: `(series, features)`, what never changes within a series. All these float32.
    `usual`: `(rows,)`, what is usual of the target, and `spread`: `(series,)`, its unit of departures.
    """

    past: NDArray[np.float32]
    future: NDArray[np.float32]
    target: NDArray[np.float32]
    static: NDArray[np.float32]
    usual: NDArray[np.float64]
    spread: NDArray[np.float64]
    starts: Rows
    window: int
    horizon: int

    def origins(self, moments: Moments) -> Rows:
        """The rows that are the present of a forecast: the last known step of each."""
        return np.asarray(self.starts[moments.series] + moments.ends - 1, dtype=np.intp)

    def inputs(self, origins: Rows) -> dict[str, NDArray[np.float32]]:
        """`past` `(n, window, features)` up to each origin, `future` `(n, horizon, known)` after it, and `static` if any."""
        found = {"past": self.past[origins[:, None] + np.arange(1 - self.window, 1)], "future": self.future[self._ahead(origins)]}
        if self.static.shape[1]:
            found["static"] = self.static[self._series(origins)]
        return found

    def targets(self, origins: Rows) -> NDArray[np.float32]:
        """`(n, horizon)`: what came after each origin."""
        return self.target[self._ahead(origins)]

    def restore(self, origins: Rows, departures: NDArray[np.floating]) -> NDArray[np.float64]:
        """Departures `(n, horizon)` that follow the origins, back in the target's own unit."""
        return np.asarray(self.usual[self._ahead(origins)] + self.spread[self._series(origins)][:, None] * departures)

    def _ahead(self, origins: Rows) -> Rows:
        return origins[:, None] + np.arange(1, self.horizon + 1)

    def _series(self, origins: Rows) -> Rows:
        return np.searchsorted(self.starts, origins, side="right") - 1


def make_windows(
    panel: Panel, climate: Climate, static: NDArray[np.float32], *, window: int, horizon: int, flags: bool, gaps: bool = False
) -> Windows:
    """Lay out `panel`, whose series are the `climate`'s.

    `flags` adds, for each column, whether its value was observed; `gaps`, log(1 + how many steps ago it last was, at most `window`).
    """
    count, columns = len(panel.names), panel.values.shape[1]
    ahead = following(panel.times[panel.starts + panel.lengths - 1], panel.step, horizon)
    lengths = panel.lengths + horizon
    starts = np.cumsum(lengths) - lengths
    known, coming = ranges(starts, panel.lengths), ranges(starts + panel.lengths, np.full(count, horizon))
    total = int(lengths.sum())
    seasons = np.empty((total, climate.coefficients.shape[1]))
    for rows, times in ((known, panel.times), (coming, ahead.ravel())):
        seasons[rows] = basis(times, climate.cycles)
    calendar = seasons[:, first_waves(len(climate.cycles))]
    usual, departures = np.empty(total), np.zeros((total, columns))
    for k, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        here = slice(start, start + length)
        departures[here] = -(seasons[here] @ climate.coefficients[k])
        usual[here] = -departures[here, 0]
    departures[known] += panel.values
    if panel.ahead is not None:
        departures[coming, columns - len(panel.future) :] += panel.ahead.reshape(-1, len(panel.future))
    departures /= np.repeat(climate.spread, lengths, axis=0)
    target = np.full(total, np.nan)
    target[known] = departures[known, 0]
    past = [np.nan_to_num(departures, nan=0.0), calendar]
    if panel.missing is not None:
        target[known[panel.missing[:, 0]]] = np.nan
    if flags:
        seen = np.zeros((total, columns))
        seen[known] = 1.0 if panel.missing is None else ~panel.missing
        past.append(seen)
    if gaps:
        since = np.zeros((total, columns))
        since[known] = np.log1p(np.minimum(panel.since_seen(), window))
        past.append(since)
    return Windows(
        np.hstack(past).astype(np.float32),
        np.hstack([calendar, past[0][:, columns - len(panel.future) :]]).astype(np.float32),
        target.astype(np.float32),
        static,
        usual,
        climate.spread[:, 0],
        starts,
        window,
        horizon,
    )


def feature_count(columns: int, cycles: int, flags: bool, gaps: bool) -> int:
    """How many features a step of the past has."""
    return columns * (1 + flags + gaps) + 2 * cycles


class Split(NamedTuple):
    """Moments to learn from, moments to validate on, and all there are."""

    train: Moments
    valid: Moments
    every: Moments


def split_moments(panel: Panel, window: int, horizon: int, fraction: float) -> Split:
    """Set the last `fraction` of each series apart to validate on; with 0, none.

    No target to learn from lies among the targets to validate on. The series are long enough (`shortest`).
    """
    train, valid, every = [], [], []
    for length in panel.lengths:
        ends = np.arange(window, length - horizon + 1)
        tail = max(1, round(fraction * len(ends))) if fraction else 0
        train.append(ends[: len(ends) - tail - (horizon - 1 if tail else 0)])
        valid.append(ends[len(ends) - tail :])
        every.append(ends)
    return Split(*(Moments.of(part) for part in (train, valid, every)))


def shortest(window: int, horizon: int, fraction: float) -> int:
    """The fewest steps of a series from which one window can be learned and one validated."""
    count = max(1, int(horizon / (1 - fraction)) - 1) if fraction else 1
    while fraction and count - max(1, round(fraction * count)) < horizon:
        count += 1
    return count + window + horizon - 1


def check_lengths(panel: Panel, window: int, horizon: int, fraction: float) -> None:
    """Raise DataError for the first series from which nothing can be learned."""
    need = shortest(window, horizon, fraction)
    for name, length in zip(panel.names, panel.lengths, strict=True):
        if length < need:
            raise DataError(
                f"Series {name!r} has {length} steps to learn from, but a window of {window} and a horizon of {horizon} need {need}; "
                'give more data, a shorter window or horizon, or leave such series out (short_series="drop").'
            )
