"""Forecasters that look at a window of departures from what is usual: the part that all of them share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..data.errors import nearest
from .calendar import CYCLES, following, usual_cycles
from .climate import Climate, cycles_seen
from .panel import Panel
from .rolling import Forecasts, RollingForecaster, check_counts
from .windows import Rows, Split, Windows, make_windows, split_origins

CHUNK = 4096


class WindowedForecaster(RollingForecaster):
    """Forecasts departures from the season's usual values out of the last `window` steps, all `horizon` at once.

    What is usual, and its spread, are measured on all the data given to `fit`; the last `validation_fraction` of each
    series chooses (when to stop, how much to shrink) and is not learned from.

    After `fit`: `climate_`, `flags_` (whether the inputs tell missing from observed values).
    """

    window: int
    cycles: str | Sequence[str]
    validation_fraction: float

    @abstractmethod
    def _learn(self, windows: Windows, split: Split) -> None:
        """Learn from the origins `split.train`, choosing by `split.valid`."""

    @abstractmethod
    def _departures(self, windows: Windows, origins: Rows) -> NDArray[np.floating]:
        """`(n, horizon)` departures that follow each origin."""

    def reach(self, panel: Panel) -> int:
        return self.window

    def _fit_panel(self, panel: Panel) -> None:
        check_counts(window=self.window)
        if not 0 < self.validation_fraction < 1:
            raise ValueError(f"validation_fraction={self.validation_fraction!r} must lie between 0 and 1.")
        self.climate_ = Climate.fit(panel, cycles_seen(panel, chosen_cycles(self.cycles, panel.step)))
        self.flags_ = panel.missing > 0
        windows = make_windows(panel, self.climate_, window=self.window, horizon=self.horizon, flags=self.flags_)
        self._learn(windows, split_origins(panel, windows, self.validation_fraction))

    def _forecast(self, panel: Panel, ends: list[NDArray[np.intp]]) -> Forecasts:
        windows = make_windows(panel, self.climate_, window=self.window, horizon=self.horizon, flags=self.flags_)
        forecasts = []
        for number, (one, moments) in enumerate(zip(panel.series, ends, strict=True)):
            origins = windows.origins(number, moments)
            chunks = [origins[k : k + CHUNK] for k in range(0, len(origins), CHUNK)]
            departures = np.concatenate([self._departures(windows, chunk) for chunk in chunks])
            ahead = moments[:, None] + np.arange(self.horizon)
            times = one.times.append(following(one.times[-1], panel.step, self.horizon))[ahead.ravel()]
            forecasts.append(self.climate_.restore(one.name, times, departures.ravel()).reshape(ahead.shape))
        return forecasts


def chosen_cycles(cycles: str | Sequence[str], step: str) -> tuple[str, ...]:
    """The cycles asked for; ``"auto"`` stands for those that nature gives."""
    if cycles == "auto":
        return usual_cycles(step)
    if isinstance(cycles, str):
        cycles = [cycles]
    for cycle in cycles:
        if cycle not in CYCLES:
            raise ValueError(f"cycles has {cycle!r}; known are {', '.join(CYCLES)}.{nearest(cycle, CYCLES)}")
    return tuple(cycles)
