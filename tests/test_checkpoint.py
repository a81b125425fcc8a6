"""Checkpoints: a fit that was killed goes on to the same bits, or says why not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato import model_file
from ostinato.model_file import ModelFileError
from ostinato.tasks import Forecaster, SequenceClassifier, SequenceRegressor
from ostinato.tasks.checkpoint import TASK
from ostinato.tasks.estimator import RecurrentEstimator
from ostinato.tasks.network import SequenceNetwork
from ostinato.tasks.parameters import all_or_nothing, estimator
from ostinato.tasks.settings import OPTIMIZERS, SCHEDULES
from ostinato.tasks.training import Examples

ROOT = Path(__file__).parent.parent


class Waves(Examples):
    """Ragged sequences, and a number for each."""

    def __init__(self, count: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.lengths = random.integers(3, 9, count)
        self.x = [random.standard_normal((n, 2)).astype(np.float32) for n in self.lengths]
        self.y = np.array([[x.sum()] for x in self.x], np.float32)

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, rows):
        x = nn.utils.rnn.pad_sequence([torch.from_numpy(self.x[row]) for row in rows], batch_first=True)
        return {"x": x, "lengths": torch.from_numpy(self.lengths[rows])}, torch.from_numpy(self.y[rows])


@estimator(hidden_size=3, max_epochs=6, batch_size=8, random_state=1, learning_rate=0.02)
class Toy(RecurrentEstimator):
    """The least that an estimator is."""

    task = "toy"

    def build_network(self):
        return SequenceNetwork(self, nn.Identity(), 2, 1, "last")

    def _schema(self):
        return {}

    def _arrays(self):
        return {}

    def _restore(self, schema, arrays):
        pass

    def fit(self, train, valid=None):
        self._check()
        with all_or_nothing(self):
            self.input_size_ = 2
            self._learn_networks(nn.MSELoss, train, valid)
        return self


@ost.cell
def home_made(x, h):
    return h + 0.5 * ost.tanh(ost.affine("change", x, h))


@pytest.fixture(scope="module")
def data():
    return Waves(16, 1), Waves(5, 2)


class Killed(BaseException):
    pass


def kill_after(epochs: int):
    """An `on_epoch` that ends the fit as a kill would, when so many have been finished."""
    seen = []

    def on_epoch(epoch):
        seen.append(epoch)
        if len(seen) == epochs:
            raise Killed

    return on_epoch


def bits(one):
    """Everything that a fit gives, but the seconds."""
    weights = [{k: v.numpy().tobytes() for k, v in network.state_dict().items()} for network in one.networks_]
    return weights, [{k: v for k, v in record.items() if k != "seconds"} for record in one.training_], one.validation_loss_, one.seed_


def resumed(path, data, kill, **parameters):
    """A fit that is killed after `kill` finished epochs, and the one that goes on from there."""
    with pytest.raises(Killed):
        Toy(**parameters, checkpoint=path, on_epoch=kill_after(kill)).fit(*data)
    assert path.exists()
    told = []
    one = Toy(**parameters, checkpoint=path, on_epoch=told.append).fit(*data)
    assert not path.exists() and os.listdir(path.parent) == []
    return one, told


CASES = {
    **{name: {"optimizer": name} for name in OPTIMIZERS},
    **{name: {"schedule": name} for name in SCHEDULES},
    **{f"l2 under {name}": {"optimizer": name, "l2": 0.01} for name in ("AdamW", "SGD", "Adafactor")},
    "momentum": {"optimizer": "SGD", "momentum": 0.9, "schedule": "OneCycleLR"},
    "masks": {"dropout": 0.3, "recurrent_dropout": 0.3, "zoneout": 0.2, "num_layers": 2, "bidirectional": True},
    "penalties": {"l1": 0.01, "l2": 0.01, "clip_norm": None},
    "normalised": {"cell": "gru", "layer_norm": True, "residual": True, "num_layers": 2},
    "a cell of one's own": {"cell": home_made},
    "out of patience": {"patience": 1, "learning_rate": 0.5, "max_epochs": 30},
    "patience and a plateau": {"patience": 3, "schedule": "ReduceLROnPlateau", "learning_rate": 0.3, "max_epochs": 12},
}


NOT_VALIDATED = ("Adam", "ReduceLROnPlateau", "masks")


@pytest.mark.parametrize(("case", "validated"), [*((case, True) for case in CASES), *((case, False) for case in NOT_VALIDATED)])
def test_a_killed_fit_goes_on_to_the_same_bits(data, tmp_path, case, validated):
    train, valid = data if validated else (data[0], None)
    wanted = []
    straight = Toy(**CASES[case], on_epoch=wanted.append).fit(train, valid)
    one, told = resumed(tmp_path / "c", (train, valid), 2, **CASES[case])
    assert bits(one) == bits(straight)
    assert [replace(epoch, seconds=0) for epoch in told] == [replace(epoch, seconds=0) for epoch in wanted[2:]]


@pytest.mark.parametrize("kill", [1, 3, 4, 5, 6, 7, 9])
def test_an_ensemble_goes_on_wherever_it_was_killed(data, tmp_path, kill):
    parameters = {"ensemble": 3, "max_epochs": 3, "dropout": 0.2}
    one, told = resumed(tmp_path / "c", data, kill, **parameters)
    assert bits(one) == bits(Toy(**parameters).fit(*data)) and len(told) == 9 - kill


def test_a_fit_may_be_killed_many_times(data, tmp_path):
    for _ in range(5):
        with pytest.raises(Killed):
            Toy(checkpoint=tmp_path / "c", on_epoch=kill_after(1)).fit(*data)
    assert bits(Toy(checkpoint=tmp_path / "c").fit(*data)) == bits(Toy().fit(*data))


def test_early_stopping_is_not_forgotten(data, tmp_path):
    parameters = {"patience": 3, "learning_rate": 0.3, "max_epochs": 50}
    epochs = Toy(**parameters).fit(*data).training_[0]["epochs"]
    assert 3 < epochs < 50
    one, told = resumed(tmp_path / "c", data, epochs, **parameters)  # killed when nothing was left but to stop
    assert one.training_[0]["epochs"] == epochs and told == []


def test_a_seed_that_was_drawn_is_kept(data, tmp_path):
    path = tmp_path / "c"
    one, _ = resumed(path, data, 2, random_state=None)
    assert bits(one) == bits(Toy(random_state=one.seed_).fit(*data))


def test_a_fit_without_a_kill_is_the_same_with_and_without_a_checkpoint(data, tmp_path):
    assert bits(Toy(checkpoint=str(tmp_path / "c")).fit(*data)) == bits(Toy().fit(*data))


def sequences_and_labels():
    random = np.random.default_rng(0)
    x = [random.standard_normal((n, 2)) for n in random.integers(3, 9, 24)]
    return x, np.array(["rise", "fall"])[[int(one.sum() > 0) for one in x]]


def sequences_and_numbers():
    x, _ = sequences_and_labels()
    return x, np.array([one.sum() for one in x])


def series():
    ds = pd.date_range("2020-01-01", periods=80, freq="D")
    return (pd.DataFrame({"unique_id": "a", "ds": ds, "y": np.sin(np.arange(80.0))}),)


@pytest.mark.parametrize(
    ("kind", "data", "parameters"),
    [
        (SequenceClassifier, sequences_and_labels, {"class_weight": {"rise": 2.0, "fall": 1.0}, "dropout": 0.2}),
        (SequenceRegressor, sequences_and_numbers, {"ensemble": 2}),
        (Forecaster, series, {"horizon": 2, "window": 4}),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_every_estimator_goes_on(tmp_path, kind, data, parameters):
    parameters = {"hidden_size": 3, "max_epochs": 4, "random_state": 1, **parameters}
    path = tmp_path / "c"
    with pytest.raises(Killed):
        kind(**parameters, checkpoint=path, on_epoch=kill_after(2)).fit(*data())
    assert path.exists()
    one, straight = kind(**parameters, checkpoint=path).fit(*data()), kind(**parameters).fit(*data())
    assert bits(one) == bits(straight) and not path.exists()
    one.save(tmp_path / "one"), straight.save(tmp_path / "straight")
    ours, theirs = (model_file.load(tmp_path / name) for name in ("one", "straight"))
    assert ours.settings == theirs.settings and ours.schema == theirs.schema
    assert all((ours.tensors[name] == array).all() for name, array in theirs.tensors.items())


# ---------------------------------------------------------------- a real kill

# It forks, with one thread: importing torch for every kill would take a minute.
WORKER = """
import os, sys, time
sys.path[:0] = [{tests!r}]
import torch
torch.set_num_threads(1)
from test_checkpoint import Toy, Waves, bits
from ostinato import model_file

def slow(do):
    def slowly(*args):
        time.sleep(0.01)
        do(*args)
        time.sleep(0.01)
    return slowly

def fit():
    model_file.sync, model_file.put_in_place = slow(model_file.sync), slow(model_file.put_in_place)
    return Toy(ensemble=2, dropout=0.2, checkpoint={path!r}).fit(Waves(16, 1), Waves(5, 2))

Toy(max_epochs=1).fit(Waves(16, 1))  # torch loads much at the first step
for moment in {moments!r}:
    child = os.fork()
    if not child:
        fit()
        os._exit(0)
    while not os.path.exists({path!r}) and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(0.002)
    time.sleep(moment)
    os.kill(child, 9)
    if os.waitpid(child, 0)[1] == 9:  # else it was finished before
        print(sum(len(v) for k, v in model_file.load({path!r}).tensors.items() if k.endswith("history.dur")))
print(repr(bits(fit())))
"""


def test_killed_at_any_moment_even_while_writing_it_goes_on_to_the_same_bits(data, tmp_path):
    moments = np.random.default_rng(0).uniform(0.02, 0.15, 6).tolist()
    code = WORKER.format(tests=str(ROOT / "tests"), path=str(tmp_path / "c"), moments=moments)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    *epochs, last = done.stdout.splitlines()  # the file was whole after each kill
    assert len(epochs) >= 2 and [int(n) for n in epochs] == sorted(int(n) for n in epochs)
    assert last == repr(bits(Toy(ensemble=2, dropout=0.2).fit(*data)))
    assert len(os.listdir(tmp_path)) <= len(epochs)  # a kill while writing leaves its temporary file, and no more


# ---------------------------------------------------------------- what is refused


@pytest.fixture
def left(data, tmp_path):
    """A checkpoint that a killed fit left."""
    with pytest.raises(Killed):
        Toy(checkpoint=tmp_path / "c", on_epoch=kill_after(2)).fit(*data)
    return tmp_path / "c"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"learning_rate": 0.1}, "learning_rate=0.02; this one has learning_rate=0.1"),
        ({"max_epochs": 7}, "max_epochs=6"),
        ({"random_state": 2}, "random_state=1"),
        ({"random_state": None}, "random_state=1; this one has random_state=None"),
        ({"cell": "gru"}, "other equations"),
        ({"cell": home_made}, "other equations"),
    ],
)
def test_a_checkpoint_of_other_parameters_is_refused_by_name(data, left, parameters, message):
    before = left.read_bytes()
    one = Toy(checkpoint=left, **parameters)
    with pytest.raises(ModelFileError, match=re.escape(message)):
        one.fit(*data)
    assert left.read_bytes() == before and not hasattr(one, "networks_")


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ((Waves(16, 3), Waves(5, 2)), "other data;"),
        ((Waves(16, 1), Waves(5, 3)), "other data for validation"),
        ((Waves(16, 1), None), "other data for validation"),
    ],
)
def test_a_checkpoint_of_other_data_is_refused(left, sets, message):
    with pytest.raises(ModelFileError, match=message):
        Toy(checkpoint=left).fit(*sets)


def rewrite(path, change):
    model_file.save(change(model_file.load(path)), path, overwrite=True)


def without(mapping, key):
    return {k: v for k, v in mapping.items() if k != key}


def with_facts(model, **changes):
    facts = {**model.training["networks"][0], **changes}
    return replace(model, training={**model.training, "networks": [facts]})


def with_array(model, key, array):
    return replace(model, tensors={**model.tensors, key: array})


FORGERIES = {
    "another task": (lambda m: replace(m, task="forecast"), "not a checkpoint"),
    "another torch": (lambda m: replace(m, schema={**m.schema, "versions": {"torch": "1.0"}}), "whose numbers may differ"),
    "no networks": (lambda m: replace(m, training={"seed": 1}), "no usable checkpoint"),
    "a seed of text": (lambda m: replace(m, training={**m.training, "seed": "x"}), "no usable checkpoint"),
    "a lost weight": (lambda m: replace(m, tensors=without(m.tensors, "0.network.head.bias")), "head.bias"),
    "a lost best weight": (lambda m: replace(m, tensors=without(m.tensors, "0.best.head.bias")), "head.bias"),
    "a weight of another shape": (lambda m: with_array(m, "0.network.head.bias", np.zeros(2, np.float32)), "head.bias"),
    "no random numbers": (lambda m: replace(m, tensors=without(m.tensors, "0.random.cpu")), "no usable checkpoint"),
    "random numbers cut off": (lambda m: with_array(m, "0.random.cpu", m.tensors["0.random.cpu"][:9]), "no usable checkpoint"),
    "random numbers of another type": (lambda m: with_array(m, "0.random.cpu", np.zeros(5056)), "no usable checkpoint"),
    "moments of another shape": (lambda m: with_array(m, "0.optimizer.0.exp_avg", np.zeros((7, 7), np.float32)), "exp_avg"),
    "moments of no weight": (lambda m: with_array(m, "0.optimizer.99.exp_avg", np.zeros(1, np.float32)), "no usable checkpoint"),
    "no groups": (lambda m: with_facts(m, optimizer={"state": {}, "groups": []}), "no usable checkpoint"),
    "a group of another kind": (
        lambda m: with_facts(m, optimizer={"state": {}, "groups": [{"lr": "fast"}]}),
        "no usable checkpoint",
    ),
    "too long a history": (
        lambda m: replace(m, tensors={k: np.ones(99) if ".history." in k else v for k, v in m.tensors.items()}),
        "epochs",
    ),
    "an uneven history": (lambda m: with_array(m, "0.history.dur", np.ones(3)), "no usable checkpoint"),
    "a network that has not begun": (lambda m: with_array(m, "7.history.dur", np.ones(3)), "no usable checkpoint"),
}


@pytest.mark.parametrize("case", FORGERIES)
def test_a_forged_checkpoint_is_refused(data, left, case):
    forge, message = FORGERIES[case]
    rewrite(left, forge)
    with pytest.raises(ModelFileError, match=message):
        Toy(checkpoint=left).fit(*data)


@pytest.mark.parametrize("content", [b"", b"precious", b"\0" * 100])
def test_another_file_is_neither_read_nor_overwritten(data, tmp_path, content):
    (tmp_path / "c").write_bytes(content)
    with pytest.raises(ModelFileError, match="no model file"):
        Toy(checkpoint=tmp_path / "c").fit(*data)
    assert (tmp_path / "c").read_bytes() == content


def test_a_damaged_checkpoint_is_refused(data, left):
    content = bytearray(left.read_bytes())
    content[-20] ^= 1
    left.write_bytes(content)
    with pytest.raises(ModelFileError, match="damaged"):
        Toy(checkpoint=left).fit(*data)


@pytest.mark.parametrize(("name", "error"), [("no/such/folder", OSError), (7, ValueError)])
def test_a_place_that_cannot_be_written_is_found_before_the_work(data, tmp_path, name, error):
    told = []
    where = tmp_path / name if isinstance(name, str) else name
    with pytest.raises(error, match=str(name)):
        Toy(checkpoint=where, on_epoch=told.append).fit(*data)
    assert told == [] and os.listdir(tmp_path) == []


def test_a_full_disk_keeps_the_epochs_before(data, tmp_path, monkeypatch):
    path, real, writes = tmp_path / "c", model_file.sync, []

    def full(what):
        writes.append(what)
        if len(writes) > 5:  # two syncs an epoch
            raise OSError(28, "No space left on device")
        real(what)

    monkeypatch.setattr(model_file, "sync", full)
    with pytest.raises(OSError, match=re.escape(str(path))):
        Toy(checkpoint=path).fit(*data)
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["c"] and model_file.load(path).task == TASK
    assert bits(Toy(checkpoint=path).fit(*data)) == bits(Toy().fit(*data))


def test_each_fit_of_a_cross_validation_has_a_checkpoint_of_its_own(tmp_path):
    parameters = {"horizon": 2, "window": 4, "hidden_size": 3, "max_epochs": 2, "random_state": 1}
    frame, windows = series()[0], {"n_windows": 2, "refit": True}
    with pytest.raises(Killed):
        Forecaster(**parameters, checkpoint=tmp_path / "c", on_epoch=kill_after(3)).cross_validation(frame, **windows)
    assert os.listdir(tmp_path) == ["c.2"]
    told = []
    said = Forecaster(**parameters, checkpoint=tmp_path / "c", on_epoch=told.append).cross_validation(frame, **windows)
    assert len(told) == 3 and os.listdir(tmp_path) == []
    pd.testing.assert_frame_equal(said, Forecaster(**parameters).cross_validation(frame, **windows))
