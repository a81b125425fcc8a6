"""All data sets by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from .errors import DataError, nearest
from .published import DataSet
from .records.pairs import PRONUNCIATION, VERSES
from .records.proteins import PROTEINS, PROTEINS_SMALL
from .records.sequences import JAPANESE_VOWELS, YEAST
from .records.series import FULDA, NYC_WEATHER, SEATTLE_WEATHER, STOCKS
from .records.speech import DIGITS, PROMPTS, RUSSIAN
from .records.tagged import BROWN, TURKISH
from .records.texts import R8, SENTIMENT, SPAM, SPAM_SMALL

if TYPE_CHECKING:
    import pandas as pd

Kind = TypeVar("Kind", bound=DataSet)

DATA_SETS: dict[str, DataSet] = {
    one.name: one
    for one in (
        SEATTLE_WEATHER,
        NYC_WEATHER,
        FULDA,
        STOCKS,
        JAPANESE_VOWELS,
        SPAM_SMALL,
        SPAM,
        R8,
        SENTIMENT,
        TURKISH,
        BROWN,
        PROTEINS_SMALL,
        PROTEINS,
        YEAST,
        DIGITS,
        RUSSIAN,
        PROMPTS,
        VERSES,
        PRONUNCIATION,
    )
}


def find(name: str) -> DataSet:
    """The data set of that name. Raises DataError, with the nearest known name, where there is none."""
    if name not in DATA_SETS:
        raise DataError(f"There is no data set {name!r}.{nearest(name, DATA_SETS)} `ostinato data` lists them.")
    return DATA_SETS[name]


def find_kind(name: str, kind: type[Kind]) -> Kind:
    """The data set of that name, if it is a `SeriesTable`, `LabelledTexts` or whatever is asked. Otherwise raises DataError."""
    found = find(name)
    if not isinstance(found, kind):
        fitting = ", ".join(sorted(one.name for one in DATA_SETS.values() if isinstance(one, kind)))
        used = f", for `ostinato fit {found.task}`" if found.task else ""
        raise DataError(f"The data set {name!r} holds {found.holds}{used}; {kind.holds} is needed here. Known: {fitting}.")
    return found


def load(name: str) -> pd.DataFrame:
    """The data set of that name in long form (its `frame`), fetched first where need be."""
    return find(name).frame()
