"""``ostinato evaluate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from ..tasks.baselines import Naive, SeasonalNaive
from ..tasks.calendar import step_word
from ..tasks.comparison import check_test_part, natural_season, test_part
from ..tasks.forecast_settings import SeriesSettings
from ..tasks.forecaster import Forecaster
from ..tasks.network import cell_name
from ..tasks.parameters import rules
from ..tasks.plot import draw_forecast_report
from ..tasks.scores import Score, score
from ..tasks.sequence_scores import scores_of
from ..tasks.table import stem
from .fit import save_picture
from .fit_forecast import intervals, told
from .loaded import Asked, Loaded, open_model
from .manner import Manner
from .output import check_picture
from .sequence_kinds import KINDS
from .show import show_evaluation


def run(path: str, data: str, asked: Asked, plot: str | None, manner: Manner) -> None:
    """Score a model on `data`, and print it."""
    check_picture(plot, manner.overwrite)
    model = open_model(path)
    asked.only("--level", bool(asked.level), model.estimator.task == "forecast", "forecasters")
    asked.only("--test-steps", asked.test_steps is not None, model.estimator.task == "forecast", "forecasters")
    summary, figure = (of_series if isinstance(model.estimator, Forecaster) else of_sequences)(model, data, asked, plot is not None)
    if plot is not None:
        save_picture(figure, Path(plot), manner)
    if manner.json:
        print(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        show_evaluation(summary)


def of_series(model: Loaded, data: str, asked: Asked, draw: bool) -> tuple[dict[str, Any], Any]:
    """The scores of a forecaster on the end of each series, and perhaps the picture."""
    one = model.estimator
    assert isinstance(one, Forecaster)
    table = model.read_series(data, asked)
    shared = {name: getattr(one, name) for name in rules(SeriesSettings)} | {"freq": one.step_, "past_covariates": one.past_}
    panel = Naive(**shared)._read(table.frame)
    steps = asked.test_steps or test_part(panel, one.horizon)
    check_test_part(panel, steps, one.horizon, one.window)
    windows = steps - one.horizon + 1
    said: pd.DataFrame = one.backtest(table.frame, n_windows=windows, step_size=1, level=list(asked.level) or None)
    scores = {one.column: score(said, one.column)}
    season = None if one.returns else natural_season(panel, steps)
    for baseline in (Naive(**shared), *([SeasonalNaive(season=season, **shared)] if season else [])):
        beside = baseline.cross_validation(table.frame, n_windows=windows, step_size=1)
        scores[baseline.column] = score(beside, baseline.column)
    unit = str(model.columns.get("unit", table.unit))
    summary = {
        **about(model, data),
        "target": told(table, one.returns),
        "unit": unit,
        "test": {
            "first": str(said["ds"].min()),
            "last": str(said["ds"].max()),
            "moments": int(said["cutoff"].nunique()),
            "steps_ahead": one.horizon,
        },
        "scores": {name: series_scores(found, scores[one.column], name == one.column) for name, found in scores.items()},
    }
    label = told(table, one.returns)
    return summary, draw_forecast_report(
        said, one.column, estimator=one, label=label, unit=unit, step=step_word(one.step_)
    ) if draw else None


def series_scores(found: Score, own: Score, itself: bool) -> dict[str, Any]:
    """Of the model its errors; of a baseline also the model's skill beside it."""
    skill = {} if itself or not found.mae else {"skill_of_model": own.skill(found)}
    return {"mae": found.mae, "rmse": found.rmse, "mae_by_steps_ahead": list(found.by_lead), **intervals(found), **skill}


def of_sequences(model: Loaded, data: str, asked: Asked, draw: bool) -> tuple[dict[str, Any], Any]:
    """The scores of an estimator of sequences, and perhaps the picture."""
    one: Any = model.estimator
    table = model.read_sequences(data, asked, labelled=True)
    kind = KINDS[one.task]
    truth = kind.truth(one, table)
    scores = scores_of(one, table.frame, truth, model.coarse)
    summary = {**about(model, data), "targets": list(table.columns.targets), "scores": {cell_name(one.cell): scores}}
    return summary, kind.draw(one, table, truth) if draw else None


def about(model: Loaded, data: str) -> dict[str, Any]:
    """Which model, on what."""
    return {"task": model.estimator.task, "cell": cell_name(model.estimator.cell), "data": stem(data)}
