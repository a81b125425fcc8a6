"""From log-mel frames back to sound, by the method of Griffin and Lim."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .log_mel import Frames, LogMel, Samples

ROUNDS = 32  # of making the phases fit each other
MOMENTUM = 0.99  # Perraudin, Balazs and Søndergaard 2013
SPREADS = 10  # rounds of sharing a band's power out among its frequencies
SMALLEST = 1e-12  # of a power
PREEMPHASIS = 0.97  # that of Kaldi's frames
LOUDEST = 0.99  # what would be clipped is made softer as a whole


def sound_of(frames: Frames, features: LogMel) -> Samples:
    """Samples `(time,)`, at most LOUDEST, of which the frames are about these `(frames, n_mels)`.

    As long as what `features` heard them in, up to a hop. The same frames give the same samples.
    """
    from scipy.signal import lfilter

    quiet = 1 + features.window // (2 * features.hop)  # frames before and after, for the halves of windows that reach out
    magnitudes = np.pad(np.sqrt(powers(frames, features)), ((quiet, quiet), (0, 0)))
    first, length = quiet * features.hop - features.window // 2, (len(frames) - 1) * features.hop + features.window
    found = lfilter([1.0], [1.0, -PREEMPHASIS], signal_of(magnitudes, features)[first:][:length])
    return np.asarray(found * min(1.0, LOUDEST / max(float(np.abs(found).max()), SMALLEST)), np.float32)


def powers(frames: Frames, features: LogMel) -> NDArray[np.float32]:
    """The power of each frequency `(frames, frequencies)`, none below 0, whose bands are nearest to these (Lee and Seung 2000)."""
    bands = features.bands().astype(np.float32)
    energies = np.exp(frames.astype(np.float32))
    found: NDArray[np.float32] = np.maximum(energies @ np.linalg.pinv(bands).T, SMALLEST)
    wanted, share = energies @ bands, bands.T @ bands
    for _ in range(SPREADS):
        found *= wanted / np.maximum(found @ share, SMALLEST)
    return found


def signal_of(magnitudes: NDArray[np.float32], features: LogMel) -> NDArray[np.float32]:
    """The signal whose frames have about these magnitudes, from the middle of the first to that of the last."""
    wanted = torch.from_numpy(magnitudes.T.copy())
    window = torch.hann_window(features.window, periodic=False) ** 0.85  # Povey's, that of Kaldi's frames
    size = (len(wanted) - 1) * 2
    layout: dict[str, Any] = {"n_fft": size, "hop_length": features.hop, "win_length": features.window, "window": window, "center": True}
    length = (wanted.shape[1] - 1) * features.hop
    random = torch.Generator().manual_seed(0)
    spectrum = wanted * torch.exp(2j * torch.pi * torch.rand(wanted.shape, generator=random))
    before = torch.zeros_like(spectrum)
    for _ in range(ROUNDS):
        heard = torch.stft(torch.istft(spectrum, length=length, **layout), pad_mode="constant", return_complex=True, **layout)
        phases = heard - MOMENTUM / (1 + MOMENTUM) * before
        spectrum, before = wanted * phases / phases.abs().clamp(min=SMALLEST), heard
    return np.asarray(torch.istft(spectrum, length=length, **layout).numpy())
