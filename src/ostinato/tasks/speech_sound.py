"""The sound of speech: recordings as the frames of their phones, and sound as a WAV file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from .. import model_file
from ..data.errors import DataError
from .log_mel import Frames, LogMel, Samples
from .recordings import Recording, look_at
from .sequences import require_column
from .timed_phones import Phones, Placed

SLACK = 0.1  # seconds that times may reach beyond their recording


def recordings_of(data: Phones, y: Any) -> list[Recording]:
    """The recordings `y` of the phones, or those in the column of their frame of that name. Raises DataError for another number."""
    if isinstance(y, str) and data.table is not None:
        require_column(data.table, y)
        y = data.table.get_column(y).to_list()
    found = look_at(y)
    if len(found) != len(data):
        raise DataError(f"y has {len(found)} recordings for {len(data)} utterances; give one for each.")
    return found


def frames_of_phones(features: LogMel, data: Phones, recordings: list[Recording]) -> tuple[list[Placed], list[Frames]]:
    """Where the frames of each utterance lie in its phones, and these frames. Raises DataError for times beyond the sound."""
    begins, ends = data.times()
    placed, heard = [], []
    for one, begin, own in zip(recordings, begins.tolist(), data.parts(ends), strict=True):
        frames = features.frames(one.blocks(), one.rate)
        seconds = (len(frames) * features.hop + features.window) / features.sampling_rate
        if own[-1] > seconds + SLACK:
            raise DataError(f"{one.name} lasts {seconds:.2f} s, but its last phone ends at {own[-1]:.2f} s; are they of another recording?")
        where = Placed.of(begin, own, features, len(frames))
        placed.append(where)
        heard.append(frames[where.first :][: len(where.phone)])
        if not len(heard[-1]):
            raise DataError(f"{one.name} has no frame within its phones, from {begin:.2f} to {own[-1]:.2f} s; leave it out.")
    return placed, heard


def write_wav(path: str | os.PathLike[str], samples: Samples, rate: int, *, overwrite: bool = False) -> None:
    """Write samples between -1 and 1 as a WAV file of 16 bits, whole or not at all.

    Raises ModelFileError where the file exists and is not to be overwritten, OSError where it cannot be written.
    """
    import soundfile

    def write(temporary: Path) -> None:
        soundfile.write(temporary, np.asarray(samples, np.float32), rate, subtype="PCM_16", format="WAV")

    model_file.write_whole(path, write, overwrite=overwrite)
