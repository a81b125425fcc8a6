"""How good forecasts are: error, skill beside a baseline, and whether a difference is more than chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data.errors import DataError

BLOCK = 28  # neighbouring moments whose errors go together


@dataclass(frozen=True)
class Score:
    """Errors in the target's unit: the mean absolute one, the root of the mean squared one, and the first by lead."""

    mae: float
    rmse: float
    by_lead: tuple[float, ...]
    count: int

    def skill(self, baseline: Score) -> float:
        """The part of the baseline's mean absolute error that is gone: 1 perfect, 0 no better, below 0 worse."""
        return 1 - self.mae / baseline.mae if baseline.mae > 0 else float("nan")


def score(table: pd.DataFrame, column: str) -> Score:
    """Score `column` of a table that `cross_validation` gave; where `y` is missing nothing is scored.

    Raises DataError where `y` is missing everywhere.
    """
    table = table[table["y"].notna()]
    if not len(table):
        raise DataError("Nothing can be scored: the target is missing at every time that was forecast.")
    error = (table[column] - table["y"]).to_numpy(dtype=np.float64)
    by_lead = pd.Series(np.abs(error)).groupby(lead(table)).mean()
    return Score(
        mae=float(np.abs(error).mean()),
        rmse=float(np.sqrt((error**2).mean())),
        by_lead=tuple(float(x) for x in by_lead),
        count=len(table),
    )


def lead(table: pd.DataFrame) -> NDArray[np.int64]:
    """How many steps ahead each row looks, counted from 1."""
    return np.asarray(table.groupby(["unique_id", "cutoff"], sort=False)["ds"].rank().to_numpy(dtype=np.int64))


def gain(table: pd.DataFrame, column: str, over: str, *, draws: int = 2000, block: int = BLOCK) -> tuple[float, float, float]:
    """How much smaller the mean absolute error of `column` is than that of `over`, and its 95 % interval.

    The interval is from a bootstrap of blocks of `block` neighbouring moments, because errors of neighbouring days
    go together; it draws the same way every time.
    """
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
