"""Recurrent networks that speak: phones to durations, to frames, to sound; by scikit-learn's protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import nn

from ..data.errors import DataError, nearest
from .griffin_lim import sound_of
from .log_mel import Frames, LogMel, Samples
from .network import width
from .parameters import estimator, rules
from .recordings import lowest_rate
from .sequence_batches import SequenceExamples
from .sequence_estimator import Known, SequenceEstimator
from .sequence_scaling import measured, spread
from .sequence_settings import SpeakSettings
from .sequences import Numbers, Steps
from .sound_input import stacked
from .speech_batches import SpeechExamples
from .speech_network import SpeechError, SpeechNetwork
from .speech_scores import distortion, heard_again
from .speech_sound import frames_of_phones, recordings_of, write_wav
from .timed_phones import PLACES, Phones, Placed, read_phones
from .token_input import WIDE, TokenInput
from .tokens import Split
from .training import OutputOf, each_batch
from .vocabulary import UNKNOWN, TokenTable

HEARD = ("sampling_rate", "n_mels", "window_ms", "hop_ms", "stack")  # what a file says of how sound was heard


@estimator()
class Speaker(SpeakSettings, SequenceEstimator):
    """Speaks phones: tells how long each lasts, then the log-mel frames, and makes sound of them.

    X are phones: for each utterance a text with spaces between them, a list of them, or, to learn from, a list of
    `(start, end, phone)` in seconds; or a frame with such in the column `phones`. Pauses are phones, too. y are recordings.
    One stack of the cell reads the phones and tells their durations, a second one tells the frames; sound is made of these by
    Griffin and Lim's method. An ensemble's networks are averaged.

    After `fit`: `phones_`, those that it can speak, `features_`, how it heard (`LogMel`, with `sampling_rate`), means and
    scales of durations (`duration_mean_`) and frames (`frame_mean_`), and what `SequenceEstimator` names; `validation_loss_`
    is the sum of two mean squared errors, of durations and of frames, in units of their variance.
    """

    task = "speak"
    feeds = ()

    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation: tuple[Any, Any] | None = None) -> Self:
        """Learn how the recordings `y` speak the phones `X`, which have times; `y` may be the name of a column of a frame.

        `validation`, a pair of `X` and `y`, takes the place of `validation_fraction`. Raises ValueError for parameters
        and DataError for data that cannot be used; the estimator is then as it was.
        """
        return self._fit(X, y, sample_weight, validation)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One more epoch on these recordings. The first call fixes phones, scaling and how sound is heard. Nothing validates."""
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X: Any, *, timed: bool = False) -> list[Samples]:
        """The sound of each utterance `(time,)`, between -1 and 1; `timed` takes the times of X, not those that are told."""
        return [sound_of(frames, self.features_) for frames in self.predict_frames(X, timed=timed)]

    def predict_frames(self, X: Any, *, timed: bool = False) -> list[Frames]:
        """The log-mel frames of each utterance `(frames, n_mels)`."""
        data, phones = self._seen(X)
        ends = data.given_ends() if timed else [np.cumsum(one) for one in self._durations(data, phones)]
        placed = [Placed.of(0.0, one, self.features_) for one in ends]
        examples = SpeechExamples(phones.values, phones.sizes, [one.every(self.stack_) for one in placed])
        said = [np.zeros((length, self._output_size)) for length in examples.lengths.tolist()]
        for network in self._nets:
            for rows, padded in each_batch(cast(OutputOf, network.sound), examples, self.device):
                for row, frames in zip(rows, padded, strict=True):
                    said[row] += frames[: len(said[row])]
        every = [(one / len(self._nets) * self.frame_scale_ + self.frame_mean_).astype(np.float32) for one in said]
        return [own.reshape(-1, self.features_.n_mels)[: len(one.phone)] for own, one in zip(every, placed, strict=True)]

    def predict_durations(self, X: Any) -> list[Numbers]:
        """How many seconds each phone lasts."""
        return self._durations(*self._seen(X))

    def say(self, phones: Any, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write one utterance as a WAV file of 16 bits. Raises ModelFileError where it exists and is not to be overwritten."""
        (sound,) = self.predict([phones])
        write_wav(path, sound, self.features_.sampling_rate, overwrite=overwrite)

    def score(self, X: Any, y: Any) -> float:
        """Less than 0: minus the mel-cepstral distortion in dB, with durations that are told, after alignment."""
        data = self._seen(X)[0]
        _, truth = frames_of_phones(self.features_, data, recordings_of(data, y))
        return -distortion(truth, heard_again(self.features_, self.predict(X)))

    def build_network(self) -> SpeechNetwork:
        """The untrained network."""
        return SpeechNetwork(self, self.input_.module(self), self.input_size_, self._output_size)

    @property
    def phones_(self) -> tuple[str, ...]:
        """The phones that it can speak."""
        assert isinstance(self.input_, TokenInput) and isinstance(self.input_.vocabulary, TokenTable)
        return tuple(sorted(self.input_.vocabulary.entries))

    @property
    def _nets(self) -> list[SpeechNetwork]:
        return cast(list[SpeechNetwork], self.networks_)

    def _stacks(self) -> list[tuple[int, int]]:
        directions = 1 + self.bidirectional
        return [(self.input_size_, directions), (width(self, self.input_size_) + PLACES, directions)]

    @property
    def _output_size(self) -> int:
        return int(self.features_.n_mels * self.stack_)

    def _seen(self, X: Any, y: Any = None) -> tuple[Phones, SequenceExamples]:
        check_is_fitted(self, "networks_")
        data = self._read(X)
        examples = SequenceExamples(*self.input_.apply(data))
        strange = np.flatnonzero(examples.values[:, 0] == UNKNOWN)
        if len(strange):
            number = int(np.searchsorted(data.starts, strange[0], side="right")) - 1
            phone = data.tokens[number][int(strange[0] - data.starts[number])]
            raise DataError(
                f"The phone {phone!r} of utterance {number + 1} was not learned.{nearest(phone, self.phones_)} "
                f"Phones: {' '.join(self.phones_)}."
            )
        return data, examples

    def _durations(self, data: Phones, phones: SequenceExamples) -> list[Numbers]:
        said = self._step_outputs(phones, "durations", 1) * self.duration_scale_ + self.duration_mean_
        return data.parts(np.maximum(said[:, 0], self.features_.hop / self.features_.sampling_rate))

    def _check(self) -> None:
        super()._check()
        if self.hop_ms > self.window_ms / 2:
            raise ValueError(f"hop_ms={self.hop_ms:g} is more than half of window_ms={self.window_ms:g}; no sound comes of such frames.")

    def _read(self, X: Any, y: Any = None, *, new: bool = False) -> Phones:
        if new:
            self.input_ = TokenInput(Split("words"), None, None, self.embedding_size, WIDE)
        return read_phones(X)

    def _read_targets(self, data: Steps, y: Any, counts: NDArray[np.bool_]) -> NDArray[Any]:
        recordings = recordings_of(phones_of(data), y)
        if not hasattr(self, "features_"):
            self.features_ = LogMel(self.sampling_rate or lowest_rate(recordings), self.n_mels, self.window_ms, self.hop_ms)
            self.stack_ = self.stack
        placed, heard = frames_of_phones(self.features_, phones_of(data), recordings)
        return objects((one.every(self.stack_), stacked(frames, self.stack_)) for one, frames in zip(placed, heard, strict=True))

    def _prepare_targets(self, known: Known) -> None:
        frames = np.concatenate([frames for _, frames in known.targets])
        self.frame_mean_, self.frame_scale_ = spread(frames)
        self.duration_mean_, self.duration_scale_ = spread(phones_of(known.data).durations()[:, None])

    def _network_targets(self, known: Known) -> NDArray[Any]:
        durations = (phones_of(known.data).durations()[:, None] - self.duration_mean_) / self.duration_scale_
        parts = phones_of(known.data).parts(durations.astype(np.float32))
        return objects((own, self._scaled(frames)) for own, (_, frames) in zip(parts, known.targets, strict=True))

    def _scaled(self, frames: Frames) -> Frames:
        return np.asarray((frames - self.frame_mean_) / self.frame_scale_, np.float32)

    def _loss_weights(self, known: Known) -> Numbers:
        return known.weights

    def _criterion(self) -> nn.Module:
        return SpeechError()

    def _examples(self, known: Known) -> SpeechExamples:
        weights = self._loss_weights(known)
        placed = [placed for placed, _ in known.targets]
        return SpeechExamples(
            *self.input_.apply(known.data), placed, self._network_targets(known), (weights / weights.mean()).astype(np.float32)
        )

    def _schema(self) -> dict[str, Any]:
        return {**super()._schema(), "heard": {**vars(self.features_), "stack": self.stack_}}

    def _arrays(self) -> dict[str, NDArray[Any]]:
        frames = {"frames.mean": self.frame_mean_, "frames.scale": self.frame_scale_}
        return {**super()._arrays(), **frames, "durations.mean": self.duration_mean_, "durations.scale": self.duration_scale_}

    def _restore(self, schema: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        super()._restore(schema, arrays)
        if not isinstance(self.input_, TokenInput) or not isinstance(self.input_.vocabulary, TokenTable):
            raise ValueError(f"its input is {self.input_.name}, not phones")
        heard = {name: schema["heard"][name] for name in HEARD}
        for name, rule in rules(SpeakSettings).items():
            if name in HEARD:
                if heard[name] is None:
                    raise ValueError(f"its field {name!r} is empty")
                rule.check(name, heard[name])
        self.stack_ = heard.pop("stack")
        self.features_ = LogMel(**heard)
        self.frame_mean_, self.frame_scale_ = measured(arrays, "frames", self._output_size)
        self.duration_mean_, self.duration_scale_ = measured(arrays, "durations", 1)


def phones_of(data: Steps) -> Phones:
    assert isinstance(data, Phones)
    return data


def objects(items: Iterable[Any]) -> NDArray[Any]:
    """Items as an array of objects, which rows are taken of."""
    listed = list(items)
    found = np.empty(len(listed), dtype=object)
    found[:] = listed
    return found
