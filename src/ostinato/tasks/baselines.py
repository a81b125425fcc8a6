"""What a recurrent network has to beat: forecasters that need no training loop, on the same inputs and moments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from ..data.errors import DataError
from .calendar import season_length, usual_cycles
from .climate import Climate
from .forecast_settings import LONGEST
from .panel import Moments, Panel, Rows
from .parameters import estimator, param
from .rolling import RollingForecaster
from .windowed import WindowedForecaster
from .windows import Split, Windows


@estimator()
class Naive(RollingForecaster):
    """Every step to come will be like the last one known: of prices with `returns` a random walk, whose returns are 0."""

    @property
    def column(self) -> str:  # type: ignore[override]
        """What a table calls it."""
        return "random walk" if self.returns else "naive"

    def reach(self) -> int:
        return 1

    def _fit_panel(self, panel: Panel) -> None:
        pass

    def _forecast(self, panel: Panel, climate: Climate, moments: Moments) -> NDArray[np.float64]:
        if self.returns:
            return np.zeros((len(moments.ends), self.horizon))
        return np.repeat(panel.values[moments.rows(panel), :1], self.horizon, axis=1)


@estimator()
class SeasonalNaive(RollingForecaster):
    """Every step to come will be like the one a season before it. After `fit`: `season_`."""

    column = "seasonal naive"

    season: int | None = param(
        None,
        "its length in steps; None takes the longest natural cycle (a year of days is 365, of hours 8766) that the data pass through twice",
        kind=int,
        optional=True,
        low=1,
        kw_only=False,
    )

    def reach(self) -> int:
        return self.season_

    def _fit_panel(self, panel: Panel) -> None:
        shortest = int(panel.lengths.min())
        season = self.season
        if season is None:
            lengths = [season_length(cycle, panel.step) for cycle in usual_cycles(panel.step)]
            season = max((length for length in lengths if 2 * length <= shortest), default=1)
        if season > shortest:
            raise DataError(f"A season of {season} steps needs a series as long; the shortest here has {shortest}.")
        self.season_ = int(season)

    def _forecast(self, panel: Panel, climate: Climate, moments: Moments) -> NDArray[np.float64]:
        back = np.arange(self.horizon) % self.season_ - self.season_ + 1
        return np.asarray(panel.values[moments.rows(panel)[:, None] + back, 0])


@estimator()
class Climatology(WindowedForecaster):
    """Every step to come will be as is usual for the season: where all windowed forecasters start from."""

    column = "climatology"
    window = 1
    validation_fraction = 0.0

    def _learn(self, windows: Windows, split: Split) -> None:
        pass

    def _held_out(self, panel: Panel) -> tuple[Moments, Moments]:
        return RollingForecaster._held_out(self, panel)

    def _departures(self, windows: Windows, origins: Rows) -> NDArray[np.floating]:
        return np.zeros((len(origins), self.horizon))


@estimator()
class Linear(WindowedForecaster):
    """Ridge regression on the very inputs that the recurrent networks see, laid out flat.

    The validation part chooses the penalty and how many of the window's last steps to read, for a line through all of
    them overfits where a network forgets. Then everything is learned from, the validation part included.
    After `fit`: `ridge_`, `alpha_`, `steps_`.
    """

    column = "linear"

    window: int = param(14, "steps back", low=1, high=LONGEST, kw_only=False)
    alphas: Sequence[float] = param(
        (1.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 10000.0), "penalties to choose from", kind=object, kw_only=False
    )
    validation_fraction: float = param(0.2, "the part of each series, at its end, that chooses", above=0, below=1)

    def _learn(self, windows: Windows, split: Split) -> None:
        if not len(self.alphas) or min(self.alphas) < 0:
            raise ValueError(f"alphas={self.alphas!r} must be one penalty or several, of 0 or more.")
        train, valid = (observed(windows, windows.origins(moments)) for moments in (split.train, split.valid))
        if not len(train) or not len(valid):
            raise DataError("No window has all its targets observed; the linear model needs some that do.")
        best = float("inf")
        for steps in sorted({min(steps, self.window) for steps in (1, 2, 3, 5, 7, 10, self.window)}):
            said = ridge_path(flat(windows, train, steps), windows.targets(train), flat(windows, valid, steps), self.alphas)
            for alpha, one in zip(self.alphas, said, strict=True):
                error = float(np.mean((one - windows.targets(valid)) ** 2))
                if error < best:
                    best, self.steps_, self.alpha_ = error, steps, float(alpha)
        self.ridge_ = self._ridge(windows, train)

    def _settle(self, panel: Panel) -> None:
        windows = self._windows(panel, self.climate_)
        self.ridge_ = self._ridge(windows, observed(windows, windows.origins(self._split(panel).every)))

    def _ridge(self, windows: Windows, origins: Rows) -> Ridge:
        return Ridge(self.alpha_).fit(flat(windows, origins, self.steps_), windows.targets(origins))

    def _departures(self, windows: Windows, origins: Rows) -> NDArray[np.floating]:
        return np.asarray(self.ridge_.predict(flat(windows, origins, self.steps_))).reshape(len(origins), self.horizon)


def flat(windows: Windows, origins: Rows, steps: int) -> NDArray[np.float64]:
    """The inputs of a window's last `steps` in one row: `(n, steps · features + horizon · known + static)`."""
    inputs = windows.inputs(origins)
    inputs["past"] = inputs["past"][:, -steps:]
    return np.hstack([part.reshape(len(origins), -1) for part in inputs.values()]).astype(np.float64)


def ridge_path(
    seen: NDArray[np.float64], targets: NDArray[np.floating], unseen: NDArray[np.float64], alphas: Sequence[float]
) -> list[NDArray[np.float64]]:
    """What ridge regression with each penalty says of `unseen`; one decomposition serves them all."""
    centre, middle = seen.mean(axis=0), targets.mean(axis=0, dtype=np.float64)
    around = seen - centre
    values, axes = np.linalg.eigh(around.T @ around)
    inputs, outputs = (unseen - centre) @ axes, axes.T @ (around.T @ (targets - middle))
    return [inputs @ (outputs / (np.maximum(values, 0.0) + alpha)[:, None]) + middle for alpha in alphas]


def observed(windows: Windows, origins: Rows) -> Rows:
    """Those origins of which all targets were observed."""
    return origins[~np.isnan(windows.targets(origins)).any(axis=1)]
