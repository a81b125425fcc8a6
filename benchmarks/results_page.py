"""The page docs/results.md, out of the rows that results.py has finished."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sklearn
import torch

from ostinato.cli.flags import flag_name
from ostinato.data import find_kind
from ostinato.data.series import SeriesTable
from ostinato.tasks.comparison import Comparison

from .machine import machine
from .results_forecasts import NETWORKS
from .results_row import CELLS, LEVELS, PICTURES
from .results_sequences import APPLICATIONS, picture_of

# The scores of the tables, in the order of their columns.
WORDS = {
    "mae": "MAE",
    "accuracy": "accuracy, %",
    "coarse_accuracy": "accuracy of 3 states (Q3), %",
    "macro_f1": "mean F1, %",
    "error_rate": "symbols wrong, %",
    "word_error_rate": "words wrong, %",
    "right": "all right, %",
    "bleu": "BLEU",
    "chrf": "chrF",
    "mcd": "mel-cepstral distortion, dB",
    "mcd_timed": "the same with true durations, dB",
    "duration_rmse": "duration RMSE, ms",
}
BOUNDS = ("resynthesis",)  # no baselines: what the way back to sound loses, whoever speaks
PERCENT = ("accuracy", "coarse_accuracy", "macro_f1", "error_rate", "word_error_rate", "right")
BEGIN, END = "<!-- from here to the end mark: written by benchmarks/results.py -->", "<!-- end mark -->"

Row = Mapping[str, Any]


def write_page(path: Path, rows: Sequence[Row]) -> None:
    """Put the tables between the page's two marks, and leave the rest as it is."""
    text = path.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    rows = list(unfolded(rows))
    sections = [how(rows), "## All of it", overview(rows)]
    for name in dict.fromkeys(row["data"] for row in rows):
        own = [row for row in rows if row["data"] == name]
        sections.append(sequences(name, own) if name in APPLICATIONS else forecasts(name, own))
    path.write_text("\n\n".join([head + BEGIN, *sections, END + tail]), encoding="utf-8")


def unfolded(rows: Sequence[Row]) -> Iterator[Row]:
    """The rows, where one has several baselines one for each."""
    for row in rows:
        for model, found in row.get("models", {row["model"]: {}}).items():
            yield {**row, **found, "model": model}


def how(rows: Sequence[Row]) -> str:
    """When and where."""
    minutes = sum(row["seconds"] for row in rows) / 60
    versions = f"Python {platform.python_version()}, torch {torch.__version__.split('+')[0]}, scikit-learn {sklearn.__version__}"
    written = f"Written on {datetime.date.today()} on {machine()}; {versions}."
    seconds = "Each row was made on one thread; seconds are the processor's, which had other work beside."
    return f"{written} {seconds} Fitting took {minutes:.0f} minutes in all."


def overview(rows: Sequence[Row]) -> str:
    """One line for each application: what counts, of the best baseline and of each cell, and what it takes."""
    table = [
        ("application", "data", "score", "best baseline", *(cell.upper() for cell in CELLS), "seconds", "weights", "`ostinato fit …`"),
        ("---",) * 3 + ("--:",) * 6 + ("---",),
    ]
    for name, groups in by_data(rows).items():
        networks = {cell: groups[cell] for cell in CELLS if cell in groups}
        if not networks:
            continue
        measure = Measure(measure_of(name))
        baselines = {model: own for model, own in groups.items() if model not in (*CELLS, *BOUNDS)}
        best = measure.best(baselines)
        table.append(
            (
                title_of(name),
                f"[`{data_of(name)}`](data.md#{data_of(name)})",
                measure.words(unit_of(name)),
                f"{best}: {measure.spread(baselines[best])}" if best else "",
                *(measure.spread(networks[cell]) if cell in networks else "" for cell in CELLS),
                " / ".join(f"{np.mean([row['seconds'] for row in own]):.0f}" for own in networks.values()),
                " / ".join(f"{own[0]['weights']:,}" for own in networks.values()),
                f"`{command_of(name)}`",
            )
        )
    return markdown(table)


@dataclass(frozen=True)
class Measure:
    """A score by its name in a row."""

    name: str

    @property
    def lower(self) -> bool:
        return self.name in ("mae", "error_rate", "word_error_rate", "mcd", "mcd_timed", "duration_rmse")

    def words(self, unit: str = "") -> str:
        return WORDS.get(self.name, self.name) + (f", {unit}" if unit else "")

    def of(self, row: Row) -> float:
        return float(row[self.name]) * (100 if self.name in PERCENT else 1)

    def spread(self, rows: Sequence[Row]) -> str:
        return spread([self.of(row) for row in rows], 3 if self.name == "mae" else 2 if self.name.startswith("mcd") else 1)

    def best(self, groups: Mapping[str, Sequence[Row]]) -> str | None:
        """The model that is best by it, its seeds averaged."""
        means = {model: float(np.mean([self.of(row) for row in rows])) for model, rows in groups.items() if rows}
        return (min if self.lower else max)(means, key=means.__getitem__) if means else None


def forecasts(name: str, rows: Sequence[Row]) -> str:
    """The section of one table of series."""
    data = find_kind(name, SeriesTable)
    task = data.suggested
    unit = unit_of(name)
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
    what = "the return of each stock, in percent (the logarithm's change)" if task.returns else f"`{data.target}` in {unit}"
    series = f"{len(data.rows)} series, " if len(data.rows) > 1 else ""
    parts = [
        f"## {data.title}",
        f"`{name}`: {series}{what}, {task.horizon} {'steps' if task.horizon > 1 else 'step'} ahead, window {task.window}, "
        f"the last {task.test_steps} steps of each series as the test. {told(groups)} {sizes(groups)}",
        markdown(table),
        "\n".join(f"- {sentence}" for sentence in verdicts(groups, best, unit)),
    ]
    if (PICTURES / f"{name}.svg").exists():
        parts.append(f"![A forecast of {data.target} by a GRU, with its intervals, and what happened](pictures/{name}.svg)")
    return "\n\n".join(parts)


def sequences(name: str, rows: Sequence[Row]) -> str:
    """The section of an application that is a command about sequences."""
    groups = grouped(rows)
    first = next(iter(groups.values()))[0]
    measures = [Measure(one) for one in WORDS if any(row.get(one) is not None for row in first_of_each(groups))]
    table = [("", *(measure.words() for measure in measures), "seconds to fit", "weights"), ("---", *["--:"] * (len(measures) + 2))]
    for model, own in groups.items():
        table.append(
            (
                model.upper() if model in CELLS else model,
                *(measure.spread(own) if own[0].get(measure.name) is not None else "" for measure in measures),
                f"{np.mean([row['seconds'] for row in own]):.1f}",
                f"{own[0]['weights']:,}" if "weights" in own[0] else "",
            )
        )
    split = "the group left out" if "--leave-out" in command_of(name) else f"split as [the data's page](data.md#{data_of(name)}) says"
    parts = [
        f"## {title_of(name)}",
        f"`ostinato fit {command_of(name)}`: {first['train']:,} to learn from and {first['test']:,} to test on, {split}. {told(groups)}",
        markdown(table),
    ]
    if picture_of(name).exists():
        parts.append(f"![What the first GRU says of the test part, drawn](pictures/{picture_of(name).name})")
    return "\n\n".join(parts)


def by_data(rows: Sequence[Row]) -> dict[str, dict[str, list[Row]]]:
    """The rows of each application, model by model."""
    names = dict.fromkeys(row["data"] for row in rows)
    return {name: grouped([row for row in rows if row["data"] == name]) for name in names}


def first_of_each(groups: Mapping[str, Sequence[Row]]) -> list[Row]:
    """The first seed of each model."""
    return [own[0] for own in groups.values()]


def title_of(name: str) -> str:
    return APPLICATIONS[name].title if name in APPLICATIONS else find_kind(name, SeriesTable).title


def data_of(name: str) -> str:
    return APPLICATIONS[name].data if name in APPLICATIONS else name


def measure_of(name: str) -> str:
    return APPLICATIONS[name].measure if name in APPLICATIONS else "mae"


def unit_of(name: str) -> str:
    """The unit of a mean absolute error."""
    if name in APPLICATIONS:
        return ""
    data = find_kind(name, SeriesTable)
    return "%" if data.suggested.returns else data.units[data.target]


def command_of(name: str) -> str:
    """What stands after `ostinato fit`."""
    if name in APPLICATIONS:
        return APPLICATIONS[name].command
    flags = (f"{flag_name(key)} {value:g}" for key, value in NETWORKS[name].items())
    return " ".join(("forecast", name, *flags))


def grouped(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each model, seed by seed."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["model"], []).append(row)
    return groups


def told(groups: Mapping[str, Sequence[Row]]) -> str:
    """The networks' settings in a sentence."""
    network = next((own[0] for model, own in groups.items() if model in CELLS), None)
    shown = ("horizon", "freq", "missing", "window")
    settings = ", ".join(f"{name} {value}" for name, value in (network or {"settings": {}})["settings"].items() if name not in shown)
    return f"Networks: {settings or 'the defaults'}."


def sizes(groups: Mapping[str, Sequence[Row]]) -> str:
    """How many weights each network has."""
    return "Weights: " + ", ".join(f"{model.upper()} {own[0]['weights']:,}" for model, own in groups.items() if model in CELLS) + "."


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
