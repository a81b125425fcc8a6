"""The tables of docs/irregular.md: what it costs to lose steps or values, and what telling the gaps' lengths brings back.

    python -m benchmarks.irregular [--only vowels …] [--rows build/irregular.jsonl]

Steps or values of bundled data are dropped by lot, in the parts to learn from and to score on, once for each seed; the same
seed begins the network. A finished row is kept in --rows at once, and the next run goes on from there.
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

from ostinato.data import find
from ostinato.tasks import SequenceClassifier, SequenceRegressor

ROOT = Path(__file__).parent.parent
SEEDS = (0, 1, 2)
FORMS = ("whole", "steps lost", "values lost")
LOST = {"vowels": (0.5, 0.5), "fulda": (0.67, 0.5)}  # parts of the steps, of the values
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "order only": ("gru", {}),
    "time_gaps": ("gru", {"time_gaps": True}),
    "cfc": ("cfc", {}),
    "gru_d": ("gru_d", {}),
    "phased_lstm": ("phased_lstm", {}),
}


def without_steps(frame: pd.DataFrame, part: float, seed: int) -> pd.DataFrame:
    """Some of the rows, but the first of each sequence always."""
    kept = np.random.default_rng(seed).random(len(frame)) >= part
    return frame[kept | ~frame["unique_id"].duplicated().to_numpy()].reset_index(drop=True)


def without_values(frame: pd.DataFrame, columns: list[str], part: float, seed: int) -> pd.DataFrame:
    """All rows, some of the values of these columns missing."""
    lost = np.random.default_rng(seed).random((len(frame), len(columns))) < part
    return frame.assign(**frame[columns].mask(lost))


def lose(frame: pd.DataFrame, form: str, columns: list[str], parts: tuple[float, float], seed: int) -> pd.DataFrame:
    """The frame whole, or without some of its steps or values."""
    if form == "steps lost":
        return without_steps(frame, parts[0], seed)
    return without_values(frame, columns, parts[1], seed) if form == "values lost" else frame


def ways(form: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The ways to read a form of the data: what it is called, cell, settings. Whole, the cells show what they can."""
    for way, (cell, settings) in WAYS.items():
        if form != "whole" or way != "time_gaps":
            yield way, cell, settings


def vowels(form: str, cell: str, settings: dict[str, Any], seed: int) -> float:
    """Who speaks: the accuracy on the test part."""
    data = find("japanese-vowels")
    learn, test = data.frame("train"), data.frame("test")
    features = [c for c in learn if c.startswith("dim_")]
    learn, test = (lose(one, form, features, LOST["vowels"], seed + 10 * k) for k, one in enumerate((learn, test)))
    one = SequenceClassifier(cell, missing="carry", random_state=seed, **settings)
    return 100 * float(one.fit(learn, "label").score(test, "label"))


def fulda(form: str, cell: str, settings: dict[str, Any], seed: int) -> float:
    """Runoff of each day (the logarithm of 1 + Q) from the rain and the temperatures up to it, half a year a sequence: R²."""
    frame = find("fulda").frame()
    frame["unique_id"] = frame["ds"].dt.year.astype(str) + frame["ds"].dt.month.gt(6).map({True: "b", False: "a"})
    frame["y"] = np.log1p(frame["y"])
    learn, test = frame[frame["ds"] < "1987"], frame[frame["ds"] >= "1987"]
    columns = [c for c in frame if c not in ("unique_id", "ds", "y")]
    learn, test = (lose(one, form, columns, LOST["fulda"], seed + 10 * k) for k, one in enumerate((learn, test)))
    one = SequenceRegressor(cell, missing="carry", per_step=True, batch_size=4, hidden_size=16, random_state=seed, **settings)
    return float(one.fit(learn, "y").score(test, "y"))


TASKS: dict[str, Callable[[str, str, dict[str, Any], int], float]] = {"vowels": vowels, "fulda": fulda}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, default=ROOT / "build" / "irregular.jsonl")
    parser.add_argument("--only", nargs="+", choices=[*TASKS], default=[*TASKS])
    wishes = parser.parse_args()
    wishes.rows.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in wishes.rows.read_text().splitlines()] if wishes.rows.exists() else []
    done = {tuple(row["key"]): row for row in rows}
    for task in wishes.only:
        for form in FORMS:
            for way, cell, settings in ways(form):
                for seed in SEEDS:
                    key = (task, form, way, seed)
                    if key in done:
                        continue
                    started = time.perf_counter()
                    found = TASKS[task](form, cell, settings, seed)
                    done[key] = {"key": key, "found": found, "seconds": round(time.perf_counter() - started, 1)}
                    with wishes.rows.open("a") as file:
                        file.write(json.dumps(done[key]) + "\n")
                    print(*key, round(found, 4), done[key]["seconds"], flush=True)


if __name__ == "__main__":
    main()
