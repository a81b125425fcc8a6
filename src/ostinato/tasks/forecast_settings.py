"""The parameters of a forecaster, told without torch, so that the command line has them at once."""

from __future__ import annotations

from collections.abc import Sequence

from .parameters import estimator, param
from .settings import MISSING, Fitting, Recurrence


@estimator(hidden_size=16, dropout=0.2)
class ForecastSettings(Fitting, Recurrence):
    """What a `Forecaster` can be told."""

    horizon: int = param(7, "steps ahead", low=1)
    window: int = param(14, "steps back", low=1)
    cycles: str | Sequence[str] = param("auto", 'those of "day", "week" and "year" whose waves are usual, or "auto"', kind=list)
    freq: str | None = param(None, "the step of time as pandas names it (D, h, MS); None infers it", kind=str, optional=True)
    missing: str = param(
        "raise", 'a missing value is an error, or with "carry" the last one stands in, neither learned from nor scored', choices=MISSING
    )
    past_covariates: Sequence[str] | None = param(None, "columns known up to the present; None takes all numbers", kind=list, optional=True)
