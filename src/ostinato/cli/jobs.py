"""What `ostinato fit` can be told beside an estimator's own parameters."""

from __future__ import annotations

from os import PathLike
from typing import Any, ClassVar

from ..tasks.forecast_settings import ForecastSettings
from ..tasks.parameters import estimator, param
from ..tasks.sequence_settings import ClassifySettings, RegressSettings, SpeakSettings, TagSettings, TranscribeSettings, TranslateSettings

CELLS = ("rnn", "lstm", "gru")


@estimator()
class Job:
    """What every job has: cells to compare, and where to write. `suggestion` is what a data set calls its settings for it."""

    task: ClassVar[str]  # as in `ostinato fit TASK`
    suggestion: ClassVar[str] = "suggested"

    cell: Any = param(CELLS, "a cell to train; several are compared, and the best in validation is kept", kind=list)
    to: str | PathLike[str] | None = param(None, "the model file; None names it after data and task", kind=PathLike, optional=True)
    plot: str | PathLike[str] | None = param(None, "a picture, too: .png, .svg or .pdf", kind=PathLike, optional=True)


@estimator(random_state=0)
class ForecastJob(Job, ForecastSettings):
    """Train forecasters and score them on the end of the data."""

    task = "forecast"

    time_column: str | None = param(None, "the column of dates; None takes ds, or a bundled set's own", kind=str, optional=True)
    target: str | None = param(None, "the column to forecast; None takes y, or a bundled set's own", kind=str, optional=True)
    id_column: str | None = param(None, "the column that tells series apart; None takes unique_id if there is one", kind=str, optional=True)
    test_steps: int | None = param(
        None, "steps at the end to score on; None takes the last year of three, or a quarter", kind=int, optional=True, low=1
    )
    level: Any = param((), "percent that an interval is to hold, such as 80", kind=list)
    season: int | None = param(
        None, "steps in a season, for seasonal naive, which returns have not; None takes a year or a day", kind=int, optional=True, low=1
    )


@estimator()
class SequenceJob(Job):
    """A job about sequences: which columns tell what, and what to score on."""

    id_column: str | None = param(
        None, "the column that tells sequences apart, or has the paths of recordings; None takes unique_id or path", kind=str, optional=True
    )
    time_column: str | None = param(
        None,
        "the column that puts steps in order; None takes ds or step if there is one, or else the order of the rows",
        kind=str,
        optional=True,
    )
    features: Any = param(None, "a column that the network reads; None takes all other numbers", kind=list, optional=True)
    test: str | PathLike[str] | None = param(
        None, "a table to score on; None takes a bundled set's own test part, or holds some sequences back", kind=PathLike, optional=True
    )
    test_fraction: float = param(0.2, "the part of the sequences that is held back to score on", above=0, below=1)
    train_sequences: int | None = param(
        None, "at most so many sequences, drawn by lot, are learned from; None takes all", kind=int, optional=True, low=2
    )
    leave_out: str | None = param(
        None,
        "a group that is scored on and not learned from, as COLUMN=VALUE, such as speaker=theo; of a bundled set, out of all parts",
        kind=str,
        optional=True,
    )


@estimator(random_state=0)
class ClassifyJob(SequenceJob, ClassifySettings):
    """Train classifiers of sequences and score them on a part that they have not seen."""

    task = "classify"

    label: str = param("label", "the column of the class, the same in all rows of a sequence")
    label_from: str | None = param(
        None,
        "sound in a folder: a regular expression whose first group in a path is the label; None takes the folder it lies in",
        kind=str,
        optional=True,
    )
    wide: bool = param(False, "whether a row is a sequence, of one feature, and its columns of numbers are the steps, in order")
    lexicon: bool = param(False, "texts in English: whether a baseline reads VADER's lexicon of sentiment, too")
    class_weight: Any = param(
        None, 'None counts each sequence the same, "balanced" rare classes more', kind=str, optional=True, choices=("balanced",)
    )


@estimator(random_state=0)
class TranscribeJob(SequenceJob, TranscribeSettings):
    """Train transcribers of recordings and score them on a part that they have not seen."""

    task = "transcribe"

    text: str = param("text", "the column of the transcript")
    symbols: bool = param(False, "whether a transcript is symbols that spaces part, such as phones, and not characters")


@estimator(random_state=0)
class TranslateJob(SequenceJob, TranslateSettings):
    """Train translators of texts and score them on a part that they have not seen."""

    task = "translate"

    text: str = param("source", "the column of what is read")
    target: str = param("target", "the column of what is said")
    symbols: bool = param(False, "whether what is said is symbols that spaces part, such as phones, and not a text")


@estimator(random_state=0)
class SpeakJob(SequenceJob, SpeakSettings):
    """Train speakers of phones and score them on recordings that they have not heard."""

    task = "speak"
    suggestion = "spoken"

    text: str = param("phone", "the column of the phone; start and end have its times in seconds")


@estimator(random_state=0)
class TagJob(SequenceJob, TagSettings):
    """Train taggers of the steps of sequences and score them on a part that they have not seen."""

    task = "tag"

    label: str = param("tag", "the column of the label of each step")
    coarse: str | None = param(
        None, "a column of coarser labels, to one of which each label belongs; their accuracy is told, too", kind=str, optional=True
    )
    class_weight: Any = param(
        None, 'None counts each step the same, "balanced" rare labels more', kind=str, optional=True, choices=("balanced",)
    )


@estimator(random_state=0)
class RegressJob(SequenceJob, RegressSettings):
    """Train regressors of sequences and score them on a part that they have not seen."""

    task = "regress"

    target: Any = param(("y",), "a column of numbers to tell, the same in all rows of a sequence unless --per-step", kind=list)
    wide: bool = param(False, "whether a row is a sequence, of one feature, and its columns of numbers are the steps, in order")
    lexicon: bool = param(False, "texts in English: whether a baseline reads VADER's lexicon of sentiment, too")
