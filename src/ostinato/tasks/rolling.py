"""The protocol that every forecaster here keeps: `fit`, `predict`, and a rolling `cross_validation`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from ..data.errors import DataError
from .calendar import following
from .frame import read_panel
from .panel import Panel
from .parameters import all_or_nothing

Forecasts = list[NDArray[np.float64]]


class RollingForecaster(BaseEstimator, ABC):  # type: ignore[misc]
    """What forecasters have in common. A frame is in long form: `unique_id`, `ds`, `y`, then covariates.

    A subclass stores at least the parameters `horizon`, `freq`, `missing` and `past_covariates`, and fills in
    `column`, `reach`, `_fit_panel` and `_forecast`.

    After `fit`: `step_` (the step of time, as pandas names it), `past_` (covariates), `series_` (names).
    """

    column: str  # of the forecasts in the tables given back
    horizon: int
    freq: str | None
    missing: str
    past_covariates: Sequence[str] | None

    @abstractmethod
    def reach(self, panel: Panel) -> int:
        """How many known steps a forecast needs."""

    @abstractmethod
    def _fit_panel(self, panel: Panel) -> None:
        """Learn from all of `panel`."""

    @abstractmethod
    def _forecast(self, panel: Panel, ends: list[NDArray[np.intp]]) -> Forecasts:
        """For each series, forecasts `(len(ends[i]), horizon)` in the target's unit when so many steps are known."""

    def fit(self, frame: pd.DataFrame, y: None = None) -> RollingForecaster:
        """Learn from `frame`. `y` is there for scikit-learn's protocol alone.

        Raises DataError for data that cannot be used, ValueError for parameters that cannot.
        """
        self._fit_on(self._read(frame))
        return self

    def _fit_on(self, panel: Panel) -> None:
        check_counts(horizon=self.horizon)
        with all_or_nothing(self):
            self.step_ = panel.step
            self.past_ = panel.past
            self.series_ = tuple(one.name for one in panel.series)
            self._fit_panel(panel)
            self.history_: Panel | None = panel.last(self.reach(panel))

    @overload
    def predict(self, frame: int | None = None) -> pd.DataFrame: ...
    @overload
    def predict(self, frame: pd.DataFrame, h: int | None = None) -> pd.DataFrame: ...
    def predict(self, frame: pd.DataFrame | int | None = None, h: int | None = None) -> pd.DataFrame:
        """Forecast the `h` steps after the end of each series: columns `unique_id`, `ds`, and `column`.

        ``predict(h)`` goes on from the training data, ``predict(frame, h)`` from the end of another frame with the
        same columns. `h` is at most, and by default, `horizon`. Raises DataError or NotFittedError.
        """
        if not isinstance(frame, pd.DataFrame) and frame is not None:
            frame, h = None, frame
        self._require_fitted()
        h = self._horizon_asked(h)
        if frame is not None:
            panel = self._read(frame, past=self.past_, freq=self.step_)
        elif self.history_ is not None:
            panel = self.history_
        else:
            raise DataError("This forecaster holds no history; give predict() a frame that ends where it shall begin.")
        for one in panel.series:
            if len(one) < self.reach(panel):
                raise DataError(
                    f"Series {one.name!r} has {len(one)} steps, but a forecast needs the last {self.reach(panel)}; give more of its past."
                )
        forecasts = self._forecast(panel, [np.array([len(one)]) for one in panel.series])
        tables = [
            pd.DataFrame(
                {
                    "unique_id": one.name,
                    "ds": following(one.times[-1], panel.step, h),
                    self.column: forecast[0, :h],
                }
            )
            for one, forecast in zip(panel.series, forecasts, strict=True)
        ]
        return pd.concat(tables, ignore_index=True)

    def cross_validation(
        self,
        frame: pd.DataFrame,
        h: int | None = None,
        n_windows: int = 1,
        step_size: int | None = None,
        refit: bool = False,
    ) -> pd.DataFrame:
        """Forecast from `n_windows` moments, `step_size` apart (by default `h`), the last `h` steps before the end.

        With ``refit=False`` this forecaster is fitted once, on what lies before the first moment, and stays so; with
        ``refit=True`` a new one is fitted on what lies before each moment. Columns: `unique_id`, `ds`, `cutoff`
        (the last known time), `y` (what happened, NaN where it is missing), and `column`.
        """
        h = self._horizon_asked(h)
        step_size = h if step_size is None else step_size
        check_counts(n_windows=n_windows, step_size=step_size)
        panel = self._read(frame)
        ends = [len(one) - h - step_size * np.arange(n_windows)[::-1] for one in panel.series]
        for one, moments in zip(panel.series, ends, strict=True):
            if moments[0] < 1:
                raise DataError(
                    f"Series {one.name!r} has {len(one)} steps, too few for {n_windows} windows that are {step_size} "
                    f"apart with {h} steps ahead; ask for fewer windows."
                )
        if refit:
            forecasts = self._forecast_refitted(panel, ends)
        else:
            self._fit_on(panel.until([int(moments[0]) for moments in ends]))
            forecasts = self._forecast_from(panel, ends)
        return rolling_table(panel, ends, forecasts, h, self.column)

    def _forecast_from(self, panel: Panel, ends: list[NDArray[np.intp]]) -> Forecasts:
        reach = self.reach(panel)
        for one, moments in zip(panel.series, ends, strict=True):
            if moments[0] < reach:
                raise DataError(
                    f"Series {one.name!r} has {moments[0]} steps before the first forecast, which needs {reach}; ask for fewer windows."
                )
        return self._forecast(panel, ends)

    def _forecast_refitted(self, panel: Panel, ends: list[NDArray[np.intp]]) -> Forecasts:
        rounds = []
        for number in range(len(ends[0])):
            fresh = type(self)(**self.get_params(deep=False))
            fresh._fit_on(panel.until([int(moments[number]) for moments in ends]))
            rounds.append(fresh._forecast_from(panel, [moments[number : number + 1] for moments in ends]))
        return [np.concatenate(of_series) for of_series in zip(*rounds, strict=True)]

    def _read(self, frame: pd.DataFrame, past: Sequence[str] | None = None, freq: str | None = None) -> Panel:
        past = self.past_covariates if past is None else past
        return read_panel(frame, past=past, freq=freq or self.freq, missing=self.missing)

    def _require_fitted(self) -> None:
        if not hasattr(self, "step_"):
            from sklearn.exceptions import NotFittedError

            raise NotFittedError(f"This {type(self).__name__} is not fitted yet; call fit(frame) first.")

    def _horizon_asked(self, h: int | None) -> int:
        h = self.horizon if h is None else h
        check_counts(h=h)
        if h > self.horizon:
            raise DataError(
                f"{h} steps ahead were asked for, but this forecaster looks {self.horizon} ahead; "
                f"ask for at most {self.horizon}, or fit one with horizon={h}."
            )
        return h


def rolling_table(panel: Panel, ends: list[NDArray[np.intp]], forecasts: Forecasts, h: int, column: str) -> pd.DataFrame:
    """The long table of what was forecast from each moment beside what happened."""
    tables = []
    for one, moments, forecast in zip(panel.series, ends, forecasts, strict=True):
        ahead = (moments[:, None] + np.arange(h)).ravel()
        tables.append(
            pd.DataFrame(
                {
                    "unique_id": one.name,
                    "ds": one.times[ahead],
                    "cutoff": one.times[np.repeat(moments - 1, h)],
                    "y": one.values[ahead, 0],
                    column: forecast[:, :h].ravel(),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def check_counts(**counts: Any) -> None:
    """Raise ValueError for the first argument that is not a whole number of at least 1."""
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
            raise ValueError(f"{name}={count!r} must be a whole number of at least 1.")
