"""Steps of time: which step a series takes, and where each moment lies in the day, the week and the year."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data.errors import DataError

CYCLES = ("day", "week", "year")
SECONDS = {"day": 86_400.0, "week": 7 * 86_400.0, "year": 365.2425 * 86_400.0}


def when(time: pd.Timestamp) -> str:
    """A time as people write it: without the hour where that is midnight."""
    return str(time.date() if time == time.normalize() else time)


def check_step(step: str) -> None:
    """Raise DataError where pandas knows no such step."""
    try:
        pd.tseries.frequencies.to_offset(step)
    except ValueError as error:
        raise DataError(f"{step!r} is no step of time; examples are D, h, 15min, W, MS (see pandas, offset aliases).") from error


def infer_step(times: pd.DatetimeIndex, series: str) -> str:
    """The pandas name of the step between sorted, distinct `times`: ``D``, ``h``, ``15min``, ``MS`` …

    Times with gaps have the step that most neighbours are apart, if every other distance is a multiple of it.
    Raises DataError where there is no such step.
    """
    if len(times) < 3:
        raise DataError(
            f'Series {series!r} has {len(times)} rows, too few to see its step of time; give more rows or the step, for example freq="D".'
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas 4 will give an offset instead of a text: both are read here
        regular = pd.infer_freq(times)
    if regular is not None:
        return str(getattr(regular, "freqstr", regular))
    gaps = np.diff(times.values)
    steps, counts = np.unique(gaps, return_counts=True)
    step = steps[counts.argmax()]
    odd = np.flatnonzero(gaps % step != np.timedelta64(0))
    if len(odd):
        at = int(odd[0])
        raise DataError(
            f"Series {series!r} has no regular step of time: most rows are {pd.Timedelta(step)} apart, but {when(times[at])} "
            f"is followed by {when(times[at + 1])}; resample it to a regular step first."
        )
    days, rest = divmod(pd.Timedelta(step), pd.Timedelta(days=1))
    if not rest:
        return "D" if days == 1 else f"{days}D"
    return str(pd.tseries.frequencies.to_offset(pd.Timedelta(step)).freqstr)


def grid(first: pd.Timestamp, step: str, *, last: pd.Timestamp) -> pd.DatetimeIndex:
    """Every time from `first` to `last`, both included."""
    return pd.date_range(first, last, freq=step)


def following(last: pd.Timestamp, step: str, count: int) -> pd.DatetimeIndex:
    """The `count` times that come after `last`."""
    return pd.date_range(last, periods=count + 1, freq=step)[1:]


def step_seconds(step: str) -> float:
    """How long a step lasts, in seconds; for months and years, on average."""
    return float((pd.date_range("2001-01-01", periods=49, freq=step)[[0, -1]].diff()[1]).total_seconds()) / 48


def step_word(step: str) -> str:
    """A step in a word: ``day``, ``hour``, ``month`` …, or ``step`` where there is none."""
    words = {"h": "hour", "D": "day", "B": "day", "W": "week", "MS": "month", "ME": "month", "QS": "quarter", "YS": "year"}
    return words.get(step.split("-")[0], "step")


def usual_cycles(step: str) -> tuple[str, ...]:
    """The cycles that nature gives a series of that step: the year, and the day where a step is shorter than one."""
    seconds = step_seconds(step)
    return tuple(c for c in ("day", "year") if seconds * 4 <= SECONDS[c])


def season_length(cycle: str, step: str) -> int:
    """Steps in one cycle: 365 days, 24 hours, 12 months …"""
    return max(1, round(SECONDS[cycle] / step_seconds(step)))


def phases(times: pd.DatetimeIndex, cycle: str) -> NDArray[np.float64]:
    """Where each time lies in its cycle, from 0 (inclusive) to 1 (exclusive)."""
    day = ((times - times.normalize()) / pd.Timedelta(days=1)).to_numpy(dtype=np.float64)
    if cycle == "day":
        return np.asarray(day)
    if cycle == "week":
        return np.asarray((times.day_of_week.to_numpy() + day) / 7)
    return np.asarray((times.day_of_year.to_numpy() - 1 + day) / np.where(times.is_leap_year, 366, 365))


def waves(times: pd.DatetimeIndex, cycles: tuple[str, ...], harmonics: int) -> NDArray[np.float64]:
    """Sines and cosines of each cycle and its first overtones: `(time, 2 · harmonics · cycles)`."""
    columns = [wave(2 * np.pi * k * phases(times, cycle)) for cycle in cycles for k in range(1, harmonics + 1) for wave in (np.sin, np.cos)]
    return np.stack(columns, axis=1) if columns else np.zeros((len(times), 0))
