"""Results as tables on stdout."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ..tasks.comparison import Comparison

# Narrow, so that the table fits a terminal of 80 columns.
HEADINGS = {
    "naive": "vs\nnaive",
    "seasonal naive": "vs seas.\nnaive",
    "climatology": "vs clima-\ntology",
    "linear": "vs\nlinear",
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
    console.print(
        f"{summary['data']}: {summary['target']}, {test['steps_ahead']} steps ahead from each of {test['moments']} "
        f"moments, {test['first'][:10]} to {test['last'][:10]}"
    )
    console.print(table)
    console.print("vs: skill, the part of that forecaster's MAE that is gone; bold: the best network in validation.")
    for verdict in summary["beside_linear"]:
        console.print(verdict)
    console.print("The intervals are over the days of the test; another --random-state moves a network's error, too.")
