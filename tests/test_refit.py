"""`Forecaster(refit=True)`: what validation chose and measured, then learned anew from everything."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ostinato.tasks import Forecaster

SETTINGS = {
    "horizon": 2,
    "window": 4,
    "hidden_size": 3,
    "max_epochs": 6,
    "patience": 2,
    "learning_rate": 0.05,
    "ensemble": 2,
    "random_state": 1,
}


@pytest.fixture(scope="module")
def frame():
    days = np.arange(90.0)
    y = np.sin(days) + np.random.default_rng(0).normal(size=90)
    return pd.DataFrame({"unique_id": "a", "ds": pd.date_range("2020-01-01", periods=90, freq="D"), "y": y})


def said(forecaster):
    return forecaster.predict()[forecaster.column].to_numpy()


def test_everything_is_learned_from_for_the_best_number_of_epochs(frame):
    first, again = Forecaster("gru", **SETTINGS).fit(frame), Forecaster("gru", refit=True, **SETTINGS).fit(frame)
    epochs = [record["best_epoch"] for record in first.training_]
    assert [record["best_epoch"] for record in again.training_] == epochs and again.validation_loss_ == first.validation_loss_
    alone = {**SETTINGS, "validation_fraction": 0.0, "ensemble": 1}
    whole = [Forecaster("gru", **{**alone, "max_epochs": best, "random_state": 1 + k}).fit(frame) for k, best in enumerate(epochs)]
    for network, other in zip(again.networks_, whole, strict=True):
        assert all((a == b).all() for a, b in zip(network.parameters(), other.networks_[0].parameters(), strict=True))
    assert not np.array_equal(said(again), said(first))
    for name, array in first.intervals_.tensors().items():
        assert np.array_equal(array, again.intervals_.tensors()[name])


def test_without_validation_there_is_nothing_to_do_again(frame):
    settings = {**SETTINGS, "validation_fraction": 0.0}
    again = Forecaster("rnn", refit=True, **settings)
    assert np.array_equal(said(again.fit(frame)), said(Forecaster("rnn", **settings).fit(frame))) and again.trainings == 2


def test_the_fits_trainings_are_counted(frame):
    told = []
    Forecaster("rnn", refit=True, on_epoch=lambda epoch: told.append((epoch.network, epoch.networks)), **SETTINGS).fit(frame)
    assert sorted(set(told)) == [(1, 4), (2, 4), (3, 4), (4, 4)] and told == sorted(told)


def test_an_interrupt_while_it_learns_anew_costs_no_more_than_that(frame, tmp_path):
    path, whole = tmp_path / "training", Forecaster("gru", refit=True, **SETTINGS).fit(frame)

    def stop(epoch):
        if epoch.network > 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Forecaster("gru", refit=True, checkpoint=path, on_epoch=stop, **SETTINGS).fit(frame)
    assert path.exists()
    told = []
    again = Forecaster("gru", refit=True, checkpoint=path, on_epoch=told.append, **SETTINGS).fit(frame)
    assert {epoch.network for epoch in told} == {3, 4} and not path.exists()
    assert np.array_equal(said(again), said(whole))
