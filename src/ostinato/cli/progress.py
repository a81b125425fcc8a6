"""How a training goes, told on stderr: one bar on a terminal, otherwise a line an epoch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..tasks.settings import Epoch
from .answers import say
from .manner import Manner

Tell = Callable[[str], Callable[[Epoch], None]]


@contextmanager
def progress(manner: Manner, jobs: int) -> Iterator[Tell]:
    """Gives, for a network's name, the function to tell its epochs to; `jobs` trainings are to come."""
    if manner.quiet:
        yield lambda name: lambda epoch: None
    elif sys.stderr.isatty() and not manner.verbose:
        with bar(jobs) as tell:
            yield tell
    else:
        yield lambda name: Journal(name).line


class Journal:
    """The epochs of one training, in words."""

    def __init__(self, name: str) -> None:
        self.name, self.best = name, float("inf")

    def watch(self, epoch: Epoch) -> float:
        """The loss that decides: of the validation, if there is one. Keeps the best."""
        loss = epoch.train_loss if epoch.valid_loss is None else epoch.valid_loss
        self.best = loss if epoch.number == 1 else min(self.best, loss)  # the next network of an ensemble begins anew
        return loss

    def line(self, epoch: Epoch) -> None:
        """One epoch as a line."""
        self.watch(epoch)
        which = f" training {epoch.network}/{epoch.networks}" if epoch.networks > 1 else ""
        watched = "" if epoch.valid_loss is None else f", validation {epoch.valid_loss:.4f}, best {self.best:.4f}"
        say(f"{self.name}{which} epoch {epoch.number}/{epoch.of}: train {epoch.train_loss:.4f}{watched} ({epoch.seconds:.2f} s)")


@contextmanager
def bar(jobs: int) -> Iterator[Tell]:
    """One bar for all that is to be trained, gone when all is done."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), TextColumn("{task.fields[words]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True, expand=True) as shown:
        task = shown.add_task("preparing", total=None, words="")
        done = Done(jobs)

        def tell(name: str) -> Callable[[Epoch], None]:
            journal = Journal(name)

            def on_epoch(epoch: Epoch) -> None:
                loss, left = journal.watch(epoch), done.after(name, epoch)
                speed = f"{epoch.seconds:.2f} s/epoch, {in_minutes(left)} left"
                words = f"loss {loss:.4f}, best {journal.best:.4f}, {speed}"
                shown.update(task, description=f"{name} {epoch.number}/{epoch.of}", total=1.0, completed=done.part, words=words)

            return on_epoch

        yield tell


class Done:
    """How much of several trainings is done, and how long the rest can take; early stopping only shortens it."""

    def __init__(self, jobs: int) -> None:
        self.jobs, self.part = jobs, 0.0
        self.names: set[str] = set()

    def after(self, name: str, epoch: Epoch) -> float:
        """The seconds left at most."""
        self.names.add(name)
        before = len(self.names) - 1 + (epoch.network - 1) / epoch.networks
        self.part = (before + epoch.number / epoch.of / epoch.networks) / max(self.jobs, len(self.names))
        elsewhere = epoch.networks * (self.jobs - len(self.names)) + epoch.networks - epoch.network
        return epoch.seconds * (epoch.of - epoch.number + elsewhere * epoch.of)


def in_minutes(seconds: float) -> str:
    """Minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
