"""``ostinato fit`` of sequences: classify, tag, regress, transcribe, translate, speak."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import typer

from ..data import DATA_SETS, DataError
from ..data.parted import PartedSet
from ..tasks.held_out import leave_out, together
from ..tasks.labels import two_or_more
from ..tasks.recordings import PATH
from ..tasks.sequence_scores import scores_of
from ..tasks.sequence_table import SequenceColumns, SequenceTable, coarse_labels, some, split
from ..tasks.text_baselines import vader
from .fit import best_of, finish, parameters, start
from .jobs import ClassifyJob, RegressJob, TagJob
from .manner import Manner
from .progress import Tell, progress
from .sequence_kinds import Network, SequenceJob, kind_of
from .show import show_sequence_scores


def run(source: str, job: SequenceJob, manner: Manner) -> None:
    """Train, score, and write the model and perhaps a picture; whatever would stop the writing is found before the work."""
    kind = kind_of(job)
    to = start(source, job.task, job, manner)
    for one in networks_of(job).values():
        one._check()
    everything, test = read_parts(source, job)
    learn = some(everything, job.train_sequences)
    if len(learn.ids) < len(everything.ids):
        manner.tell(f"{len(learn.ids)} of {len(everything.ids)} sequences are learned from (--train-sequences).")
    if isinstance(job, (ClassifyJob, TagJob)):
        two_or_more(np.unique(kind.truth(job, learn)))
    if learn.left_out:
        manner.tell(f"Left out, because they hold text: {', '.join(learn.left_out)}.")
    steps = learn.columns.steps
    if steps:
        manner.tell(f"Each row is a sequence of {len(steps)} steps, {steps[0]!r} to {steps[-1]!r}.")
    features = f"; features {', '.join(learn.columns.features)}" if learn.columns.features else ""
    manner.detail(f"{len(learn.ids)} sequences to learn from, {len(test.ids)} to score on{features}.")
    job = without_lexicon(job, manner) if isinstance(job, (ClassifyJob, RegressJob)) else job
    networks, scores = train(job, learn, test, manner)
    best = best_of(networks)
    longer = getattr(networks[best].input_, "longer", 0)
    if longer:
        manner.tell(f"{longer} of the texts learned from have more than {job.max_length} tokens, and only so many are read (--max-length).")
    summary = summarise(job, learn, test, networks, best, scores)
    figure = None if job.plot is None else kind.draw(networks[best], test, kind.truth(job, test))
    finish(networks[best], to, job, manner, saved_scores(summary, best), columns_in_file(learn), figure, summary)
    if not manner.json:
        show_sequence_scores(summary)


def read_parts(source: str, job: SequenceJob) -> tuple[SequenceTable, SequenceTable]:
    """What to learn from, and what to score on: a file of its own, a bundled set's own part, or some that are held back."""
    kind = kind_of(job)
    column, group = asked_group(job)
    features = None if job.features is None else tuple(job.features)
    columns = SequenceColumns(series=job.id_column, time=job.time_column, features=features, group=column, **kind.columns(job))
    learn = kind.read(source, columns, "train")
    if columns.coarse not in (learn.columns.coarse, *columns.targets):
        raise DataError(f"{source}: There is no column {columns.coarse!r}. Name that of the coarse labels with --coarse, or leave it out.")
    text = learn.columns.text if isinstance(job, TagJob) else columns.text
    columns = replace(columns, features=learn.columns.features, steps=learn.columns.steps, text=text)
    if group is not None:
        parted = isinstance(DATA_SETS.get(source), PartedSet)
        return leave_out(together(learn, kind.read(source, columns, "test")) if parted else learn, group)
    if job.test is not None:
        if Path(job.test).exists() and Path(source).exists() and Path(job.test).samefile(source):
            raise DataError(f"{job.test} is what is learned from; give --test another table, or leave it out.")
        return learn, kind.read(str(job.test), columns)
    if isinstance(DATA_SETS.get(source), PartedSet):
        return learn, kind.read(source, columns, "test")
    return split(learn, job.test_fraction, learn.of_sequences() if isinstance(job, ClassifyJob) else None)


def asked_group(job: SequenceJob) -> tuple[str | None, str | None]:
    """The column and the group in it that --leave-out names."""
    if job.leave_out is None:
        return None, None
    column, _, group = job.leave_out.partition("=")
    if not column or not group:
        raise typer.BadParameter(f"{job.leave_out!r} is no COLUMN=VALUE, such as speaker=theo.", param_hint="'--leave-out'")
    if job.test is not None:
        raise typer.BadParameter("the group is what is scored on; leave out --test.", param_hint="'--leave-out'")
    return column, group


def networks_of(job: SequenceJob, tell: Tell | None = None) -> dict[str, Network]:
    """The untrained networks, by their cells."""
    kind = kind_of(job)
    return {cell: kind.estimator(cell, **parameters(job, kind.settings, cell, tell)) for cell in job.cell}


def baselines_of(job: SequenceJob, learn: SequenceTable) -> dict[str, Any]:
    """What the networks have to beat."""
    return {one.column: one for one in kind_of(job).baselines(job, learn.columns.text)}


def without_lexicon(job: ClassifyJob | RegressJob, manner: Manner) -> ClassifyJob | RegressJob:
    """The job, without the lexicon where that is not installed; which is told."""
    try:
        if job.lexicon:
            vader()
    except ValueError as error:
        manner.tell(f"{error} It is left out.")
        return replace(job, lexicon=False)
    return job


def train(
    job: SequenceJob, learn: SequenceTable, test: SequenceTable, manner: Manner
) -> tuple[dict[str, Network], dict[str, dict[str, Any]]]:
    """Fit and score everything, telling how it goes."""
    kind, coarse = kind_of(job), coarse_labels(learn, test)
    truth = kind.truth(job, test)
    scores: dict[str, dict[str, Any]] = {}
    with progress(manner, len(job.cell)) as tell:
        networks = networks_of(job, tell)
        for name, one in (baselines_of(job, learn) | networks).items():
            started = time.perf_counter()
            one.fit(learn.frame, kind.truth(job, learn))
            scores[name] = {**scores_of(one, test.frame, truth, coarse), "seconds": round(time.perf_counter() - started, 3)}
    return networks, scores


def summarise(
    job: SequenceJob,
    learn: SequenceTable,
    test: SequenceTable,
    networks: Mapping[str, Network],
    best: str,
    scores: Mapping[str, Any],
) -> dict[str, Any]:
    """All that --json tells."""
    return {
        "data": learn.name,
        "task": job.task,
        "targets": list(learn.columns.targets),
        "train": size(learn),
        "test": size(test) | ({} if job.leave_out is None else {"left_out": job.leave_out}),
        "best_in_validation": best,
        "validation_loss": {cell: one.validation_loss_ for cell, one in networks.items()},
        "scores": dict(scores),
    }


def size(table: SequenceTable) -> dict[str, int]:
    """How many sequences and steps; of recordings, which are not heard yet, no steps."""
    return {"sequences": len(table.ids)} | ({} if PATH in table.frame else {"steps": len(table.frame)})


def saved_scores(summary: Mapping[str, Any], best: str) -> dict[str, Any]:
    """What the model file keeps of them: its own scores, those of the baselines in brief, and the test."""
    own = {name: score for name, score in summary["scores"][best].items() if name != "seconds"}
    words = ("mcd", "mcd_timed", "duration_rmse", "bleu", "chrf", "error_rate", "word_error_rate")
    brief = (*words, "accuracy", "coarse_accuracy", "macro_f1", "log_loss", "mae", "rmse", "r2")
    beside = {
        name: {key: score[key] for key in brief if key in score}
        for name, score in summary["scores"].items()
        if name not in summary["validation_loss"]
    }
    return {**own, "beside": beside, "test": summary["test"]}


def columns_in_file(table: SequenceTable) -> dict[str, Any]:
    """What the person's table calls its columns."""
    columns = table.columns
    named = {
        "series": columns.series,
        "time": columns.time,
        "text": columns.text,
        "targets": list(columns.targets),
        "label_from": columns.label_from,
        "transcripts": columns.transcripts,
        "coarse": columns.coarse,
        "coarse_labels": [list(pair) for pair in coarse_labels(table).items()] or None,
        "steps": None if columns.steps is None else list(columns.steps),
    }
    return {role: column for role, column in named.items() if column is not None}
