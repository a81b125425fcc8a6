"""The tables of docs/results.md: every application with RNN, GRU and LSTM from three seeds each, beside baselines.

    python -m benchmarks.results [--rows build/results.jsonl] [--only fulda r8 …] [--beside 2] [--page docs/results.md]

A finished row is kept in --rows at once, and the next run goes on from there; a row whose settings have changed is made
again. Each row is made by a process of its own on one thread, --beside of them at a time. The pictures of the page are drawn
by the GRU of the first seed. Sets that are fetched must be in the cache: `ostinato data NAME --fetch`. What it took stands on
the page; the translators alone take most of it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import torch

from ostinato.data import DataError

from .results_forecasts import NETWORKS, forecast_jobs
from .results_page import write_page
from .results_row import Row
from .results_sequences import APPLICATIONS, sequence_jobs

ROOT = Path(__file__).parent.parent
NAMES = (*NETWORKS, *APPLICATIONS)
TOLD = ("mae", "accuracy", "error_rate", "word_error_rate", "bleu", "chrf", "seconds")


def rows_of(name: str) -> Iterator[Row]:
    """The rows of an application, still to be made."""
    return sequence_jobs(name) if name in APPLICATIONS else forecast_jobs(name)


def make(name: str, key: str) -> dict[str, Any]:
    """Make one row, on one thread."""
    torch.set_num_threads(1)
    row = next(row for row in rows_of(name) if row.key == key)
    return {"key": key, "data": name, "model": row.model, "seed": row.seed, "settings": row.settings, **row.run()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, default=ROOT / "build" / "results.jsonl")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--beside", type=int, default=1)
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "results.md")
    wishes = parser.parse_args()
    wishes.rows.parent.mkdir(parents=True, exist_ok=True)
    done = read(wishes.rows)
    todo = [row for name in wishes.only for row in rows_of(name) if row.key not in done]
    todo.sort(key=lambda row: row.seed or 0)  # every application's first seed before any second one
    with ProcessPoolExecutor(wishes.beside, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as processes:
        asked = {processes.submit(make, row.data, row.key): row for row in todo}
        for future in as_completed(asked):
            try:
                keep(future.result(), wishes.rows)
            except DataError as error:
                print(f"{asked[future].data} {asked[future].model}: {error}", flush=True)
    done = read(wishes.rows)
    write_page(wishes.page, [done[row.key] for name in NAMES for row in rows_of(name) if row.key in done])


def read(path: Path) -> dict[str, dict[str, Any]]:
    """The rows that are finished, by their keys."""
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return {row["key"]: row for row in rows}


def keep(row: dict[str, Any], path: Path) -> None:
    """Add a finished row to the others, and tell it in a line."""
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")
    for model, found in row.get("models", {row["model"]: row}).items():
        told = {name: round(found[name], 4) for name in TOLD if isinstance(found.get(name), (int, float))}
        print(row["data"], model, "" if row["seed"] is None else row["seed"], told, flush=True)


if __name__ == "__main__":
    main()
