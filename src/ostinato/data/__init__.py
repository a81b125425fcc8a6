"""The data sets that come with the package: where each is from, under which licence, and its digest.

Nothing here needs more than the standard library, except `DataSet.frame`, which needs pandas.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from .errors import DataError, nearest

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class DataSet:
    """A table in the package and how to read it.

    `time`, `target` and `past` name its columns; `past` are covariates known only up to the present,
    because a day's rain is no more known in advance than its temperature.
    """

    name: str
    title: str
    rows: int
    time: str
    target: str
    past: tuple[str, ...]
    units: dict[str, str]
    series: str
    source: str
    licence: str
    sha256: str

    def read(self) -> bytes:
        """The CSV file's bytes, as its source published them. Raises DataError where the digest differs."""
        content = (files(__name__) / "files" / f"{self.name}.csv").read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if digest != self.sha256:
            raise DataError(
                f"The bundled data set {self.name!r} has SHA-256 {digest}, not {self.sha256}: "
                "its file was changed or damaged; reinstall ostinato."
            )
        return content

    def notice(self) -> str:
        """The licence's full text."""
        return (files(__name__) / "files" / f"{self.name}.LICENSE").read_text(encoding="utf-8")

    def frame(self) -> pd.DataFrame:
        """The table in long form: `unique_id`, `ds`, `y` (the target, in its unit) and the past covariates."""
        from io import BytesIO

        import pandas as pd

        table = pd.read_csv(BytesIO(self.read()), parse_dates=[self.time])
        table = table.rename(columns={self.time: "ds", self.target: "y"})
        table.insert(0, "unique_id", self.series)
        return table[["unique_id", "ds", "y", *self.past]]


_SETS = [
    DataSet(
        name="seattle-weather",
        title="Seattle, daily weather, 2012 to 2015",
        rows=1461,
        time="date",
        target="temp_max",
        past=("temp_min", "precipitation", "wind"),
        units={"temp_max": "°C", "temp_min": "°C", "precipitation": "mm", "wind": "m/s"},
        series="seattle",
        source="vega-datasets 0.9.0 on PyPI, from public-domain NOAA data",
        licence="MIT",
        sha256="62f0609f787158128aa2bd102967173a4953122dd4f872bf1d502cae1037df0b",
    ),
]
DATA_SETS: dict[str, DataSet] = {one.name: one for one in _SETS}


def find(name: str) -> DataSet:
    """The bundled data set of that name. Raises DataError, with the nearest known name, where there is none."""
    if name not in DATA_SETS:
        raise DataError(f"There is no bundled data set {name!r}.{nearest(name, DATA_SETS)} Bundled: {', '.join(sorted(DATA_SETS))}.")
    return DATA_SETS[name]


def load(name: str) -> pd.DataFrame:
    """The bundled data set of that name in long form (`DataSet.frame`)."""
    return find(name).frame()


__all__ = ["DATA_SETS", "DataError", "DataSet", "find", "load", "nearest"]
