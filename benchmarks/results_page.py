"""The page docs/results.md, out of the rows that results.py has finished."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sklearn
import torch

from ostinato.data import find_kind
from ostinato.data.sequences import LabelledSequences
from ostinato.data.series import SeriesTable
from ostinato.tasks.comparison import Comparison

from .machine import machine

CELLS = ("rnn", "gru", "lstm")
SEEDS = (0, 1, 2)
LEVELS = (80, 95)
BEGIN, END = "<!-- from here to the end mark: written by benchmarks/results.py -->", "<!-- end mark -->"

Row = Mapping[str, Any]


def write_page(path: Path, rows: Sequence[Row]) -> None:
    """Put the tables between the page's two marks, and leave the rest as it is."""
    text = path.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    sections = [how(rows), "## In short", in_short(rows)]
    for name in dict.fromkeys(row["data"] for row in rows):
        own = [row for row in rows if row["data"] == name]
        sections.append(sequences(name, own) if "accuracy" in own[0] else forecasts(name, own))
    path.write_text("\n\n".join([head + BEGIN, *sections, END + tail]), encoding="utf-8")


def how(rows: Sequence[Row]) -> str:
    """When and where."""
    minutes = sum(row["seconds"] for row in rows) / 60
    versions = f"Python {platform.python_version()}, torch {torch.__version__.split('+')[0]}, scikit-learn {sklearn.__version__}"
    return f"Written on {datetime.date.today()} on {machine()}; {versions}. Fitting took {minutes:.0f} minutes in all."


def in_short(rows: Sequence[Row]) -> str:
    """For each set the best baseline and the best network, both by their error in the test."""
    table = [("", "best baseline", "best network", "the network is"), ("---",) * 4]
    for name in dict.fromkeys(row["data"] for row in rows):
        groups = grouped([row for row in rows if row["data"] == name])
        error = {
            model: np.mean([row["mae"] if "mae" in row else 100 * (1 - row["accuracy"]) for row in own]) for model, own in groups.items()
        }
        best, network = (min((m for m in groups if ("weights" in groups[m][0]) == kind), key=error.__getitem__) for kind in (False, True))
        if "mae" in groups[best][0]:
            unit = "%" if name == "stocks" else find_kind(name, SeriesTable).units[find_kind(name, SeriesTable).target]
            shown = [f"{model}: MAE {error[model]:.3f} {unit}" for model in (best, network)]
            said = verdict(groups, network, best, unit)
            word = "better" if " beats " in said else "worse" if " does not beat " in said else "not clearly better or worse"
        else:
            shown = [f"{model}: {error[model]:.1f} % wrong" for model in (best, network)]
            word = "better" if error[network] < error[best] else "worse"
        table.append((f"`{name}`", shown[0], shown[1].replace(network, network.upper(), 1), word))
    return markdown(table)


def forecasts(name: str, rows: Sequence[Row]) -> str:
    """The section of one table of series."""
    data = find_kind(name, SeriesTable)
    task, stocks = data.suggested, name == "stocks"
    unit = "%" if stocks else data.units[data.target]
    groups = grouped(rows)
    baselines = {model: one for model, one in groups.items() if model not in CELLS}
    best = min(baselines, key=lambda model: baselines[model][0]["mae"])
    inside = (f"in the {level} % interval" for level in LEVELS)
    table = [
        ("", f"MAE, {unit}", f"RMSE, {unit}", f"skill beside {best}", *inside, "seconds to fit"),
        ("---", *["--:"] * 6),
    ]
    for model, own in groups.items():
        skill = 1 - np.mean([row["mae"] for row in own]) / baselines[best][0]["mae"]
        table.append(
            (
                model.upper() if model in CELLS else model,
                spread([row["mae"] for row in own], 3),
                spread([row["rmse"] for row in own], 3),
                "" if model == best else f"{100 * skill:+.1f} %",
                *(spread([100 * row["coverage"][str(level)] for row in own], 1) + " %" for level in LEVELS),
                f"{np.mean([row['seconds'] for row in own]):.1f}",
            )
        )
    what = "the return of each stock, in percent (the logarithm's change)" if stocks else f"`{data.target}` in {unit}"
    series = f"{len(data.rows)} series, " if len(data.rows) > 1 else ""
    parts = [
        f"## {data.title}",
        f"`{name}`: {series}{what}, {task.horizon} {'steps' if task.horizon > 1 else 'step'} ahead, window {task.window}, "
        f"the last {task.test_steps} steps of each series as the test. {told(groups)}",
        markdown(table),
        "\n".join(f"- {sentence}" for sentence in verdicts(groups, best, unit)),
    ]
    picture = Path(__file__).parent.parent / "docs" / "pictures" / f"{name}.svg"
    if picture.exists():
        parts.append(f"![A forecast of {data.target} by a GRU, with its intervals, and what happened](pictures/{name}.svg)")
    return "\n\n".join(parts)


def sequences(name: str, rows: Sequence[Row]) -> str:
    """The section of one set of labelled sequences."""
    data = find_kind(name, LabelledSequences)
    table = [("", "accuracy", "wrong", "seconds to fit"), ("---", *["--:"] * 3)]
    groups = grouped(rows)
    for model, own in groups.items():
        wrong = [round((1 - row["accuracy"]) * row["of"]) for row in own]
        accuracy = [100 * row["accuracy"] for row in own]
        seconds = f"{np.mean([row['seconds'] for row in own]):.1f}"
        table.append((model.upper() if model in CELLS else model, f"{spread(accuracy, 1)} %", ", ".join(map(str, wrong)), seconds))
    parts = f"{data.count['train']} sequences to learn from and {data.count['test']} to test on"
    return "\n\n".join(
        [
            f"## {data.title}",
            f"`{name}`: {len(data.classes)} classes, {parts}, the literature's split. {told(groups)} "
            "The settings were chosen by cross-validation within the training part.",
            markdown(table),
            f"![The confusion matrix of a GRU on the test part](pictures/{name}.svg)",
        ]
    )


def grouped(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each model, seed by seed."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["model"], []).append(row)
    return groups


def told(groups: Mapping[str, Sequence[Row]]) -> str:
    """The networks' settings in a sentence."""
    network = next((own[0] for model, own in groups.items() if model in CELLS), None)
    if network is None:
        return ""
    shown = ("horizon", "freq", "missing", "window")
    settings = ", ".join(f"{name} {value}" for name, value in network["settings"].items() if name not in shown)
    sizes = ", ".join(f"{model.upper()} {own[0]['weights']}" for model, own in groups.items() if model in CELLS)
    return f"Networks: {settings or 'the defaults'}; weights: {sizes}."


def verdicts(groups: Mapping[str, Sequence[Row]], best: str, unit: str) -> list[str]:
    """Whether each network beats the best baseline."""
    networks = [model for model in groups if model in CELLS]
    found = [verdict(groups, model, best, unit) for model in networks]
    wins = any(np.mean([row["mae"] for row in groups[model]]) < groups[best][0]["mae"] for model in networks)
    return found if wins else [*found, f"**No network beats {best} here.**"]


def verdict(groups: Mapping[str, Sequence[Row]], model: str, best: str, unit: str) -> str:
    """Whether a network, its seeds' errors averaged, beats a baseline; the interval is over the moments of the test."""
    own = np.mean([row["by_moment"] for row in groups[model]], axis=0)
    known = np.where(np.isnan(own), np.nan, 0.0)
    table = pd.DataFrame({"cutoff": np.arange(len(own)), "y": known, model.upper(): own, best: groups[best][0]["by_moment"]})
    return Comparison(table).verdict(model.upper(), best, unit)


def spread(values: Sequence[float], digits: int) -> str:
    """The mean over seeds, and the standard deviation among them."""
    mean = f"{np.mean(values):.{digits}f}"
    return f"{mean} ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else mean


def markdown(table: Sequence[Sequence[str]]) -> str:
    """Rows of cells as a table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in table)
