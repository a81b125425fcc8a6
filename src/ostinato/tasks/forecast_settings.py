"""The parameters of forecasters, told without torch, so that the command line has them at once."""

from __future__ import annotations

from collections.abc import Sequence

from .parameters import estimator, param
from .settings import MISSING, Fitting, Recurrence

LONGEST = 100_000  # steps of a horizon or a window
SHORT = ("raise", "drop")
TRANSFORMS = ("identity", "log1p", "log")


@estimator()
class SeriesSettings:
    """What any forecaster can be told: how far to look, and what to make of the table."""

    horizon: int = param(7, "steps ahead", low=1, high=LONGEST, kw_only=False)
    cycles: str | Sequence[str] = param("auto", 'those of "day", "week" and "year" whose waves are usual, or "auto"', kind=list)
    freq: str | None = param(
        None, "the step of time as pandas names it (D, h, MS), or 1 for whole numbers; None infers it", kind=str, optional=True
    )
    missing: str = param(
        "raise", 'a missing value is an error, or with "carry" the last one stands in, neither learned from nor scored', choices=MISSING
    )
    short_series: str = param("raise", 'a series too short is an error, or with "drop" left out', choices=SHORT)
    past_covariates: str | Sequence[str] | None = param(
        None, "columns known up to the present; None takes all others", kind=list, optional=True
    )
    future_covariates: str | Sequence[str] | None = param(None, "columns known ahead, such as a planned price", kind=list, optional=True)
    static_covariates: str | Sequence[str] | None = param(
        None, "columns that never change within a series, numbers or texts", kind=list, optional=True
    )
    target_transform: str = param(
        "identity", "done to the target before and undone after, so that intervals grow with the level and stay above 0", choices=TRANSFORMS
    )
    returns: bool = param(
        False, "prices in, returns out: the target becomes the change of its logarithm since the last row that has one, in percent"
    )
    time_gaps: bool = param(False, "with missing values, whether models read how long ago each column was last seen")


@estimator(hidden_size=16, dropout=0.2)
class ForecastSettings(Fitting, Recurrence, SeriesSettings):
    """What a `Forecaster` can be told."""

    horizon: int = param(7, "steps ahead", low=1, high=LONGEST)
    window: int = param(14, "steps back", low=1, high=LONGEST)
    refit: bool = param(
        False, "whether networks then learn anew from everything, the validation part too, for as many epochs as were best in validation"
    )

    @property
    def trainings(self) -> int:
        return self.ensemble * (2 if self.refit and self.validation_fraction else 1)
