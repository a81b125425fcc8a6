"""Pictures of how networks learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .plot_style import COLOURS, name_axes, new_axes, tidy, whole_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_learning_curves(estimator: Any, *, axes: Axes | None = None) -> Axes:
    """Draw the losses of a fitted estimator by epoch: validation bold, training dashed; a circle marks the weights kept.

    The networks of an ensemble have a colour each. The axis is logarithmic where losses fall tenfold. Raises NotFittedError.
    """
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(estimator, "training_")
    axes = new_axes() if axes is None else axes
    lowest, highest = float("inf"), 0.0
    for number, record in enumerate(estimator.training_):
        colour = COLOURS[number % len(COLOURS)]
        looks = {"train_loss": ("training", 1.0, "--"), "valid_loss": ("validation", 1.8, "-")}
        for key, (name, width, dashes) in looks.items():
            losses = record.get(key, [])
            if losses:
                label = "" if number else name
                marker = "." if len(losses) == 1 else ""
                axes.plot(range(1, len(losses) + 1), losses, color=colour, linewidth=width, linestyle=dashes, marker=marker, label=label)
                lowest, highest = min(lowest, *losses), max(highest, *losses)
        if record.get("valid_loss"):
            best = record["best_epoch"]
            label = "" if number else "kept"
            kept: dict[str, Any] = {"color": colour, "markerfacecolor": "white", "markersize": 7, "linestyle": "", "zorder": 3}
            axes.plot([best], [record["valid_loss"][best - 1]], marker="o", label=label, **kept)
    if 0 < 10 * lowest < highest:
        axes.set_yscale("log")
    whole_axis(axes.xaxis)
    tidy(axes)
    count = len(estimator.training_)
    name_axes(axes, "Learning curves" + (f" of {count} networks" if count > 1 else ""), x="epoch", y="loss")
    return axes
