"""Whole figures, one for each task: what a person looks at after a command. The `plot_*` functions draw their parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..data.errors import DataError
from .frame import as_pandas
from .plot_forecasts import (
    forecast_column,
    plot_coverage,
    plot_error_by_lead,
    plot_forecast,
    plot_over_time,
    plot_residuals_by_horizon,
)
from .plot_sequences import plot_confusion_matrix, plot_predictions, plot_recall, plot_residuals
from .plot_style import MOST_PANELS, new_figure, with_unit
from .plot_tags import plot_tags, ribbon_height
from .plot_training import plot_learning_curves
from .plot_translation import plot_attention
from .scores import Score, lead, levels_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Panel = Callable[..., "Axes"]


def draw_comparison(table: Any, scores: Mapping[str, Score], networks: Sequence[str], *, label: str, unit: str, step: str) -> Figure:
    """Several forecasters: their forecasts of the test part one step ahead and at the full horizon, and the errors by steps ahead.

    Of a table with intervals also the last fan of the first network.
    """
    table = as_pandas(table)
    shown: dict[str, Any] = {"step": step, "label": with_unit(label, unit)}
    leads = sorted({1, int(lead(table).max())})
    fans = networks[:1] if levels_in(table, networks[0]) else []
    count = len(fans) + len(leads) + 1
    figure = new_figure(10, 2.9 * count)
    rows = iter(figure.subplots(count, 1))
    for network in fans:
        plot_forecast(table, network, axes=next(rows), **shown)
    for at_lead in leads:
        plot_over_time(table, networks, at_lead=at_lead, axes=next(rows), **shown)
    plot_error_by_lead(scores, networks, unit=unit, step=step, axes=next(rows))
    return figure


def draw_forecast_report(
    table: Any,
    column: str | None = None,
    *,
    history: Any = None,
    estimator: Any = None,
    label: str = "y",
    unit: str = "",
    step: str = "step",
) -> Figure:
    """One forecaster. Of what `predict` gave: a fan for each of the first six series, after their `history`.

    Of what `cross_validation` gave: the last fan of the first series, its forecasts over time, how errors spread by steps
    ahead, the coverage of intervals if there are any; and how the `estimator` learned, if it is given.
    """
    table = as_pandas(table)
    column = forecast_column(table, column)
    if not len(table):
        raise DataError("The table of forecasts has no rows.")
    axis = with_unit(label, unit)
    if not {"cutoff", "y"} <= set(table.columns):
        names = list(dict.fromkeys(table["unique_id"].astype(str)))
        figure = new_figure(10, 3.4 * min(len(names), MOST_PANELS))
        rows = figure.subplots(min(len(names), MOST_PANELS), 1, squeeze=False)[:, 0]
        for name, axes in zip(names, rows, strict=False):
            plot_forecast(table, column, history=history, series=name, step=step, label=axis, axes=axes)
        if len(names) > MOST_PANELS:
            figure.supxlabel(f"{MOST_PANELS} of {len(names)} series", fontsize=9)
        return figure
    errors: list[Panel] = [lambda axes: plot_residuals_by_horizon(table, column, unit=unit, step=step, axes=axes)]
    if levels_in(table, column):
        errors.append(lambda axes: plot_coverage(table, column, step=step, axes=axes))
    if estimator is not None:
        errors.append(lambda axes: plot_learning_curves(estimator, axes=axes))
    figure = new_figure(12, 9.5)
    upper, middle, lower = figure.subfigures(3, 1, squeeze=False)[:, 0]
    plot_forecast(table, column, history=history, step=step, label=axis, axes=upper.subplots())
    plot_over_time(table, [column], step=step, label=axis, axes=middle.subplots())
    for panel, axes in zip(errors, lower.subplots(1, len(errors), squeeze=False)[0], strict=True):
        panel(axes=axes)
    return figure


def draw_classification_report(y_true: Any, y_pred: Any, *, labels: Any = None, estimator: Any = None) -> Figure:
    """A classifier: the confusion matrix, what was found class by class, and how the `estimator` learned, if it is given."""
    labels = np.unique(np.concatenate([np.ravel(y_true), np.ravel(y_pred)])) if labels is None else labels
    height = matrix_height(labels)
    figure = new_figure(height + 7.5, height)
    draw_classes(figure, y_true, y_pred, labels, estimator)
    return figure


def matrix_height(labels: Any) -> float:
    """Inches for a confusion matrix."""
    return min(12.0, max(5.0, 0.45 * len(labels) + 2))


def draw_classes(figure: Any, y_true: Any, y_pred: Any, labels: Any, estimator: Any) -> None:
    """The confusion matrix on the left of a figure; on the right what was found class by class, and how was learned."""
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(matrix_height(labels) + 0.5, 7))[0]
    plot_confusion_matrix(y_true, y_pred, labels=labels, axes=left.subplots())
    rows = right.subplots(1 if estimator is None else 2, 1, squeeze=False)[:, 0]
    plot_recall(y_true, y_pred, labels=labels, axes=rows[0])
    if estimator is not None:
        plot_learning_curves(estimator, axes=rows[1])


def draw_tag_report(table: Any, y_true: Any, y_pred: Any, *, tokens: str | None = None, estimator: Any = None) -> Figure:
    """A tagger: the labels along the sequence of median accuracy, and what is drawn of a classifier.

    `table` is a frame with a row for each step (`unique_id`, perhaps `ds`); `tokens` names its column of tokens.
    """
    table = as_pandas(table)
    truth, said = (np.ravel(np.asarray(one)).astype(str) for one in (y_true, y_pred))
    order = np.argsort(table["ds"].to_numpy(), kind="stable") if "ds" in table else np.arange(len(table))
    names = table["unique_id"].to_numpy()[order]
    right = pd.Series((truth == said)[order]).groupby(names, sort=False).mean().sort_values(kind="stable")
    median = right.index[len(right) // 2]
    rows = order[names == median]
    written = None if tokens is None else table[tokens].iloc[rows].tolist()
    labels = np.unique(np.concatenate([truth, said]))
    height, ribbon = matrix_height(labels), ribbon_height(written or [""] * len(rows))
    figure = new_figure(height + 7.5, height + ribbon)
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(ribbon, height))[:, 0]
    plot_tags(truth[rows], said[rows], tokens=written, labels=labels, name=str(median), axes=above.subplots())
    draw_classes(below, truth, said, labels, estimator)
    return figure


def draw_regression_report(y_true: Any, y_pred: Any, *, names: Sequence[str] = ("y",), unit: str = "", estimator: Any = None) -> Figure:
    """A regressor: predicted against true and how the errors spread, for each of `names`, which are the last axis of both
    where there are several (at most six are drawn); and how the `estimator` learned, if it is given.
    """
    shown = list(names)[:MOST_PANELS]
    rows = len(shown) + (estimator is not None)
    figure = new_figure(10, 4.5 * len(shown) + 3 * (rows - len(shown)))
    parts = figure.subfigures(rows, 1, squeeze=False, height_ratios=[4.5] * len(shown) + [3] * (rows - len(shown)))[:, 0]
    for number, (name, part) in enumerate(zip(shown, parts, strict=False)):
        truth, said = ((output(y, number) if len(names) > 1 else y) for y in (y_true, y_pred))
        left, right = part.subplots(1, 2)
        plot_predictions(truth, said, label=name, unit=unit, axes=left)
        plot_residuals(truth, said, label=name, unit=unit, axes=right)
    if estimator is not None:
        plot_learning_curves(estimator, axes=parts[-1].subplots())
    return figure


def draw_transcription(estimator: Any, recordings: Any, truth: Any) -> Figure:
    """A transcriber: how it hears the first of the recordings; of one that reads frames, how it learned."""
    from .plot_sound import draw_transcript
    from .recordings import PATH, is_sound

    if is_sound(recordings):
        return draw_transcript(estimator, recordings[PATH].iloc[0], truth[0])
    figure = new_figure(8, 4)
    plot_learning_curves(estimator, axes=figure.subplots())
    return figure


def draw_speech(estimator: Any, utterances: Any) -> Figure:
    """A speaker: the first utterance as it says it, and as it was recorded."""
    from .plot_sound import draw_utterance

    return draw_utterance(estimator, utterances)


def draw_translation(estimator: Any, texts: Any) -> Figure:
    """A translator: what each part that it says of the first text looks at, and how it learned."""
    figure = new_figure(8, 11)
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[8, 3])[:, 0]
    plot_attention(estimator, texts.iloc[:1] if hasattr(texts, "iloc") else texts[:1], axes=above.subplots())
    plot_learning_curves(estimator, axes=below.subplots())
    return figure


def output(values: Any, number: int) -> Any:
    """One of several numbers, of each sequence or step."""
    if isinstance(values, (list, tuple)):
        return [np.asarray(one)[..., number] for one in values]
    return np.asarray(values)[..., number]
