"""Steps of time: which step a series takes, and where each moment lies in the day, the week and the year.

Times are numpy arrays, of `datetime64[us]`, or of whole numbers where a series counts its steps.
A step is a text: a name of pandas (``D``, ``h``, ``15min``, ``MS`` …), or a number such as ``"1"`` for whole numbers.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data.errors import DataError

CYCLES = ("day", "week", "year")
SECONDS = {"day": 86_400.0, "week": 7 * 86_400.0, "year": 365.2425 * 86_400.0}
MONDAY = 3  # the first day of datetime64 is a Thursday

Times = NDArray[Any]


def when(time: np.datetime64 | np.int64) -> str:
    """A time as people write it: without the hour where that is midnight."""
    if not isinstance(time, np.datetime64):
        return str(time)
    stamp = pd.Timestamp(time)
    return str(stamp.date() if stamp == stamp.normalize() else stamp)


def counts(step: str) -> bool:
    """Whether a step is a number, of times that are whole numbers."""
    return step.isdecimal() and int(step) > 0


def check_step(step: str) -> None:
    """Raise DataError where pandas knows no such step, or one that goes back."""
    if counts(step):
        return
    try:
        forward = pd.tseries.frequencies.to_offset(step).n > 0
    except ValueError as error:
        raise DataError(f"{step!r} is no step of time; examples are D, h, 15min, W, MS (see pandas, offset aliases).") from error
    if not forward:
        raise DataError(f"A step of {step!r} does not go forward in time.")


def infer_step(times: Times, series: str) -> str:
    """The name of the step between sorted, distinct `times`.

    Times with gaps have the step that most neighbours are apart, if every other distance is a multiple of it.
    Raises DataError where there is no such step.
    """
    if len(times) < 3:
        raise DataError(
            f'Series {series!r} has {len(times)} rows, too few to see its step of time; give more rows or the step, for example freq="D".'
        )
    gaps = np.diff(times)
    if times.dtype.kind == "M" and (gaps != gaps[0]).any():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pandas 4 will give an offset instead of a text: both are read here
            regular = pd.infer_freq(pd.DatetimeIndex(times))
        if regular is not None:
            return str(getattr(regular, "freqstr", regular))
    steps, how_often = np.unique(gaps, return_counts=True)
    step = steps[how_often.argmax()]
    odd = np.flatnonzero(gaps % step != gaps.dtype.type(0))
    if len(odd):
        at = int(odd[0])
        most = pd.Timedelta(step) if times.dtype.kind == "M" else step
        raise DataError(
            f"Series {series!r} has no regular step of time: most rows are {most} apart, but {when(times[at])} "
            f"is followed by {when(times[at + 1])}; round or resample its times to a regular step first, and let missing='carry' "
            "fill steps without a row."
        )
    return str(step) if times.dtype.kind == "i" else name_of(pd.Timedelta(step), pd.DatetimeIndex(times[:3]))


def name_of(step: pd.Timedelta, times: pd.DatetimeIndex) -> str:
    """What pandas calls a step of that length: ``D``, ``3D``, ``W-SUN``, ``h``, ``15min`` …"""
    days, rest = divmod(step, pd.Timedelta(days=1))
    if rest:
        return str(pd.tseries.frequencies.to_offset(step).freqstr)
    if days % 7 == 0:
        word = "W-" + times[0].day_name()[:3].upper()
        return word if days == 7 else f"{days // 7}{word}"
    return "D" if days == 1 else f"{days}D"


@lru_cache
def stride(step: str) -> Any:
    """The length of a step, where all are as long: a day, an hour; None for months, working days and the like."""
    if counts(step):
        return int(step)
    offset = pd.tseries.frequencies.to_offset(step)
    if isinstance(offset, (pd.offsets.Tick, pd.offsets.Day)):
        length = pd.Timedelta(days=offset.n) if isinstance(offset, pd.offsets.Day) else pd.Timedelta(offset)
        return length.to_timedelta64().astype("timedelta64[us]")
    return None


def steps_since(times: Times, firsts: Times, step: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """How many steps each time lies after its own first, and whether it is one of its steps at all."""
    length = stride(step)
    if length is not None:
        apart = times - firsts
        number = apart // length
        return np.asarray(number, dtype=np.int64), np.asarray(number * length == apart)
    offset = pd.tseries.frequencies.to_offset(step)
    every = pd.date_range(times.min(), times.max(), freq=offset.base).to_numpy().astype("datetime64[us]")
    if not len(every):
        return np.zeros(len(times), np.int64), np.zeros(len(times), bool)
    place = np.searchsorted(every, times)
    number = place - np.searchsorted(every, firsts)
    return np.asarray(number // offset.n), np.asarray((every[np.minimum(place, len(every) - 1)] == times) & (number % offset.n == 0))


def following(last: Times, step: str, count: int) -> Times:
    """The `count` times that come after each of `last`: `(len(last), count)`."""
    length = stride(step)
    if length is not None:
        return np.asarray(last[:, None] + np.arange(1, count + 1) * length)
    distinct, which = np.unique(last, return_inverse=True)
    return np.stack([steps_after(one, step, count) for one in distinct])[which]


@lru_cache
def steps_after(last: np.datetime64, step: str, count: int) -> Times:
    """The `count` times after `last`."""
    return np.asarray(pd.date_range(last, periods=count + 1, freq=step)[1:].to_numpy().astype("datetime64[us]"))


@lru_cache
def step_seconds(step: str) -> float:
    """How long a step lasts, in seconds; for months and years, on average; infinite for one that is a number."""
    if counts(step):
        return float("inf")
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


def phases(times: Times, cycle: str) -> NDArray[np.float64]:
    """Where each time lies in its cycle, from 0 (inclusive) to 1 (exclusive)."""
    days = times.astype("datetime64[D]")
    day = (times - days) / np.timedelta64(1, "D")
    if cycle == "day":
        return np.asarray(day)
    if cycle == "week":
        return np.asarray(((days.astype(np.int64) + MONDAY) % 7 + day) / 7)
    years = times.astype("datetime64[Y]")
    first, last = years.astype("datetime64[D]"), (years + 1).astype("datetime64[D]")
    return np.asarray(((days - first).astype(np.int64) + day) / (last - first).astype(np.int64))


def waves(times: Times, cycles: tuple[str, ...], harmonics: int) -> NDArray[np.float64]:
    """Sines and cosines of each cycle and its first overtones: `(time, 2 · harmonics · cycles)`."""
    found = np.empty((len(times), 2 * harmonics * len(cycles)))
    column = 0
    for cycle in cycles:
        turn = 2 * np.pi * phases(times, cycle)
        for k in range(1, harmonics + 1):
            found[:, column], found[:, column + 1] = np.sin(k * turn), np.cos(k * turn)
            column += 2
    return found
