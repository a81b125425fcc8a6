"""Recordings of speech, with what is said in them."""

from __future__ import annotations

import gzip
import io
import re
import wave
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from .errors import DataError
from .fetched import Fetched
from .parted import PartedSet, hashed_part
from .published import Published

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


NOT_SPOKEN = re.compile(r"\[.*?\]|\(.*?\)|<.*?>")


class Phone(NamedTuple):
    """A phone, or another label, from `start` to `end` in seconds."""

    start: float
    end: float
    label: str


@dataclass(frozen=True)
class Recording:
    """One recording: its wav file's bytes, and what is known of it. Empty where the source does not say."""

    name: str
    wav: bytes = field(repr=False)
    speaker: str
    text: str = ""
    label: str = ""
    phones: tuple[Phone, ...] = ()

    @property
    def sampling_rate(self) -> int:
        """In Hz."""
        with wave.open(io.BytesIO(self.wav)) as opened:
            return int(opened.getframerate())

    @property
    def seconds(self) -> float:
        with wave.open(io.BytesIO(self.wav)) as opened:
            return float(opened.getnframes() / opened.getframerate())

    @property
    def samples(self) -> NDArray[np.float32]:
        """The samples `(time,)`, from -1 to 1. Raises DataError for anything but 16-bit mono."""
        import numpy as np

        with wave.open(io.BytesIO(self.wav)) as opened:
            if (opened.getsampwidth(), opened.getnchannels()) != (2, 1):
                raise DataError(f"{self.name}: {opened.getnchannels()} channels of {8 * opened.getsampwidth()} bits; one of 16 is read.")
            content = opened.readframes(opened.getnframes())
        return np.frombuffer(content, "<i2").astype(np.float32) / np.float32(32768)


@dataclass(frozen=True)
class SpeechTask:
    """How a set is learned from unless a person says otherwise, in the words of `ostinato fit`. Chosen on the training part.

    `label` is the column of classes, `text` that of transcripts, if there are any, of `symbols` parted by spaces or of characters.
    """

    hidden_size: int
    max_epochs: int
    learning_rate: float
    batch_size: int
    dropout: float
    stack: int
    augment: float
    num_layers: int = 1
    bidirectional: bool = False
    schedule: str = "OneCycleLR"
    validation_fraction: float = 0.0
    label: str = "label"
    text: str | None = None
    symbols: bool = False


@dataclass(frozen=True)
class SpeakTask:
    """How a set is spoken after unless a person says otherwise, in the words of `ostinato fit speak`. Chosen on the training part."""

    hidden_size: int
    max_epochs: int
    learning_rate: float
    batch_size: int
    stack: int
    bidirectional: bool = True
    schedule: str = "OneCycleLR"
    validation_fraction: float = 0.0


@dataclass(frozen=True)
class Recordings(PartedSet):
    """Recordings of one sampling rate (Hz); `minutes` is how long they are together, `speakers` who speaks."""

    task = "transcribe"
    holds = "recordings"

    language: str
    sampling_rate: int
    minutes: float
    speakers: tuple[str, ...]
    split: str
    suggested: SpeechTask

    @abstractmethod
    def recordings(self, part: str) -> list[Recording]:
        """The recordings of a part, by name. Raises DataError where there is no such part, or the data cannot be had."""

    def by_speaker(self, speaker: str) -> tuple[list[Recording], list[Recording]]:
        """All recordings but this speaker's, and this speaker's: another split, with a voice that was never heard."""
        if speaker not in self.speakers:
            raise DataError(f"{self.name} has no speaker {speaker!r}. Speakers: {', '.join(self.speakers)}.")
        every = [one for part in self.count for one in self.recordings(part)]
        return [one for one in every if one.speaker != speaker], [one for one in every if one.speaker == speaker]

    def part_frame(self, part: str) -> pd.DataFrame:
        """`unique_id`, `speaker`, `label`, `text`, `phones`, `seconds`: all but the sound."""
        import pandas as pd

        columns = ["unique_id", "speaker", "label", "text", "phones", "seconds"]
        rows = [
            (one.name, one.speaker, one.label, one.text, " ".join(phone.label for phone in one.phones), one.seconds)
            for one in self.recordings(part)
        ]
        return pd.DataFrame(rows, columns=columns)

    def question(self) -> str:
        return f"{self.language}, {self.sampling_rate:,} Hz, {len(self.speakers)} speaker{'s' * (len(self.speakers) > 1)}"

    def content(self) -> tuple[str, ...]:
        return (f"{self.how_many('recordings')}, {self.minutes} minutes", f"split: {self.split}")


@dataclass(frozen=True)
class Digits(Recordings):
    """Files named ``{digit}_{speaker}_{index}.wav``; the test is of the indices below `test_below`."""

    task = "classify"

    file: Fetched
    test_below: int

    @property
    def files(self) -> tuple[Published | Fetched, ...]:
        return (self.file,)

    def recordings(self, part: str) -> list[Recording]:
        self.check_part(part)
        found = []
        for member, wav in self.file.read_all().items():
            name = member.removesuffix(".wav")
            digit, speaker, index = name.split("_")
            if (int(index) < self.test_below) == (part == "test"):
                found.append(Recording(name, wav, speaker, digit, digit))
        return found


@dataclass(frozen=True)
class Festvox(Recordings):
    """A voice of Festival: a list of utterances, a wav each, and a file of phones with the times of their ends; `labels` counts them."""

    also = ("speak",)

    file: Fetched
    labels: int
    spoken: SpeakTask

    @property
    def files(self) -> tuple[Published | Fetched, ...]:
        return (self.file,)

    def recordings(self, part: str) -> list[Recording]:
        self.check_part(part)
        told = self.file.read("etc/txt.done.data").decode("utf-8")
        texts = {
            name: text for name, text in re.findall(r'^\( *(\S+) +"(.*)" *\)', told, re.MULTILINE) if hashed_part(name, percent=10) == part
        }
        read = self.file.read_all([f"{folder}/{name}.{folder}" for name in texts for folder in ("wav", "lab")])
        return [
            Recording(name, read[f"wav/{name}.wav"], self.speakers[0], text, phones=phones_of(read[f"lab/{name}.lab"].decode("ascii")))
            for name, text in texts.items()
        ]


def phones_of(text: str) -> tuple[Phone, ...]:
    """Phones from lines of their end in seconds, a colour, and a name, after a line ``#``."""
    phones, start = [], 0.0
    for line in text.partition("#\n")[2].splitlines():
        end, _, label = line.split()
        phones.append(Phone(start, float(end), label))
        start = float(end)
    return tuple(phones)


@dataclass(frozen=True)
class Prompts(Recordings):
    """Wavs of one package, and their texts as ``name: text`` lines, gzipped, of another. What is no speech is in brackets there."""

    wavs: Fetched
    texts: Fetched
    list_of_texts: str

    @property
    def files(self) -> tuple[Published | Fetched, ...]:
        return (self.wavs, self.texts)

    def recordings(self, part: str) -> list[Recording]:
        self.check_part(part)
        wavs = self.wavs.read_all()
        lines = gzip.decompress(self.texts.read(self.list_of_texts)).decode("utf-8").splitlines()
        pairs = [line.split(": ", 1) for line in lines if ": " in line and not line.startswith(";")]
        texts = {name: NOT_SPOKEN.sub("", text).strip() for name, text in sorted(pairs) if f"{name}.wav" in wavs}
        spoken = {name: text for name, text in texts.items() if text and hashed_part(text.casefold()) == part}
        return [Recording(name, wavs[f"{name}.wav"], self.speakers[0], text) for name, text in spoken.items()]
