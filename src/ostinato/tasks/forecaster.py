"""Recurrent networks as forecasters with scikit-learn's protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray

from .calendar import CYCLES, check_step
from .climate import Climate
from .estimator import RecurrentEstimator
from .forecast_settings import ForecastSettings
from .frame import kind_of, listed, new_frame
from .intervals import Intervals
from .network import ForecastNetwork, ObservedSquaredError, cell_name
from .panel import Moments, Panel, Rows
from .parameters import all_or_nothing, estimator
from .static import StaticFeatures
from .training import Examples, OutputOf, outputs, threads_for
from .windowed import WindowedForecaster
from .windows import Split, Windows, check_lengths, feature_count, split_moments


@estimator()
class Forecaster(ForecastSettings, RecurrentEstimator, WindowedForecaster):
    """Forecasts series with a recurrent network: RNN, LSTM, GRU, or any cell of `ostinato.cells`, or of your own.

    What is usual for the season (a mean, with yearly and daily waves, for each series) is taken off the data and put
    back on the forecasts; the network learns the departures from it. It reads the last `window` steps of the target,
    of the covariates and of the calendar, and from its last state, and from what is known ahead, forecasts all
    `horizon` steps at once. The end of each series is what validates, and what intervals are measured on;
    with `refit`, networks that have then learned from it, too, take the place of those that it measured.

    After `fit`: what `RecurrentEstimator` and `WindowedForecaster` name; `validation_loss_` is the mean squared error
    in units of each series' spread.
    """

    task = "forecast"

    @property
    def column(self) -> str:  # type: ignore[override]
        """The cell's name, which heads the column of forecasts."""
        return cell_name(self.cell)

    def build_network(self) -> ForecastNetwork:
        """The untrained network."""
        known = 2 * len(self.climate_.cycles) + len(self.future_)
        return ForecastNetwork(self, self.input_size_, known, self.horizon)

    def partial_fit(self, frame: Any, y: None = None) -> Self:
        """Learn one more epoch, from every moment of `frame`, and go on from its end.

        What is usual stays as the first call, or a fit, measured it; so do intervals, and without a fit there are none.
        Of a series that is new, what is usual is measured in `frame`. Raises as `fit` does.
        """
        with all_or_nothing(self):
            self._check()
            new = not hasattr(self, "networks_")
            panel = self._read(frame, fitted=not new)
            check_lengths(panel, self.window, self.horizon, 0)
            if new:
                self._begin(panel, kind_of(frame))
                self.intervals_, self.left_out_ = None, ()
            windows = self._windows(panel, self.climate_.of(panel))
            every = split_moments(panel, self.window, self.horizon, 0).every
            self._learn_on(ObservedSquaredError, WindowExamples(windows, windows.origins(every)))
            self.history_ = panel.last(self._memory())
        return self

    def transform(self, frame: Any = None) -> Any:
        """The last state of the recurrent stack at the end of each series, as features: `unique_id`, `ds`, `state-1` …

        Of an ensemble, the networks' states beside each other. Without a `frame`, at the end of the training data.
        """
        self._require_fitted()
        panel = self._known(frame)
        windows = self._windows(panel, self.climate_.of(panel))
        examples = WindowExamples(windows, windows.origins(Moments(np.arange(len(panel.names)), panel.lengths)))
        states = np.hstack([outputs(cast(OutputOf, network.summary), examples, self.device) for network in self.networks_])
        last = panel.times[panel.starts + panel.lengths - 1]
        columns = {"unique_id": np.array(panel.names, dtype=object), "ds": last}
        columns |= {f"state-{k + 1}": column for k, column in enumerate(states.T)}
        return new_frame(columns, self.kind_ if frame is None else kind_of(frame))

    def _begin(self, panel: Panel, kind: str) -> None:
        super()._begin(panel, kind)
        self.input_size_ = self._feature_count()

    def _fit_panel(self, panel: Panel) -> None:
        self._check()
        super()._fit_panel(panel)

    def _learn(self, windows: Windows, split: Split) -> None:
        train, valid = (WindowExamples(windows, windows.origins(moments)) for moments in (split.train, split.valid))
        self._learn_networks(ObservedSquaredError, train, valid if len(valid) else None, finished=not (len(valid) and self.refit))

    def _settle(self, panel: Panel) -> None:
        split = self._split(panel)
        if self.refit and len(split.valid.ends):
            windows = self._windows(panel, self.climate_)
            self._learn_anew(ObservedSquaredError, WindowExamples(windows, windows.origins(split.every)))

    def _feature_count(self) -> int:
        """How many features of a step the recurrent stack reads."""
        columns = 1 + len(self.past_) + len(self.future_)
        return feature_count(columns, len(self.climate_.cycles), self.flags_, self.gaps_) + self.static_.count

    def _departures(self, windows: Windows, origins: Rows) -> NDArray[np.floating]:
        with threads_for(self.networks_[0], len(origins) * self.window):
            return self._outputs(WindowExamples(windows, origins))

    def _schema(self) -> dict[str, Any]:
        return {
            "series": list(self.series_),
            "past": list(self.past_),
            "future": list(self.future_),
            "static": self.static_.schema(),
            "step": self.step_,
            "cycles": list(self.climate_.cycles),
            "flags": self.flags_,
            "gaps": self.gaps_,
        }

    def _arrays(self) -> dict[str, NDArray[np.floating]]:
        intervals = {} if self.intervals_ is None else self.intervals_.tensors()
        return {**self.climate_.tensors(), **self.static_.tensors(), **intervals}

    def _restore(self, schema: Mapping[str, Any], arrays: Mapping[str, NDArray[np.floating]]) -> None:
        from .estimator_file import text, texts

        self.series_, self.past_, self.future_ = (texts(schema, key) for key in ("series", "past", "future"))
        cycles = texts(schema, "cycles")
        if not set(cycles) <= set(CYCLES):
            raise ValueError(f"its cycles are {cycles}")
        self.flags_, self.gaps_, self.step_ = schema["flags"], schema["gaps"], text(schema, "step")
        for name in ("flags", "gaps"):
            if not isinstance(schema[name], bool):
                raise ValueError(f"its field {name!r} is neither true nor false")
        check_step(self.step_)
        self.climate_ = Climate.from_tensors(self.series_, cycles, 1 + len(self.past_) + len(self.future_), arrays)
        self.static_ = StaticFeatures.from_file(schema["static"], arrays)
        if listed(self.static_covariates or ()) != tuple(self.static_.values) or listed(self.future_covariates or ()) != self.future_:
            raise ValueError("its static or future columns are not those of its settings")
        self.intervals_ = Intervals.from_tensors(self.horizon, len(cycles), arrays)
        self.input_size_ = self._feature_count()
        self.left_out_, self.kind_, self.history_ = (), "pandas", None


class WindowExamples(Examples):
    """Windows before, and targets after, some moments."""

    def __init__(self, windows: Windows, origins: Rows) -> None:
        self.windows, self.origins = windows, origins

    def __len__(self) -> int:
        return len(self.origins)

    def batch(self, rows: Rows) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        origins = self.origins[rows]
        inputs = {name: torch.from_numpy(array) for name, array in self.windows.inputs(origins).items()}
        return inputs, torch.from_numpy(self.windows.targets(origins))
