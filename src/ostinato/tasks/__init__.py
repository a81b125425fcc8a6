"""A person's problem, from a table to forecasts: fit, predict, evaluate, save. Needs the extra ``tasks``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .baselines import Climatology, Linear, Naive, SeasonalNaive
    from .classifier import SequenceClassifier
    from .forecaster import Forecaster
    from .plot_forecasts import plot_coverage, plot_error_by_lead, plot_forecast, plot_over_time, plot_residuals_by_horizon
    from .plot_sequences import plot_confusion_matrix, plot_predictions, plot_recall, plot_residuals
    from .plot_tags import plot_tags
    from .plot_training import plot_learning_curves
    from .plot_translation import plot_attention
    from .regressor import SequenceRegressor
    from .scores import score
    from .speaker import Speaker
    from .tagger import SequenceTagger
    from .transcriber import Transcriber
    from .translator import Translator

# Imported when first used, so that the baselines are had without torch and the command line starts at once.
_HOMES = {
    "Climatology": "baselines",
    "Linear": "baselines",
    "Naive": "baselines",
    "SeasonalNaive": "baselines",
    "Forecaster": "forecaster",
    "SequenceClassifier": "classifier",
    "SequenceRegressor": "regressor",
    "Speaker": "speaker",
    "Transcriber": "transcriber",
    "SequenceTagger": "tagger",
    "Translator": "translator",
    "plot_attention": "plot_translation",
    "plot_confusion_matrix": "plot_sequences",
    "plot_coverage": "plot_forecasts",
    "plot_error_by_lead": "plot_forecasts",
    "plot_forecast": "plot_forecasts",
    "plot_learning_curves": "plot_training",
    "plot_over_time": "plot_forecasts",
    "plot_predictions": "plot_sequences",
    "plot_recall": "plot_sequences",
    "plot_residuals": "plot_sequences",
    "plot_residuals_by_horizon": "plot_forecasts",
    "plot_tags": "plot_tags",
    "score": "scores",
}

__all__ = [
    "Climatology",
    "Forecaster",
    "Linear",
    "Naive",
    "SeasonalNaive",
    "SequenceClassifier",
    "SequenceRegressor",
    "SequenceTagger",
    "Speaker",
    "Transcriber",
    "Translator",
    "plot_attention",
    "plot_confusion_matrix",
    "plot_coverage",
    "plot_error_by_lead",
    "plot_forecast",
    "plot_learning_curves",
    "plot_over_time",
    "plot_predictions",
    "plot_recall",
    "plot_residuals",
    "plot_residuals_by_horizon",
    "plot_tags",
    "score",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
