"""Intervals of forecasters: what they promise holds, at any level, and what cannot be promised is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from tolerances import COVERAGE

from ostinato.data import DataError, load
from ostinato.tasks import Climatology, Forecaster, Linear, Naive, SeasonalNaive, score
from ostinato.tasks.climate import Climate
from ostinato.tasks.frame import read_panel
from ostinato.tasks.intervals import Errors, Intervals, fit_scale, read_levels, swings
from ostinato.tasks.panel import Moments

SMALL = {"horizon": 3, "window": 5, "hidden_size": 4, "max_epochs": 4, "batch_size": 512, "learning_rate": 0.02, "random_state": 0}
EVERY = [Naive(3), SeasonalNaive(3, season=7), Climatology(3, cycles=()), Linear(3, 5), Forecaster("gru", **SMALL)]


def growing(length=300, count=1):
    """Positive series whose swings grow with their level, which wanders: runoff, prices, sales."""
    generator = np.random.default_rng(0)
    z = np.zeros((count, length))
    for t in range(1, length):
        z[:, t] = 0.8 * z[:, t - 1] + 0.4 * generator.normal(size=count)
    ds = np.tile(pd.date_range("2015-01-01", periods=length), count)
    return pd.DataFrame({"unique_id": np.repeat([f"s{k:02}" for k in range(count)], length), "ds": ds, "y": np.exp(2 + z).ravel()})


def names(one):
    return type(one).__name__


@pytest.mark.parametrize("one", EVERY, ids=names)
def test_what_is_promised_is_kept_and_stays_positive(one):
    """On 100 moments of 20 series that nothing was learned from."""
    one = clone(one).set_params(target_transform="log1p")
    table = one.cross_validation(growing(300, 20), 3, n_windows=100, step_size=1, level=[50, 80, 95])
    found = score(table, one.column).intervals
    for level in (50, 80, 95):
        assert abs(found[level].coverage - level / 100) < COVERAGE, (level, found[level])
        assert min(found[level].by_lead) > level / 100 - 2 * COVERAGE
    assert (table[f"{one.column}-lo-95"] >= 0).all()
    middle = table[f"{one.column}-hi-80"] - table[f"{one.column}-lo-80"]
    high = table[one.column] > table[one.column].median()
    if not isinstance(one, Climatology):
        assert middle[high].mean() > 1.4 * middle[~high].mean()


@pytest.mark.parametrize("one", EVERY, ids=names)
def test_the_columns_are_nixtlas_and_a_level_lies_within_the_next(one):
    fitted = clone(one).fit(growing(400))
    said = fitted.predict(2, level=[95, 80])
    name = one.column
    ends = [f"{name}-lo-95", f"{name}-lo-80", f"{name}-hi-80", f"{name}-hi-95"]
    assert list(said.columns) == ["unique_id", "ds", name, *ends]
    assert (np.diff(said[ends].to_numpy(), axis=1) >= 0).all()
    assert np.array_equal(said[name], fitted.predict(2)[name])
    assert list(fitted.predict(1, level=97.5).columns)[-1] == f"{name}-hi-97.5"


def test_intervals_follow_the_season_and_what_happened_of_late():
    generator = np.random.default_rng(0)
    ds = pd.date_range("2015-01-01", periods=4 * 365)
    wild = np.where(ds.month < 7, 3.0, 1.0) * np.where(np.arange(len(ds)) // 200 % 2, 2.0, 1.0)
    frame = pd.DataFrame({"unique_id": "a", "ds": ds, "y": wild * generator.normal(size=len(ds))})
    table = Climatology(1).cross_validation(frame, 1, n_windows=365, step_size=1, level=80)
    width = (table["climatology-hi-80"] - table["climatology-lo-80"]).to_numpy()
    truth = wild[-365:]
    assert np.corrcoef(np.log(width), np.log(truth))[0, 1] > 0.7
    inside = (table["y"] > table["climatology-lo-80"]) & (table["y"] < table["climatology-hi-80"])
    for size in np.unique(truth):
        assert abs(inside[truth == size].mean() - 0.8) < 3 * COVERAGE


def test_real_weather_is_covered():
    table = Linear(7).cross_validation(load("seattle-weather"), 7, 359, 1, level=[80, 95])
    for level, found in score(table, "linear").intervals.items():
        assert abs(found.coverage - level / 100) < COVERAGE


def test_the_weights_of_the_scale_are_found():
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(20_000, 3))
    truth = np.array([0.5, -0.3, 0.0])
    assert np.allclose(fit_scale(rows, generator.exponential(np.exp(rows @ truth))), truth, atol=0.03)


def test_swings_by_hand():
    """Over the last steps of the own series alone; NaN where there are none."""
    frame = pd.DataFrame({"unique_id": list("aaaabbb"), "ds": [0, 1, 2, 3, 0, 1, 2], "y": [0.0, 1, 3, 6, 100, 100, 105]})
    panel = read_panel(frame)
    moments = Moments(np.array([0, 0, 1, 1]), np.array([1, 4, 2, 3]))
    assert np.array_equal(swings(panel.values[:, 0], panel, moments, 1, 2), [np.nan, 2.5, 0, 2.5], equal_nan=True)
    assert np.array_equal(swings(panel.values[:, 0], panel, moments, 2, 9), [np.nan, 4.0, np.nan, 5.0], equal_nan=True)


def test_the_correction_for_few_moments():
    """With n errors, the interval of a level reaches to the ⌈(n + 1)(1 - α / 2)⌉-th of them."""
    features = np.zeros((99, 1, 1))
    errors = Errors(np.arange(-49.0, 50.0)[:, None], features)
    held = Intervals.measure(errors, errors)
    low, high = (np.array(held.reach(90)) * held.scale[0]).round(6)
    assert (low, high) == (-45.0, 45.0)  # the 95th and the 5th of 99
    with pytest.raises(DataError, match=r"level=98.5 needs errors at more moments than the 99 that validated, which tell at most 98"):
        held.reach(98.5)


@pytest.mark.parametrize("level", [101, 0, -5, "80", True, [80, None], [80, "x"], float("nan")])
def test_a_level_is_a_number_of_percent(level):
    with pytest.raises(ValueError, match="must be a number of percent greater than 0 and less than 100"):
        Naive(3).fit(growing(100)).predict(level=level)


def test_levels_are_sorted_and_told_once():
    assert read_levels([95, 80, 80.0]) == (80.0, 95.0) and read_levels(None) == () and read_levels(90) == (90.0,)


def test_without_validation_there_are_no_intervals():
    one = Forecaster("rnn", **SMALL, validation_fraction=0).fit(growing(100))
    assert one.validation_loss_ is None and len(one.training_[0]["train_loss"]) == 4
    assert np.isfinite(one.predict()["rnn"]).all()
    with pytest.raises(DataError, match="no errors to measure intervals with"):
        one.predict(level=80)


def test_they_are_kept_in_the_model_file(tmp_path):
    frame = growing(300)
    one = Forecaster("gru", **SMALL, target_transform="log1p").fit(frame)
    one.save(tmp_path / "m.safetensors")
    again = Forecaster.load(tmp_path / "m.safetensors")
    pd.testing.assert_frame_equal(again.predict(frame, level=[80, 95]), one.predict(frame, level=[80, 95]))
    pd.testing.assert_frame_equal(one.predict(frame, level=[80, 95]), one.predict(level=[80, 95]))


def test_refitted_intervals_are_each_moments_own():
    frame = growing(200)
    table = Linear(3, 5).cross_validation(frame, 3, n_windows=2, step_size=4, refit=True, level=80)
    for number, end in enumerate((193, 197)):
        said = Linear(3, 5).fit(frame[:end]).predict(level=80)
        assert np.allclose(table.iloc[3 * number : 3 * number + 3]["linear-lo-80"], said["linear-lo-80"], rtol=1e-6)


def test_a_constant_series_has_intervals_of_no_width():
    said = Linear(3, 5).fit(growing(100).assign(y=5.0)).predict(level=80)
    assert np.allclose(said[["linear-lo-80", "linear-hi-80"]], 5.0)


def test_a_transform_refuses_what_cannot_go_there():
    frame = growing(50)
    frame.loc[7, "y"] = -0.5
    with pytest.raises(DataError, match=r"target_transform='log1p' is for a target of 0 or more, but it is -0.5 at 2015-01-08"):
        Naive(target_transform="log1p").fit(frame)
    with pytest.raises(DataError, match="more than 0, but it is 0 at 2015-01-08"):
        Naive(target_transform="log").fit(frame.assign(y=frame["y"].clip(lower=0)))


def test_scores_of_intervals_by_hand():
    table = pd.DataFrame({"unique_id": "a", "ds": [1, 2], "cutoff": [0, 0], "y": [1.0, 5.0], "m": [1.0, 1.0]})
    table = table.assign(**{"m-lo-80": [0.0, 0.0], "m-hi-80": [2.0, 4.0]})
    (found,) = score(table, "m").intervals.values()
    assert (found.coverage, found.width, found.by_lead) == (0.5, 3.0, (1.0, 0.0))
    assert np.isclose(found.winkler, (2 + (4 + 10 * 1)) / 2)


def test_the_climate_is_that_of_the_training_part_alone():
    """Intervals of the test part do not know it: they do not change when it does, up to the first moment."""
    frame = growing(300)
    wild = frame.assign(y=np.where(np.arange(300) >= 250, 50 * frame["y"], frame["y"]))
    said = [Linear(3, 5).cross_validation(f, 3, n_windows=48, step_size=1, level=80)["linear-hi-80"][:3] for f in (frame, wild)]
    assert np.array_equal(*said)
    assert Climate.fit(read_panel(frame), ()).spread.shape == (1, 1)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("errors", np.array([2.0, 1.0])),
        ("errors", np.zeros(0)),
        ("scale", np.array([1.0, 0.0, 1.0])),
        ("scale", np.ones(2)),
        ("width", np.zeros(4)),
        ("weights", np.array([0.0, np.nan, 0.0, 0.0])),
        ("count", np.array([1.5])),
        ("bounds", None),
    ],
)
def test_forged_intervals_are_refused(name, array):
    tensors = Naive(3, cycles=()).fit(growing(100)).intervals_.tensors()
    assert Intervals.from_tensors(3, 0, tensors).reach(80) == Naive(3, cycles=()).fit(growing(100)).intervals_.reach(80)
    forged = {key: value for key, value in {**tensors, f"intervals.{name}": array}.items() if value is not None}
    with pytest.raises(ValueError, match="its intervals"):
        Intervals.from_tensors(3, 0, forged)
    assert Intervals.from_tensors(3, 0, {}) is None
