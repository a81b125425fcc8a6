"""The tables of docs/irregular.md and of "What they bring" in docs/forecasting.md: what gaps cost, and what inputs bring.

    python -m benchmarks.inputs [--only vowels …] [--rows build/inputs.jsonl]

Steps or values of bundled data are lost by lot, in the parts to learn from and to score on, another lot for each seed; the
same seed begins the network. A finished row is kept in --rows at once, and the next run goes on from there. About ten minutes.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ostinato.data import find, find_kind
from ostinato.data.series import SeriesTable
from ostinato.tasks import Forecaster, Linear, SequenceClassifier, SequenceRegressor, score

ROOT = Path(__file__).parent.parent
SEEDS = (0, 1, 2)
LOST = 0.5  # of the steps, or of the values
FORMS = ("whole", "steps lost", "values lost")
READERS: dict[str, tuple[str, dict[str, Any]]] = {
    "GRU": ("gru", {}),
    "GRU, time_gaps": ("gru", {"time_gaps": True}),
    "GRU-D": ("gru_d", {}),
    "CfC": ("cfc", {}),
    "phased LSTM": ("phased_lstm", {}),
}
FORECASTS: dict[str, dict[str, dict[str, Any]]] = {
    "fulda": {"as it is": {}, "rain known ahead": {"future_covariates": ["Prec"]}},
    "nyc-weather": {
        "as it is": {},
        "no calendar": {"cycles": []},
        "airport told": {"static_covariates": ["airport"]},
        "values lost": {},
        "values lost, time_gaps": {"time_gaps": True},
        "own gaps, time_gaps": {"time_gaps": True},
    },
}
TRAINING: dict[str, dict[str, Any]] = {"nyc-weather": {"batch_size": 256, "learning_rate": 1e-2, "max_epochs": 30, "patience": 5}}


def lose(frame: pd.DataFrame, form: str, columns: list[str], seed: int) -> pd.DataFrame:
    """The frame whole; without some of its rows, but for each sequence's first; or without some values of these columns."""
    random = np.random.default_rng(seed)
    if form == "steps lost":
        return frame[(random.random(len(frame)) >= LOST) | ~frame["unique_id"].duplicated().to_numpy()].reset_index(drop=True)
    if form == "values lost":
        return frame.assign(**frame[columns].mask(random.random((len(frame), len(columns))) < LOST))
    return frame


def vowels(form: str, cell: str, settings: dict[str, Any], seed: int) -> float:
    """Who speaks, by the default settings: percent right on the test part."""
    data = find("japanese-vowels")
    learn, test = data.frame("train"), data.frame("test")
    features = [c for c in learn if c.startswith("dim_")]
    learn, test = (lose(one, form, features, seed + 10 * k) for k, one in enumerate((learn, test)))
    one = SequenceClassifier(cell, missing="carry", random_state=seed, **settings)
    return 100 * float(one.fit(learn, "label").score(test, "label"))


def runoff(form: str, cell: str, settings: dict[str, Any], seed: int) -> float:
    """log(1 + runoff) of each day from the rain and the temperatures up to it, half a year a sequence: R² of 1987 and 1988."""
    frame = find("fulda").frame()
    frame["unique_id"] = frame["ds"].dt.year.astype(str) + np.where(frame["ds"].dt.month > 6, "b", "a")
    frame["y"] = np.log1p(frame["y"])
    columns = [c for c in frame if c not in ("unique_id", "ds", "y")]
    parts = frame[frame["ds"] < "1987"], frame[frame["ds"] >= "1987"]
    learn, test = (lose(one, form, columns, seed + 10 * k) for k, one in enumerate(parts))
    one = SequenceRegressor(
        cell, missing="carry", per_step=True, hidden_size=16, batch_size=4, max_epochs=60, schedule="OneCycleLR",
        validation_fraction=0.0, random_state=seed, **settings,
    )  # fmt: skip
    return float(one.fit(learn, "y").score(test, "y"))


def ahead(name: str, way: str, settings: dict[str, Any], model: str, seed: int) -> float:
    """The mean absolute error on the catalogue's test part."""
    frame, task = find(name).frame(), find_kind(name, SeriesTable).suggested
    frame = lose(frame, way.partition(",")[0], [c for c in frame if c not in ("unique_id", "ds")], seed)
    if "static_covariates" in settings:
        frame["airport"] = frame["unique_id"]
    shared = {"horizon": task.horizon, "window": task.window, "freq": task.freq, "missing": "carry"}
    shared |= {"target_transform": task.target_transform, **settings}
    one = Linear(**shared) if model == "linear" else Forecaster(model, random_state=seed, **shared, **TRAINING.get(name, {}))
    table = one.cross_validation(frame, n_windows=task.test_steps - task.horizon + 1, step_size=1)
    return score(table, one.column).mae


def jobs() -> Iterator[tuple[tuple[str, str, str, int], Callable[[], float]]]:
    """What there is to run: (task, form, model, seed), and how."""
    for task, run in (("vowels", vowels), ("runoff", runoff)):
        for form in FORMS:
            for model, (cell, settings) in READERS.items():
                if form != "whole" or "gaps" not in model:
                    for seed in SEEDS:
                        yield (task, form, model, seed), lambda r=run, a=(form, cell, settings, seed): r(*a)
    for name, forms in FORECASTS.items():
        for way, settings in forms.items():
            # Where half the values are lost, no moment has all 24 targets that the linear model learns from.
            for model in ("gru",) if "lost" in way else ("linear", "gru"):
                for seed in SEEDS if model == "gru" else SEEDS[:1]:
                    yield (name, way, model, seed), lambda a=(name, way, settings, model, seed): ahead(*a)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, default=ROOT / "build" / "inputs.jsonl")
    parser.add_argument("--only", nargs="+", choices=["vowels", "runoff", *FORECASTS])
    wishes = parser.parse_args()
    wishes.rows.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in wishes.rows.read_text().splitlines()] if wishes.rows.exists() else []
    done = {tuple(row["key"]): row for row in rows}
    for key, run in jobs():
        if key not in done and key[0] in (wishes.only or key[0]):
            started = time.perf_counter()
            done[key] = {"key": key, "found": run(), "seconds": round(time.perf_counter() - started, 1)}
            with wishes.rows.open("a") as file:
                file.write(json.dumps(done[key]) + "\n")
    tell(done)


def tell(done: dict[tuple[Any, ...], dict[str, Any]]) -> None:
    """A line of each table: mean ± standard deviation among the seeds."""
    print("| task | form | model | found | seconds |\n|---|---|---|--:|--:|")
    for task, form, model in dict.fromkeys(key[:3] for key in done):
        some = [row for key, row in done.items() if key[:3] == (task, form, model)]
        found, seconds = np.array([row["found"] for row in some]), np.median([row["seconds"] for row in some])
        spread = f" ± {found.std(ddof=1):.3f}" if len(found) > 1 else ""
        print(f"| {task} | {form} | {model} | {found.mean():.3f}{spread} | {seconds:.1f} |")


if __name__ == "__main__":
    main()
