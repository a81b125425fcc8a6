"""Pictures of what was heard: the spectrogram, and under it what a transcriber made of it, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .ctc import best_path
from .plot_style import COLOURS, GREY, name_axes, new_figure, short
from .recordings import look_at
from .sound_input import SoundInput

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .transcriber import Transcriber


def plot_spectrogram(recording: Any, input_: SoundInput, *, axes: Axes) -> Axes:
    """Draw the log-mel frames of one recording, as the network hears them, over seconds; high tones above."""
    (one,) = look_at([recording])
    frames = input_.features.frames(one.blocks(), one.rate)
    seconds = len(frames) * input_.features.hop_ms / 1000
    low, high = np.percentile(frames, [5, 99.5])
    axes.imshow(frames.T, origin="lower", aspect="auto", cmap="magma", extent=(0, seconds, 0, frames.shape[1]), vmin=low, vmax=high)
    name_axes(axes, short(one.name, 60), y="mel band")
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
