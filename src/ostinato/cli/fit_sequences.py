"""``ostinato fit`` of sequences: classify, tag, regress, transcribe, translate, speak."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray

from ..data import DATA_SETS, DataError, LabelledTexts, SentencePairs
from ..data.parted import PartedSet
from ..tasks.classifier import SequenceClassifier
from ..tasks.held_out import leave_out, together
from ..tasks.labels import two_or_more
from ..tasks.plot import (
    draw_classification_report,
    draw_regression_report,
    draw_speech,
    draw_tag_report,
    draw_transcription,
    draw_translation,
)
from ..tasks.recordings import PATH
from ..tasks.regressor import SequenceRegressor
from ..tasks.sequence_baselines import LinearClassifier, LinearRegressor, MajorityClass, MeanValue, NearestClassifier, NearestRegressor
from ..tasks.sequence_scores import scores_of
from ..tasks.sequence_settings import ClassifySettings, RegressSettings, SpeakSettings, TagSettings, TranscribeSettings, TranslateSettings
from ..tasks.sequence_table import SequenceColumns, SequenceTable, coarse_labels, read_sequence_table, some, split
from ..tasks.speaker import Speaker
from ..tasks.speech_baselines import MeanPhone, Resynthesis
from ..tasks.speech_table import read_speech_table
from ..tasks.tag_baselines import MostFrequentTag, WindowTagger
from ..tasks.tagger import SequenceTagger
from ..tasks.text_baselines import Lexicon, LexiconRegressor, LinearBagOfWords, LinearBagOfWordsRegressor, vader
from ..tasks.text_table import is_texts, read_tag_table, read_text_table
from ..tasks.transcriber import Transcriber
from ..tasks.transcript_baselines import OneTranscript, Templates
from ..tasks.translator import Translator
from ..tasks.word_table import Copy, WordByWord
from .fit import best_of, finish, parameters, start
from .jobs import ClassifyJob, RegressJob, SpeakJob, TagJob, TranscribeJob, TranslateJob
from .manner import Manner
from .progress import Tell, progress
from .show import show_sequence_scores

SequenceJob = ClassifyJob | RegressJob | SpeakJob | TagJob | TranscribeJob | TranslateJob
Network = SequenceClassifier | SequenceRegressor | SequenceTagger | Speaker | Transcriber | Translator
KINDS: dict[type, tuple[Any, type]] = {
    ClassifyJob: (SequenceClassifier, ClassifySettings),
    RegressJob: (SequenceRegressor, RegressSettings),
    SpeakJob: (Speaker, SpeakSettings),
    TagJob: (SequenceTagger, TagSettings),
    TranscribeJob: (Transcriber, TranscribeSettings),
    TranslateJob: (Translator, TranslateSettings),
}


def run(source: str, job: SequenceJob, manner: Manner) -> None:
    """Train, score, and write the model and perhaps a picture; whatever would stop the writing is found before the work."""
    to = start(source, task_of(job), job, manner)
    for one in networks_of(job).values():
        one._check()
    everything, test = read_parts(source, job)
    learn = some(everything, job.train_sequences)
    if len(learn.ids) < len(everything.ids):
        manner.tell(f"{len(learn.ids)} of {len(everything.ids)} sequences are learned from (--train-sequences).")
    if isinstance(job, (ClassifyJob, TagJob)):
        two_or_more(np.unique(known(learn, job)))
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
    figure = None if job.plot is None else draw(job, test, networks[best])
    finish(networks[best], to, job, manner, saved_scores(summary, best), columns_in_file(learn), figure, summary)
    if not manner.json:
        show_sequence_scores(summary)


def task_of(job: SequenceJob) -> str:
    """What the model file calls it."""
    return str(KINDS[type(job)][0].task)


def read_parts(source: str, job: SequenceJob) -> tuple[SequenceTable, SequenceTable]:
    """What to learn from, and what to score on: a file of its own, a bundled set's own part, or some that are held back."""
    targets = targets_of(job)
    features = None if job.features is None else tuple(job.features)
    label_from = job.label_from if isinstance(job, ClassifyJob) else None
    transcripts = ("symbols" if job.symbols else "characters") if isinstance(job, (TranscribeJob, TranslateJob)) else None
    text = None if isinstance(job, TranscribeJob) else job.text
    coarse = job.coarse if isinstance(job, TagJob) else None
    column, group = asked_group(job)
    columns = SequenceColumns(job.id_column, job.time_column, targets, features, label_from, transcripts, text, coarse, group=column)
    if isinstance(job, (ClassifyJob, RegressJob)) and job.wide:
        columns = replace(columns, steps=features or ())
    learn = read_part(source, job, columns, "train")
    if coarse not in (learn.columns.coarse, *targets):
        raise DataError(f"{source}: There is no column {coarse!r}. Name that of the coarse labels with --coarse, or leave it out.")
    text = learn.columns.text if isinstance(job, TagJob) else text
    columns = replace(columns, features=learn.columns.features, steps=learn.columns.steps, text=text)
    if group is not None:
        parted = isinstance(DATA_SETS.get(source), PartedSet)
        return leave_out(together(learn, read_part(source, job, columns, "test")) if parted else learn, group)
    if job.test is not None:
        if Path(job.test).exists() and Path(source).exists() and Path(job.test).samefile(source):
            raise DataError(f"{job.test} is what is learned from; give --test another table, or leave it out.")
        return learn, read_part(str(job.test), job, columns, None)
    if isinstance(DATA_SETS.get(source), PartedSet):
        return learn, read_part(source, job, columns, "test")
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


def targets_of(job: SequenceJob) -> tuple[str, ...]:
    """The columns of what is to be told."""
    if isinstance(job, RegressJob):
        return tuple(job.target)
    if isinstance(job, TranslateJob):
        return (job.target,)
    if isinstance(job, SpeakJob):
        return (PATH,)
    return (job.text if isinstance(job, TranscribeJob) else job.label,)


def read_part(source: str, job: SequenceJob, columns: SequenceColumns, part: str | None) -> SequenceTable:
    """A file, or a part of a bundled set: of numbers, of recordings, of texts, or of tokens."""
    bundled = DATA_SETS.get(source)
    if isinstance(job, SpeakJob):
        return read_speech_table(source, columns, part or "test")
    if isinstance(job, TagJob):
        return read_tag_table(source, columns, part or "test")
    texts = isinstance(bundled, (LabelledTexts, SentencePairs)) or is_texts(source)
    if isinstance(job, TranslateJob) or (isinstance(job, (ClassifyJob, RegressJob)) and (job.text is not None or texts)):
        return read_text_table(source, columns, part or "test", numbers=isinstance(job, RegressJob))
    return read_sequence_table(source, columns, part, numbers=isinstance(job, RegressJob))


def known(table: SequenceTable, job: SequenceJob) -> NDArray[Any]:
    """What there is to tell: of each sequence, or of each step."""
    per_step = isinstance(job, TagJob) or (isinstance(job, RegressJob) and job.per_step)
    return table.of_steps() if per_step else table.of_sequences()


def networks_of(job: SequenceJob, tell: Tell | None = None) -> dict[str, Network]:
    """The untrained networks, by their cells."""
    kind, settings = KINDS[type(job)]
    return {cell: kind(cell, **parameters(job, settings, cell, tell)) for cell in job.cell}


def baselines_of(job: SequenceJob, learn: SequenceTable) -> dict[str, Any]:
    """What the networks have to beat."""
    text = learn.columns.text
    if isinstance(job, TagJob):
        found: list[Any] = [one(text=text, missing=job.missing) for one in (MostFrequentTag, WindowTagger)]
    elif isinstance(job, ClassifyJob) and text is not None:
        found = [MajorityClass(text=text), LinearBagOfWords(text=text), *([Lexicon(text=text)] if job.lexicon else [])]
    elif isinstance(job, RegressJob) and text is not None:
        found = [MeanValue(text=text), LinearBagOfWordsRegressor(text=text), *([LexiconRegressor(text=text)] if job.lexicon else [])]
    elif isinstance(job, ClassifyJob):
        found = [
            MajorityClass(missing=job.missing),
            NearestClassifier(missing=job.missing),
            LinearClassifier(missing=job.missing),
        ]
    elif isinstance(job, TranscribeJob):
        found = [OneTranscript(), Templates()]
    elif isinstance(job, TranslateJob):
        found = [Copy(), WordByWord()]
    elif isinstance(job, SpeakJob):
        heard = {name: getattr(job, name) for name in ("sampling_rate", "n_mels", "window_ms", "hop_ms")}
        found = [Resynthesis(**heard), MeanPhone(**heard)]
    else:
        found = [MeanValue(job.per_step, missing=job.missing), LinearRegressor(job.per_step, missing=job.missing)]
        found += [] if job.per_step else [NearestRegressor(missing=job.missing)]
    return {one.column: one for one in found}


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
    truth, coarse = known(test, job), coarse_labels(learn, test)
    scores: dict[str, dict[str, Any]] = {}
    with progress(manner, len(job.cell)) as tell:
        networks = networks_of(job, tell)
        for name, one in (baselines_of(job, learn) | networks).items():
            started = time.perf_counter()
            one.fit(learn.frame, known(learn, job))
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
        "task": task_of(job),
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


def draw(job: SequenceJob, test: SequenceTable, network: Network) -> Any:
    """The picture of the test part."""
    if isinstance(job, TranscribeJob):
        return draw_transcription(network, test.frame, known(test, job))
    if isinstance(job, TranslateJob):
        return draw_translation(network, test.frame)
    if isinstance(job, SpeakJob):
        return draw_speech(network, test.frame)
    truth, said = known(test, job), np.asarray(network.predict(test.frame))
    if isinstance(job, TagJob):
        return draw_tag_report(test.frame, truth, said, tokens=test.columns.text, estimator=network)
    if not isinstance(job, RegressJob):
        return draw_classification_report(truth.astype(str), said.astype(str), estimator=network)
    return draw_regression_report(truth, said, names=test.columns.targets, estimator=network)
