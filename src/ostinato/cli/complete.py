"""What a shell completes: names of cells, data sets, choices, and files of the right kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from glob import escape, glob
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..tasks.parameters import Rule

Completion = Callable[[str], list[str]]
TABLES = (".csv", ".csv.gz", ".parquet")
MODELS = (".safetensors",)


def choices(name: str, rule: Rule) -> Completion | None:
    """What completes the values of a parameter; None where nothing does."""
    if name == "cell":
        return cells
    if rule.choices:
        return lambda incomplete: beginning(incomplete, rule.choices)
    return None


def cells(incomplete: str) -> list[str]:
    """The cells of the library."""
    from ..cells import names

    return beginning(incomplete, names())


def data(incomplete: str) -> list[str]:
    """Data sets that a command reads by name, and tables in the folder."""
    from ..data import DATA_SETS

    return [*beginning(incomplete, (one.name for one in DATA_SETS.values() if one.task)), *paths(incomplete, TABLES)]


def data_sets(incomplete: str) -> list[str]:
    """All data sets."""
    from ..data import DATA_SETS

    return beginning(incomplete, DATA_SETS)


def models(incomplete: str) -> list[str]:
    """Model files."""
    return paths(incomplete, MODELS)


def beginning(incomplete: str, words: Iterable[str]) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]


def paths(incomplete: str, endings: tuple[str, ...]) -> list[str]:
    """Files that end so, and folders, in which there may be some."""
    return sorted(path for path in glob(escape(incomplete) + "*") + glob(escape(incomplete) + "*/") if path.endswith((*endings, "/")))
