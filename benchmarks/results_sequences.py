"""Rows about sequences: each application is an `ostinato fit` command, run with RNN, GRU and LSTM from three seeds, and its baselines."""

from __future__ import annotations

import functools
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer

from ostinato.cli import jobs as job_kinds
from ostinato.cli.app import app
from ostinato.cli.config import suggested
from ostinato.cli.fit_sequences import baselines_of, networks_of, read_parts
from ostinato.cli.flags import default_of, flagged, settle
from ostinato.cli.sequence_kinds import kind_of
from ostinato.tasks.plot_style import write_picture
from ostinato.tasks.sequence_scores import scores_of
from ostinato.tasks.sequence_table import SequenceTable, coarse_labels, some

from .results_row import BASELINES, CELLS, PICTURES, Row, learned, seeds_of

FROM_NETWORKS = ("cell", "random_state", "to", "plot", "checkpoint")  # what differs between an application's networks


@dataclass(frozen=True)
class Application:
    """What a person does, the command that does it, and the score that counts."""

    title: str
    command: str
    measure: str

    @property
    def task(self) -> str:
        return self.command.split()[0]

    @property
    def data(self) -> str:
        return self.command.split()[1]


APPLICATIONS = {
    "spam": Application("Wanted mail from unwanted", "classify spam", "accuracy"),
    "r8": Application("Topics of news", "classify r8", "accuracy"),
    "sentiment": Application("Sentiment of film reviews", "classify sentiment", "accuracy"),
    "turkish-tags": Application("Parts of speech, Turkish", "tag turkish-tags", "accuracy"),
    "brown-tags": Application("Parts of speech, English", "tag brown-tags", "accuracy"),
    "japanese-vowels": Application("Who says a vowel", "classify japanese-vowels", "accuracy"),
    "digits": Application("Spoken digits", "classify digits", "accuracy"),
    "digits-theo": Application("Digits, a voice never heard", "classify digits --per-recording --leave-out speaker=theo", "accuracy"),
    "russian-speech": Application("Phones of Russian speech", "transcribe russian-speech", "error_rate"),
    "prompts": Application("Characters of English prompts", "transcribe prompts", "error_rate"),
    "speak": Application("Russian phones to speech", "speak russian-speech", "mcd"),
    "yeast": Application("Classes of genes", "classify yeast", "accuracy"),
    "proteins": Application("Secondary structure of proteins, from profiles", "tag proteins", "coarse_accuracy"),
    "proteins-alone": Application("The same, from the sequence alone", "tag proteins --text residue", "coarse_accuracy"),
    "pronunciation": Application("Words to phones", "translate pronunciation", "error_rate"),
    "verses": Application("English to Spanish verses", "translate verses", "bleu"),
}


def sequence_jobs(name: str) -> Iterator[Row]:
    """The baselines and networks of an application, still to be run."""
    application = APPLICATIONS[name]
    source, job = job_of(application.command)
    said = {key: value for key, value in vars(job).items() if key not in FROM_NETWORKS and value != default_of(type(job), key)}
    yield Row(name, BASELINES, None, {}, lambda: {"models": baselines(source, job)})
    for cell in CELLS:
        for seed in seeds_of(job.ensemble):
            own = replace(job, cell=(cell,), random_state=seed)
            (network,) = networks_of(own).values()
            picture = picture_of(name) if (cell, seed) == ("gru", 0) else None
            make = functools.partial(learned_and_scored, network, source, own, picture)
            yield Row(name, cell, seed, said, make)


def picture_of(name: str) -> Path:
    """Where an application's picture lies; a spectrogram has too many points for lines."""
    return PICTURES / f"{name}.{'png' if APPLICATIONS[name].task in ('transcribe', 'speak') else 'svg'}"


def job_of(command: str) -> tuple[str, Any]:
    """The data and the job that `ostinato fit` makes of a command line."""
    task, *rest = shlex.split(command)
    asked = typer.main.get_command(app).commands["fit"].commands[task].make_context(task, rest).params  # type: ignore[attr-defined]
    kind = getattr(job_kinds, f"{task.capitalize()}Job")
    given = {name: value for name in flagged(kind) if (value := asked[name]) not in (None, (), [])}
    return asked["data"], kind(**settle(kind, ((asked["data"], suggested(kind, asked["data"])), ("", given))))


def parts_of(source: str, job: Any) -> tuple[SequenceTable, SequenceTable]:
    """What the command learns from, and what it is scored on."""
    everything, test = read_parts(source, job)
    return some(everything, job.train_sequences), test


def baselines(source: str, job: Any) -> dict[str, dict[str, Any]]:
    """What needs no network, by its name."""
    learn, test = parts_of(source, job)
    return {name: fitted(one, job, learn, test) for name, one in baselines_of(job, learn).items()}


def learned_and_scored(network: Any, source: str, job: Any, picture: Path | None) -> dict[str, Any]:
    """One network's row, and its picture where one is asked for."""
    learn, test = parts_of(source, job)
    found = fitted(network, job, learn, test)
    if picture is not None:
        write_picture(kind_of(job).draw(network, test, kind_of(job).truth(job, test)), picture, picture.suffix[1:])
    return found


def fitted(one: Any, job: Any, learn: SequenceTable, test: SequenceTable) -> dict[str, Any]:
    """Learn from the training part, and be scored on the test part."""
    started = time.process_time()
    one.fit(learn.frame, kind_of(job).truth(job, learn))
    seconds = time.process_time() - started
    scores = scores_of(one, test.frame, kind_of(job).truth(job, test), coarse_labels(learn, test))
    numbers = {key: value for key, value in scores.items() if isinstance(value, (int, float))}
    return {**numbers, "train": len(learn.ids), "test": len(test.ids), "seconds": seconds, **learned(one)}
