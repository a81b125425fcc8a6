"""A run's rows as Markdown: a block for each name that a page may ask for, empty where the run has no such rows."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .plan import GROWN, LIBRARIES, MIDDLE, ODD, resized
from .problem import Problem

Run = dict[str, Any]
Row = dict[str, Any]
OURS = "ostinato"
KINDS = ("training", "inference")
SHAPE = "T, B, I, H"
RATIO = "times the best peer"
ROUGH = 0.1  # MB, below which the kernel's count is not sure


# ---------------------------------------------------------------- rows and their numbers


def rows_of(run: Run, part: str) -> list[Row]:
    """A part's rows, in the order of the plan."""
    return [row for row in run["rows"] if row["part"] == part]


def labels_of(rows: Iterable[Row]) -> list[str]:
    """Who has times in these rows: libraries in their own order, then what else there is."""
    found = dict.fromkeys(label for row in rows for by in row["ms"].values() for label in by)
    return [*(label for label in LIBRARIES if label in found), *(label for label in found if label not in LIBRARIES)]


def took(row: Row, kind: str, label: str) -> float:
    """Milliseconds, NaN where there is none."""
    found = row["ms"].get(kind, {}).get(label)
    return math.nan if found is None else float(found["low"])


def best_peer(row: Row, kind: str) -> tuple[str, float]:
    """The fastest that is not ours, and its time as a multiple of ours."""
    others = {label: found["low"] for label, found in row["ms"][kind].items() if label not in (OURS, "built in")}
    name = min(others, key=others.__getitem__)
    return name, others[name] / took(row, kind, OURS)


def peaks(run: Run) -> dict[str, float]:
    """Multiply-adds a second on all threads, by type: the fastest of all that was tried."""
    return {row["dtype"]: 1e12 / min(one["least"] for by in row["ms"].values() for one in by.values()) for row in rows_of(run, "peak")}


def problem_of(row: Row) -> Problem:
    return Problem(*(row[name] for name in ("cell", "length", "batch", "inputs", "hidden", "dtype")))


def geometric_mean(ratios: Sequence[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, ratios)))


# ---------------------------------------------------------------- their words


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]], words: int) -> str:
    """A table whose first columns are words and whose others are numbers; empty without rows."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    rule = "|" + "---|" * words + "--:|" * (len(head) - words)
    return "\n".join([f"| {' | '.join(head)} |", rule, *lines]) if lines else ""


def number(value: float) -> str:
    """Three digits."""
    return "–" if math.isnan(value) else f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def told(row: Row, kind: str, label: str) -> str:
    """Milliseconds, bold where nobody is faster, and how much longer the turns of the upper quartile took."""
    found = row["ms"].get(kind, {}).get(label)
    if found is None:
        return "–"
    text, low = number(found["low"]), found["low"]
    text = f"**{text}**" if low == min(one["low"] for one in row["ms"][kind].values()) else text
    return f"{text} +{100 * (found['high'] / low - 1):.0f} %"


def megabytes(row: Row, kind: str, label: str) -> str:
    return number(round(row["memory"].get(kind, {}).get(label, math.nan), 1))


def both(tell: Callable[[str], str]) -> str:
    """Training / inference."""
    return " / ".join(tell(kind) for kind in KINDS)


def named(row: Row) -> list[str]:
    return [row["shape"], row["cell"].upper()]


def grown(row: Row) -> str:
    """Which size is how many times the middle one's."""
    base = problem_of(row)
    times = {name: getattr(base, field) // getattr(Problem("", *MIDDLE), field) for name, field in GROWN.items()}
    return next((f"{name} × {many}" for name, many in times.items() if many > 1), "as it is")


def with_losses(table: str, ratios: Sequence[tuple[str, float, str]]) -> str:
    """A table and what we lose in it: of (row, times as good as the other, the other) those below 1."""
    lost = [f"{row}: {ratio:.2f} ({other})" for row, ratio, other in ratios if ratio < 1]
    return table and f"{table}\n\nLost: {len(lost)} of {len(ratios)}{', times as good: ' if lost else ''}{'; '.join(lost)}."


def against_best(rows: Iterable[Row]) -> list[tuple[str, float, str]]:
    """Every row and kind beside its best peer."""
    return [(f"{kind} {row['cell']} {row['shape']}", *best_peer(row, kind)[::-1]) for row in rows for kind in row["ms"]]


def against_torch(rows: Iterable[Row]) -> list[tuple[str, float, str]]:
    """Every row and kind beside torch."""
    ratio = [
        (f"{kind} {row['cell']} {row['shape']}", took(row, kind, "torch") / took(row, kind, OURS)) for row in rows for kind in row["ms"]
    ]
    return [(*one, "torch") for one in ratio]


# ---------------------------------------------------------------- the blocks


def head(run: Run) -> str:
    """When, where and with what."""
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    busy = statistics.median(row["load"] for row in run["rows"])
    quick = " **A quick run: few turns, fewer rows.**" if run["settings"]["quick"] else ""
    threads = run["settings"]["threads"]
    return (
        f"Measured on {run['date']} on {run['machine']}, {threads} thread{'s' if threads > 1 else ''}, commit {run['source']}, in "
        f"{run['minutes']:.0f} minutes, at a load of {busy:.1f} (the median; {threads} is the most that it makes itself).{quick} "
        f"{versions}."
    )


def peak(run: Run) -> str:
    """G multiply-adds a second of everything that was tried, a line for each type."""
    rows = rows_of(run, "peak")
    works = [(kind, label) for kind, by in rows[0]["ms"].items() for label in by] if rows else []
    lines = [[row["dtype"], *(number(1e3 / row["ms"][kind][label]["least"]) for kind, label in works)] for row in rows]
    return markdown(["G multiply-adds a second", *(f"{label}, {kind}" for kind, label in works)], lines, 1)


def layers(run: Run, kind: str) -> str:
    """Medians of one kind of call in every library."""
    rows = rows_of(run, "table")
    libraries, lines = labels_of(rows), []
    for row in rows:
        name, ratio = best_peer(row, kind)
        least = problem_of(row).multiply_adds(kind) / 1e9 * row["peak"][kind]["low"] if row["peak"] else math.nan
        share = 100 * least / took(row, kind, OURS)
        lines.append([*named(row), *(told(row, kind, label) for label in libraries), f"{ratio:.2f} {name}", f"{number(share)} %"])
    return markdown([SHAPE, "cell", *libraries, RATIO, "of the peak"], lines, 2)


def in_short(run: Run) -> str:
    """Means, who wins how often, and every row that we lose."""
    rows = rows_of(run, "table")
    said = []
    for kind in KINDS if rows else ():
        peers = [best_peer(row, kind) for row in rows]
        beside_torch = geometric_mean([took(row, kind, "torch") / took(row, kind, OURS) for row in rows])
        beside_best = geometric_mean([ratio for _, ratio in peers])
        wins = [name if ratio < 1 else OURS for name, ratio in peers]
        counted = ", ".join(f"{name} {wins.count(name)}" for name in LIBRARIES if name in wins)
        said.append(
            f"- **{kind.capitalize()}**: {beside_torch:.2f} times as fast as torch, {beside_best:.2f} times as the best peer of "
            f"each row (geometric means). Fastest, of {len(rows)} rows: {counted}."
        )
    return with_losses("\n".join(said), against_best(rows))


def summary(run: Run) -> str:
    """Times as fast as the best peer, for the README."""
    by = {(row["shape"], row["cell"]): row for row in rows_of(run, "table")}
    lines = []
    for shape in dict.fromkeys(shape for shape, _ in by):
        cells = [by.get((shape, cell)) for cell in ("lstm", "gru", "rnn")]
        lines.append([shape, *(both(lambda kind, row=row: f"{best_peer(row, kind)[1]:.2f}") if row else "" for row in cells)])
    table = markdown([SHAPE, "LSTM", "GRU", "RNN"], lines, 1)
    return f"{head(run)}\n\n{table}\n\n{in_short(run)}" if table else ""


def memory(run: Run) -> str:
    rows = rows_of(run, "table")
    libraries = labels_of(rows)
    lines = [[*named(row), *(both(lambda kind, row=row, label=label: megabytes(row, kind, label)) for label in libraries)] for row in rows]
    ratios = []
    for row in rows:
        for kind, sizes in row["memory"].items():
            other = min((label for label in sizes if label != OURS), key=sizes.__getitem__)
            ratios.append((f"{kind} {row['cell']} {row['shape']}", (sizes[other] + ROUGH) / (sizes[OURS] + ROUGH), other))
    return with_losses(markdown([SHAPE, "cell", *libraries], lines, 2), ratios)


def growth(run: Run) -> str:
    """Time and memory when one of T, B, H grows, a table for each cell."""
    rows = rows_of(run, "growth")
    libraries, parts = labels_of(rows), []

    def tell(row: Row, label: str) -> str:
        return f"{both(lambda kind: number(took(row, kind, label)))} ms; {both(lambda kind: megabytes(row, kind, label))} MB"

    for cell in dict.fromkeys(row["cell"] for row in rows):
        lines = [[grown(row), *(tell(row, label) for label in libraries)] for row in rows if row["cell"] == cell]
        parts.append(markdown([cell.upper(), *libraries], lines, 1))
    return with_losses("\n\n".join(parts), against_best(rows))


def odd(run: Run) -> str:
    """Time per multiply-add at a size that fits no vector, relative to the next that does."""
    by = {(row["cell"], row["shape"]): row for row in rows_of(run, "odd")}
    lines = []
    for cell in dict.fromkeys(cell for cell, _ in by):
        for name, size, friendly in ODD:
            one, fits = (resized(Problem(cell, *MIDDLE), name, n) for n in (size, friendly))
            pair = by.get((cell, one.shape)), by.get((cell, fits.shape))
            if pair[0] is None or pair[1] is None:
                continue
            work = one.multiply_adds("inference") / fits.multiply_adds("inference")

            def dearer(kind: str, label: str, a: Row = pair[0], b: Row = pair[1], work: float = work) -> str:
                return f"{took(a, kind, label) / took(b, kind, label) / work:.2f}"

            shown = [both(lambda kind, label=label, dearer=dearer: dearer(kind, label)) for label in (OURS, "torch")]
            faster = both(lambda kind, row=pair[0]: f"{best_peer(row, kind)[1]:.2f}")
            lines.append([cell.upper(), f"{name} = {size}", f"{name} = {friendly}", *shown, faster])
    return with_losses(markdown(["cell", "size", "beside", OURS, "torch", "times as fast as torch"], lines, 3), against_best(by.values()))


def double(run: Run) -> str:
    """float64's milliseconds, and as multiples of float32's."""
    rows = rows_of(run, "double")
    single = {(row["cell"], row["shape"]): row for row in rows_of(run, "table")}
    libraries, lines = labels_of(rows), []
    for row in rows:
        beside = single.get((row["cell"], row["shape"]), {"ms": {}})

        def tell(kind: str, label: str, row: Row = row, beside: Row = beside) -> str:
            return f"{number(took(row, kind, label))} ({took(row, kind, label) / took(beside, kind, label):.1f} ×)"

        shown = [both(lambda kind, label=label, tell=tell: tell(kind, label)) for label in libraries]
        lines.append([*named(row), *shown, both(lambda kind, row=row: f"{best_peer(row, kind)[1]:.2f}")])
    return with_losses(markdown([SHAPE, "cell", *libraries, RATIO], lines, 2), against_best(rows))


def own(run: Run) -> str:
    rows = rows_of(run, "own")
    words = {OURS: "ours", "torch": "torch loop", "JAX": "JAX scan"}
    labels, lines = labels_of(rows), []
    for row in rows:
        for kind in KINDS:
            shown = [told(row, kind, label) for label in labels]
            lines.append([row["shape"], f"`{row['cell']}`", kind, *shown, f"{best_peer(row, kind)[1]:.2f}"])
    table = markdown([SHAPE, "cell", "", *(words.get(label, label) for label in labels), RATIO], lines, 3)
    ready = {label: statistics.median(row["ready"][label] for row in rows if label in row["ready"]) for label in labels}
    told_ready = ", ".join(f"{words.get(label, label)} {seconds:.2g}" for label, seconds in ready.items())
    told_ready = f"Seconds from the function to the first results of both kinds, the median of these rows: {told_ready}."
    return table and with_losses(table, against_best(rows)) + f"\n\n{told_ready}"


def steps(run: Run) -> str:
    rows = rows_of(run, "steps")
    labels = labels_of(rows)
    lines = [[row["shape"], kind, *(told(row, kind, label) for label in labels)] for row in rows for kind in row["ms"]]
    return with_losses(markdown([SHAPE, "LSTM, ms", *labels], lines, 2), against_torch(rows))


def call(run: Run) -> str:
    rows = rows_of(run, "call")
    labels = labels_of(rows)
    lines = [[row["cell"].upper(), kind, *(number(1e3 * took(row, kind, label)) for label in labels)] for row in rows for kind in row["ms"]]
    return with_losses(markdown(["cell", "µs", *labels], lines, 2), against_torch(rows))


def bits(run: Run) -> str:
    """Rates of products and sums, nanoseconds of functions, and chunks."""
    rows, limit, lines = rows_of(run, "bits"), peaks(run).get("float32", math.nan) / 1e9, []
    for row in rows:
        for kind in row["ms"]:
            times = [took(row, kind, label) for label in (OURS, "torch")]
            size, across = f"{row['length']} × {row['batch']} rows", f"{row['inputs']} → {row['hidden']}"
            giga = row["length"] * row["batch"] * row["inputs"] * row["hidden"] / 1e6
            share = f"{number(100 * giga / times[0] / limit)} %"
            if row["cell"] in ("product", "recurrence"):
                work = kind.replace("forward", "product") if row["cell"] == "product" else "product of the state, step by step"
                shown = [f"{work}, G multiply-adds a second", f"{size}, {across}", *(number(giga / t) for t in times), share]
            elif row["cell"] == "functions":
                shown = [f"{kind}, ns a number", f"{row['inputs']} numbers", *(number(1e6 * t / row["inputs"]) for t in times), ""]
            else:
                shown = [f"{row['cell'].upper()}, {kind}, ms", row["shape"], *map(number, times), ""]
            lines.append([*shown, f"{times[1] / times[0]:.2f}"])
    return with_losses(markdown(["work", "size", OURS, "torch", "ours, of the peak", "times as fast"], lines, 2), against_torch(rows))


def epochs(run: Run) -> str:
    lines = []
    for part, task in (("forecaster", "`Forecaster`, seattle-weather"), ("classifier", "`SequenceClassifier`, japanese-vowels")):
        for row in rows_of(run, f"epochs {part}"):
            shown = [told(row, "an epoch", label) for label in (OURS, "torch")]
            lines.append([task, row["cell"].upper(), *shown, f"{best_peer(row, 'an epoch')[1]:.2f}"])
    rows = [row for row in run["rows"] if row["part"].startswith("epochs")]
    return with_losses(
        markdown(["an epoch of", "cell", "ours, ms", "with torch.nn's layer, ms", "times as fast"], lines, 2), against_torch(rows)
    )


def failures(run: Run) -> str:
    lines = [
        f"- {row['part']}, {row['cell']} {row['shape']}: {label} ({why})." for row in run["rows"] for label, why in row["failed"].items()
    ]
    return "\n".join(lines) or "None."


BLOCKS: dict[str, Callable[[Run], str]] = {
    **{one.__name__: one for one in (head, peak, summary, memory, growth, odd, double, own, steps, call, bits, epochs, failures)},
    "in short": in_short,
    "training": lambda run: layers(run, "training"),
    "inference": lambda run: layers(run, "inference"),
}
