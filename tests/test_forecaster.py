"""Forecasters: what they learn from, what they say, and what they refuse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import ostinato as ost
from ostinato.data import DataError, load
from ostinato.tasks import Climatology, Forecaster, Linear, Naive, SeasonalNaive, plot_over_time, score
from ostinato.tasks.calendar import infer_step, phases, season_length, usual_cycles, waves
from ostinato.tasks.climate import Climate, basis
from ostinato.tasks.frame import read_panel
from ostinato.tasks.panel import Moments
from ostinato.tasks.scores import gain, lead
from ostinato.tasks.windows import make_windows, shortest, split_moments

SMALL = {"horizon": 3, "window": 5, "hidden_size": 4, "max_epochs": 3, "random_state": 7}
NO_STATIC = np.zeros((1, 0), np.float32)
BASELINES = [Naive(3), SeasonalNaive(3, season=7), Climatology(3), Linear(3, 5)]


def series(length=120, name="a", level=10.0, seed=0, start="2020-01-01"):
    """A noisy first-order process around a level, with one covariate."""
    generator = np.random.default_rng(seed)
    y = np.zeros(length)
    for t in range(1, length):
        y[t] = 0.8 * y[t - 1] + generator.normal()
    ds = pd.date_range(start, periods=length, freq="D")
    return pd.DataFrame({"unique_id": name, "ds": ds, "y": level + y, "wind": generator.normal(size=length)})


def times(start, count, step):
    return pd.date_range(start, periods=count, freq=step).to_numpy().astype("datetime64[us]")


@pytest.fixture(scope="module")
def weather():
    return load("seattle-weather")


def forecasters():
    return [*BASELINES, Forecaster("gru", **SMALL)]


def names(one):
    return type(one).__name__


# ---------------------------------------------------------------- scikit-learn's protocol


@pytest.mark.parametrize("one", forecasters(), ids=names)
def test_the_constructor_stores_parameters_and_nothing_else(one):
    assert vars(one) == one.get_params(deep=False)
    copy = clone(one)
    assert copy is not one and copy.get_params() == one.get_params()


@pytest.mark.parametrize("one", forecasters(), ids=names)
def test_fit_adds_only_names_with_a_tail(one):
    fitted = clone(one).fit(series())
    assert fitted.get_params() == one.get_params()
    added = set(vars(fitted)) - set(vars(one))
    assert added and all(name.endswith("_") for name in added)


@pytest.mark.parametrize("one", forecasters(), ids=names)
def test_predict_before_fit(one):
    with pytest.raises(NotFittedError, match="call fit"):
        clone(one).predict(3)


# ---------------------------------------------------------------- time


@pytest.mark.parametrize("step", ["D", "h", "15min", "MS", "W-SUN", "B"])
def test_the_step_is_seen(step):
    assert infer_step(times("2021-01-01", 40, step), "a") == step


def test_the_step_is_seen_through_gaps():
    assert infer_step(np.delete(times("2021-01-01", 40, "D"), [3, 4, 20]), "a") == "D"
    assert infer_step(np.array([0, 5, 15, 20]), "a") == "5"


def test_phases_and_seasons():
    ds = np.array(["2020-01-01T00:00", "2020-12-31T12:00", "2021-07-02T12:00"], "datetime64[us]")
    assert np.allclose(phases(ds, "year"), [0, 365.5 / 366, 0.5])
    assert np.allclose(phases(ds, "day"), [0, 0.5, 0.5])
    assert np.allclose(phases(np.array(["2024-01-01", "2024-01-04"], "datetime64[us]"), "week"), [0, 3 / 7])
    assert (season_length("year", "D"), season_length("year", "MS"), season_length("day", "h")) == (365, 12, 24)
    assert usual_cycles("D") == ("year",) and usual_cycles("h") == ("day", "year") and usual_cycles("YS") == ()
    assert waves(ds, ("day", "year"), 2).shape == (3, 8) and waves(ds, (), 2).shape == (3, 0)


# ---------------------------------------------------------------- climate and windows


def test_the_climate_is_found_and_taken_off():
    ds = times("2018-01-01", 3 * 365, "D")
    usual = 10 + 8 * np.cos(2 * np.pi * (phases(ds, "year") - 0.55))
    noise = np.random.default_rng(0).normal(size=len(ds))
    panel = read_panel(pd.DataFrame({"unique_id": "a", "ds": ds, "y": usual + 2 * noise}))
    climate = Climate.fit(panel, ("year",))
    assert np.abs(climate.usual(panel, basis(ds, ("year",)))[:, 0] - usual).max() < 0.5
    assert abs(climate.spread[0, 0] - 2) < 0.1
    windows = make_windows(panel, climate, NO_STATIC, window=4, horizon=3, flags=False)
    origins = windows.origins(Moments(np.array([0, 0]), np.array([4, 800])))
    assert np.allclose(windows.restore(origins, windows.targets(origins)), [panel.values[4:7, 0], panel.values[800:803, 0]], atol=1e-5)


def test_windows_end_at_the_present():
    panel = read_panel(pd.concat([series(30, "a"), series(40, "b", level=-5)]))
    climate = Climate.fit(panel, ())
    windows = make_windows(panel, climate, np.zeros((2, 0), np.float32), window=4, horizon=3, flags=False)
    departures = ((panel.values[30:] - climate.coefficients[1]) / climate.spread[1]).astype(np.float32)
    origins = windows.origins(Moments(np.array([1, 1, 1]), np.array([4, 37, 40])))
    inputs = windows.inputs(origins)
    assert inputs["past"].shape == (3, 4, 2) and inputs["future"].shape == (3, 3, 0)
    assert np.array_equal(inputs["past"][0], departures[:4]) and np.array_equal(inputs["past"][2], departures[36:])
    targets = windows.targets(origins)
    assert np.array_equal(targets[1], departures[37:, 0]) and np.isnan(targets[2]).all()


def test_validation_targets_are_never_learned_from():
    panel = read_panel(pd.concat([series(100, "a"), series(50, "b")]))
    split = split_moments(panel, 5, 4, 0.3)
    for number, length in enumerate((100, 50)):
        train, valid, every = (part.ends[part.series == number] for part in split)
        assert train.max() + 4 < valid.min() + 1
        assert set(train) | set(valid) < set(every) and len(every) == length - 5 - 4 + 1


def test_the_shortest_series_gives_one_window_to_each_part():
    for window, horizon, fraction in ((5, 3, 0.2), (1, 1, 0.5), (14, 7, 0.9), (3, 9, 0)):
        least = shortest(window, horizon, fraction)
        split = split_moments(read_panel(series(least)), window, horizon, fraction)
        assert len(split.train.ends) == 1 and (len(split.valid.ends) >= 1) == (fraction > 0)


@pytest.mark.parametrize("one", forecasters(), ids=names)
def test_nothing_is_learned_from_the_test_part(one):
    """Whatever happens after the first cutoff, the forecasts made at it are the same."""
    frame = series()
    changed = frame.copy()
    changed.loc[100:, ["y", "wind"]] = 1e6
    said, again = (clone(one).cross_validation(f, 3, n_windows=18, step_size=1) for f in (frame, changed))
    first = said["cutoff"] == said["cutoff"].min()
    assert said["cutoff"].min() == frame["ds"][99]
    assert np.array_equal(said.loc[first, one.column], again.loc[first, one.column])
    assert not np.array_equal(said.loc[~first, one.column], again.loc[~first, one.column]) or isinstance(one, Climatology)


# ---------------------------------------------------------------- what is said


def test_naive_and_seasonal_naive():
    frame = series(30)
    assert (Naive(3).fit(frame).predict()["naive"] == frame["y"].iloc[-1]).all()
    seasonal = SeasonalNaive(9, season=7).fit(frame).predict()["seasonal naive"].to_numpy()
    assert np.array_equal(seasonal, np.tile(frame["y"].iloc[-7:], 2)[:9])


def test_the_season_is_the_longest_that_is_seen_twice():
    frame = pd.concat([series(400)])
    assert SeasonalNaive(3).fit(frame).season_ == 1
    assert SeasonalNaive(3).fit(series(800)).season_ == 365


@pytest.mark.parametrize("one", forecasters(), ids=names)
def test_predict_goes_on_where_the_data_end(one):
    frame = pd.concat([series(60, "b"), series(50, "a", level=100, start="2021-03-01")])
    fitted = clone(one).fit(frame.sample(frac=1, random_state=0))
    said = fitted.predict(2)
    assert list(said.columns) == ["unique_id", "ds", one.column] and len(said) == 4
    assert said["unique_id"].tolist() == ["a", "a", "b", "b"]
    assert said["ds"].iloc[0] == pd.Timestamp("2021-03-01") + pd.Timedelta(days=50)
    assert (said[one.column].iloc[:2] > 80).all() and (said[one.column].iloc[2:] < 40).all()
    pd.testing.assert_frame_equal(said, fitted.predict(frame, 2))
    with pytest.raises(DataError, match="at most 3"):
        fitted.predict(4)


def test_rolling_evaluation_is_fit_and_predict_done_by_hand():
    frame = series(80)
    table = Linear(3, 5).cross_validation(frame, 3, n_windows=2, step_size=4, refit=True)
    assert list(table.columns) == ["unique_id", "ds", "cutoff", "y", "linear"] and len(table) == 6
    for number, end in enumerate((73, 77)):
        part = table.iloc[3 * number : 3 * number + 3]
        said = Linear(3, 5).fit(frame[:end]).predict(3)
        assert (part["cutoff"] == frame["ds"][end - 1]).all()
        assert part["ds"].tolist() == said["ds"].tolist()
        assert np.allclose(part["linear"], said["linear"], rtol=1e-6)
        assert part["y"].tolist() == frame["y"][end : end + 3].tolist()


@pytest.mark.parametrize("one", forecasters(), ids=names)
def test_the_score_is_of_the_steps_that_follow_what_was_learned(one):
    frame = series()
    table = clone(one).cross_validation(frame, 3)
    assert np.isclose(clone(one).fit(frame[:-3]).score(frame), -score(table, one.column).mae, rtol=1e-6)


def test_without_refit_the_forecaster_is_the_one_fitted_before_the_first_moment():
    frame = series(80)
    one = Forecaster("rnn", **SMALL)
    table = one.cross_validation(frame, 3, n_windows=10, step_size=1)
    before = clone(one).fit(frame[:68])
    for end in (68, 72, 77):
        said = table[table["cutoff"] == frame["ds"][end - 1]]["rnn"].to_numpy()
        assert np.allclose(said, before.predict(frame[:end])["rnn"], rtol=1e-6)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "lstm_peephole"])
def test_a_network_learns_what_a_linear_model_cannot(cell):
    """Each step has the sign of the last, or the opposite one, as a covariate tells: a product, which no line is."""
    generator = np.random.default_rng(0)
    sign = generator.choice([-1.0, 1.0], 1500)
    y = 0.05 * generator.normal(size=1500)
    for t in range(1, 1500):
        y[t] += sign[t - 1] * np.sign(y[t - 1])
    frame = pd.DataFrame({"unique_id": "a", "ds": pd.date_range("2020", periods=1500, freq="h"), "y": y, "sign": sign})
    settings = {"horizon": 1, "window": 3, "cycles": ()}
    network = Forecaster(cell, **settings, hidden_size=8, max_epochs=40, dropout=0.0, learning_rate=0.02, random_state=0)
    errors = [score(m.cross_validation(frame, 1, 200, 1), m.column).mae for m in (network, Linear(**settings))]
    assert errors[0] < 0.3 < 0.9 < errors[1]


def test_real_weather(weather):
    """One network, half its usual epochs: better than naive, seasonal naive and what is usual for the season."""
    baselines = [Naive(), SeasonalNaive(season=365), Climatology()]
    networks = [Forecaster("gru", max_epochs=12, random_state=0)]
    errors = {m.column: score(m.cross_validation(weather, 7, 359, 1), m.column).mae for m in baselines + networks}
    assert errors["gru"] < 0.97 * errors["climatology"] < errors["naive"] < errors["seasonal naive"]


# ---------------------------------------------------------------- the same model twice


def test_a_seed_gives_the_same_bits_and_leaves_the_callers_draws_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = Forecaster("lstm", **SMALL).fit(series())
    assert torch.equal(torch.rand(3), expected)
    second = Forecaster("lstm", **SMALL).fit(series())
    for a, b in zip(first.networks_[0].state_dict().values(), second.networks_[0].state_dict().values(), strict=True):
        assert torch.equal(a, b)
    other = Forecaster("lstm", **{**SMALL, "random_state": 8}).fit(series())
    assert not np.array_equal(first.predict()["lstm"], other.predict()["lstm"])


def test_a_drawn_seed_is_told():
    first = Forecaster("rnn", **{**SMALL, "random_state": None}).fit(series())
    again = Forecaster("rnn", **{**SMALL, "random_state": first.seed_}).fit(series())
    assert np.array_equal(first.predict()["rnn"], again.predict()["rnn"])


def test_no_recurrent_layer_of_torch_is_used():
    @ost.cell
    def own(x, h):
        return ost.tanh(ost.affine("all", x, h))

    for cell in ("rnn", "lstm", "gru", "mgu", own):
        network = Forecaster(cell, **SMALL).fit(series()).networks_[0]
        assert type(network.recurrent).__module__.startswith("ostinato.nn")


# ---------------------------------------------------------------- training


def test_the_best_epoch_is_kept_and_patience_ends_training():
    told = []
    one = Forecaster("rnn", **{**SMALL, "max_epochs": 60, "patience": 3, "learning_rate": 0.05}, on_epoch=told.append)
    one.fit(series())
    losses = [epoch.valid_loss for epoch in told]
    best = int(np.argmin(losses))
    assert len(told) == best + 1 + 3 < 60 and one.training_[0]["best_epoch"] == best + 1
    panel = read_panel(series())
    windows = make_windows(panel, one.climate_, NO_STATIC, window=5, horizon=3, flags=False)
    valid = windows.origins(split_moments(panel, 5, 3, 0.2).valid)
    error = one._departures(windows, valid) - windows.targets(valid)
    assert np.isclose((error**2).mean(), min(losses), rtol=1e-5)


def test_a_small_network_is_trained_on_one_thread_and_the_callers_threads_come_back():
    seen = []
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    Forecaster("rnn", **SMALL, on_epoch=lambda epoch: seen.append(torch.get_num_threads())).fit(series())
    assert seen[:3] == [1, 1, 1] and torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_an_interrupt_is_passed_on_and_nothing_is_fitted():
    def interrupt(epoch):
        if epoch.number == 2:
            raise KeyboardInterrupt

    one = Forecaster("rnn", **SMALL, on_epoch=interrupt)
    with pytest.raises(KeyboardInterrupt):
        one.fit(series())
    assert vars(one) == one.get_params(deep=False)


# ---------------------------------------------------------------- missing values


def test_missing_values_are_refused_by_default_and_carried_on_request():
    frame = series()
    frame.loc[40, "y"] = np.nan
    with pytest.raises(DataError, match=r"no value of the target at 2020-02-10 \(1 missing in all\); fill it"):
        Naive(3).fit(frame)
    with pytest.raises(DataError, match=r"no row for 2020-02-10"):
        Naive(3).fit(frame.drop(index=40))
    holes, gaps = (Forecaster("rnn", **SMALL, missing="carry").fit(f) for f in (frame, frame.drop(index=40).assign()))
    assert holes.flags_ and np.isfinite(holes.predict()["rnn"]).all()
    frame.loc[40, "wind"] = np.nan  # a missing row lacks its covariates, too
    holes = Forecaster("rnn", **SMALL, missing="carry").fit(frame)
    assert np.array_equal(holes.predict()["rnn"], gaps.predict()["rnn"])


def test_a_missing_target_is_neither_learned_from_nor_scored():
    frame = series()
    frame.loc[[50, 115], "y"] = np.nan
    for one in forecasters():
        table = clone(one).set_params(missing="carry").cross_validation(frame, 3, n_windows=8, step_size=1)
        assert np.isfinite(table[one.column]).all()
        assert score(table, one.column).count == 24 - 3


def test_a_constant_series_is_forecast_as_constant():
    frame = series().assign(y=5.0, wind=0.0)
    assert np.allclose(Forecaster("gru", **SMALL).fit(frame).predict()["gru"], 5.0, atol=1e-3)


# ---------------------------------------------------------------- bad input


def change(**columns):
    return lambda frame: frame.assign(**columns)


BAD = {
    "no column": (lambda f: f.drop(columns="y").rename(columns={"wind": "yy"}), "There is no column 'y'. Did you mean 'yy'"),
    "no rows": (lambda f: f[:0], "no rows"),
    "a list": (lambda f: [1, 2], r"Expected a data frame \(of pandas or Polars\), got list"),
    "not a date": (lambda f: f.assign(ds=["2020-01-01", "soon"] + ["2020-01-03"] * 118), "'soon' in data row 2"),
    "numbers for dates": (change(ds=np.linspace(0, 1, 120)), "holds float64 values, neither dates nor whole numbers"),
    "some zones": (lambda f: f.assign(ds=[f"2020-01-01T00:{k % 60:02}:00+0{k // 60}:00" for k in range(120)]), "times of several zones"),
    "a nameless series": (lambda f: f.assign(unique_id=[None] + ["a"] * 119), "'unique_id' has no value in data row 1"),
    "few rows far apart": (lambda f: f.assign(ds=f["ds"].where(f.index > 0, pd.Timestamp("1700-01-01"))), "120 rows for 116"),
    "two rows": (lambda f: pd.concat([f, f[7:8]]), r"'a' has two rows for 2020-01-08"),
    "text for numbers": (lambda f: f.assign(y=["x"] + ["1"] * 119), "'y' holds 'x' in data row 1, which is no number"),
    "infinite": (change(wind=np.inf), "infinite number in data row 1"),
    "too large": (change(wind=1e300), "'wind' holds 1e\\+300, too large a number, in data row 1"),
    "two columns of one name": (lambda f: pd.concat([f, f[["wind"]]], axis=1), "Two columns of the table have one name"),
    "irregular": (
        lambda f: f.assign(ds=f["ds"] + pd.to_timedelta(np.where(f.index == 9, 5, 0), "h")),
        "2020-01-09 is followed by 2020-01-10 05:00:00",
    ),
    "too short": (lambda f: f[:9], "9 steps to learn from, but a window of 5 and a horizon of 3 need 11"),
    "a covariate of text": (change(wind="calm"), "'wind' holds 'calm'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_frames_are_answered_by_cause_and_place(case):
    spoil, message = BAD[case]
    one = Forecaster("rnn", **SMALL)
    with pytest.raises(DataError, match=message):
        one.fit(spoil(series()))
    assert vars(one) == one.get_params(deep=False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cell": "lstn"}, "lstm"),
        ({"cell": 3}, "neither a function"),
        ({"cell": "gru_d"}, "an estimator has one"),
        ({"horizon": 0}, "horizon=0"),
        ({"window": 2.5}, "window=2.5"),
        ({"hidden_size": -1}, "hidden_size=-1"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"learning_rate": 0}, "learning_rate=0"),
        ({"validation_fraction": 1.5}, "at least 0 and less than 1"),
        ({"cycles": "yeer"}, "Did you mean 'year'"),
        ({"device": "abacus"}, "cannot be used here"),
        ({"freq": "often"}, "'often' is no step of time"),
        ({"missing": "ignore"}, "choose one of raise, carry"),
        ({"freq": 1}, "freq=1 must be None or a text"),
        ({"short_series": "pad"}, "choose one of raise, drop"),
        ({"horizon": 10**9}, "at most 100000"),
        ({"horizon": 100_000}, "need 2"),
        ({"target_transform": "sqrt"}, "choose one of identity, log1p, log"),
        ({"freq": "1"}, "'ds' holds dates, which have no step of '1'"),
        ({"past_covariates": ["y"]}, "'y' is no covariate"),
        ({"random_state": -1}, "random_state=-1"),
        ({"past_covariates": ["wnd"]}, "Did you mean 'wind'"),
    ],
)
def test_bad_settings_are_answered_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        Forecaster(**{"cell": "rnn", **SMALL, **settings}).fit(series())


def test_frames_to_go_on_from_are_checked():
    fitted = Forecaster("rnn", **SMALL).fit(series())
    with pytest.raises(DataError, match="too few for a forecast, which needs 5"):
        fitted.predict(series(4))
    with pytest.raises(DataError, match="no column 'wind'"):
        fitted.predict(series().drop(columns="wind"))
    with pytest.raises(DataError, match="too few for 50 windows"):
        fitted.cross_validation(series(), 3, n_windows=50)


# ---------------------------------------------------------------- scores and pictures


def test_scores_by_hand():
    table = pd.DataFrame(
        {
            "unique_id": "a",
            "ds": pd.DatetimeIndex(["2020-01-02", "2020-01-03", "2020-01-03", "2020-01-04"]),
            "cutoff": pd.DatetimeIndex(["2020-01-01", "2020-01-01", "2020-01-02", "2020-01-02"]),
            "y": [1.0, 2.0, 2.0, np.nan],
            "good": [1.0, 1.0, 2.0, 9.0],
            "bad": [3.0, 0.0, 0.0, 9.0],
        }
    )
    good, bad = score(table, "good"), score(table, "bad")
    assert (good.mae, good.count, good.by_lead) == (1 / 3, 3, (0.0, 1.0))
    assert np.isclose(bad.rmse, 2) and np.isclose(good.skill(bad), 5 / 6)
    assert lead(table).tolist() == [1, 2, 1, 2]
    mean, low, high = gain(table, "good", "bad", block=1)
    assert low <= mean <= high and mean > 0


def test_the_picture_names_its_axes():
    table = Naive(3).cross_validation(series(), 3, n_windows=20, step_size=1)
    axes = plot_over_time(table, ["naive"], at_lead=2, step="day", label="y in °C")
    assert axes.get_ylabel() == "y in °C" and "2 days ahead" in axes.get_title("left")
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["what happened", "NAIVE"]
    with pytest.raises(DataError, match="nothing to draw"):
        plot_over_time(table, ["naive"], at_lead=9)
