"""Sound as frames: the logarithm of the energy in bands of the mel scale, the same whether it comes whole or in chunks.

Resampled by soxr, framed by kaldi-native-fbank; both give the same bits for every cut into chunks. Needs the extra `sound`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.errors import DataError

Samples = NDArray[np.float32]
Frames = NDArray[np.float32]

LOWEST_HZ = 20.0  # of the lowest band; the highest one ends at half the sampling rate


@dataclass(frozen=True)
class LogMel:
    """Frames of `n_mels` bands, each from `window_ms` of sound, one every `hop_ms`, at `sampling_rate` samples a second.

    A frame depends on the samples within its window alone: no dither, no reflection at the ends. Less than a window of
    sound is lengthened by silence to one frame. Digital silence is a frame of the smallest energy, not of infinity.
    Raises DataError for settings that leave a band without any energy to measure.
    """

    sampling_rate: int
    n_mels: int = 40
    window_ms: float = 25.0
    hop_ms: float = 10.0

    def __post_init__(self) -> None:
        if self.hop_ms > self.window_ms:
            raise DataError(f"hop_ms={self.hop_ms:g} is more than window_ms={self.window_ms:g}: sound between windows would not be heard.")
        if min(self.window, self.hop) < 1:
            raise DataError(f"hop_ms={self.hop_ms:g} is less than a sample at {self.sampling_rate} Hz; lengthen it.")
        try:
            self._fbank()
        except (ValueError, RuntimeError) as error:
            raise DataError(
                f"n_mels={self.n_mels} bands are too many for {self.sampling_rate} Hz and window_ms={self.window_ms:g}; take fewer."
            ) from error

    @property
    def window(self) -> int:
        """Samples in a window."""
        return int(self.window_ms * self.sampling_rate / 1000)

    @property
    def hop(self) -> int:
        """Samples from frame to frame."""
        return int(self.hop_ms * self.sampling_rate / 1000)

    def bands(self) -> NDArray[np.float64]:
        """How much of each frequency's power a band has: `(n_mels, 1 + transform / 2)`, the transform a power of two."""
        import kaldi_native_fbank

        options = self._options()
        found = np.array(kaldi_native_fbank.MelBanks(options.mel_opts, options.frame_opts, 1.0).get_matrix(), np.float64)
        return np.pad(found, ((0, 0), (0, 1 - found.shape[1] % 2)))  # the last frequency is in no band

    def frames(self, blocks: Iterable[Samples], rate: int) -> Frames:
        """`(time, n_mels)` of mono sound in blocks, at `rate` samples a second."""
        stream = FrameStream(self, rate)
        return np.concatenate([*(stream.push(block) for block in blocks), stream.finish()])

    def _fbank(self) -> Any:
        import kaldi_native_fbank

        return kaldi_native_fbank.OnlineFbank(self._options())

    def _options(self) -> Any:
        import kaldi_native_fbank

        options = kaldi_native_fbank.FbankOptions()
        options.frame_opts.samp_freq = float(self.sampling_rate)
        options.frame_opts.frame_length_ms = float(self.window_ms)
        options.frame_opts.frame_shift_ms = float(self.hop_ms)
        options.frame_opts.dither = 0.0
        options.mel_opts.num_bins = self.n_mels
        options.mel_opts.low_freq = LOWEST_HZ
        return options


class FrameStream:
    """Frames of sound that comes in chunks: `push` gives those that are complete, `finish` the rest."""

    def __init__(self, features: LogMel, rate: int) -> None:
        import soxr

        self.features = features
        self._fbank = features._fbank()
        self._resampler = None if rate == features.sampling_rate else soxr.ResampleStream(rate, features.sampling_rate, 1, dtype="float32")
        self._heard = self._given = 0

    def push(self, samples: Samples) -> Frames:
        """`(time, n_mels)`, perhaps of no time, after so many more mono samples."""
        return self._hear(samples if self._resampler is None else self._resampler.resample_chunk(samples))

    def finish(self) -> Frames:
        """The frames after the last sample."""
        rest = np.zeros(0, np.float32) if self._resampler is None else self._resampler.resample_chunk(np.zeros(0, np.float32), last=True)
        frames = [self._hear(rest)]
        if not self._given:
            frames.append(self._hear(np.zeros(self.features.window - self._heard, np.float32)))
        return np.concatenate(frames)

    def _hear(self, samples: Samples) -> Frames:
        self._heard += len(samples)
        if len(samples):
            self._fbank.accept_waveform(float(self.features.sampling_rate), np.ascontiguousarray(samples))
        ready = self._fbank.num_frames_ready
        frames = np.array([self._fbank.get_frame(k) for k in range(self._given, ready)], np.float32)
        self._fbank.pop(ready - self._given)
        self._given = ready
        return frames.reshape(-1, self.features.n_mels)
