"""Pictures of what a translator looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .plot_style import name_axes, name_ticks, new_axes, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .translator import Translator

MOST_NAMED = 80


def plot_attention(translator: Translator, sequence: Any, *, axes: Axes | None = None) -> Axes:
    """Draw how much each part that is said (row) looks at each step that is read (column), of the first sequence in `sequence`."""
    said, read, weights = translator.attention(sequence)[0]
    axes = new_axes(0.28 * len(read) + 2, 0.28 * len(said) + 2) if axes is None else axes
    image = axes.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    name_ticks(axes.xaxis, [short(name, 16) for name in read], MOST_NAMED, rotation=90)
    name_ticks(axes.yaxis, [short(name, 16) for name in said], MOST_NAMED)
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("attention")
    bar.outline.set_visible(False)
    axes.spines[:].set_visible(False)
    name_axes(axes, "What each part said looks at", x="read", y="said")
    return axes
