"""The data sets that come with the package: where each is from, under which licence, and its digest.

Nothing here needs more than the standard library until numbers are asked for: `frame` needs pandas, `sequences` NumPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import DataError, nearest

if TYPE_CHECKING:
    from .catalogue import DATA_SETS, find, find_kind, load
    from .published import DataSet, Published
    from .sequences import ClassifyTask, LabelledSequences
    from .series import ForecastTask, SeriesTable

# Imported when first used, so that the command line starts at once.
_HOMES = {
    "DATA_SETS": "catalogue",
    "DataSet": "published",
    "ClassifyTask": "sequences",
    "ForecastTask": "series",
    "LabelledSequences": "sequences",
    "Published": "published",
    "SeriesTable": "series",
    "find": "catalogue",
    "find_kind": "catalogue",
    "load": "catalogue",
}

__all__ = [
    "DATA_SETS",
    "ClassifyTask",
    "DataError",
    "DataSet",
    "ForecastTask",
    "LabelledSequences",
    "Published",
    "SeriesTable",
    "find",
    "find_kind",
    "load",
    "nearest",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
