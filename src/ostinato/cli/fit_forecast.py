"""``ostinato fit forecast``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import typer

from ..tasks.comparison import Comparison, compare
from ..tasks.forecast_settings import ForecastSettings, SeriesSettings
from ..tasks.forecaster import Forecaster
from ..tasks.intervals import read_levels
from ..tasks.parameters import rules
from ..tasks.scores import Score
from ..tasks.table import Columns, Table, read_table
from .fit import best_of, finish, parameters, start
from .jobs import ForecastJob
from .manner import Manner
from .progress import progress
from .show import show_forecast_scores

BESIDE = ("naive", "random walk", "seasonal naive", "climatology", "linear")


def run(source: str, job: ForecastJob, manner: Manner) -> None:
    """Train, score, and write the model and perhaps a picture; whatever would stop the writing is found before the work."""
    to = start(source, "forecast", job, manner)
    for cell in job.cell:
        Forecaster(cell, **parameters(job, ForecastSettings, cell))._check()
    table = read_table(source, columns_of(job))
    if job.returns:
        table = replace(table, unit="%")
    if table.left_out:
        manner.tell(f"Left out, because they hold text: {', '.join(table.left_out)}.")
    manner.detail(f"Read {len(table.frame)} rows of {table.frame['unique_id'].nunique()} series; columns {table.columns}.")
    result = train(job, table, manner)
    if result.missing:
        manner.tell(f"{result.missing} values are missing: the last ones are carried forward, and neither learned from nor scored.")
    networks = {cell: network(result, cell) for cell in job.cell}
    best = best_of(networks)
    summary = summarise(result, table, networks, best)
    figure = None if job.plot is None else draw(result, table, job)
    finish(networks[best], to, job, manner, saved_scores(summary, best), columns_in_file(table), figure, summary)
    if not manner.json:
        show_forecast_scores(result, job.cell, best, summary)


def columns_of(job: ForecastJob) -> Columns:
    """The columns that were named."""
    past = None if job.past_covariates is None else tuple(job.past_covariates)
    return Columns(job.time_column, job.target, job.id_column, past, tuple(job.future_covariates or ()), tuple(job.static_covariates or ()))


def train(job: ForecastJob, table: Table, manner: Manner) -> Comparison:
    """Fit and score everything, telling how it goes."""
    past = {"past_covariates": table.columns.past}
    settings = {**parameters(job, ForecastSettings, ""), **past}
    with progress(manner, len(job.cell)) as tell:
        networks = [Forecaster(cell, **{**parameters(job, ForecastSettings, cell, tell), **past}) for cell in job.cell]
        return compare(
            table.frame,
            networks,
            test_steps=job.test_steps,
            season=job.season,
            level=levels(job.level),
            shared={name: settings[name] for name in rules(SeriesSettings)},
            linear={name: settings[name] for name in ("window", "validation_fraction")},
        )


def levels(said: Sequence[str]) -> tuple[float, ...]:
    """Percent, as numbers. Raises typer.BadParameter for what is none."""
    try:
        return read_levels([float(one) for one in said])
    except ValueError as error:
        raise typer.BadParameter(
            f"{', '.join(said)}: a level is a number of percent above 0 and below 100.", param_hint="'--level'"
        ) from error


def network(result: Comparison, cell: str) -> Forecaster:
    """The network with that cell."""
    found = result.forecasters[cell]
    assert isinstance(found, Forecaster)
    return found


def summarise(result: Comparison, table: Table, networks: Mapping[str, Forecaster], best: str) -> dict[str, Any]:
    """All that --json tells."""
    said, best_one = result.table, networks[best]
    scores = {
        name: {
            "mae": score.mae,
            "rmse": score.rmse,
            "mae_by_steps_ahead": list(score.by_lead),
            "skill": {beside: result.skill(name, beside) for beside in BESIDE if result.skill(name, beside) is not None},
            **intervals(score),
            "seconds": round(result.seconds[name], 3),
        }
        for name, score in result.scores.items()
    }
    return {
        "data": table.name,
        "target": told(table, best_one.returns),
        "unit": table.unit,
        "test": {
            "first": str(said["ds"].min()),
            "last": str(said["ds"].max()),
            "moments": int(said["cutoff"].nunique()),
            "steps_ahead": len(next(iter(result.scores.values())).by_lead),
        },
        "missing_values": result.missing,
        "best_in_validation": best,
        "validation_loss": {cell: one.validation_loss_ for cell, one in networks.items()},
        "scores": scores,
        **verdicts(result, list(networks), table.unit),
    }


def verdicts(result: Comparison, cells: Sequence[str], unit: str) -> dict[str, Any]:
    """Whether networks beat the linear model; of returns, whether anything beats the random walk."""
    if "random walk" not in result.scores:
        return {"beside_linear": [result.verdict(cell, "linear", unit) for cell in cells]}
    others = [name for name in result.scores if name != "random walk"]
    found: dict[str, Any] = {"beside_random_walk": [result.verdict(name, "random walk", unit) for name in others]}
    return found | ({"beat_random_walk": result.winners("random walk")} if result.enough else {})


def told(table: Table, returns: bool) -> str:
    """What is forecast, in words."""
    return f"return of {table.columns.target}" if returns else str(table.columns.target)


def intervals(score: Score) -> dict[str, Any]:
    """Of each level: the coverage, and the mean width."""
    found = {f"{level:g}": {"coverage": one.coverage, "width": one.width} for level, one in score.intervals.items()}
    return {"intervals": found} if found else {}


def saved_scores(summary: Mapping[str, Any], best: str) -> dict[str, Any]:
    """What the model file keeps of them: the test, its own errors, and its skill beside the baselines."""
    own = summary["scores"][best]
    skills = {f"skill beside {name}": skill for name, skill in own["skill"].items()}
    kept = {name: own[name] for name in ("mae", "rmse", "intervals") if name in own}
    return {**kept, **skills, "test": summary["test"]}


def columns_in_file(table: Table) -> dict[str, str]:
    """What the person's table calls its columns."""
    columns = table.columns
    named = {"time": columns.time, "target": columns.target, "series": columns.series, "unit": table.unit}
    return {role: column for role, column in named.items() if column is not None}


def draw(result: Comparison, table: Table, job: ForecastJob) -> Any:
    """The picture of the test part."""
    from ..tasks.calendar import step_word
    from ..tasks.plot import draw_comparison

    step = step_word(network(result, job.cell[0]).step_)
    return draw_comparison(result.table, result.scores, job.cell, label=told(table, job.returns), unit=table.unit, step=step)
