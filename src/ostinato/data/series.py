"""Tables of series, to forecast."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from .fetched import Fetched
from .published import DataSet, Published

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ForecastTask:
    """How a set is forecast unless a person says otherwise; lengths in steps of time, words as in `ostinato fit forecast`.

    The last `test_steps` of each series are the test, the same for everybody who compares results.
    """

    freq: str
    horizon: int
    window: int
    season: int
    test_steps: int
    missing: str
    target_transform: str = "identity"
    returns: bool = False
    refit: bool = True
    ensemble: int = 5


@dataclass(frozen=True)
class SeriesTable(DataSet):
    """One CSV file with a row for each series and time.

    `time`, `target`, `past` and `id_column` name its columns; `id_column` is None where there is one series. `past` are
    covariates known only up to the present, because a day's rain is no more known in advance than its temperature.
    `rows` counts each series' rows, `absent` the steps between its first and last that have none, and `missing` the
    values that are missing in the rows, by column.
    """

    task = "forecast"
    holds = "a table of series"

    published: Published
    time: str
    time_format: str
    id_column: str | None
    target: str
    past: tuple[str, ...]
    units: dict[str, str]
    rows: dict[str, int]
    absent: dict[str, int]
    missing: dict[str, int]
    span: tuple[str, str]
    suggested: ForecastTask
    units_row: bool = False  # a second line of the file that names units

    @property
    def files(self) -> tuple[Published | Fetched, ...]:
        return (self.published,)

    def read(self) -> bytes:
        """The CSV file's bytes, as its source published them. Raises DataError where the file was damaged."""
        return self.published.read()

    def csv(self) -> bytes:
        return self.read()

    def frame(self) -> pd.DataFrame:
        """The table in long form: `unique_id`, `ds`, `y` (the target, in its unit) and the past covariates.

        A missing value is NaN, and a step that the source left out is left out here.
        """
        import pandas as pd

        table = pd.read_csv(BytesIO(self.read()), skiprows=[1] if self.units_row else None)
        table["ds"] = pd.to_datetime(table[self.time], format=self.time_format)
        table["unique_id"] = table[self.id_column] if self.id_column else next(iter(self.rows))
        return table.rename(columns={self.target: "y"})[["unique_id", "ds", "y", *self.past]]

    def question(self) -> str:
        target = f"return of {self.target} (%)" if self.suggested.returns else f"{self.target} ({self.units[self.target]})"
        return f"{target}, {self.suggested.horizon} ahead; covariates {', '.join(self.past)}"

    def content(self) -> tuple[str, ...]:
        series = ", ".join(f"{name} {rows}" for name, rows in self.rows.items())
        missing = ", ".join(f"{column} {count}" for column, count in self.missing.items()) or "none"
        return (
            f"{sum(self.rows.values())} rows from {self.span[0]} to {self.span[1]}, step {self.suggested.freq}: {series}",
            f"missing values: {missing}; missing rows: {sum(self.absent.values())}",
        )
