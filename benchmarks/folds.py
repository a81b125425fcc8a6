"""Genes of yeast in repeated folds, and from ten genes of each class; RNN, GRU and LSTM beside baselines.

    python -m benchmarks.folds [--rows build/folds.jsonl] [--repeats 1] [--draws 8] [--cell gru]

Folds: all 186 genes in five parts of like classes, each scored by what learned from the others; baselines five times over.
Ten: ten genes of each class to learn from, drawn by chance, scored on the other 156; baselines twenty times. The data must be
in the cache (`ostinato data yeast --fetch`), settings are the catalogue's. A finished row, the genes that each part had wrong, is
kept in --rows, and the next run goes on from there; at the end a table is printed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from ostinato.data import find_kind
from ostinato.data.genes import GeneCourses
from ostinato.tasks import SequenceClassifier
from ostinato.tasks.sequence_baselines import LinearClassifier, MajorityClass, NearestClassifier

CELLS, FOLDS, EACH = ("rnn", "gru", "lstm"), 5, 10
BASELINES = (MajorityClass, NearestClassifier, LinearClassifier)
FULL = {"folds": 5, "ten": 20}  # repeats of what takes a second

Rows = NDArray[np.intp]


def parts(protocol: str, labels: NDArray[Any], repeat: int) -> Iterator[tuple[Rows, Rows]]:
    """The rows to learn from, and to be scored on, of one repeat of a protocol."""
    if protocol == "folds":
        yield from StratifiedKFold(FOLDS, shuffle=True, random_state=repeat).split(labels, labels)
        return
    random = np.random.default_rng(repeat)
    learn = np.concatenate([random.permutation(np.flatnonzero(labels == label))[:EACH] for label in np.unique(labels)])
    yield learn, np.setdiff1d(np.arange(len(labels)), learn)


def models(data: GeneCourses, cells: list[str], seed: int) -> dict[str, Any]:
    """Baselines and networks, by name."""
    networks = {cell: SequenceClassifier(cell, random_state=seed, **vars(data.suggested)) for cell in cells}
    return {one.column: one() for one in BASELINES} | networks


def row(name: str, one: Any, protocol: str, repeat: int, X: list[Any], y: NDArray[Any]) -> dict[str, Any]:
    """Which genes were told wrong in one repeat, and how long all its fits took of the processor."""
    wrong, seconds = [], 0.0
    for learn, score in parts(protocol, y, repeat):
        started = time.process_time()
        one.fit([X[k] for k in learn], y[learn])
        seconds += time.process_time() - started
        wrong += score[one.predict([X[k] for k in score]) != y[score]].tolist()
    scored = len(y) if protocol == "folds" else len(y) - EACH * len(np.unique(y))
    return {"model": name, "protocol": protocol, "repeat": repeat, "wrong": wrong, "scored": scored, "seconds": round(seconds, 2)}


def table(rows: list[dict[str, Any]]) -> None:
    """Genes told wrong a repeat, their spread over repeats, and the accuracy."""
    for protocol in FULL:
        for name in dict.fromkeys(one["model"] for one in rows):
            own = [one for one in rows if (one["model"], one["protocol"]) == (name, protocol)]
            if own:
                wrong = np.array([len(one["wrong"]) for one in own])
                of = own[0]["scored"]
                told = f"{wrong.mean():6.2f} ± {wrong.std():.2f} of {of} wrong, accuracy {1 - wrong.mean() / of:.4f}, {len(own)} repeats"
                print(f"{protocol:6}{name:18}{told}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, default=Path("build/folds.jsonl"))
    parser.add_argument("--repeats", type=int, default=1, help="of the folds, by networks")
    parser.add_argument("--draws", type=int, default=8, help="of ten genes a class, by networks")
    parser.add_argument("--cell", nargs="+", choices=CELLS, default=list(CELLS))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    asked.rows.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in asked.rows.read_text().splitlines()] if asked.rows.exists() else []
    made = {(one["model"], one["protocol"], one["repeat"]) for one in rows}
    data = find_kind("yeast", GeneCourses)
    courses, labels = zip(*(data.sequences(part) for part in data.count), strict=True)
    X, y = [one for part in courses for one in part], np.concatenate(labels)
    for protocol, times in (("folds", asked.repeats), ("ten", asked.draws)):
        for repeat in range(FULL[protocol]):
            for name, one in models(data, asked.cell, repeat).items():
                if (name, protocol, repeat) in made or (name in CELLS and repeat >= times):
                    continue
                rows.append(row(name, one, protocol, repeat, X, y))
                with asked.rows.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
                print(json.dumps(rows[-1]), flush=True)
    table(rows)


if __name__ == "__main__":
    main()
