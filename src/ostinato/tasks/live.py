"""Transcripts of sound that is still coming in: states are carried from chunk to chunk, to the bits of the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.errors import DataError
from .ctc import decoder
from .log_mel import Frames, FrameStream
from .network import SequenceNetwork
from .recordings import checked_rate, checked_samples, mono
from .sound_input import SoundInput, stacked

if TYPE_CHECKING:
    from .transcriber import Transcriber


class LiveTranscript:
    """What is said in the sound pushed so far. The posteriors are those of the whole recording, to the last bit."""

    def __init__(self, transcriber: Transcriber, sampling_rate: int | None) -> None:
        heard = transcriber.input_
        if not isinstance(heard, SoundInput):
            raise ValueError(f"this Transcriber was fitted on {heard.name}; only one that was fitted on recordings hears sound.")
        if transcriber.bidirectional or heard.per_recording:
            what = "bidirectional" if transcriber.bidirectional else "per_recording"
            raise ValueError(f"{what}=True needs the whole recording before the first answer; fit with {what}=False.")
        self._transcriber, self._input = transcriber, heard
        rate = heard.features.sampling_rate if sampling_rate is None else checked_rate("The sound", sampling_rate)
        self._frames = FrameStream(heard.features, rate)
        self._waiting: Frames = np.zeros((0, heard.features.n_mels), np.float32)
        self._states: list[Any] = [None] * len(transcriber.networks_)
        self._posteriors = [np.zeros((0, 1 + len(transcriber.alphabet_.symbols)), np.float32)]
        self._decoder, self._settled = decoder(transcriber.beam_size), list[str]()
        self._over = False

    @property
    def posteriors(self) -> NDArray[np.float32]:
        """The probability of the blank and of each symbol at each step so far `(steps, 1 + symbols)`."""
        return np.concatenate(self._posteriors)

    @property
    def transcript(self) -> Any:
        """What was said so far; with a beam, later sound may still change it."""
        alphabet = self._transcriber.alphabet_
        return alphabet.written(self._settled + alphabet.named(self._decoder.pending))

    def push(self, samples: Any) -> Any:
        """Hear so many more samples `(time,)` or `(time, channels)`; the transcript so far.

        Raises DataError for what are no samples, of which nothing is heard then, and after `finish`.
        """
        if self._over:
            raise DataError("This transcript is finished; begin another with live().")
        heard = checked_samples("The sound", samples)
        if heard.size:
            self._hear(self._frames.push(mono("The sound", heard)))
        return self.transcript

    def finish(self) -> Any:
        """Hear what was waiting for more sound; the transcript of the whole, as `predict` gives it."""
        if not self._over:
            self._over = True
            self._hear(self._frames.finish(), last=True)
        return self.transcript

    def _hear(self, frames: Frames, *, last: bool = False) -> None:
        from .transcriber import as_posteriors

        frames = np.concatenate([self._waiting, frames])
        ready = len(frames) if last else len(frames) // self._input.stack * self._input.stack
        self._waiting = frames[ready:]
        if ready:
            x = torch.from_numpy(self._input.scaled(stacked(frames[:ready], self._input.stack)))[None]
            scores = np.zeros((x.shape[1], self._posteriors[0].shape[1]))
            with torch.inference_mode():
                for number, network in enumerate(self._transcriber.networks_):
                    said, self._states[number] = cast(SequenceNetwork, network).go_on(x, self._states[number])
                    scores += said[0].numpy()
            self._posteriors.append(as_posteriors(scores / len(self._states)))
            self._settled += self._transcriber.alphabet_.named(self._decoder.push(self._posteriors[-1]))
