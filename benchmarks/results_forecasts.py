"""Rows about series: a network and baselines forecast from every moment of the test part."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from ostinato.data import find_kind
from ostinato.data.series import SeriesTable
from ostinato.tasks import Climatology, Forecaster, Linear, Naive, SeasonalNaive, score
from ostinato.tasks.calendar import step_word
from ostinato.tasks.plot_forecasts import plot_forecast
from ostinato.tasks.plot_style import write_picture
from ostinato.tasks.rolling import RollingForecaster

from .results_row import CELLS, LEVELS, PICTURES, Row, learned, seeds_of

# Beside what the catalogue suggests. All was chosen on what lies before the test.
NETWORKS: dict[str, dict[str, Any]] = {
    "seattle-weather": {},
    "nyc-weather": {"batch_size": 256, "learning_rate": 1e-2, "max_epochs": 30, "patience": 5},
    "fulda": {},
    "stocks": {"batch_size": 256},
}
FANS = {"seattle-weather": None, "nyc-weather": "JFK", "fulda": None}


def forecast_jobs(name: str) -> Iterator[Row]:
    """Baselines and networks for one table of series, by the catalogue's split."""
    task = find_kind(name, SeriesTable).suggested
    shared = {"horizon": task.horizon, "freq": task.freq, "missing": task.missing}
    shared |= {} if task.target_transform == "identity" else {"target_transform": task.target_transform}
    shared |= {"returns": True} if task.returns else {}
    baselines: list[tuple[type[RollingForecaster], dict[str, Any]]] = [(Climatology, {}), (Linear, {"window": task.window})]
    baselines = [(Naive, {})] + ([] if task.returns else [(SeasonalNaive, {"season": task.season})]) + baselines
    for kind, own in baselines:
        settings = {**shared, **own}
        one = kind(**settings)
        yield Row(name, one.column, None, settings, lambda one=one: forecast(name, one, None))
    for cell in CELLS:
        for seed in seeds_of(task.ensemble):
            settings = {"window": task.window, "refit": task.refit, **shared, **NETWORKS[name], "ensemble": task.ensemble}
            one = Forecaster(cell, random_state=seed, **settings)
            yield Row(name, cell, seed, settings, lambda one=one, seed=seed: forecast(name, one, seed))


def forecast(name: str, forecaster: RollingForecaster, seed: int | None) -> dict[str, Any]:
    """Fit on what lies before the test, then forecast from each moment of it."""
    frame, steps = find_kind(name, SeriesTable).frame(), find_kind(name, SeriesTable).suggested.test_steps
    started = time.process_time()
    forecaster.fit(before(frame, steps, str(forecaster.freq)))
    seconds = time.process_time() - started
    table = forecaster.backtest(frame, n_windows=steps - forecaster.horizon + 1, step_size=1, level=LEVELS)
    found = score(table, forecaster.column)
    if seed == 0 and forecaster.column == "gru" and name in FANS:
        draw_fan(name, table, frame, str(forecaster.step_))
    size = (table[forecaster.column] - table["y"]).abs()
    return {
        "mae": found.mae,
        "rmse": found.rmse,
        "coverage": {str(level): found.intervals[level].coverage for level in LEVELS},
        "seconds": seconds,
        "by_moment": [round(float(x), 6) for x in size.groupby(table["cutoff"]).mean()],
        **learned(forecaster),
    }


def before(frame: pd.DataFrame, steps: int, freq: str) -> pd.DataFrame:
    """All but the last `steps` of each series."""
    last = frame.groupby("unique_id")["ds"].max() - steps * pd.tseries.frequencies.to_offset(freq)
    return frame[frame["ds"] <= frame["unique_id"].map(last)]


def draw_fan(name: str, table: pd.DataFrame, frame: pd.DataFrame, step: str) -> None:
    """One forecast of the test: the one that begins a quarter before its end, whatever came of it."""
    data = find_kind(name, SeriesTable)
    moments = np.sort(table["cutoff"].unique())
    moment = moments[len(moments) * 3 // 4]
    label = f"{data.target} in {data.units[data.target]}"
    axes = plot_forecast(table, "gru", history=frame, series=FANS[name], cutoff=moment, step=step_word(step), label=label)
    write_picture(axes.figure, PICTURES / f"{name}.svg", "svg")
