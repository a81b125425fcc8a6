"""Forecasters that learn on, and their states as features."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from ostinato.data import DataError
from ostinato.tasks import Forecaster

SMALL = {"horizon": 3, "window": 5, "hidden_size": 4, "random_state": 0, "batch_size": 16}


def series(length=120, name="a", seed=0):
    generator = np.random.default_rng(seed)
    y = np.convolve(generator.normal(size=length + 4), np.ones(5), "valid")
    return pd.DataFrame({"unique_id": name, "ds": pd.date_range("2020-01-01", periods=length), "y": 10 + y})


def weights(one):
    return [p.clone() for network in one.networks_ for p in network.parameters()]


def test_partial_fit_learns_one_epoch_a_call():
    frame = series()
    one = Forecaster("gru", **SMALL)
    losses = [one.partial_fit(frame).training_[0]["train_loss"][-1] for _ in range(12)]
    assert one.training_[0]["epochs"] == 12 and losses[-1] < 0.9 * losses[0]
    with pytest.raises(DataError, match="no errors to measure intervals"):
        one.predict(level=80)


def test_the_optimiser_goes_on():
    """Two calls are two epochs of one training, which is not two trainings of one epoch."""
    frame = series()
    twice = Forecaster("gru", **SMALL).partial_fit(frame).partial_fit(frame)
    whole = Forecaster("gru", **SMALL, max_epochs=2, validation_fraction=0).fit(frame)
    assert all(torch.equal(a, b) for a, b in zip(weights(twice), weights(whole), strict=True))


def test_what_is_usual_stays_and_forecasts_go_on_from_the_new_end():
    early, late = series().iloc[:90], series().iloc[60:]
    one = Forecaster("rnn", **SMALL, max_epochs=2).fit(early)
    usual, errors = one.climate_, one.intervals_
    one.partial_fit(late)
    assert one.climate_ is usual and one.intervals_ is errors
    assert one.predict(1, level=80)["ds"].iloc[0] == late["ds"].iloc[-1] + pd.Timedelta(days=1)
    one.partial_fit(series(80, "new", 3))
    assert one.predict(1)["unique_id"].tolist() == ["new"]


def test_a_failure_changes_nothing():
    one = Forecaster("rnn", **SMALL).partial_fit(series())
    before, said = weights(one), one.predict()
    with pytest.raises(DataError, match="has 6 steps to learn from"):
        one.partial_fit(series(6))
    assert all(torch.equal(a, b) for a, b in zip(before, weights(one), strict=True)) and one.predict().equals(said)


def test_a_fit_begins_anew():
    frame = series()
    learned = Forecaster("rnn", **SMALL, max_epochs=2).partial_fit(frame).fit(frame)
    fresh = Forecaster("rnn", **SMALL, max_epochs=2).fit(frame)
    assert all(torch.equal(a, b) for a, b in zip(weights(learned), weights(fresh), strict=True))
    assert not hasattr(learned, "learners_")


def test_states_are_features():
    frame = pd.concat([series(), series(60, "b", 1)])
    one = Forecaster("gru", **SMALL, max_epochs=1, ensemble=2).fit(frame)
    found = one.transform(frame)
    assert found.columns.tolist() == ["unique_id", "ds", *(f"state-{k}" for k in range(1, 9))]
    assert found["unique_id"].tolist() == ["a", "b"] and found["ds"].tolist() == [frame["ds"].max(), series(60)["ds"].max()]
    assert found.equals(one.transform())
    polars = pl.DataFrame({k: frame[k].to_list() for k in frame})
    assert isinstance(one.transform(polars), pl.DataFrame)
    alone = one.transform(frame[frame["unique_id"] == "b"])
    assert np.array_equal(alone.iloc[0, 2:].astype(float), found.iloc[1, 2:].astype(float))
