"""Recordings in: files, a folder, or samples with their rate; every doubt about them is answered here."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from ..data.errors import DataError, nearest
from .log_mel import Samples

PATH = "path"  # the column of a frame of recordings
ENDINGS = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".au")
BLOCK = 2**18  # samples that are read at once, so that hours of sound need no memory but their frames'
LOWEST_RATE, HIGHEST_RATE = 1000, 768_000  # Hz


class MixedDown(UserWarning):
    """Told once a call: recordings with several channels were heard as their mean."""


@dataclass(frozen=True)
class Recording:
    """One recording, looked at but not yet heard: a file, or samples `(time,)` or `(time, channels)`."""

    name: str
    rate: int
    channels: int
    samples: NDArray[Any] | None = None

    def blocks(self) -> Iterator[Samples]:
        """Its sound in mono, between -1 and 1. Raises DataError for numbers that are no sound, and where there is none."""
        heard = 0
        for block in read_file(self.name) if self.samples is None else [self.samples]:
            yield mono(self.name, block, heard)
            heard += len(block)
        if not heard:
            raise DataError(f"{self.name} has no samples; leave it out.")


def is_path(one: Any) -> bool:
    """Whether it is the path of a sound file: a path, or a text that ends like one."""
    return isinstance(one, os.PathLike) or (isinstance(one, str) and one.lower().endswith(ENDINGS))


def is_samples(one: Any) -> bool:
    """Whether it is a pair of samples and their rate, or has them, as a recording of `ostinato.data`."""
    if isinstance(one, tuple):
        return len(one) == 2 and np.ndim(one[1]) == 0 and np.ndim(one[0]) in (1, 2)
    return hasattr(one, "samples") and hasattr(one, "sampling_rate")


def is_sound(data: Any) -> bool:
    """Whether these are recordings: a folder, or paths, pairs of samples and rate, or such in the column `path` of a frame."""
    if nw.dependencies.is_into_dataframe(data):
        table = nw.from_native(data, eager_only=True)
        data = table.get_column(PATH).to_list() if PATH in table.columns else []
    if isinstance(data, (str, os.PathLike)):
        return is_path(data) or os.path.isdir(data)
    data = data.to_list() if hasattr(data, "to_list") else data  # a column
    several = isinstance(data, list) or (isinstance(data, np.ndarray) and data.ndim == 1)
    one = data[0] if several and len(data) else None
    return is_path(one) or is_samples(one)


def look_at(data: Any) -> list[Recording]:
    """The recordings that `data` names. Raises DataError for what is none, OSError for what cannot be read."""
    if nw.dependencies.is_into_dataframe(data):
        data = nw.from_native(data, eager_only=True).get_column(PATH).to_list()
    if isinstance(data, (str, os.PathLike)):
        data = files_in(data) if os.path.isdir(data) else [data]
    data = list(data) if np.iterable(data) else []
    if not data:
        raise DataError("There is no recording; give a folder, a list of paths, or pairs (samples, sampling_rate).")
    found = [of_samples(number, one) if is_samples(one) else of_file(number, one) for number, one in enumerate(data, start=1)]
    several = [one for one in found if one.channels > 1]
    if several:
        words = f"{several[0].name} has {several[0].channels} channels"
        words += f", and {len(several) - 1} more recordings have several" if len(several) > 1 else ""
        warnings.warn(f"{words}; the mean of the channels is heard.", MixedDown, stacklevel=2)
    return found


def files_in(folder: str | os.PathLike[str]) -> list[str]:
    """The sound files of a folder and those below it, in order of their names. Raises DataError where there is none."""
    found = sorted(str(path) for path in Path(folder).rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
    if not found:
        raise DataError(f"The folder {os.fspath(folder)} has no sound file; there must be one that ends in {', '.join(ENDINGS)}.")
    return found


def of_file(number: int, path: Any) -> Recording:
    """A file, its head read."""
    import soundfile

    if not isinstance(path, (str, os.PathLike)):
        raise DataError(f"Recording {number} is {type(path).__name__}; give the path of a sound file, or a pair (samples, sampling_rate).")
    name = os.fspath(path)
    if not Path(name).is_file():
        near = nearest(Path(name).name, [p.name for p in Path(name).absolute().parent.glob("*") if p.suffix.lower() in ENDINGS])
        raise DataError(f"There is no file {name!r} (recording {number}).{near}")
    with open(name, "rb"):  # the system's own answer for a file that may not be read
        pass
    try:
        info = soundfile.info(name)
    except soundfile.LibsndfileError as error:
        raise unreadable(name, error) from error
    if not info.frames:
        raise DataError(f"{name} has no samples; leave it out.")
    return Recording(name, checked_rate(name, info.samplerate), info.channels)


def of_samples(number: int, given: Any) -> Recording:
    """Samples that are given with their rate."""
    samples, rate = given if isinstance(given, tuple) else (given.samples, given.sampling_rate)
    name = str(getattr(given, "name", f"Recording {number}"))
    array = checked_samples(name, samples)
    if not array.size:
        raise DataError(f"{name} has no samples; leave it out.")
    return Recording(name, checked_rate(name, rate), 1 if array.ndim == 1 else array.shape[1], array)


def checked_samples(name: str, samples: Any) -> NDArray[Any]:
    """Samples `(time,)` or `(time, channels)`, perhaps none. Raises DataError for what are none."""
    try:
        array = np.asarray(samples)
    except ValueError as error:
        raise DataError(f"{name} has samples that are no array ({error}); give numbers.") from error
    if array.dtype.kind not in "fiu":
        raise DataError(f"{name} has samples of the kind {array.dtype}; give numbers.")
    if array.ndim not in (1, 2) or (array.ndim == 2 and 0 < array.shape[0] < array.shape[1]):
        raise DataError(f"{name} has the shape {array.shape}; several channels are (time, channels), one is (time,).")
    return array


def checked_rate(name: str, rate: Any) -> int:
    """A rate that a recording can have. Raises DataError."""
    if not (isinstance(rate, (int, float, np.number)) and LOWEST_RATE <= rate <= HIGHEST_RATE and int(rate) == rate):
        raise DataError(f"{name} has {rate!r} samples a second; expected a whole number from {LOWEST_RATE} to {HIGHEST_RATE}.")
    return int(rate)


def read_file(name: str) -> Iterator[NDArray[np.float32]]:
    """The samples of a file `(time, channels)`, block by block."""
    import soundfile

    try:
        with soundfile.SoundFile(name) as file:
            while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
                yield block
    except soundfile.LibsndfileError as error:
        raise unreadable(name, error) from error


def unreadable(name: str, error: Exception) -> DataError:
    """What is said of a file that is no sound."""
    cause = getattr(error, "error_string", str(error)).rstrip(".")
    return DataError(f"{name} is no sound file that can be read ({cause}); convert it to WAV, or leave it out.")


def mono(name: str, samples: NDArray[Any], before: int = 0) -> Samples:
    """Samples `(time,)` or `(time, channels)` as one channel between -1 and 1, `before` samples after the beginning.

    Whole numbers are taken by the range of their kind, unsigned ones from its middle, as WAV has 8 bits. Raises DataError.
    """
    kind, samples = samples.dtype, samples.reshape(len(samples), -1)
    with np.errstate(over="ignore"):
        if kind.kind != "f":
            half = 2.0 ** (8 * kind.itemsize - 1)
            samples = (samples - (half if kind.kind == "u" else 0.0)) / half
        found: Samples = np.ascontiguousarray(samples.astype(np.float32).mean(axis=1))
    wrong = np.flatnonzero(~np.isfinite(found))
    if len(wrong):
        raise DataError(f"{name} has {found[wrong[0]]} as sample {before + int(wrong[0]) + 1}; mend it, or leave the recording out.")
    return found


def lowest_rate(recordings: Sequence[Recording]) -> int:
    """The rate that all of them hold."""
    return min(one.rate for one in recordings)
