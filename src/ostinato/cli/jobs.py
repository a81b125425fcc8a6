"""What `ostinato fit` can be told beside an estimator's own parameters."""

from __future__ import annotations

from os import PathLike
from typing import Any

from ..tasks.forecast_settings import ForecastSettings
from ..tasks.parameters import estimator, param

CELLS = ("rnn", "lstm", "gru")


@estimator()
class Job:
    """What every job has: cells to compare, and where to write."""

    cell: Any = param(CELLS, "a cell to train; several are compared, and the best in validation is kept", kind=list)
    to: str | PathLike[str] | None = param(None, "the model file; None names it after data and task", kind=PathLike, optional=True)
    plot: str | PathLike[str] | None = param(None, "a picture, too: .png, .svg or .pdf", kind=PathLike, optional=True)


@estimator(random_state=0)
class ForecastJob(Job, ForecastSettings):
    """Train forecasters and score them on the end of the data."""

    time_column: str | None = param(None, "the column of dates; None takes ds, or a bundled set's own", kind=str, optional=True)
    target: str | None = param(None, "the column to forecast; None takes y, or a bundled set's own", kind=str, optional=True)
    id_column: str | None = param(None, "the column that tells series apart; None takes unique_id if there is one", kind=str, optional=True)
    test_steps: int | None = param(
        None, "steps at the end to score on; None takes the last year of three, or a quarter", kind=int, optional=True, low=1
    )
    season: int | None = param(None, "steps in a season, for seasonal naive; None takes a year or a day", kind=int, optional=True, low=1)
