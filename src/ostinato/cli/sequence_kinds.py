"""What the jobs about sequences differ in: how a table is read, what a network must beat, what is drawn.

A new kind of job is one more class here, its parameters in `jobs.py` and its help in `app.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data import DATA_SETS, LabelledTexts
from ..tasks.classifier import SequenceClassifier
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
from ..tasks.sequence_settings import ClassifySettings, RegressSettings, SpeakSettings, TagSettings, TranscribeSettings, TranslateSettings
from ..tasks.sequence_table import SequenceColumns, SequenceTable, read_sequence_table
from ..tasks.speaker import Speaker
from ..tasks.speech_baselines import MeanPhone, Resynthesis
from ..tasks.speech_table import read_speech_table
from ..tasks.tag_baselines import MostFrequentTag, WindowTagger
from ..tasks.tagger import SequenceTagger
from ..tasks.text_baselines import Lexicon, LexiconRegressor, LinearBagOfWords, LinearBagOfWordsRegressor
from ..tasks.text_table import is_texts, read_tag_table, read_text_table
from ..tasks.transcriber import Transcriber
from ..tasks.transcript_baselines import OneTranscript, Templates
from ..tasks.translator import Translator
from ..tasks.word_table import Copy, WordByWord
from .jobs import ClassifyJob, RegressJob, SpeakJob, TagJob, TranscribeJob, TranslateJob

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SequenceJob = ClassifyJob | RegressJob | SpeakJob | TagJob | TranscribeJob | TranslateJob
Network = SequenceClassifier | SequenceRegressor | SequenceTagger | Speaker | Transcriber | Translator


class Kind(ABC):
    """A kind of job: its estimator and that one's settings; `answer`, what answers are called where no table named them."""

    estimator: type[Any]
    settings: type
    answer: str

    @abstractmethod
    def columns(self, job: Any) -> dict[str, Any]:
        """What the job says of the table, beside what every job says."""

    @abstractmethod
    def read(self, source: str, columns: SequenceColumns, part: str | None = None, *, labelled: bool = True) -> SequenceTable:
        """A file, or a part of a data set; unless it must be `labelled`, targets may lack."""

    @abstractmethod
    def baselines(self, job: Any, text: str | None) -> list[Any]:
        """What networks have to beat; `text` is the column that has texts or tokens."""

    @abstractmethod
    def draw(self, network: Any, table: SequenceTable, truth: NDArray[Any]) -> Figure:
        """What a network says of a table of which the truth is known."""

    def truth(self, asked: Any, table: SequenceTable) -> NDArray[Any]:
        """What there is to tell: of each sequence, or of each step, as a job or an estimator has it."""
        return table.of_steps() if getattr(asked, "per_step", self.estimator.per_step) else table.of_sequences()


class Classify(Kind):
    """A label of each sequence."""

    estimator, settings, answer = SequenceClassifier, ClassifySettings, "label"

    def columns(self, job: ClassifyJob) -> dict[str, Any]:
        return {"targets": (job.label,), "text": job.text, "label_from": job.label_from, "steps": steps_of(job)}

    def read(self, source: str, columns: SequenceColumns, part: str | None = None, *, labelled: bool = True) -> SequenceTable:
        return texts_or_steps(source, columns, part, numbers=False, labelled=labelled)

    def baselines(self, job: ClassifyJob, text: str | None) -> list[Any]:
        if text is not None:
            return [MajorityClass(text=text), LinearBagOfWords(text=text), *([Lexicon(text=text)] if job.lexicon else [])]
        return [one(missing=job.missing) for one in (MajorityClass, NearestClassifier, LinearClassifier)]

    def draw(self, network: Any, table: SequenceTable, truth: NDArray[Any]) -> Figure:
        said = np.asarray(network.predict(table.frame))
        return draw_classification_report(truth.astype(str), said.astype(str), estimator=network)


class Regress(Kind):
    """Numbers of each sequence, or of each step."""

    estimator, settings, answer = SequenceRegressor, RegressSettings, "y"

    def columns(self, job: RegressJob) -> dict[str, Any]:
        return {"targets": tuple(job.target), "text": job.text, "steps": steps_of(job)}

    def read(self, source: str, columns: SequenceColumns, part: str | None = None, *, labelled: bool = True) -> SequenceTable:
        return texts_or_steps(source, columns, part, numbers=True, labelled=labelled)

    def baselines(self, job: RegressJob, text: str | None) -> list[Any]:
        if text is not None:
            return [MeanValue(text=text), LinearBagOfWordsRegressor(text=text), *([LexiconRegressor(text=text)] if job.lexicon else [])]
        found: list[Any] = [MeanValue(job.per_step, missing=job.missing), LinearRegressor(job.per_step, missing=job.missing)]
        return found if job.per_step else [*found, NearestRegressor(missing=job.missing)]

    def draw(self, network: Any, table: SequenceTable, truth: NDArray[Any]) -> Figure:
        return draw_regression_report(truth, network.predict(table.frame), names=table.columns.targets, estimator=network)


class Tag(Kind):
    """A label of each step."""

    estimator, settings, answer = SequenceTagger, TagSettings, "tag"

    def columns(self, job: TagJob) -> dict[str, Any]:
        return {"targets": (job.label,), "text": job.text, "coarse": job.coarse}

    def read(self, source: str, columns: SequenceColumns, part: str | None = None, *, labelled: bool = True) -> SequenceTable:
        return read_tag_table(source, columns, part or "test", labelled=labelled)

    def baselines(self, job: TagJob, text: str | None) -> list[Any]:
        return [one(text=text, missing=job.missing) for one in (MostFrequentTag, WindowTagger)]

    def draw(self, network: Any, table: SequenceTable, truth: NDArray[Any]) -> Figure:
        said = np.asarray(network.predict(table.frame))
        return draw_tag_report(table.frame, truth, said, tokens=table.columns.text, estimator=network)


class Transcribe(Kind):
    """Recordings into characters or symbols."""

    estimator, settings, answer = Transcriber, TranscribeSettings, "transcript"

    def columns(self, job: TranscribeJob) -> dict[str, Any]:
        return {"targets": (job.text,), "transcripts": transcripts_of(job)}

    def read(self, source: str, columns: SequenceColumns, part: str | None = None, *, labelled: bool = True) -> SequenceTable:
        return read_sequence_table(source, columns, part, labelled=labelled)

    def baselines(self, job: TranscribeJob, text: str | None) -> list[Any]:
        return [OneTranscript(), Templates()]

    def draw(self, network: Any, table: SequenceTable, truth: NDArray[Any]) -> Figure:
        return draw_transcription(network, table.frame, truth)


class Translate(Kind):
    """Texts into texts, or into symbols."""

    estimator, settings, answer = Translator, TranslateSettings, "target"

    def columns(self, job: TranslateJob) -> dict[str, Any]:
        return {"targets": (job.target,), "text": job.text, "transcripts": transcripts_of(job)}

    def read(self, source: str, columns: SequenceColumns, part: str | None = None, *, labelled: bool = True) -> SequenceTable:
        return read_text_table(source, columns, part or "test", labelled=labelled)

    def baselines(self, job: TranslateJob, text: str | None) -> list[Any]:
        return [Copy(), WordByWord()]

    def draw(self, network: Any, table: SequenceTable, truth: NDArray[Any]) -> Figure:
        return draw_translation(network, table.frame)


class Speak(Kind):
    """Phones into sound."""

    estimator, settings, answer = Speaker, SpeakSettings, PATH

    def columns(self, job: SpeakJob) -> dict[str, Any]:
        return {"targets": (PATH,), "text": job.text}

    def read(self, source: str, columns: SequenceColumns, part: str | None = None, *, labelled: bool = True) -> SequenceTable:
        return read_speech_table(source, columns, part or "test", labelled=labelled)

    def baselines(self, job: SpeakJob, text: str | None) -> list[Any]:
        heard = {name: getattr(job, name) for name in ("sampling_rate", "n_mels", "window_ms", "hop_ms")}
        return [Resynthesis(**heard), MeanPhone(**heard)]

    def draw(self, network: Any, table: SequenceTable, truth: NDArray[Any]) -> Figure:
        return draw_speech(network, table.frame)


KINDS: dict[str, Kind] = {str(one.estimator.task): one for one in (Classify(), Regress(), Tag(), Transcribe(), Translate(), Speak())}


def kind_of(job: SequenceJob) -> Kind:
    """The kind that a job is of."""
    return KINDS[job.task]


def steps_of(job: ClassifyJob | RegressJob) -> tuple[str, ...] | None:
    """Of a wide table the columns that are its steps; none is all numbers."""
    return tuple(job.features or ()) if job.wide else None


def transcripts_of(job: TranscribeJob | TranslateJob) -> str:
    """What a transcript is made of."""
    return "symbols" if job.symbols else "characters"


def texts_or_steps(source: str, columns: SequenceColumns, part: str | None, *, numbers: bool, labelled: bool) -> SequenceTable:
    """A table of texts, where there are some or a column of them is named; or else of steps, or of recordings."""
    if columns.text is not None or isinstance(DATA_SETS.get(source), LabelledTexts) or is_texts(source):
        return read_text_table(source, columns, part or "test", numbers=numbers, labelled=labelled)
    return read_sequence_table(source, columns, part, numbers=numbers, labelled=labelled)
