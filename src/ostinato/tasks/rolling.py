"""The protocol that every forecaster here keeps: `fit`, `predict`, and a rolling `cross_validation`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from ..data.errors import DataError, nearest
from .calendar import CYCLES, following, usual_cycles, when
from .climate import Climate, cycles_seen
from .forecast_settings import SeriesSettings
from .frame import kind_of, new_frame, read_ahead, read_panel
from .intervals import Intervals, errors_of, features_of, late, level_columns, read_levels, some
from .panel import Moments, Panel, Rows
from .parameters import all_or_nothing, check_parameters
from .scores import score
from .transform import KNOWN, as_returns

Array = NDArray[np.float64]


class Said(NamedTuple):
    """Forecasts `(n, horizon)` in the target's unit, and for each level the two ends of its interval."""

    middle: Array
    ends: dict[float, tuple[Array, Array]]


class RollingForecaster(SeriesSettings, BaseEstimator, ABC):  # type: ignore[misc]
    """What forecasters have in common. A frame, of pandas or Polars, is in long form: `unique_id`, `ds`, `y`, then covariates.

    `ds` holds dates (with a zone, they are read as UTC) or whole numbers. A subclass fills in `column`, `reach`,
    `_fit_panel` and `_forecast`. Inside, the target is as `target_transform` makes it, and in units of what is usual.

    After `fit`: `step_` (the step of time, as pandas names it), `past_`, `future_` (covariates), `series_` (names),
    `left_out_` (series that were too short), `climate_` (what is usual for each), `intervals_` (how wrong forecasts are;
    None where nothing could be measured).
    """

    column: str  # of the forecasts in the tables given back

    @abstractmethod
    def reach(self) -> int:
        """How many known steps a forecast needs, once fitted."""

    @abstractmethod
    def _fit_panel(self, panel: Panel) -> None:
        """Learn from all of `panel`."""

    @abstractmethod
    def _forecast(self, panel: Panel, climate: Climate, moments: Moments) -> Array:
        """Forecasts `(n, horizon)` of the transformed target; `climate` is that of the panel's series, in their order."""

    def _least(self) -> int:
        """The fewest steps of a series that can be learned from."""
        return 1

    def _held_out(self, panel: Panel) -> tuple[Moments, Moments]:
        """Moments that were learned from, and moments at which errors are as they will be. Nothing learned: the same twice."""
        least = max(self.reach(), 2)
        moments = Moments.of([np.arange(least, max(least, length - self.horizon + 1)) for length in panel.lengths])
        return moments, moments

    def _settle(self, panel: Panel) -> None:
        """What is left to do when the errors have been measured."""

    def fit(self, frame: Any, y: None = None) -> Self:
        """Learn from `frame`. `y` is there for scikit-learn's protocol alone.

        Raises DataError for data that cannot be used, ValueError for parameters that cannot.
        """
        self._fit_on(self._read(frame), kind_of(frame))
        return self

    def _fit_on(self, panel: Panel, kind: str) -> None:
        with all_or_nothing(self):
            enough = panel.lengths >= self._least()
            if self.short_series == "drop" and enough.any():
                self.left_out_ = tuple(name for name, kept in zip(panel.names, enough, strict=True) if not kept)
                panel = panel.only(enough) if self.left_out_ else panel
            else:
                self.left_out_ = ()
            self._begin(panel, kind)
            self._fit_panel(panel)
            self.intervals_ = self._measure(panel)
            self._settle(panel)
            self.history_: Panel | None = panel.last(self._memory())

    def _begin(self, panel: Panel, kind: str) -> None:
        """Measure what is known before anything is learned."""
        self.step_, self.past_, self.future_, self.series_ = panel.step, panel.past, panel.future, panel.names
        self.climate_ = Climate.fit(panel, cycles_seen(panel, chosen_cycles(self.cycles, panel.step)))
        self.kind_ = kind

    def _measure(self, panel: Panel) -> Intervals | None:
        learned, held = (some(moments) for moments in self._held_out(panel))
        if not len(learned.ends) or not len(held.ends):
            return None
        errors = [errors_of(panel, self.climate_, one, self._forecast(panel, self.climate_, one)) for one in (learned, held)]
        if any(np.isnan(one.found).all() for one in errors):
            return None
        return Intervals.measure(*errors)

    def _memory(self) -> int:
        """How many known steps are kept to go on from."""
        return max(self.reach(), late(self.horizon) + self.horizon)

    def predict(self, frame: Any = None, h: int | None = None, *, level: Any = None, future: Any = None) -> Any:
        """Forecast the `h` steps after the end of each series: columns `unique_id`, `ds`, and `column`.

        ``predict(h)`` goes on from the training data, ``predict(frame, h)`` from the end of another frame with the
        same columns; the answer is a frame of the same kind. `h` is at most, and by default, `horizon`. `level`, in
        percent, such as ``[80, 95]``, adds the ends of intervals: `column-lo-95`, `column-lo-80`, `column-hi-80` …
        `future` is a frame of `unique_id`, `ds` and the future covariates for the next `horizon` steps.

        A series that was not in the training data is forecast from what is usual in its own past, where `frame` holds
        a turn of each cycle. Raises DataError, ValueError or NotFittedError.
        """
        if isinstance(frame, (int, np.integer)) and not isinstance(frame, bool):
            frame, h = None, int(frame)
        self._require_fitted()
        h, levels = self._horizon_asked(h), read_levels(level)
        kind = self.kind_ if frame is None else kind_of(frame)
        panel = self._known(frame)
        climate = self.climate_.of(panel)
        panel = panel.last(self._memory())
        if self.future_:
            panel = replace(panel, ahead=read_ahead(future, panel, self.horizon))
        elif future is not None:
            raise DataError("This forecaster reads nothing ahead; leave `future` out, or fit one with future_covariates.")
        count = len(panel.names)
        said = self._say(panel, climate, Moments(np.arange(count), panel.lengths), levels)
        ds = following(panel.times[panel.starts + panel.lengths - 1], panel.step, h).ravel()
        return new_frame({**named(panel.names, np.full(count, h)), "ds": ds, **self._columns(said, h)}, kind)

    def cross_validation(
        self,
        frame: Any,
        h: int | None = None,
        n_windows: int = 1,
        step_size: int | None = None,
        refit: bool = False,
        level: Any = None,
    ) -> Any:
        """Forecast from `n_windows` moments, `step_size` apart (by default `h`), the last `h` steps before the end.

        With ``refit=False`` this forecaster is fitted once, on what lies before the first moment, and stays so; with
        ``refit=True`` a new one is fitted on what lies before each moment. Columns: `unique_id`, `ds`, `cutoff`
        (the last known time), `y` (what happened, NaN where it is missing), `column`, and with `level` the ends of
        intervals as in `predict`. Future covariates are those of `frame`.
        """
        h, levels = self._horizon_asked(h), read_levels(level)
        step_size = h if step_size is None else step_size
        panel, kind = self._rolling_panel(self._read(frame), h, n_windows, step_size), kind_of(frame)
        first = panel.lengths - h - step_size * (n_windows - 1)
        if refit:
            said, moments = self._refitted(panel, first, n_windows, step_size, levels, kind)
        else:
            self._fit_on(panel.until(first), kind)
            panel = panel.only(np.isin(panel.names, self.series_))
            moments = rolling_moments(panel, h, n_windows, step_size)
            said = self._say(panel, self.climate_, self._reachable(panel, moments), levels)
        return self._rolling_table(panel, moments, said, h, kind)

    def backtest(self, frame: Any, h: int | None = None, n_windows: int = 1, step_size: int | None = None, level: Any = None) -> Any:
        """As `cross_validation`, but with this forecaster as it is fitted: nothing is learned from `frame`.

        Of a series that was not in the training data, what is usual is measured before the first moment.
        """
        self._require_fitted()
        h, levels = self._horizon_asked(h), read_levels(level)
        step_size = h if step_size is None else step_size
        panel = self._rolling_panel(self._read(frame, fitted=True), h, n_windows, step_size)
        moments = rolling_moments(panel, h, n_windows, step_size)
        climate = self.climate_.of(panel.until(panel.lengths - h - step_size * (n_windows - 1)))
        return self._rolling_table(panel, moments, self._say(panel, climate, self._reachable(panel, moments), levels), h, kind_of(frame))

    def score(self, frame: Any, y: None = None) -> float:
        """Minus the mean absolute error of the last `horizon` steps of `frame`, forecast from what lies before: the greater, the better.

        `y` is there for scikit-learn's protocol alone. Raises DataError or NotFittedError.
        """
        return -score(self.backtest(frame), self.column).mae

    def _rolling_panel(self, panel: Panel, h: int, n_windows: int, step_size: int) -> Panel:
        """The series that are long enough to forecast from so many moments."""
        check_counts(n_windows=n_windows, step_size=step_size)
        if panel.future and h < self.horizon:
            raise DataError(f"h={h} is less than the horizon of {self.horizon}, whose future covariates are all read; set horizon={h}.")
        return self._long_enough(panel, h + step_size * (n_windows - 1) + 1, f"{n_windows} windows {step_size} apart, {h} steps ahead")

    def _rolling_table(self, panel: Panel, moments: Moments, said: Said, h: int, kind: str) -> Any:
        """What was forecast beside what happened, as `cross_validation` gives it."""
        rows = moments.rows(panel)[:, None]
        ahead = (rows + np.arange(1, h + 1)).ravel()
        table = {
            **named(panel.names, np.bincount(moments.series, minlength=len(panel.names)) * h),
            "ds": panel.times[ahead],
            "cutoff": np.repeat(panel.times[rows[:, 0]], h),
            "y": KNOWN[self.target_transform].back(panel.target()[ahead]),
            **self._columns(said, h),
        }
        return new_frame(table, kind)

    def _refitted(self, panel: Panel, first: Rows, n_windows: int, step_size: int, levels: tuple[float, ...], kind: str) -> Any:
        """What fresh forecasters say, each fitted on what lies before its moment; in the order of series and moments."""
        if self.short_series == "drop":
            raise DataError('refit=True asks for series long enough at every moment; set short_series="raise", or refit=False.')
        every = []
        for number in range(n_windows):
            ends = first + step_size * number
            parameters = self.get_params(deep=False)
            if parameters.get("checkpoint") is not None:
                parameters["checkpoint"] = f"{parameters['checkpoint']}.{number + 1}"  # one for each fit
            fresh = type(self)(**parameters)
            fresh._fit_on(panel.until(ends), kind)
            every.append(fresh._say(panel, fresh.climate_, fresh._reachable(panel, Moments(np.arange(len(ends)), ends)), levels))
        moments = Moments.of([one + step_size * np.arange(n_windows) for one in first])

        def woven(part: Callable[[Said], Array]) -> Array:
            return np.stack([part(one) for one in every], axis=1).reshape(len(moments.ends), -1)

        ends_of = {one: (woven(lambda s, k=one: s.ends[k][0]), woven(lambda s, k=one: s.ends[k][1])) for one in levels}  # type: ignore[misc]
        return Said(woven(lambda s: s.middle), ends_of), moments

    def _say(self, panel: Panel, climate: Climate, moments: Moments, levels: tuple[float, ...]) -> Said:
        """Forecasts and intervals, back in the target's own unit."""
        back = KNOWN[self.target_transform].back
        middle = self._forecast(panel, climate, moments)
        if not levels:
            return Said(back(middle), {})
        if self.intervals_ is None:
            raise DataError(
                "There are no errors to measure intervals with: fit with a validation_fraction greater than 0, on series longer than "
                "window and horizon."
            )
        features = features_of(panel, climate, moments, middle)
        spread = climate.spread[moments.series, :1]
        around = self.intervals_.around(features, levels)
        return Said(back(middle), {one: (back(middle + spread * low), back(middle + spread * high)) for one, (low, high) in around.items()})

    def _columns(self, said: Said, h: int) -> dict[str, Array]:
        """The columns of forecasts, as Nixtla orders them: the middle, then from the lowest end to the highest."""
        names = level_columns(self.column, list(said.ends))
        low = {name: said.ends[level][0] for level, name, _ in reversed(names)}
        high = {name: said.ends[level][1] for level, _, name in names}
        return {name: array[:, :h].ravel() for name, array in {self.column: said.middle, **low, **high}.items()}

    def _read(self, frame: Any, fitted: bool = False) -> Panel:
        """The frame as a panel, its target transformed."""
        check_parameters(self)
        panel = read_panel(
            frame,
            past=self.past_ if fitted else self.past_covariates,
            future=self.future_covariates or (),
            static=self.static_covariates or (),
            freq=self.step_ if fitted else self.freq,
            missing=self.missing,
        )
        if self.returns:
            if self.target_transform != "identity":
                raise ValueError(f"returns=True has its own transform; leave target_transform={self.target_transform!r} out.")
            return as_returns(panel, drop=self.short_series == "drop")
        if self.target_transform == "identity":
            return panel
        there = KNOWN[self.target_transform]
        there.check(self.target_transform, panel.values[:, 0], lambda row: f"at {when(panel.times[row])}")
        return replace(panel, values=np.column_stack([there.there(panel.values[:, 0]), panel.values[:, 1:]]))

    def _known(self, frame: Any) -> Panel:
        """What is known at the moment of `predict`."""
        if frame is not None:
            return self._long_enough(self._read(frame, fitted=True), self.reach(), "a forecast")
        if self.history_ is None:
            raise DataError("This forecaster holds no history; give predict() a frame that ends where it shall begin.")
        return self.history_

    def _long_enough(self, panel: Panel, steps: int, purpose: str) -> Panel:
        """The series that have so many steps; the others are an error, or left out."""
        short = panel.lengths < steps
        if not short.any():
            return panel
        if self.short_series == "drop" and not short.all():
            return panel.only(~short)
        at = int(short.argmax())
        raise DataError(
            f"Series {panel.names[at]!r} has {panel.lengths[at]} steps, too few for {purpose}, which needs {steps}; give more of it, "
            'ask for less, or leave such series out (short_series="drop").'
        )

    def _reachable(self, panel: Panel, moments: Moments) -> Moments:
        """The moments, if all have enough known steps before them."""
        short = moments.ends < self.reach()
        if short.any():
            at = int(short.argmax())
            raise DataError(
                f"Series {panel.names[moments.series[at]]!r} has {moments.ends[at]} steps before the first forecast, which needs "
                f"{self.reach()}; ask for fewer windows."
            )
        return moments

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


def rolling_moments(panel: Panel, h: int, n_windows: int, step_size: int) -> Moments:
    """The moments from which to forecast, of which the last has `h` steps after it."""
    first = panel.lengths - h - step_size * (n_windows - 1)
    return Moments.of([one + step_size * np.arange(n_windows) for one in first])


def named(names: tuple[str, ...], counts: Rows) -> dict[str, NDArray[Any]]:
    """The column of series' names, each so many times."""
    return {"unique_id": np.repeat(np.array(names, dtype=object), counts)}


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


def check_counts(**counts: Any) -> None:
    """Raise ValueError for the first argument that is not a whole number of at least 1."""
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
            raise ValueError(f"{name}={count!r} must be a whole number of at least 1.")
