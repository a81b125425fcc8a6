"""Covariates, many series, and frames: what is read ahead, what never changes, who is left out, and what kind comes back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone

from ostinato.data import DataError
from ostinato.tasks import Climatology, Forecaster, Linear, Naive, SeasonalNaive, score
from ostinato.tasks.frame import read_panel

SMALL = {"horizon": 3, "window": 5, "hidden_size": 4, "max_epochs": 2, "random_state": 0}
AHEAD = {"future_covariates": "price"}


def shop(length=200, names=("a", "b"), start="2020-01-01", seed=0):
    """Sales that fall with a planned price, of shops of two kinds and of a size."""
    generator = np.random.default_rng(seed)
    parts = []
    for k, name in enumerate(names):
        price = generator.choice([1.0, 2.0], length)
        y = 10 - 3 * price + 0.1 * generator.normal(size=length)
        ds = pd.date_range(start, periods=length)
        parts.append(pd.DataFrame({"unique_id": name, "ds": ds, "y": y, "price": price, "kind": "xy"[k % 2], "size": float(k)}))
    return pd.concat(parts, ignore_index=True)


def numbers(frame):
    return frame[["unique_id", "ds", "y", "price"]]


def split(frame, steps):
    """What is known, and what is known ahead of the rest."""
    last = frame.groupby("unique_id")["ds"].transform("max") - pd.Timedelta(days=steps)
    return frame[frame["ds"] <= last], frame[frame["ds"] > last]


def names(one):
    return type(one).__name__


MODELS = [Linear(3, 5), Forecaster("gru", **SMALL)]
EVERY = [Naive(3), SeasonalNaive(3, season=7), Climatology(3), *MODELS]


# ---------------------------------------------------------------- known ahead


@pytest.mark.parametrize(
    "one",
    [Linear(3, 5), Forecaster("gru", **{**SMALL, "max_epochs": 12, "learning_rate": 0.05, "batch_size": 32, "dropout": 0.0})],
    ids=names,
)
def test_a_price_known_ahead_is_read(one):
    frame = numbers(shop(120))
    blind, seeing = (clone(one).set_params(**more) for more in ({}, AHEAD))
    errors = [score(m.cross_validation(frame, 3, n_windows=30, step_size=1), m.column).mae for m in (blind, seeing)]
    assert errors[1] < 0.3 < 1.0 < errors[0]
    known, ahead = split(frame, 3)
    said = clone(seeing).fit(known).predict(known, future=ahead.drop(columns="y"))
    assert np.abs(said[one.column] - ahead["y"].to_numpy()).max() < 0.8
    again = clone(seeing).fit(known).predict(future=ahead.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(said, again)


@pytest.mark.parametrize("one", EVERY, ids=names)
def test_prediction_and_rolling_evaluation_read_the_same_future(one):
    frame = numbers(shop(80))
    one = clone(one).set_params(**AHEAD)
    known, ahead = split(frame, 3)
    table = one.cross_validation(frame, 3)
    said = clone(one).fit(known).predict(future=ahead)
    assert np.allclose(table[one.column], said[one.column], rtol=1e-6) and table["ds"].tolist() == said["ds"].tolist()


def test_a_future_that_is_not_whole_is_refused_by_name_and_time():
    frame = numbers(shop(80))
    known, ahead = split(frame, 3)
    one = Linear(3, 5, **AHEAD).fit(known)
    cases = {
        "give their values for the next 3 steps": None,
        "no value of 'price' for series 'b' at 2020-03-19": ahead[~((ahead["unique_id"] == "b") & (ahead["ds"] == "2020-03-19"))],
        "no value of 'price' for series 'a' at 2020-03-18": ahead.assign(price=ahead["price"].where(ahead["ds"] != "2020-03-18")),
        "no column 'price'": ahead.drop(columns="price"),
        "write the future frame's as the series'": ahead.assign(ds=range(len(ahead))),
        "no value of 'price' for series 'a'": ahead[:0],
    }
    for message, future in cases.items():
        with pytest.raises(DataError, match=message):
            one.predict(future=future)
    with pytest.raises(DataError, match="reads nothing ahead"):
        Naive(3).fit(known).predict(future=ahead)
    with pytest.raises(DataError, match=r"h=2 is less than the horizon of 3"):
        one.cross_validation(frame, 2)


# ---------------------------------------------------------------- what never changes


def test_static_covariates_tell_series_apart():
    """Two kinds of series answer alike inputs in opposite ways, which only the static column tells."""
    generator = np.random.default_rng(0)
    parts = []
    for k in range(6):
        y = np.zeros(300)
        for t in range(1, 300):
            y[t] = (0.9 if k % 2 else -0.9) * y[t - 1] + generator.normal()
        ds = pd.date_range("2020-01-01", periods=300)
        parts.append(pd.DataFrame({"unique_id": f"s{k}", "ds": ds, "y": y, "kind": ["up", "down"][k % 2], "size": float(k)}))
    frame = pd.concat(parts)
    settings = {**SMALL, "horizon": 1, "window": 1, "cycles": (), "dropout": 0.0, "max_epochs": 8, "learning_rate": 0.05}
    errors = []
    for static, past in ((None, ()), (["kind", "size"], ())):
        one = Forecaster("gru", **settings, static_covariates=static, past_covariates=past)
        table = one.cross_validation(frame if static else frame.drop(columns=["kind", "size"]), 1, n_windows=60, step_size=1)
        errors.append(score(table, "gru").rmse)
    assert errors[1] < 1.15 < 1.5 < errors[0]


@pytest.mark.parametrize("one", MODELS, ids=names)
def test_static_columns_are_standardised_or_one_hot_and_unknown_texts_are_none(one):
    frame = shop(60, ("a", "b", "c"))
    fitted = clone(one).set_params(static_covariates=["kind", "size"]).fit(frame)
    panel = read_panel(frame, past=("price",), static=("kind", "size"))
    assert np.allclose(fitted.static_.of(panel), [[1, 0, -1.2247449], [0, 1, 0], [1, 0, 1.2247449]])
    other = read_panel(frame.assign(kind="z"), past=("price",), static=("kind", "size"))
    assert np.allclose(fitted.static_.of(other)[:, :2], 0)
    assert np.isfinite(fitted.predict(frame.assign(kind="z"))[one.column]).all()
    with pytest.raises(DataError, match="'size' holds text, but numbers in the training data"):
        fitted.predict(frame.assign(size="big"))


def test_static_columns_that_change_or_miss_are_refused():
    frame = shop(60)
    one = Linear(3, 5, static_covariates=["kind", "size"])
    with pytest.raises(DataError, match="Series 'b' has several values of the static column 'kind'"):
        one.fit(frame.assign(kind=np.where(np.arange(120) == 100, "q", frame["kind"])))
    with pytest.raises(DataError, match="Series 'a' has no value of the static column 'size'"):
        one.fit(frame.assign(size=frame["size"].where(frame.index != 7)))


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        ({"past_covariates": ["price"], "future_covariates": ["price"]}, "in past_covariates and in future_covariates"),
        ({"future_covariates": ["size"], "static_covariates": ["size"]}, "in future_covariates and in static_covariates"),
        ({"static_covariates": ["kind", "kind"]}, "twice in static_covariates"),
        ({"future_covariates": ["ds"]}, "'ds' is no covariate"),
        ({"future_covariates": "prize"}, "Did you mean 'price'"),
        ({"past_covariates": None}, "'kind' holds 'x' in data row 1, which is no number"),
    ],
)
def test_a_column_has_one_role(roles, message):
    with pytest.raises(DataError, match=message):
        Naive(3, **{"past_covariates": (), **roles}).fit(shop(60))


def test_covariates_are_kept_in_the_model_file(tmp_path):
    known, ahead = split(shop(80), 3)
    roles = {"past_covariates": (), **AHEAD, "static_covariates": ["kind", "size"]}
    one = Forecaster("lstm", **SMALL, **roles).fit(known)
    one.save(tmp_path / "m.safetensors")
    again = Forecaster.load(tmp_path / "m.safetensors")
    pd.testing.assert_frame_equal(again.predict(known, future=ahead), one.predict(future=ahead))
    assert again.input_size_ == one.input_size_ == 2 + 3


# ---------------------------------------------------------------- many series


@pytest.mark.parametrize("one", EVERY, ids=names)
def test_series_do_not_touch_each_other(one):
    """Each series' forecasts by a fitted model are the same alone and among others, in whatever order the rows come."""
    frame = shop(60, tuple("abcd"))
    frame = frame[~((frame["unique_id"] == "c") & (frame["ds"] > "2020-02-10"))]
    fitted = clone(one).set_params(static_covariates=["kind", "size"]).fit(frame)
    together = fitted.predict(frame.sample(frac=1, random_state=0), level=80)
    for name, said in together.groupby("unique_id"):
        alone = fitted.predict(frame[frame["unique_id"] == name], level=80)
        pd.testing.assert_frame_equal(said.reset_index(drop=True), alone, rtol=1e-6)


def test_short_series_are_refused_by_name_or_left_out():
    frame = numbers(pd.concat([shop(60), shop(6, ("tiny",))]))
    for one in (*MODELS, Naive(3)):
        fitted = clone(one).set_params(short_series="drop").fit(frame)
        left = () if isinstance(one, Naive) else ("tiny",)
        assert fitted.left_out_ == left and (fitted.series_ == ("a", "b")) == bool(left)
    with pytest.raises(DataError, match=r"'tiny' has 6 steps to learn from.*short_series=\"drop\""):
        Linear(3, 5).fit(frame)
    table = Linear(3, 5, short_series="drop").cross_validation(frame, 3, n_windows=4)
    assert set(table["unique_id"]) == {"a", "b"}
    with pytest.raises(DataError, match="'tiny' has 6 steps, too few for 4 windows"):
        Linear(3, 5).cross_validation(frame, 3, n_windows=4)
    said = Linear(3, 9, short_series="drop").fit(numbers(shop(60))).predict(frame)
    assert set(said["unique_id"]) == {"a", "b"}
    with pytest.raises(DataError, match="has 6 steps to learn from"):
        Linear(3, 5, short_series="drop").fit(numbers(shop(6)))


@pytest.mark.parametrize("one", MODELS, ids=names)
def test_a_series_never_seen_is_forecast_from_its_own_past(one):
    """The same departures around another level and spread give the same forecast there."""
    frame = numbers(shop(60, ("a",)))
    fitted = clone(one).fit(frame)
    stranger = frame.assign(unique_id="new", y=1000 + 50 * frame["y"])
    said, known = fitted.predict(stranger, level=80), fitted.predict(frame, level=80)
    for column in said.columns[2:]:
        assert np.allclose(said[column], 1000 + 50 * known[column], rtol=1e-4)
    with pytest.raises(DataError, match=r"'new' was not in the training data \(known: a\), and its 8 steps are too few.*takes 15"):
        seasons = clone(one).set_params(cycles=("week",)).fit(frame)
        seasons.predict(stranger.tail(8))


def test_a_thousand_series_take_no_loop_that_dominates():
    """Reading a thousand series costs no more than a few times what as many rows of one series cost."""
    from time import perf_counter

    def seconds(count, length):
        ds, ids = pd.date_range("2020-01-01", periods=length, freq="h"), [f"s{k:04}" for k in range(count)]
        frame = pd.DataFrame({"unique_id": np.repeat(ids, length), "ds": np.tile(ds, count), "y": 1.0})
        times = []
        for _ in range(3):
            start = perf_counter()
            read_panel(frame)
            times.append(perf_counter() - start)
        return min(times)

    assert seconds(1000, 50) < 20 * seconds(1, 50_000)


# ---------------------------------------------------------------- frames of the caller's kind


@pytest.mark.parametrize("one", EVERY, ids=names)
def test_polars_in_polars_out(one):
    frame = numbers(shop(60))
    other = pl.DataFrame({name: frame[name].to_numpy() for name in frame.columns})
    for make in (lambda m, f: m.fit(f).predict(level=80), lambda m, f: m.cross_validation(f, 3, 4), lambda m, f: m.fit(f).predict(f, 2)):
        theirs, ours = make(clone(one), other), make(clone(one), frame)
        assert isinstance(theirs, pl.DataFrame) and theirs.columns == list(ours.columns)
        for name in theirs.columns:
            assert theirs[name].to_list() == ours[name].to_list()
    assert score(clone(one).cross_validation(other, 3, 4), one.column) == score(clone(one).cross_validation(frame, 3, 4), one.column)


def test_polars_with_gaps_dates_texts_and_a_future():
    known, ahead = split(shop(60), 3)
    kinds = {name: pl.Series([None if x != x else x for x in known[name].astype(object)]) for name in known.columns}
    frame = pl.DataFrame(kinds).with_columns(pl.col("ds").cast(pl.Date), pl.col("size").cast(pl.Int8))
    frame = frame.with_columns(pl.when(pl.int_range(pl.len()) == 20).then(None).otherwise(pl.col("y")).alias("y"))
    later = pl.DataFrame({name: ahead[name].to_numpy() for name in ("unique_id", "ds", "price")})
    one = Linear(3, 5, missing="carry", past_covariates=(), **AHEAD, static_covariates=["kind", "size"])
    said = one.fit(frame).predict(future=later)
    known = known.assign(y=known["y"].where(np.arange(len(known)) != 20))
    assert np.allclose(said["linear"], clone(one).fit(known).predict(future=ahead)["linear"])
    with pytest.raises(DataError, match="no value of the target at 2020-01-21"):
        Naive(3, past_covariates=()).fit(frame)


@pytest.mark.parametrize("one", EVERY, ids=names)
def test_whole_numbers_count_the_steps(one):
    frame = numbers(shop(60)).assign(ds=np.tile(np.arange(100, 400, 5), 2))
    said = clone(one).fit(frame).predict(2, level=80)
    assert said["ds"].tolist() == [400, 405] * 2 and np.isfinite(said[one.column]).all()
    table = clone(one).cross_validation(frame, 3, n_windows=2, step_size=1)
    assert table["cutoff"].iloc[0] == 375
    with pytest.raises(DataError, match="'ds' holds whole numbers, which have no step of 'D'"):
        clone(one).set_params(freq="D").fit(frame)
    with pytest.raises(DataError, match="no row for 110"):
        clone(one).fit(frame.drop(index=2))


@pytest.mark.parametrize("step", ["h", "15min", "MS", "W-SUN", "B", "2D", "QS-OCT"])
def test_any_regular_step(step):
    frame = numbers(shop(60)).assign(ds=np.tile(pd.date_range("2019-10-01", periods=60, freq=step), 2))
    for one in (Naive(3), Linear(3, 5)):
        said = one.fit(frame).predict()
        assert said["ds"][:3].tolist() == pd.date_range("2019-10-01", periods=63, freq=step)[-3:].tolist()
    gap = frame.drop(index=[4, 70])
    with pytest.raises(DataError, match="no row for"):
        Naive(3, freq=step).fit(gap)
    assert Naive(3, freq=step, missing="carry").fit(gap).predict()["ds"].tolist() == said["ds"].tolist()


def test_a_zone_is_read_as_utc():
    ds = pd.date_range("2020-01-01", periods=60, freq="h", tz="Europe/Berlin")
    frame = pd.DataFrame({"unique_id": "a", "ds": ds, "y": np.arange(60.0)})
    assert Naive(1).fit(frame).predict()["ds"][0] == (ds[-1] + pd.Timedelta(hours=1)).tz_convert("UTC").tz_localize(None)


def test_what_is_carried_is_carried_from_before_the_window():
    """A gap longer than the window is filled from before it, whether the history is kept or given."""
    frame = numbers(shop(60, ("a",)))
    frame.loc[50:, "y"] = np.nan
    for one in (Naive(3, missing="carry"), Linear(3, 5, missing="carry")):
        fitted = one.fit(frame)
        assert np.array_equal(fitted.predict()[one.column], fitted.predict(frame)[one.column])
    assert (Naive(3, missing="carry").fit(frame).predict()["naive"] == frame["y"][49]).all()
