"""Irregular times and missing values: gaps told to the network, cells that read them themselves, and bad times."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
from typer.testing import CliRunner

from ostinato import affine, cell, sigmoid, tanh
from ostinato.cli.app import app
from ostinato.data import DataError
from ostinato.tasks import Forecaster, Linear, Naive, SequenceClassifier, SequenceRegressor, Transcriber
from ostinato.tasks.panel import since_seen
from ostinato.tasks.sequences import read_sequences

ABLE = {"hidden_size": 8, "max_epochs": 15, "random_state": 0, "learning_rate": 0.03, "missing": "carry"}
QUICK = {**ABLE, "max_epochs": 1, "hidden_size": 4}
READ_GAPS = {"gru": {"time_gaps": True}, "cfc": {}, "gru_d": {}, "phased_lstm": {}}


@cell(size={"gap": 1})
def fading(x, gap, /, h):
    """A cell of one's own that reads the time since the step before."""
    return sigmoid(affine("keep", gap)) * h + tanh(affine("new", x, h))


@cell(size={"doses": 2})
def dosed(x, doses, /, h):
    """A cell with an input that no estimator has."""
    return tanh(affine("new", x, doses, h))


def visits(count=60, seed=0, holes=0.3):
    """Patients who come often or seldom, hours since admission, two readings of noise with holes."""
    random = np.random.default_rng(seed)
    parts = []
    for k in range(count):
        length = random.integers(3, 9)
        often = k % 2
        hours = np.cumsum(random.uniform(0.5, 1.5, length) * (1 if often else 4))
        readings = np.where(random.random((length, 2)) < holes, np.nan, random.normal(size=(length, 2)))
        parts.append(
            pd.DataFrame({"unique_id": k, "ds": hours, "a": readings[:, 0], "b": readings[:, 1], "label": ["seldom", "often"][often]})
        )
    return pd.concat(parts, ignore_index=True)


def as_dates(frame):
    return frame.assign(ds=pd.Timestamp("2020-01-01") + pd.to_timedelta(frame["ds"], unit="h"))


def test_the_time_since_a_column_was_seen_is_what_a_loop_says():
    random = np.random.default_rng(1)
    lengths = np.array([1, 7, 4])
    starts, missing = np.cumsum(lengths) - lengths, random.random((12, 3)) < 0.6
    times = np.concatenate([np.cumsum(random.uniform(0.1, 3, n)) for n in lengths])
    expected = np.zeros((12, 3))
    for start, length in zip(starts, lengths, strict=True):
        for column in range(3):
            last = times[start]
            for row in range(start, start + length):
                expected[row, column] = times[row] - last
                last = last if missing[row, column] else times[row]
    assert np.array_equal(since_seen(times, missing, starts), expected) and expected.any()


def test_gaps_that_tell_the_class_are_learned_only_where_they_are_read():
    learn, test = visits(), visits(seed=1)
    blind = SequenceClassifier("gru", **ABLE).fit(learn, "label").score(test, "label")
    for name, more in (("gru", READ_GAPS["gru"]), ("cfc", {}), ("gru_d", {})):
        assert SequenceClassifier(name, **ABLE, **more).fit(learn, "label").score(test, "label") > 0.9 > 0.7 > blind


@pytest.mark.parametrize("name", [*READ_GAPS, "own"])
def test_answers_are_the_same_alone_in_any_order_of_rows_as_dates_and_from_a_file(name, tmp_path):
    frame = visits(20)
    one = SequenceClassifier(fading if name == "own" else name, **QUICK, **READ_GAPS.get(name, {})).fit(frame, "label")
    said = one.predict_proba(frame)
    alone = [one.predict_proba(frame[frame["unique_id"] == k])[0] for k in range(20)]
    assert np.array_equal(said, np.stack(alone))
    mixed = frame.sample(frac=1, random_state=0)
    assert np.array_equal(said[mixed["unique_id"].unique()], one.predict_proba(mixed))
    assert np.array_equal(said, one.predict_proba(pl.DataFrame({c: frame[c].tolist() for c in frame})))
    one.save(tmp_path / "m.safetensors")
    assert np.array_equal(said, SequenceClassifier.load(tmp_path / "m.safetensors").predict_proba(frame))
    # Another unit of time changes nothing: lengths are told in those of the data learned from. Dates hold microseconds.
    dated = SequenceClassifier(one.cell, **QUICK, **READ_GAPS.get(name, {})).fit(as_dates(frame), "label")
    assert np.allclose(said, dated.predict_proba(as_dates(frame)), atol=1e-5)


def test_a_zone_changes_no_length():
    frame = as_dates(visits(10))
    there = frame.assign(ds=frame["ds"].dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo"))
    assert np.array_equal(
        read_sequences(frame, targets=["label"], missing="carry").times, read_sequences(there, targets=["label"], missing="carry").times
    )


def test_per_step_answers_and_arrays_with_holes_read_gaps():
    frame = visits(20).assign(y=lambda f: f["ds"])
    one = SequenceRegressor("gru_d", per_step=True, **QUICK).fit(frame.drop(columns="label"), "y")
    assert one.predict(frame).shape == (len(frame),)
    X = np.random.default_rng(0).normal(size=(12, 5, 2))
    X[::2, 1] = np.nan
    one = SequenceClassifier("gru", time_gaps=True, **QUICK).fit(X, np.arange(12) % 2)
    assert one.input_size_ == 2 + 2 + 3 and one.predict(X).shape == (12,)


TIMES = {
    "texts": (lambda f: f.assign(ds=f["ds"].map("{:06.2f}".format)), "times of X are no dates or numbers"),
    "infinite": (lambda f: f.assign(ds=f["ds"].replace(f["ds"].iloc[3], np.inf)), "holds inf in data row 4, which is no time"),
    "absent": (lambda f: f.assign(ds=f["ds"].mask(f.index == 3)), "Column 'ds' is empty in data row 4"),
    "twice": (lambda f: pd.concat([f, f[:1]]), "Sequence 0 has two rows for ds"),
    "no times": (lambda f: f.drop(columns="ds").fillna(0), "time_gaps=True finds no gaps"),
    "an empty column": (lambda f: f.assign(a=np.nan), "X has no value of 'a' in any sequence to learn from"),
}


@pytest.mark.parametrize("case", TIMES)
def test_bad_times_are_answered(case):
    change, message = TIMES[case]
    one = SequenceClassifier("gru", time_gaps=True, **QUICK)
    with pytest.raises(DataError, match=message):
        one.fit(change(visits(10)), "label")
    assert not hasattr(one, "networks_")


def test_later_times_are_told_as_the_first_were():
    frame = visits(10)
    one = SequenceClassifier("gru_d", **QUICK).fit(frame, "label")
    with pytest.raises(DataError, match="by dates, but by numbers"):
        one.predict(as_dates(frame))
    with pytest.raises(DataError, match="by steps, but by numbers"):
        one.predict(frame.drop(columns="ds"))
    with pytest.raises(DataError, match="too far from what was learned from"):
        one.predict(frame.assign(ds=frame["ds"] * 1e14))
    assert one.predict(frame[:1]).shape == (1,)  # a sequence of one row has no gap


CELLS = {
    "unknown input": (lambda: SequenceClassifier(dosed), "'dosed' reads the inputs x, doses"),
    "two layers": (lambda: SequenceClassifier("gru_d", num_layers=2), "num_layers=1"),
    "two directions": (lambda: SequenceClassifier("cfc", bidirectional=True), "bidirectional=False"),
    "transcriber": (lambda: Transcriber("gru_d"), "an estimator has one"),
}


@pytest.mark.parametrize("case", CELLS)
def test_cells_that_cannot_be_fed_are_answered(case):
    make, message = CELLS[case]
    with pytest.raises(ValueError, match=message):
        make().fit(visits(10), "label")


def test_texts_have_no_gaps():
    with pytest.raises(ValueError, match="'gru_d' reads mask, gap beside the sequence, tokens give nothing"):
        SequenceClassifier("gru_d", max_epochs=1).fit(["a good day", "a bad day"] * 8, ["g", "b"] * 8)


def test_the_command_reads_hours_and_gaps(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    visits(40).rename(columns={"unique_id": "patient", "ds": "hours"}).to_csv("visits.csv", index=False)
    flags = ["--id-column", "patient", "--time-column", "hours", "--missing", "carry", "--hidden-size", "3", "--max-epochs", "1"]
    done = CliRunner().invoke(app, ["fit", "classify", "visits.csv", *flags, "--cell", "gru", "--cell", "gru_d", "--time-gaps", "--json"])
    assert done.exit_code == 0, done.stderr
    assert {"gru", "gru_d", "linear"} <= set(json.loads(done.stdout)["scores"])
    again = CliRunner().invoke(app, ["predict", "visits-classify.safetensors", "visits.csv"])
    assert again.exit_code == 0 and len(again.stdout.splitlines()) == 41


# ---------------------------------------------------------------- on a grid


@pytest.mark.parametrize("more", [{}, {"freq": "h"}])
def test_a_forecaster_says_how_irregular_times_come_on_a_grid(more):
    frame = holed(60).fillna(0)
    frame["ds"] += pd.to_timedelta(np.arange(60) % 7 * 60 + np.arange(60) % 5, unit="min")
    with pytest.raises(DataError, match="round or resample its times to a regular step first"):
        Naive(3, missing="carry", **more).fit(frame)
    assert len(Naive(3, missing="carry", freq="h").fit(frame.assign(ds=frame["ds"].dt.round("h"))).predict()) == 3


def holed(length=160, seed=0):
    """A wave with holes, one of them longer than a window."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"unique_id": "a", "ds": pd.date_range("2020-01-01", periods=length), "y": np.sin(np.arange(length) / 3)})
    frame["x"] = random.normal(size=length)
    lost = random.random((length, 2)) < 0.3
    lost[-70:-3, 1] = True
    frame[["y", "x"]] = frame[["y", "x"]].mask(lost)
    return frame


@pytest.mark.parametrize(
    "one", [Linear(3, 5), Linear(3, 25), Forecaster("gru", horizon=3, window=5, hidden_size=4, max_epochs=1, random_state=0)]
)
def test_forecasters_read_how_long_ago_values_were_seen_and_go_on_alike(one, tmp_path):
    frame = holed()
    one = one.set_params(missing="carry", time_gaps=True).fit(frame)
    assert one.gaps_
    said = one.predict()[one.column].to_numpy()
    assert np.array_equal(said, one.predict(frame)[one.column])
    longer = pd.concat([frame, frame[-3:].assign(ds=frame["ds"][-3:] + pd.Timedelta(days=3), y=0.0)])
    assert np.allclose(said, one.backtest(longer)[one.column], rtol=1e-6)
    if isinstance(one, Forecaster):
        assert one.input_size_ == 2 * 3 + 2 * len(one.climate_.cycles)
        one.save(tmp_path / "m.safetensors")
        assert np.array_equal(said, Forecaster.load(tmp_path / "m.safetensors").predict(frame)["gru"])
        assert not one.fit(frame.fillna(0)).gaps_
