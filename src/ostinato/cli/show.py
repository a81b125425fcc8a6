"""What the person sees: progress while it works, a table at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..tasks.comparison import Comparison
from ..tasks.settings import Epoch
from .answers import say

# Narrow, so that the table fits a terminal of 80 columns.
HEADINGS = {
    "naive": "vs\nnaive",
    "seasonal naive": "vs seas.\nnaive",
    "climatology": "vs clima-\ntology",
    "linear": "vs\nlinear",
}

Tell = Callable[[str], Callable[[Epoch], None]]


@contextmanager
def progress(quiet: bool) -> Iterator[Tell]:
    """Gives, for a network's name, the function to tell its epochs to: a bar on a terminal, otherwise a line each."""
    if quiet:
        yield lambda name: lambda epoch: None
    elif sys.stderr.isatty():
        with bars() as tell:
            yield tell
    else:
        yield lambda name: lambda epoch: say(f"{name} {in_words(epoch)}")


@contextmanager
def bars() -> Iterator[Tell]:
    """A bar for each network, on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = [TextColumn("{task.description:>6}"), BarColumn(), TextColumn("{task.fields[words]}"), TimeRemainingColumn()]
    with Progress(*columns, console=Console(stderr=True)) as shown:

        def tell(name: str) -> Callable[[Epoch], None]:
            task = shown.add_task(name, total=None, words="waiting", start=False)

            def on_epoch(epoch: Epoch) -> None:
                if epoch.number == 1:
                    shown.start_task(task)
                shown.update(task, completed=epoch.number, total=epoch.of, words=in_words(epoch))

            return on_epoch

        yield tell


def in_words(epoch: Epoch) -> str:
    """One epoch in one line."""
    best = ", best" if epoch.best else ""
    return f"epoch {epoch.number}/{epoch.of}: train {epoch.train_loss:.4f}, validation {epoch.valid_loss:.4f}{best} ({epoch.seconds:.2f} s)"


def show_scores(result: Comparison, cells: tuple[str, ...], best: str, summary: Mapping[str, Any]) -> None:
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
