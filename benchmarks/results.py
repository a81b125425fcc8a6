"""The tables of docs/results.md: every bundled task, with RNN, GRU and LSTM from three seeds each, beside baselines.

    python -m benchmarks.results [--rows build/results.jsonl] [--only fulda …] [--page docs/results.md]

A finished row is kept in --rows at once, and the next run goes on from there; a row whose settings have changed is made
again. The pictures of the page are drawn by the GRU of the first seed. About five minutes on two idle cores.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ostinato.data import find, find_kind
from ostinato.data.sequences import LabelledSequences
from ostinato.data.series import SeriesTable
from ostinato.tasks import Climatology, Forecaster, Linear, Naive, SeasonalNaive, SequenceClassifier, score
from ostinato.tasks.calendar import step_word
from ostinato.tasks.climate import Climate
from ostinato.tasks.panel import Moments, Panel
from ostinato.tasks.parameters import estimator
from ostinato.tasks.plot_forecasts import plot_forecast
from ostinato.tasks.plot_sequences import plot_confusion_matrix
from ostinato.tasks.plot_style import write_picture
from ostinato.tasks.rolling import RollingForecaster
from ostinato.tasks.sequence_baselines import LinearClassifier, MajorityClass, NearestClassifier

from .results_page import CELLS, LEVELS, SEEDS, write_page

ROOT = Path(__file__).parent.parent

# Beside what the catalogue suggests. All was chosen on what lies before the test.
NETWORKS: dict[str, dict[str, Any]] = {
    "seattle-weather": {},
    "nyc-weather": {"batch_size": 256, "learning_rate": 1e-2, "max_epochs": 30, "patience": 5},
    "fulda": {},
    "stocks": {"batch_size": 256},
}
CLASSIFIER: dict[str, Any] = dict(vars(find_kind("japanese-vowels", LabelledSequences).suggested))
DATA = (*NETWORKS, "japanese-vowels")
TOLD = ("mae", "accuracy", "coverage", "seconds")
FANS = {"seattle-weather": None, "nyc-weather": "JFK", "fulda": None}


@dataclass(frozen=True)
class Job:
    """A row to come: who it is, and what makes it."""

    data: str
    model: str
    seed: int | None
    settings: dict[str, Any]
    run: Callable[[], dict[str, Any]]

    @property
    def key(self) -> str:
        return json.dumps([self.data, self.model, self.seed, self.settings])


@estimator()
class Zero(Naive):
    """Every return to come is zero: the price is a random walk."""

    column = "zero return"

    def _forecast(self, panel: Panel, climate: Climate, moments: Moments) -> NDArray[np.float64]:
        return np.zeros((len(moments.ends), self.horizon))


def frame_of(name: str) -> pd.DataFrame:
    """The bundled table; of stocks, returns of price and changes of volume since the last trading day, in percent."""
    frame = find_kind(name, SeriesTable).frame()
    if name == "stocks":
        series = frame["unique_id"]
        for column in ("y", "Volume"):
            frame[column] = 100 * np.log(frame[column]).groupby(series).diff()
        frame = frame[series.duplicated()]
    return frame


def forecast_jobs(name: str) -> Iterator[Job]:
    """Baselines and networks for one table of series, by the catalogue's split."""
    task = find_kind(name, SeriesTable).suggested
    shared = {"horizon": task.horizon, "freq": task.freq, "missing": task.missing}
    shared |= {} if task.target_transform == "identity" else {"target_transform": task.target_transform}
    baselines: list[tuple[type[RollingForecaster], dict[str, Any]]] = [(Climatology, {}), (Linear, {"window": task.window})]
    baselines = [(Zero, {})] + baselines if name == "stocks" else [(Naive, {}), (SeasonalNaive, {"season": task.season})] + baselines
    for kind, own in baselines:
        settings = {**shared, **own}
        yield Job(name, kind.column, None, settings, lambda kind=kind, settings=settings: forecast(name, kind(**settings), None))
    for cell in CELLS:
        for seed in SEEDS:
            settings = {"window": task.window, **shared, **NETWORKS[name]}
            one = Forecaster(cell, random_state=seed, **settings)
            yield Job(name, cell, seed, settings, lambda one=one, seed=seed: forecast(name, one, seed))


def forecast(name: str, forecaster: RollingForecaster, seed: int | None) -> dict[str, Any]:
    """Fit on what lies before the test, then forecast from each moment of it."""
    frame, steps = frame_of(name), find_kind(name, SeriesTable).suggested.test_steps
    started = time.perf_counter()
    forecaster.fit(before(frame, steps, str(forecaster.freq)))
    seconds = time.perf_counter() - started
    table = forecaster.backtest(frame, n_windows=steps - forecaster.horizon + 1, step_size=1, level=LEVELS)
    found = score(table, forecaster.column)
    if seed == SEEDS[0] and forecaster.column == "gru" and name in FANS:
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


def learned(estimator: Any) -> dict[str, Any]:
    """How large a network is, and how long it learned."""
    if not hasattr(estimator, "networks_"):
        return {}
    weights = sum(p.numel() for p in estimator.networks_[0].parameters())
    return {"weights": weights, "epochs": estimator.training_[0]["epochs"]}


def classifier_jobs(name: str) -> Iterator[Job]:
    """Baselines and networks for labelled sequences, by the literature's split."""
    for kind in (MajorityClass, NearestClassifier, LinearClassifier):
        yield Job(name, kind.column, None, {}, lambda kind=kind: classify(name, kind(), None, ""))
    for cell in CELLS:
        for seed in SEEDS:
            one = SequenceClassifier(cell, random_state=seed, **CLASSIFIER)
            yield Job(name, cell, seed, CLASSIFIER, lambda one=one, seed=seed, cell=cell: classify(name, one, seed, cell))
    for seed in SEEDS:
        one = SequenceClassifier("gru", random_state=seed)
        yield Job(name, "GRU, default settings", seed, plain(one), lambda one=one, seed=seed: classify(name, one, seed, ""))


def plain(estimator: Any) -> dict[str, Any]:
    """All its settings, those that are not set included, so that a row is made again when a default changes."""
    return {name: value for name, value in estimator.get_params().items() if name != "on_epoch"}


def classify(name: str, classifier: Any, seed: int | None, cell: str) -> dict[str, Any]:
    """Fit on the training part, score on the test part."""
    data = find_kind(name, LabelledSequences)
    started = time.perf_counter()
    classifier.fit(*data.sequences("train"))
    seconds = time.perf_counter() - started
    sequences, truth = data.sequences("test")
    said = classifier.predict(sequences)
    if seed == SEEDS[0] and cell == "gru":
        save(plot_confusion_matrix(truth, said), f"{name}.svg")
    return {"accuracy": float(np.mean(said == truth)), "of": len(truth), "seconds": seconds, **learned(classifier)}


def draw_fan(name: str, table: pd.DataFrame, frame: pd.DataFrame, step: str) -> None:
    """One forecast of the test: the one that begins a quarter before its end, whatever came of it."""
    data = find_kind(name, SeriesTable)
    moments = np.sort(table["cutoff"].unique())
    moment = moments[len(moments) * 3 // 4]
    label = f"{data.target} in {data.units[data.target]}"
    axes = plot_forecast(table, "gru", history=frame, series=FANS[name], cutoff=moment, step=step_word(step), label=label)
    save(axes, f"{name}.svg")


def save(axes: Any, name: str) -> None:
    """A picture of the page."""
    folder = ROOT / "docs" / "pictures"
    folder.mkdir(exist_ok=True)
    write_picture(axes.figure, folder / name, "svg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, default=ROOT / "build" / "results.jsonl")
    parser.add_argument("--only", nargs="+", choices=DATA, default=DATA)
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "results.md")
    wishes = parser.parse_args()
    wishes.rows.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in wishes.rows.read_text().splitlines()] if wishes.rows.exists() else []
    done = {row["key"]: row for row in rows}
    shown = []
    for name in DATA:
        for job in classifier_jobs(name) if isinstance(find(name), LabelledSequences) else forecast_jobs(name):
            if job.key not in done and name in wishes.only:
                done[job.key] = {"key": job.key, "data": name, "model": job.model, "seed": job.seed, "settings": job.settings, **job.run()}
                with wishes.rows.open("a") as file:
                    file.write(json.dumps(done[job.key]) + "\n")
                tell(done[job.key])
            shown += [done[job.key]] if job.key in done else []
    write_page(wishes.page, shown)


def tell(row: dict[str, Any]) -> None:
    """A finished row, in a line."""
    found = {name: value if isinstance(value, dict) else round(value, 4) for name, value in row.items() if name in TOLD}
    print(row["data"], row["model"], "" if row["seed"] is None else row["seed"], found, flush=True)


if __name__ == "__main__":
    main()
