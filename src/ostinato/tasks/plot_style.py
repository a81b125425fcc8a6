"""What all pictures share: colours that everybody can tell apart, axes, legends beside the data, files."""

from __future__ import annotations

from os import PathLike
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart with any colour vision; the dashes and markers survive a black-and-white print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
GREY = "#777777"
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P")
LONGEST = 32  # letters of a name
MOST_PANELS = 6  # below each other in one figure


def new_axes(width: float = 10, height: float = 4) -> Axes:
    """Axes on a figure of their own, in inches, which no window or global state knows of."""
    return new_figure(width, height).subplots()


def new_figure(width: float, height: float) -> Figure:
    """A figure that makes room for whatever is written in it."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(h_pad=0.1))


def line_style(number: int) -> dict[str, Any]:
    """Colour and dashes of the first, second … line; 36 lines have a look of their own."""
    return {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[(number + number // len(COLOURS)) % len(DASHES)]}


def tint(colour: str, share: float) -> tuple[float, float, float]:
    """A colour mixed with white: `share` of it, the rest white. Opaque, so that bands that overlap stay as they are."""
    from matplotlib.colors import to_rgb

    red, green, blue = (1 - share * (1 - part) for part in to_rgb(colour))
    return red, green, blue


def tidy(axes: Axes) -> None:
    """A light grid, and no box."""
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def name_axes(axes: Axes, title: str, *, x: str = "", y: str = "", columns: int = 4) -> None:
    """Title, labels, and the legend between title and data, where it hides neither.

    Names are the user's: a dollar in them starts no formula, and a long one is shortened.
    """
    handles, labels = axes.get_legend_handles_labels()
    lines = -(-len(labels) // columns) if len(labels) > 1 else 0
    if lines:
        place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2, "borderpad": 0, "ncols": columns}
        legend = axes.legend(handles, labels, frameon=False, fontsize=9, columnspacing=1.4, handlelength=1.6, handletextpad=0.5, **place)
        legend.set_in_layout(False)  # the title's distance makes its room
        for text in legend.get_texts():
            text.set_parse_math(False)
    axes.set_title(title, loc="left", fontsize=11, pad=6 + 15 * lines, parse_math=False)
    axes.set_xlabel(x, parse_math=False)
    axes.set_ylabel(y, parse_math=False)


def name_ticks(axis: Any, names: list[str], most: int, **looks: Any) -> None:
    """Names, not numbers, on an axis; of more than `most` every second, third … only."""
    every = -(-len(names) // most)
    axis.set_ticks(range(0, len(names), every))
    axis.set_ticklabels(names[::every], parse_math=False, fontsize=10 if len(names) <= 30 else 7, **looks)


def whole_axis(axis: Any, most: int = 12) -> None:
    """Whole numbers only on an axis: steps, epochs, counts."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=most, integer=True, min_n_ticks=1))


def short(name: object, longest: int = LONGEST) -> str:
    """A name that fits: its middle left out where it is long. A leading underscore would hide it from legends."""
    text = " ".join(str(name).split())
    text = f" {text}" if text.startswith("_") else text
    keep = longest // 2
    return text if len(text) <= longest else f"{text[:keep].rstrip()}…{text[len(text) - longest + keep + 1 :].lstrip()}"


def with_unit(label: str, unit: str) -> str:
    """``temp_max in °C``, or the label alone where there is no unit."""
    return f"{label} in {unit}" if unit else label


def write_picture(figure: Figure, to: str | PathLike[str] | IO[bytes], kind: str) -> None:
    """Write a figure as ``png``, ``svg`` or ``pdf``. The same figure gives the same bytes on the same machine."""
    from matplotlib import rc_context

    dates: dict[str, Any] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with rc_context({"svg.hashsalt": "ostinato"}):
        figure.savefig(to, format=kind, dpi=150, metadata=dates[kind])
