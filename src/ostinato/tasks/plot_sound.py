"""Pictures of sound: the spectrogram, and under it what a transcriber made of it; what a speaker says beside the recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .ctc import best_path
from .log_mel import Frames, LogMel
from .plot_style import COLOURS, GREY, name_axes, new_figure, short
from .recordings import PATH, look_at
from .sound_input import SoundInput
from .speech_scores import heard_again
from .speech_sound import frames_of_phones, recordings_of
from .timed_phones import read_phones

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .speaker import Speaker
    from .transcriber import Transcriber

LIMITS = (5, 99.5)  # percentiles of a spectrogram that are darkest and brightest


def plot_spectrogram(recording: Any, input_: SoundInput, *, axes: Axes) -> Axes:
    """Draw the log-mel frames of one recording, as the network hears them, over seconds; high tones above."""
    (one,) = look_at([recording])
    frames = input_.features.frames(one.blocks(), one.rate)
    return plot_frames(frames, input_.features, short(one.name, 60), np.percentile(frames, LIMITS), axes=axes)


def plot_frames(frames: Frames, features: LogMel, title: str, limits: NDArray[Any], *, axes: Axes) -> Axes:
    """Draw log-mel frames over seconds; `limits` are the darkest and the brightest."""
    seconds = len(frames) * features.hop_ms / 1000
    low, high = limits
    axes.imshow(frames.T, origin="lower", aspect="auto", cmap="magma", extent=(0, seconds, 0, frames.shape[1]), vmin=low, vmax=high)
    name_axes(axes, title, y="mel band")
    return axes


def plot_phones(phones: Sequence[str], ends: NDArray[Any], until: float, *, axes: Axes) -> Axes:
    """Write each phone above a spectrogram that is shown `until` then, and draw where it ends, in seconds."""
    for phone, start, end in zip(phones, [0.0, *ends[:-1]], ends, strict=True):
        if (start + end) / 2 < until:
            above = axes.get_xaxis_transform()
            axes.axvline(end, color="white", linewidth=0.4, alpha=0.6)
            axes.text((start + end) / 2, 1.02, phone, transform=above, ha="center", va="bottom", fontsize=7).set_parse_math(False)
    return axes


def plot_posteriors(posteriors: NDArray[Any], symbols: tuple[str, ...], step_seconds: float, *, axes: Axes) -> Axes:
    """Draw the probability of each symbol that is told, step by step, its name at its peak; grey is the blank."""
    seconds = (np.arange(len(posteriors)) + 0.5) * step_seconds
    axes.fill_between(seconds, posteriors[:, 0], color=GREY, alpha=0.25, linewidth=0, label="blank")
    places, steps = best_path(posteriors)
    for place in np.unique(places).tolist():
        axes.plot(seconds, posteriors[:, place], color=COLOURS[place % len(COLOURS)], linewidth=1)
    for place, step in zip(places.tolist(), steps.tolist(), strict=True):
        colour = COLOURS[place % len(COLOURS)]
        text = axes.text(seconds[step], 1.04, symbols[place - 1], ha="center", va="bottom", fontsize=8, color=colour)
        text.set_parse_math(False)
    axes.set_ylim(0, 1.18)
    axes.set_yticks([0, 0.5, 1])
    axes.spines[["top", "right"]].set_visible(False)
    name_axes(axes, "", x="seconds", y="probability")
    return axes


def draw_transcript(transcriber: Transcriber, recording: Any, truth: Any = None) -> Figure:
    """One recording as a `Transcriber` of sound hears it: its spectrogram, the symbols under it at their steps, and the truth."""
    heard = transcriber.input_
    if not isinstance(heard, SoundInput):
        raise ValueError(f"this Transcriber was fitted on {heard.name}; only one that was fitted on recordings has a spectrogram.")
    (posteriors,) = transcriber.predict_proba([recording])
    seconds = heard.features.hop_ms * heard.stack / 1000
    figure = new_figure(min(20.0, max(7.0, 2.2 * len(posteriors) * seconds)), 5)
    upper, lower = figure.subplots(2, 1, sharex=True)
    plot_spectrogram(recording, heard, axes=upper)
    plot_posteriors(posteriors, transcriber.alphabet_.symbols, seconds, axes=lower)
    upper.set_xlim(0, len(posteriors) * seconds)
    said = [("said", transcriber.decode(posteriors))] + ([] if truth is None else [("true", truth)])
    lines = [f"{name}: {one if isinstance(one, str) else ' '.join(one)}" for name, one in said]
    figure.supxlabel("\n".join(lines), fontsize=8, x=0.01, ha="left").set_parse_math(False)
    return figure


def draw_utterance(speaker: Speaker, X: Any, y: Any = PATH, *, longest: float = 4.0) -> Figure:
    """The first utterance of X, whose phones have times: what a `Speaker` says, and the recording `y`, each under its phones.

    Of both the first `longest` seconds are shown.
    """
    first, known = (one if isinstance(one, str) else one.iloc[:1] if hasattr(one, "iloc") else one[:1] for one in (X, y))
    data, features = read_phones(first), speaker.features_
    (recording,) = recordings_of(data, known)
    heard = frames_of_phones(features, data, [recording])[1]
    figure = new_figure(14, 7)
    axes = figure.subplots(2, 1, sharex=True)
    said = heard_again(features, speaker.predict(first))
    until = min(longest, max(len(said[0]), len(heard[0])) * features.hop_ms / 1000)
    rows = (("spoken", said[0], speaker.predict_durations(first)[0]), ("recorded", heard[0], data.durations()))
    for own, (words, frames, durations) in zip(axes, rows, strict=True):
        plot_frames(frames, features, "", np.percentile(heard[0], LIMITS), axes=own)
        plot_phones(data.tokens[0], np.cumsum(durations), until, axes=own)
        own.set_title(f"{short(recording.name, 60)}, {words}", loc="left", fontsize=11, pad=16, parse_math=False)
    axes[1].set_xlabel("seconds")
    axes[1].set_xlim(0, until)
    return figure
