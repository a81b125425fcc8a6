"""How near speech comes to a recording: the mel-cepstral distortion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .log_mel import Frames, LogMel, Samples
from .sequences import Numbers
from .speech_sound import frames_of_phones, recordings_of
from .timed_phones import read_phones

COEFFICIENTS = 13  # from the first on; the 0th is the loudness
DECIBEL = 10 / np.log(10)


def mel_cepstra(frames: Frames) -> Numbers:
    """`(frames, COEFFICIENTS)` of log-mel frames of power, in dB: the distance of two is the mel-cepstral distortion.

    It is the root of the mean square by which the two spectra, smoothed to so many cosines over the mel scale, differ in dB.
    """
    from scipy.fft import dct

    found = dct(frames.astype(np.float64), norm="ortho", axis=1)[:, 1 : COEFFICIENTS + 1]
    return np.asarray(found * (DECIBEL / np.sqrt(frames.shape[1])))


def distortion(truth: Sequence[Frames], said: Sequence[Frames], *, aligned: bool = False) -> float:
    """The mel-cepstral distortion in dB (Kubichek 1993), the mean over all pairs of frames of all utterances.

    Pairs are those of dynamic time warping; or if they are `aligned` already, those of the same time.
    """
    distances = []
    for one, other in zip(truth, said, strict=True):
        a, b = mel_cepstra(one), mel_cepstra(other)
        if aligned:
            both = min(len(a), len(b))
            distances.append(np.sqrt(((a[:both] - b[:both]) ** 2).sum(axis=1)))
        else:
            costs = np.sqrt(np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T, 0.0))
            distances.append(costs[*warped(costs)])
    return float(np.concatenate(distances).mean())


def warped(costs: Numbers) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The cheapest way through `costs` from the first pair to the last, by single steps (Sakoe and Chiba 1978): rows, columns."""
    rows, columns = costs.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0.0
    for both in range(2, rows + columns + 1):  # a diagonal at a time: none of its pairs waits for another
        i = np.arange(max(1, both - columns), min(rows, both - 1) + 1)
        j = both - i
        total[i, j] = costs[i - 1, j - 1] + np.minimum(np.minimum(total[i - 1, j], total[i, j - 1]), total[i - 1, j - 1])
    way, (row, column) = [], (rows, columns)
    while row and column:
        way.append((row - 1, column - 1))
        row, column = min(((row - 1, column - 1), (row - 1, column), (row, column - 1)), key=lambda place: total[place])
    i, j = np.array(way[::-1], dtype=np.intp).T
    return i, j


def speech_scores(fitted: Any, X: Any, y: Any) -> dict[str, Any]:
    """How a speaker or a baseline says utterances of which the recordings are known, ready for JSON.

    `mcd`: the mel-cepstral distortion in dB of its sound, with durations that it tells, after alignment; `mcd_timed`: with
    true durations, frame by frame; `duration_rmse`: the root of the mean squared error of the phones' durations, in ms.
    """
    data = read_phones(X)
    _, truth = frames_of_phones(fitted.features_, data, recordings_of(data, y))
    error = np.concatenate(fitted.predict_durations(X)) - data.durations()
    told, timed = (heard_again(fitted.features_, fitted.predict(X, timed=timed)) for timed in (False, True))
    return {
        "mcd": distortion(truth, told),
        "mcd_timed": distortion(truth, timed, aligned=True),
        "duration_rmse": 1000 * float(np.sqrt((error**2).mean())),
        "sequences": len(data),
        "phones": len(error),
    }


def heard_again(features: LogMel, sounds: Sequence[Samples]) -> list[Frames]:
    """The frames of sounds that were made."""
    return [features.frames([one], features.sampling_rate) for one in sounds]
