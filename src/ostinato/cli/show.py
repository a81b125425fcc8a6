"""Results as tables on stdout."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ..tasks.comparison import Comparison

# Narrow, so that the table fits a terminal of 80 columns.
HEADINGS = {
    "naive": "vs\nnaive",
    "random walk": "vs random\nwalk",
    "seasonal naive": "vs seas.\nnaive",
    "climatology": "vs clima-\ntology",
    "linear": "vs\nlinear",
}

LABELS = (
    ("accuracy", "accuracy", ".4f"),
    ("coarse_accuracy", "coarse\naccuracy", ".4f"),
    ("macro_f1", "macro\nF1", ".4f"),
    ("log_loss", "log loss\nnats", ".4f"),
)
SEQUENCE_COLUMNS = {
    "classify": LABELS,
    "tag": LABELS,
    "transcribe": (
        ("error_rate", "symbol\nerror rate", ".4f"),
        ("word_error_rate", "word\nerror rate", ".4f"),
        ("right", "all\nright", ".4f"),
    ),
    "translate": (
        ("bleu", "BLEU", ".1f"),
        ("chrf", "chrF", ".1f"),
        ("error_rate", "symbol\nerror rate", ".4f"),
        ("right", "all\nright", ".4f"),
    ),
    "speak": (
        ("mcd", "MCD\ndB", ".2f"),
        ("mcd_timed", "MCD, true\ndurations", ".2f"),
        ("duration_rmse", "durations'\nRMSE, ms", ".1f"),
    ),
    "regress": (("mae", "MAE", ".4g"), ("rmse", "RMSE", ".4g"), ("r2", "R²", ".4f")),
}
SEQUENCE_WORDS = {
    "classify": "macro F1: the mean of the classes' F1; log loss: the mean of -ln(probability of the true class)",
    "transcribe": "error rate: insertions, deletions and substitutions for each true symbol",
    "translate": "BLEU, chrF: of texts, from 0 to 100; error rate: of symbols, insertions, deletions and substitutions for each true one",
    "speak": "MCD: mel-cepstral distortion of the sound from the recording, aligned; with true durations, frame by frame",
    "tag": "accuracy: of steps, coarse: of their --coarse; macro F1: the labels' mean; log loss: the mean of -ln(p of the true label)",
    "regress": "R²: the part of the variance that is told, 0 for always saying the mean",
}


def show_forecast_scores(result: Comparison, cells: Sequence[str], best: str, summary: Mapping[str, Any]) -> None:
    """The table of errors and skills on stdout, and what they mean in a few sentences."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    unit, test = summary["unit"], summary["test"]
    beside = [name for name in HEADINGS if name in result.scores]
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for heading in (f"MAE\n{unit}", f"RMSE\n{unit}", *(HEADINGS[name] for name in beside), "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, score in result.scores.items():
        skills = [result.skill(name, other) for other in beside]
        table.add_row(
            name.upper() if name in cells else name,
            f"{score.mae:.3f}",
            f"{score.rmse:.3f}",
            *("" if skill is None else f"{100 * skill:+.1f} %" for skill in skills),
            f"{result.seconds[name]:.1f}",
            style="bold" if name == best else None,
        )
    console.print(f"{summary['data']}: {summary['target']}, {moments(test)}")
    console.print(table)
    for name in cells:
        for level, one in summary["scores"][name].get("intervals", {}).items():
            console.print(
                f"{name}'s {level} % intervals hold {100 * one['coverage']:.1f} %, mean width {one['width']:.3f} {unit}".rstrip() + "."
            )
    console.print("vs: skill, the part of that forecaster's MAE that is gone; bold: the best network in validation.")
    for verdict in summary.get("beside_linear") or summary["beside_random_walk"]:
        console.print(verdict)
    if summary.get("beat_random_walk") == []:
        console.print("Nothing here beats the random walk: no forecast of these returns is surely better than 0.", style="bold")
    console.print("The intervals are over the days of the test; another --random-state moves a network's error, too.")


def moments(test: Mapping[str, Any]) -> str:
    """From where it was forecast."""
    return f"{test['steps_ahead']} steps ahead from each of {test['moments']} moments, {test['first'][:10]} to {test['last'][:10]}"


def show_sequence_scores(summary: Mapping[str, Any]) -> None:
    """The table of scores on stdout, and what its columns mean."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    columns = [one for one in SEQUENCE_COLUMNS[summary["task"]] if any(one[0] in score for score in summary["scores"].values())]
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for heading in (*(heading for _, heading, _ in columns), "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, score in summary["scores"].items():
        cells = ["" if score[key] is None else format(score[key], form) for key, _, form in columns]
        label = name.upper() if name in summary["validation_loss"] else name
        style = "bold" if name == summary["best_in_validation"] else None
        table.add_row(label, *cells, f"{score['seconds']:.1f}", style=style)
    counted = f"{summary['test']['sequences']} sequences, learned from {summary['train']['sequences']}"
    console.print(f"{summary['data']}: {', '.join(summary['targets'])} of {counted}")
    console.print(table)
    console.print(f"{SEQUENCE_WORDS[summary['task']]}.")
    if summary["task"] == "classify":
        console.print(f"One sequence is {100 / summary['test']['sequences']:.2g} % of the accuracy.")
    if len(summary["validation_loss"]) > 1:
        console.print("Bold: the best network in validation.")


def show_evaluation(summary: Mapping[str, Any]) -> None:
    """The scores of one model as lines on stdout."""
    scores, unit = summary["scores"], f" {summary['unit']}" if summary.get("unit") else ""
    if summary["task"] == "forecast":
        test = summary["test"]
        print(f"{summary['data']}: {summary['target']}, {moments(test)}")
        for name, one in scores.items():
            skill = f"  skill of {summary['cell']} beside it {100 * one['skill_of_model']:+.1f} %" if "skill_of_model" in one else ""
            print(f"{name:14}  MAE {one['mae']:.3f}{unit}  RMSE {one['rmse']:.3f}{unit}{skill}")
        for level, one in scores[summary["cell"]].get("intervals", {}).items():
            print(f"{level} % intervals  hold {100 * one['coverage']:.1f} %, mean width {one['width']:.3f}{unit}")
        return
    one = scores[summary["cell"]]
    print(f"{summary['data']}: {', '.join(summary['targets'])} by {summary['cell']}")
    for key, heading, form in SEQUENCE_COLUMNS[summary["task"]]:
        if one.get(key) is not None:
            print(f"{heading.replace(chr(10), ' '):18}  {one[key]:{form}}")
    if one.get("unknown_labels"):
        print(f"Sequences whose label was never learned, and which count as wrong: {one['unknown_labels']}.")
    for name, part in one.get("classes", {}).items():
        print(f"{name:18}  precision {part['precision']:.3f}  recall {part['recall']:.3f}  F1 {part['f1']:.3f}  of {part['sequences']}")
