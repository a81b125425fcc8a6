"""How good forecasts are: error, skill beside a baseline, and whether a difference is more than chance."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data.errors import DataError
from .frame import as_pandas
from .intervals import level_columns

BLOCK = 28  # neighbouring moments whose errors go together


@dataclass(frozen=True)
class IntervalScore:
    """How good the intervals of one level are.

    coverage: the part of what happened that lies inside, which the level promises.  width: their mean width.
    winkler: the mean of width and penalty, 2 / (1 - level) times how far outside; the less, the better (Gneiting and
    Raftery 2007).  by_lead: coverage by step ahead.
    """

    coverage: float
    width: float
    winkler: float
    by_lead: tuple[float, ...]


@dataclass(frozen=True)
class Score:
    """Errors in the target's unit: the mean absolute one, the root of the mean squared one, and the first by lead.

    `intervals` are those of each level, in percent, that the table has.
    """

    mae: float
    rmse: float
    by_lead: tuple[float, ...]
    count: int
    intervals: Mapping[float, IntervalScore] = field(default_factory=dict)

    def skill(self, baseline: Score) -> float:
        """The part of the baseline's mean absolute error that is gone: 1 perfect, 0 no better, below 0 worse."""
        return 1 - self.mae / baseline.mae if baseline.mae > 0 else float("nan")


def score(table: Any, column: str) -> Score:
    """Score `column`, and its intervals, of a table that `cross_validation` gave; where `y` is missing nothing is scored.

    Raises DataError where `y` is missing everywhere.
    """
    table = as_pandas(table)
    leads = lead(table)
    seen = table["y"].notna().to_numpy()
    table, leads = table[seen], leads[seen]
    if not len(table):
        raise DataError("Nothing can be scored: the target is missing at every time that was forecast.")
    error = (table[column] - table["y"]).to_numpy(dtype=np.float64)
    return Score(
        mae=float(np.abs(error).mean()),
        rmse=float(np.sqrt((error**2).mean())),
        by_lead=means_by(leads, np.abs(error)),
        count=len(table),
        intervals={level: score_interval(table, leads, low, high, level) for level, low, high in levels_in(table, column)},
    )


def levels_in(table: pd.DataFrame, column: str) -> list[tuple[float, str, str]]:
    """The levels whose intervals the table has, with the names of their columns."""
    wanted = re.compile(re.escape(column) + r"-lo-([0-9.]+)")
    return level_columns(column, sorted(float(found[1]) for name in table.columns if (found := wanted.fullmatch(str(name)))))


def score_interval(table: pd.DataFrame, leads: NDArray[np.int64], low: str, high: str, level: float) -> IntervalScore:
    """The score of the intervals between two columns."""
    lower, upper, y = (table[name].to_numpy(dtype=np.float64) for name in (low, high, "y"))
    inside = (lower <= y) & (y <= upper)
    outside = np.maximum(lower - y, 0) + np.maximum(y - upper, 0)
    width = upper - lower
    winkler = width + 2 / (1 - level / 100) * outside
    return IntervalScore(float(inside.mean()), float(width.mean()), float(winkler.mean()), means_by(leads, inside.astype(np.float64)))


def means_by(leads: NDArray[np.int64], values: NDArray[np.float64]) -> tuple[float, ...]:
    """The mean of the values at each step ahead."""
    return tuple(float(x) for x in pd.Series(values).groupby(leads).mean())


def lead(table: Any) -> NDArray[np.int64]:
    """How many steps ahead each row looks, counted from 1 for the first time forecast from its moment."""
    table = as_pandas(table)
    return np.asarray(table.groupby(["unique_id", "cutoff"], sort=False)["ds"].rank().to_numpy(dtype=np.int64))


def gain(table: Any, column: str, over: str, *, draws: int = 2000, block: int = BLOCK) -> tuple[float, float, float]:
    """How much smaller the mean absolute error of `column` is than that of `over`, and its 95 % interval.

    The interval is from a bootstrap of blocks of `block` neighbouring moments, because errors of neighbouring days
    go together; it draws the same way every time.
    """
    table = as_pandas(table)
    table = table[table["y"].notna()]
    saved = (table[over] - table["y"]).abs() - (table[column] - table["y"]).abs()
    by_moment = saved.groupby(table["cutoff"]).mean().to_numpy(dtype=np.float64)
    block = min(block, len(by_moment))
    generator = np.random.default_rng(0)
    count = -(-len(by_moment) // block)
    starts = generator.integers(0, len(by_moment) - block + 1, (draws, count))
    means = by_moment[starts[:, :, None] + np.arange(block)].mean(axis=(1, 2))
    low, high = np.quantile(means, [0.025, 0.975])
    return float(by_moment.mean()), float(low), float(high)
