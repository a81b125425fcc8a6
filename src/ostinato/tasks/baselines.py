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

    The validation part chooses the penalty; then everything is learned from, the validation part included.
    After `fit`: `ridge_`, `alpha_`.
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
        inputs, targets = complete(windows, split.train)
        unseen, truth = complete(windows, split.valid)
        if not len(inputs) or not len(unseen):
            raise DataError("No window has all its targets observed; the linear model needs some that do.")
        errors = [float(np.mean((Ridge(a).fit(inputs, targets).predict(unseen) - truth) ** 2)) for a in self.alphas]
        self.alpha_ = float(self.alphas[int(np.argmin(errors))])
        self.ridge_ = Ridge(self.alpha_).fit(*complete(windows, split.every))

    def _departures(self, windows: Windows, origins: Rows) -> NDArray[np.floating]:
        return np.asarray(self.ridge_.predict(flat(windows, origins))).reshape(len(origins), self.horizon)


def flat(windows: Windows, origins: Rows) -> NDArray[np.float64]:
    """All inputs of a window in one row: `(n, window · features + horizon · calendar)`."""
    return np.hstack([part.reshape(len(origins), -1) for part in windows.inputs(origins)]).astype(np.float64)


def complete(windows: Windows, origins: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Inputs and targets of those windows whose targets were all observed."""
    targets = windows.targets(origins)
    kept = ~np.isnan(targets).any(axis=1)
    return flat(windows, origins[kept]), targets[kept].astype(np.float64)


def target(series: Series) -> NDArray[np.float64]:
    """The target `(time,)`, the last value carried forward where one is missing."""
    return carry_forward(series.values[:, :1])[:, 0]
