"""Windows of inputs and targets, cut from the series only when a batch asks for them.

So memory grows with the data and not with the data times the window, and every model sees the same inputs.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.errors import DataError
from .calendar import following, waves
from .climate import Climate
from .panel import Panel, carry_forward

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Windows:
    """All series below each other, each followed by `horizon` steps that are yet to come.

    `past`: `(rows, features)`, what is known of a step once it has passed: departures, calendar, flags.
    `future`: `(rows, calendar)`, what is known of a step in advance.
    `target`: `(rows,)`, the target's departure; NaN where unknown. All float32.
    """

    past: NDArray[np.float32]
    future: NDArray[np.float32]
    target: NDArray[np.float32]
    starts: Rows
    window: int
    horizon: int

    def origins(self, series: int, ends: Sequence[int] | Rows) -> Rows:
        """The rows that are the present of a forecast: the last known step when `ends` steps are known."""
        return np.asarray(self.starts[series] + np.asarray(ends) - 1, dtype=np.intp)

    def inputs(self, origins: Rows) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """`(n, window, features)` up to each origin and `(n, horizon, calendar)` after it."""
        return self.past[origins[:, None] + np.arange(1 - self.window, 1)], self.future[self._ahead(origins)]

    def targets(self, origins: Rows) -> NDArray[np.float32]:
        """`(n, horizon)`: what came after each origin."""
        return self.target[self._ahead(origins)]

    def _ahead(self, origins: Rows) -> Rows:
        return origins[:, None] + np.arange(1, self.horizon + 1)


def make_windows(panel: Panel, climate: Climate, *, window: int, horizon: int, flags: bool) -> Windows:
    """Lay out `panel` for windows; `flags` adds, for each column, whether its value was observed."""
    past, future, target, lengths = [], [], [], []
    for one in panel.series:
        departures = climate.departures(one)
        calendar = waves(one.times.append(following(one.times[-1], panel.step, horizon)), climate.cycles, 1)
        known = [np.nan_to_num(carry_forward(departures), nan=0.0), calendar[: len(one)]]
        if flags:
            known.append((~np.isnan(departures)).astype(np.float64))
        past.append(np.pad(np.hstack(known), ((0, horizon), (0, 0))))
        future.append(calendar)
        target.append(np.pad(departures[:, 0], (0, horizon), constant_values=np.nan))
        lengths.append(len(one) + horizon)
    return Windows(
        np.concatenate(past).astype(np.float32),
        np.concatenate(future).astype(np.float32),
        np.concatenate(target).astype(np.float32),
        np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.intp),
        window,
        horizon,
    )


def feature_count(columns: int, cycles: int, flags: bool) -> int:
    """How many features a step of the past has."""
    return columns * (2 if flags else 1) + 2 * cycles


class Split(NamedTuple):
    """Origins to learn from, origins to validate on, and all there are."""

    train: Rows
    valid: Rows
    every: Rows


def split_origins(panel: Panel, windows: Windows, fraction: float) -> Split:
    """Set the last `fraction` of each series apart to validate on.

    No target to learn from lies among the targets to validate on. Raises DataError where a series is too short.
    """
    train, valid, every = [], [], []
    for number, one in enumerate(panel.series):
        ends = np.arange(windows.window, len(one) - windows.horizon + 1)
        tail = max(1, round(fraction * len(ends)))
        head = len(ends) - tail - (windows.horizon - 1)
        if head < 1:
            need = shortest(windows.window, windows.horizon, fraction)
            raise DataError(
                f"Series {one.name!r} has {len(one)} steps to learn from, but a window of {windows.window} and a horizon of "
                f"{windows.horizon} need {need}; give more data, or a shorter window or horizon."
            )
        train.append(windows.origins(number, ends[:head]))
        valid.append(windows.origins(number, ends[-tail:]))
        every.append(windows.origins(number, ends))
    return Split(np.concatenate(train), np.concatenate(valid), np.concatenate(every))


def shortest(window: int, horizon: int, fraction: float) -> int:
    """The fewest steps of a series from which one window can be learned and one validated."""
    for count in itertools.count(1):
        if count - max(1, round(fraction * count)) >= horizon:
            break
    return count + window + horizon - 1
