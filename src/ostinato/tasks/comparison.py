"""Recurrent networks beside honest baselines: one split of time, one set of moments, one table."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ..data.errors import DataError
from .baselines import Climatology, Linear, Naive, SeasonalNaive
from .calendar import season_length, usual_cycles
from .frame import as_pandas
from .panel import Panel
from .rolling import RollingForecaster
from .scores import BLOCK, Score, gain, score
from .windows import shortest


@dataclass
class Comparison:
    """What each forecaster said at every moment of the test part, how good it was, and how long it took."""

    table: pd.DataFrame
    level: tuple[float, ...] = ()
    missing: int = 0
    scores: dict[str, Score] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    forecasters: dict[str, RollingForecaster] = field(default_factory=dict)

    def add(self, forecaster: RollingForecaster, frame: pd.DataFrame, steps: int) -> None:
        """Fit `forecaster` on all but the last `steps` of each series, and score it on these."""
        started = time.perf_counter()
        name = forecaster.column
        horizon = forecaster.horizon
        said = forecaster.cross_validation(frame, horizon, n_windows=steps - horizon + 1, step_size=1, level=self.level)
        columns = [one for one in said.columns if one == name or one.startswith((f"{name}-lo-", f"{name}-hi-"))]
        self.table = said if self.table.empty else self.table.assign(**{one: said[one].to_numpy() for one in columns})
        self.scores[name] = score(said, name)
        self.seconds[name] = time.perf_counter() - started
        self.forecasters[name] = forecaster

    def skill(self, name: str, beside: str) -> float | None:
        """Skill beside a baseline; None beside itself, beside one that is not there, or beside one without error."""
        if name == beside or beside not in self.scores or not self.scores[beside].mae:
            return None
        return self.scores[name].skill(self.scores[beside])

    def winners(self, beside: str) -> list[str]:
        """Those that surely beat `beside`: the 95 % interval of the difference lies above 0."""
        return [name for name in self.scores if name != beside and gain(self.table, name, beside)[1] > 0]

    @property
    def enough(self) -> bool:
        """Whether there are moments enough to say who beats whom."""
        return int(self.table["cutoff"].nunique()) >= 2 * BLOCK

    def verdict(self, name: str, beside: str, unit: str = "") -> str:
        """One sentence: whether `name` beats `beside`, and how sure that is, these networks and another year given."""
        if not self.enough:
            return f"{self.table['cutoff'].nunique()} moments are too few to say whether {name} beats {beside}."
        mean, low, high = gain(self.table, name, beside)
        size = f"{abs(mean):.3f}{' ' + unit if unit else ''}"
        interval = f"95 % interval of the difference {low:+.3f} to {high:+.3f}"
        if low > 0:
            return f"{name} beats {beside} by {size} ({interval})."
        if high < 0:
            return f"{name} does not beat {beside}: it is worse by {size} ({interval})."
        return f"{name} does not clearly beat {beside}: {'better' if mean > 0 else 'worse'} by {size} ({interval})."


def compare(
    frame: Any,
    networks: Sequence[RollingForecaster],
    *,
    test_steps: int | None = None,
    season: int | None = None,
    level: Sequence[float] = (),
    shared: dict[str, Any],
    linear: dict[str, Any],
) -> Comparison:
    """Score `networks` and the baselines on the last `test_steps` of each series, with forecasts from every moment.

    `level`, in percent, has their intervals scored too.
    Of returns the naive forecast is the random walk, and none is seasonal.
    `shared` are the parameters that all baselines take, `linear` (with `window` and `validation_fraction`) those that
    the linear model takes beside them.
    Raises DataError where the data are too short for the split.
    """
    horizon = shared["horizon"]
    frame = as_pandas(frame)
    panel = Naive(**shared)._read(frame)
    steps = test_part(panel, horizon) if test_steps is None else test_steps
    check_test_part(panel, steps, horizon, shortest(linear["window"], horizon, linear["validation_fraction"]))
    result = Comparison(pd.DataFrame(), tuple(level), panel.missing_count)
    baselines: list[RollingForecaster] = [Naive(**shared)]
    season = natural_season(panel, steps) if season is None else season
    if season is not None and not shared["returns"]:
        baselines.append(SeasonalNaive(season=season, **shared))
    baselines += [Climatology(**shared), Linear(**shared, **linear)]
    for forecaster in [*baselines, *networks]:
        result.add(forecaster, frame, steps)
    return result


def natural_season(panel: Panel, steps: int) -> int | None:
    """The longest natural cycle that all series show once before their last `steps`, in steps; None where there is none."""
    lengths = [season_length(cycle, panel.step) for cycle in usual_cycles(panel.step)]
    return max((length for length in lengths if length <= int(panel.lengths.min()) - steps), default=None)


def test_part(panel: Panel, horizon: int) -> int:
    """The last year where there are three, otherwise the last quarter; in steps."""
    shortest = int(panel.lengths.min())
    year = season_length("year", panel.step)
    return year if year > 1 and 3 * year <= shortest else max(horizon, shortest // 4)


def check_test_part(panel: Panel, steps: int, horizon: int, needed: int) -> None:
    """Raise DataError where a test part is shorter than the horizon, or leaves less than is needed to learn from."""
    if steps < horizon:
        raise DataError(f"A test part of {steps} steps is shorter than the horizon of {horizon}; make it longer.")
    for name, length in zip(panel.names, panel.lengths, strict=True):
        if length - steps < needed:
            raise DataError(
                f"Series {name!r} has {length} steps, of which the last {steps} are the test, but window and horizon "
                f"need {needed} to learn from; give more data, or a shorter window, horizon or test part."
            )
