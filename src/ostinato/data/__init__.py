"""The data sets: where each is from, under which licence, and its digest. Some come with the package, others are fetched.

Nothing here needs more than the standard library until numbers are asked for: `frame` needs pandas, `sequences` NumPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import DataError, nearest

if TYPE_CHECKING:
    from .catalogue import DATA_SETS, find, find_kind, load
    from .fetched import Fetched
    from .pairs import SentencePairs
    from .proteins import Proteins
    from .published import DataSet, Published
    from .recordings import Recording, Recordings
    from .sequences import ClassifyTask, LabelledSequences
    from .series import ForecastTask, SeriesTable
    from .tagged import TaggedSequences
    from .texts import LabelledTexts

# Imported when first used, so that the command line starts at once.
_HOMES = {
    "DATA_SETS": "catalogue",
    "ClassifyTask": "sequences",
    "DataSet": "published",
    "Fetched": "fetched",
    "ForecastTask": "series",
    "LabelledSequences": "sequences",
    "LabelledTexts": "texts",
    "Proteins": "proteins",
    "Published": "published",
    "Recording": "recordings",
    "Recordings": "recordings",
    "SentencePairs": "pairs",
    "SeriesTable": "series",
    "TaggedSequences": "tagged",
    "find": "catalogue",
    "find_kind": "catalogue",
    "load": "catalogue",
}

__all__ = [
    "DATA_SETS",
    "ClassifyTask",
    "DataError",
    "DataSet",
    "Fetched",
    "ForecastTask",
    "LabelledSequences",
    "LabelledTexts",
    "Proteins",
    "Published",
    "Recording",
    "Recordings",
    "SentencePairs",
    "SeriesTable",
    "TaggedSequences",
    "find",
    "find_kind",
    "load",
    "nearest",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
