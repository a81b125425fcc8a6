"""Prices as returns, beside the random walk."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from ostinato.cli.app import app
from ostinato.tasks import Forecaster, Linear, Naive, score

SHARED = {"horizon": 1, "returns": True}


def prices(length=300, names=("a", "b"), seed=0):
    """Random walks on working days."""
    random = np.random.default_rng(seed)
    parts = [np.exp(np.cumsum(random.normal(size=length) / 100)) for _ in names]
    ds = pd.bdate_range("2020-01-01", periods=length)
    return pd.concat([pd.DataFrame({"unique_id": name, "ds": ds, "y": y}) for name, y in zip(names, parts, strict=True)], ignore_index=True)


def test_returns_are_changes_of_the_logarithm_since_the_last_price():
    frame = prices(40)
    lost = frame.drop(index=[0, 10, 11]).assign(y=lambda f: f["y"].mask(f.index == 1))  # at the start, and two days amid
    panel = Naive(**SHARED, freq="B", missing="carry")._read(lost)
    y = frame["y"].to_numpy()
    own = panel.target()[panel.rows(0)]
    assert panel.lengths.tolist() == [38, 39]
    assert np.isnan(own[[0, 8, 9]]).all() and np.isfinite(own).sum() == 35  # day 1 has no price, day 2 the first, 10 and 11 none
    assert own[10] == pytest.approx(100 * np.log(y[12] / y[9])) and own[1] == pytest.approx(100 * np.log(y[3] / y[2]), nan_ok=True)
    assert np.allclose(panel.target()[panel.rows(1)], 100 * np.diff(np.log(y[40:])))


def test_the_random_walk_says_zero_and_scores_the_size_of_returns():
    frame = prices()
    table = Naive(**SHARED).cross_validation(frame, n_windows=50, step_size=1, level=[80])
    assert (table["random walk"] == 0).all()
    truth = frame.groupby("unique_id")["y"].transform(lambda y: 100 * np.log(y).diff()).groupby(frame["unique_id"]).tail(50)
    assert score(table, "random walk").mae == pytest.approx(truth.abs().mean())
    assert 0.6 < score(table, "random walk").intervals[80].coverage < 0.95


def test_forecasts_do_not_depend_on_the_unit_of_prices_and_the_file_remembers(tmp_path):
    frame = prices()
    one = Forecaster("gru", window=5, hidden_size=3, max_epochs=1, random_state=0, **SHARED).fit(frame)
    cents = Forecaster("gru", window=5, hidden_size=3, max_epochs=1, random_state=0, **SHARED).fit(frame.assign(y=1024 * frame["y"]))
    said = one.predict()["gru"]
    assert np.allclose(said, cents.predict()["gru"], atol=1e-4) and np.array_equal(said, one.predict(frame)["gru"])
    one.save(tmp_path / "m.safetensors")
    assert np.array_equal(said, Forecaster.load(tmp_path / "m.safetensors").predict(frame)["gru"])


WRONG = {
    "no price": (lambda f: f.assign(y=f["y"].where(f.index != 7, 0.0)), {}, "prices of more than 0, but it is 0 at 2020-01-10"),
    "one row": (lambda f: f[:301], {}, "Series 'b' has 1 row, and a return needs 2"),
    "two transforms": (lambda f: f, {"target_transform": "log"}, "returns=True has its own transform"),
    "all missing": (lambda f: f.assign(y=np.nan), {"missing": "carry"}, "no value of 'y'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_has_no_returns_is_answered(case):
    change, more, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        Linear(window=5, **SHARED, **more).fit(change(prices()))


def test_a_series_of_one_price_is_left_out_where_short_ones_are():
    one = Linear(window=5, short_series="drop", **SHARED).fit(prices()[:301])
    assert one.left_out_ == ("b",) and one.predict()["unique_id"].tolist() == ["a"]
    assert one.predict(prices()[:301])["unique_id"].tolist() == ["a"]


def test_the_command_says_that_nothing_beats_the_random_walk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prices().to_csv("prices.csv", index=False)
    flags = ["--returns", "--horizon", "1", "--window", "5", "--cell", "rnn", "--hidden-size", "2", "--max-epochs", "2"]
    done = CliRunner().invoke(app, ["fit", "forecast", "prices.csv", *flags])
    assert done.exit_code == 0, done.stderr
    assert "return of y" in done.stdout and "Nothing here beats the random walk" in done.stdout and "seasonal" not in done.stdout
    found = json.loads(CliRunner().invoke(app, ["evaluate", "prices-forecast.safetensors", "prices.csv", "--json"]).stdout)
    assert found["unit"] == "%" and "random walk" in found["scores"]


def test_the_command_says_what_beats_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = prices(400, "a")
    turns = frame.assign(y=np.exp(np.where(np.arange(400) % 2, 0.05, 0.0) + 0.001 * np.log(frame["y"])))  # up and down by turns
    turns.to_csv("prices.csv", index=False)
    flags = ["--returns", "--horizon", "1", "--window", "5", "--cell", "rnn", "--hidden-size", "2", "--max-epochs", "2"]
    done = CliRunner().invoke(app, ["fit", "forecast", "prices.csv", *flags])
    assert "linear beats random walk" in done.stdout and "Nothing here beats" not in done.stdout
