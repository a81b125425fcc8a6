"""A person's problem, from a table to forecasts: fit, predict, evaluate, save. Needs the extra ``tasks``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .baselines import Climatology, Linear, Naive, SeasonalNaive
    from .classifier import SequenceClassifier
    from .forecaster import Forecaster
    from .plot import plot_error_by_lead, plot_forecast
    from .scores import score

# Imported when first used, so that the baselines are had without torch and the command line starts at once.
_HOMES = {
    "Climatology": "baselines",
    "Linear": "baselines",
    "Naive": "baselines",
    "SeasonalNaive": "baselines",
    "Forecaster": "forecaster",
    "SequenceClassifier": "classifier",
    "plot_error_by_lead": "plot",
    "plot_forecast": "plot",
    "score": "scores",
}

__all__ = [
    "Climatology",
    "Forecaster",
    "Linear",
    "Naive",
    "SeasonalNaive",
    "SequenceClassifier",
    "plot_error_by_lead",
    "plot_forecast",
    "score",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
