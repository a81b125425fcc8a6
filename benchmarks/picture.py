"""How time and memory grow, as small panels with logarithmic axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ostinato.tasks.plot_style import COLOURS, DASHES, MARKERS, new_figure, tidy, write_picture

from .plan import GROWN, MIDDLE
from .problem import Problem
from .tables import grown, labels_of, rows_of

LINES = (("training", "ms"), ("inference", "ms"), ("training", "MB"))


def draw_growth(run: dict[str, Any], to: Path) -> None:
    """Rows of panels: time of training and of inference, memory of training; columns: each cell's T, B, H."""
    rows = rows_of(run, "growth")
    cells = list(dict.fromkeys(row["cell"] for row in rows))
    figure = new_figure(3.2 * len(GROWN) * len(cells) * 0.62, 2.2 * len(LINES))
    panels = figure.subplots(len(LINES), len(GROWN) * len(cells), sharey="row", squeeze=False)
    columns = [(cell, name, field) for cell in cells for name, field in GROWN.items()]
    for line, (kind, unit) in zip(panels, LINES, strict=True):
        for axes, (cell, name, field) in zip(line, columns, strict=True):
            chosen = [row for row in rows if row["cell"] == cell and grown(row)[0] in ("a", name)]
            for number, label in enumerate(labels_of(rows)):
                points = sorted((row[field], value) for row in chosen if (value := measured(row, kind, unit, label)))
                look = {"color": COLOURS[number], "marker": MARKERS[number], "linestyle": DASHES[0], "markersize": 4}
                if points:
                    axes.loglog(*zip(*points, strict=True), label=label, **look)
            base = getattr(Problem("", *MIDDLE), field)
            axes.set_xticks([base * 2**k for k in range(4)], [str(base * 2**k) for k in range(4)], fontsize=8)
            axes.minorticks_off()
            axes.set_xlabel(name)
            axes.set_title(f"{cell.upper()}, {kind}", loc="left", fontsize=9)
            tidy(axes)
        line[0].set_ylabel(unit)
    handles, labels = panels[0][0].get_legend_handles_labels()
    more = panels[1][0].get_legend_handles_labels()
    named = dict(zip([*labels, *more[1]], [*handles, *more[0]], strict=True))
    figure.legend(named.values(), named.keys(), loc="outside upper left", ncols=len(named), frameon=False, fontsize=9)
    write_picture(figure, to, "svg")


def measured(row: dict[str, Any], kind: str, unit: str, label: str) -> float | None:
    """The time, or the memory."""
    return row["memory"].get(kind, {}).get(label) if unit == "MB" else row["ms"].get(kind, {}).get(label, {}).get("low")
