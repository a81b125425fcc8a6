"""What a recurrent network has to beat: forecasters that need no training loop, on the same inputs and moments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from ..data.errors import DataError
from .calendar import season_length, usual_cycles
from .panel import Panel, Series, carry_forward
from .rolling import Forecasts, RollingForecaster
from .windowed import WindowedForecaster
from .windows import Rows, Split, Windows


class Naive(RollingForecaster):
    """Every step to come will be like the last one known."""

    column = "naive"

    def __init__(
        self,
        horizon: int = 7,
        *,
        freq: str | None = None,
        missing: str = "raise",
        past_covariates: Sequence[str] | None = None,
    ) -> None:
        self.horizon = horizon
        self.freq = freq
        self.missing = missing
        self.past_covariates = past_covariates

    def reach(self, panel: Panel) -> int:
        return 1

    def _fit_panel(self, panel: Panel) -> None:
        pass

    def _forecast(self, panel: Panel, ends: list[NDArray[np.intp]]) -> Forecasts:
        return [np.repeat(target(one)[e - 1, None], self.horizon, 1) for one, e in zip(panel.series, ends, strict=True)]


class SeasonalNaive(RollingForecaster):
    """Every step to come will be like the one a season before it.

    `season`: its length in steps. None takes the longest of the natural cycles (a year of days is 365, of hours 8766)
    that the data pass through twice. After `fit`: `season_`.
    """

    column = "seasonal naive"

    def __init__(
        self,
        horizon: int = 7,
        season: int | None = None,
        *,
        freq: str | None = None,
        missing: str = "raise",
        past_covariates: Sequence[str] | None = None,
    ) -> None:
        self.horizon = horizon
        self.season = season
        self.freq = freq
        self.missing = missing
        self.past_covariates = past_covariates

    def reach(self, panel: Panel) -> int:
        return self.season_

    def _fit_panel(self, panel: Panel) -> None:
        shortest = min(len(one) for one in panel.series)
        season = self.season
        if season is None:
            lengths = [season_length(cycle, panel.step) for cycle in usual_cycles(panel.step)]
            season = max((length for length in lengths if 2 * length <= shortest), default=1)
        if not 1 <= season <= shortest:
            raise DataError(f"A season of {season} steps needs a series as long; the shortest here has {shortest}.")
        self.season_ = int(season)

    def _forecast(self, panel: Panel, ends: list[NDArray[np.intp]]) -> Forecasts:
        back = np.arange(self.horizon) % self.season_ - self.season_
        return [target(one)[e[:, None] + back] for one, e in zip(panel.series, ends, strict=True)]


class Climatology(WindowedForecaster):
    """Every step to come will be as is usual for the season: where all windowed forecasters start from."""

    column = "climatology"
    window = 1
    validation_fraction = 0.2

    def __init__(
        self,
        horizon: int = 7,
        *,
        cycles: str | Sequence[str] = "auto",
        freq: str | None = None,
        missing: str = "raise",
        past_covariates: Sequence[str] | None = None,
    ) -> None:
        self.horizon = horizon
        self.cycles = cycles
        self.freq = freq
        self.missing = missing
        self.past_covariates = past_covariates

    def _learn(self, windows: Windows, split: Split) -> None:
        pass

    def _departures(self, windows: Windows, origins: Rows) -> NDArray[np.floating]:
        return np.zeros((len(origins), self.horizon))


class Linear(WindowedForecaster):
    """Ridge regression on the very inputs that the recurrent networks see, laid out flat.

    The validation part chooses the penalty and how many of the window's last steps to read, for a line through all of
    them overfits where a network forgets. Then everything is learned from, the validation part included.
    After `fit`: `ridge_`, `alpha_`, `steps_`.
    """

    column = "linear"

    def __init__(
        self,
        horizon: int = 7,
        window: int = 14,
        alphas: Sequence[float] = (1.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 10000.0),
        *,
        cycles: str | Sequence[str] = "auto",
        validation_fraction: float = 0.2,
        freq: str | None = None,
        missing: str = "raise",
        past_covariates: Sequence[str] | None = None,
    ) -> None:
        self.horizon = horizon
        self.window = window
        self.alphas = alphas
        self.cycles = cycles
        self.validation_fraction = validation_fraction
        self.freq = freq
        self.missing = missing
        self.past_covariates = past_covariates

    def _learn(self, windows: Windows, split: Split) -> None:
        train, valid, every = (observed(windows, origins) for origins in split)
        if not len(train) or not len(valid):
            raise DataError("No window has all its targets observed; the linear model needs some that do.")
        best = float("inf")
        for steps in sorted({min(steps, self.window) for steps in (1, 2, 3, 5, 7, 10, self.window)}):
            seen, unseen = flat(windows, train, steps), flat(windows, valid, steps)
            for alpha in self.alphas:
                said = Ridge(alpha).fit(seen, windows.targets(train)).predict(unseen).reshape(len(valid), -1)
                error = float(np.mean((said - windows.targets(valid)) ** 2))
                if error < best:
                    best, self.steps_, self.alpha_ = error, steps, float(alpha)
        self.ridge_ = Ridge(self.alpha_).fit(flat(windows, every, self.steps_), windows.targets(every))

    def _departures(self, windows: Windows, origins: Rows) -> NDArray[np.floating]:
        return np.asarray(self.ridge_.predict(flat(windows, origins, self.steps_))).reshape(len(origins), self.horizon)


def flat(windows: Windows, origins: Rows, steps: int) -> NDArray[np.float64]:
    """The inputs of a window's last `steps` in one row: `(n, steps · features + horizon · calendar)`."""
    past, future = windows.inputs(origins)
    parts = (past[:, -steps:], future)
    return np.hstack([part.reshape(len(origins), -1) for part in parts]).astype(np.float64)


def observed(windows: Windows, origins: Rows) -> Rows:
    """Those origins of which all targets were observed."""
    return origins[~np.isnan(windows.targets(origins)).any(axis=1)]


def target(series: Series) -> NDArray[np.float64]:
    """The target `(time,)`, the last value carried forward where one is missing."""
    return carry_forward(series.values[:, :1])[:, 0]
