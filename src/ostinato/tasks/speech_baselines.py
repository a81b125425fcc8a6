"""What a speaker has to beat, and what it cannot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .griffin_lim import sound_of
from .log_mel import Frames, LogMel, Samples
from .parameters import default_of
from .recordings import PATH, Recording, lowest_rate
from .sequence_settings import SpeakSettings
from .sequences import Numbers
from .speech_sound import frames_of_phones, recordings_of
from .timed_phones import Placed, read_phones

N_MELS, WINDOW_MS, HOP_MS = (default_of(SpeakSettings, name) for name in ("n_mels", "window_ms", "hop_ms"))


class SpeechBaseline(BaseEstimator, ABC):  # type: ignore[misc]
    """Speaks by the speakers' protocol, with frames as theirs. After `fit`: `features_`."""

    column: ClassVar[str]

    def __init__(
        self, *, sampling_rate: int | None = None, n_mels: int = N_MELS, window_ms: float = WINDOW_MS, hop_ms: float = HOP_MS
    ) -> None:
        self.sampling_rate, self.n_mels, self.window_ms, self.hop_ms = sampling_rate, n_mels, window_ms, hop_ms

    def _hear(self, recordings: Sequence[Recording]) -> LogMel:
        return LogMel(self.sampling_rate or lowest_rate(recordings), self.n_mels, self.window_ms, self.hop_ms)

    @abstractmethod
    def fit(self, X: Any, y: Any) -> Self:
        """Learn from phones with times, and the recordings `y`, or the column of X of that name."""

    def predict(self, X: Any, *, timed: bool = False) -> list[Samples]:
        """The sound of each utterance; `timed` takes the times of X."""
        return [sound_of(frames, self.features_) for frames in self.predict_frames(X, timed=timed)]

    @abstractmethod
    def predict_frames(self, X: Any, *, timed: bool = False) -> list[Frames]:
        """The log-mel frames of each utterance."""

    @abstractmethod
    def predict_durations(self, X: Any) -> list[Numbers]:
        """How many seconds each phone lasts."""


class MeanPhone(SpeechBaseline):
    """Each phone has its mean spectrum and its mean duration; one never heard has those of all. After `fit`: `means_`, `durations_`."""

    column = "mean phone"

    def fit(self, X: Any, y: Any) -> Self:
        data = read_phones(X)
        recordings = recordings_of(data, y)
        self.features_ = self._hear(recordings)
        placed, heard = frames_of_phones(self.features_, data, recordings)
        names = np.array([name for tokens in data.tokens for name in tokens])
        at = np.concatenate([names[start + one.phone] for start, one in zip(data.starts, placed, strict=True)])
        frames, durations = np.concatenate(heard), data.durations()
        self.mean_, self.duration_ = frames.mean(axis=0), float(durations.mean())
        self.means_ = {name: frames[at == name].mean(axis=0) for name in np.unique(at).tolist()}
        self.durations_ = {name: float(durations[names == name].mean()) for name in np.unique(names).tolist()}
        return self

    def predict_frames(self, X: Any, *, timed: bool = False) -> list[Frames]:
        check_is_fitted(self)
        data = read_phones(X)
        ends = data.given_ends() if timed else [np.cumsum(one) for one in self.predict_durations(X)]
        means = [np.array([self.means_.get(name, self.mean_) for name in tokens]) for tokens in data.tokens]
        return [own[Placed.of(0.0, end, self.features_).phone] for own, end in zip(means, ends, strict=True)]

    def predict_durations(self, X: Any) -> list[Numbers]:
        check_is_fitted(self)
        return [np.array([self.durations_.get(name, self.duration_) for name in tokens]) for tokens in read_phones(X).tokens]


class Resynthesis(SpeechBaseline):
    """The recording itself, as frames and back to sound: what no speaker with these frames can be better than.

    X is a frame that also has the recordings, in its column `path`.
    """

    column = "resynthesis"

    def fit(self, X: Any, y: Any) -> Self:
        self.features_ = self._hear(recordings_of(read_phones(X), y))
        return self

    def predict_frames(self, X: Any, *, timed: bool = False) -> list[Frames]:
        check_is_fitted(self)
        data = read_phones(X)
        return frames_of_phones(self.features_, data, recordings_of(data, PATH))[1]

    def predict_durations(self, X: Any) -> list[Numbers]:
        data = read_phones(X)
        return data.parts(data.durations())
