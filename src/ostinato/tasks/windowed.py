"""Forecasters that look at a window of departures from what is usual: the part that all of them share."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from .climate import Climate
from .panel import Moments, Panel, Rows
from .rolling import RollingForecaster
from .static import StaticFeatures
from .windows import Split, Windows, check_lengths, make_windows, shortest, split_moments

CHUNK = 4096


class WindowedForecaster(RollingForecaster):
    """Forecasts departures from the season's usual values out of the last `window` steps, all `horizon` at once.

    What is usual, and its spread, are measured on all the data given to `fit`; the last `validation_fraction` of each
    series chooses (when to stop, how much to shrink), measures errors, and is not learned from.

    After `fit`: `flags_` (whether the inputs tell missing from observed values), `gaps_` (whether also how long ago each
    was last seen), `static_` (how static covariates are read).
    """

    window: int
    validation_fraction: float

    @abstractmethod
    def _learn(self, windows: Windows, split: Split) -> None:
        """Learn from the moments `split.train`, choosing by `split.valid`."""

    @abstractmethod
    def _departures(self, windows: Windows, origins: Rows) -> NDArray[np.floating]:
        """`(n, horizon)` departures that follow each origin."""

    def reach(self) -> int:
        return self.window

    def _least(self) -> int:
        return shortest(self.window, self.horizon, self.validation_fraction)

    def _memory(self) -> int:
        # In the last window a gap may be as long as another window.
        return max(super()._memory(), 2 * self.window if self.gaps_ else 0)

    def _begin(self, panel: Panel, kind: str) -> None:
        super()._begin(panel, kind)
        self.flags_ = panel.missing is not None
        self.gaps_ = self.flags_ and self.time_gaps
        self.static_ = StaticFeatures.fit(panel)

    def _fit_panel(self, panel: Panel) -> None:
        check_lengths(panel, self.window, self.horizon, self.validation_fraction)
        self._learn(self._windows(panel, self.climate_), self._split(panel))

    def _split(self, panel: Panel) -> Split:
        return split_moments(panel, self.window, self.horizon, self.validation_fraction)

    def _held_out(self, panel: Panel) -> tuple[Moments, Moments]:
        split = self._split(panel)
        return split.train, split.valid

    def _windows(self, panel: Panel, climate: Climate) -> Windows:
        static = self.static_.of(panel)
        return make_windows(panel, climate, static, window=self.window, horizon=self.horizon, flags=self.flags_, gaps=self.gaps_)

    def _forecast(self, panel: Panel, climate: Climate, moments: Moments) -> NDArray[np.float64]:
        windows = self._windows(panel, climate)
        origins = windows.origins(moments)
        chunks = [origins[k : k + CHUNK] for k in range(0, len(origins), CHUNK)]
        return windows.restore(origins, np.concatenate([self._departures(windows, chunk) for chunk in chunks]))
