"""Training: every optimiser and schedule, the penalties, the batches, and what stops it."""

from __future__ import annotations

import math
import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from test_checkpoint import Toy, Waves, bits
from torch import nn

from ostinato.data.errors import DataError
from ostinato.tasks.optimisers import Schedule
from ostinato.tasks.settings import OPTIMIZERS, SCHEDULES
from ostinato.tasks.training import POOL, Examples, Learner, batches_of

# Those whose step is not of the size of the learning rate.
RATES = {"Adadelta": 5.0, "SGD": 0.1, "ASGD": 0.1, "Adagrad": 0.1}


@pytest.fixture(scope="module")
def data():
    return Waves(24, 1), Waves(8, 2)


def learner(settings, number=1, seed=0, valid=None):
    settings.input_size_ = 2
    return Learner(settings.build_network, nn.MSELoss, settings, number, seed, valid)


def weights_of(one):
    return torch.cat([p.detach().flatten() for p in one.networks_[0].parameters()])


# ---------------------------------------------------------------- optimisers and schedules


@pytest.mark.parametrize("schedule", [None, *SCHEDULES])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimiser_learns_under_every_schedule(data, optimizer, schedule):
    one = Toy(optimizer=optimizer, schedule=schedule, learning_rate=RATES.get(optimizer, 0.02), max_epochs=8, momentum=0.0).fit(*data)
    losses = one.training_[0]["train_loss"]
    assert losses[-1] < losses[0] and len(losses) == 8


def rates(name, epochs, more=0, losses=None):
    """The learning rate in each epoch, and in `more` after the last."""
    settings = Toy(schedule=name, max_epochs=epochs, learning_rate=0.1, patience=3)
    schedule, history = Schedule(settings, validated=False), []
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    net = SimpleNamespace(optimizer_=optimizer, history=History())
    for epoch in range(epochs + more):
        schedule.on_train_begin(net)  # as each partial fit does
        history.append(optimizer.param_groups[0]["lr"])
        net.history.losses.append(1.0 if losses is None else losses[epoch])
        optimizer.step()
        schedule.on_epoch_end(net)
    return history


class History:
    def __init__(self):
        self.losses = []

    def __len__(self):
        return len(self.losses)

    def __getitem__(self, key):
        return self.losses[key[0]]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("CosineAnnealingLR", lambda t: 0.05 * (1 + math.cos(math.pi * t / 6))),
        ("ExponentialLR", lambda t: 0.1 * 0.01 ** (t / 6)),
        ("LinearLR", lambda t: 0.1 * (1 - 0.99 * t / 6)),
        ("StepLR", lambda t: 0.1 * 0.1 ** (t // 2)),
    ],
)
def test_a_schedule_is_stretched_over_max_epochs_and_then_stays(name, wanted):
    """Also when every epoch is a training of its own: skorch's callback begins anew each time."""
    assert rates(name, 6, more=3) == pytest.approx([wanted(min(t, 6)) for t in range(9)])


def test_one_cycle_rises_to_the_learning_rate_falls_and_goes_past_its_end():
    found = rates("OneCycleLR", 10, more=3)
    assert max(found) == pytest.approx(0.1, rel=0.05) and 0 < np.argmax(found) < 5
    assert found[0] == pytest.approx(0.1 / 25) and found[10] == found[11] == found[12] < 1e-5


@pytest.mark.parametrize("epochs", [1, 2, 3])
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_of_few_epochs(name, epochs):
    assert all(0 < rate <= 0.1 + 1e-12 for rate in rates(name, epochs))


def test_a_plateau_is_counted_over_partial_fits_and_beyond_max_epochs():
    found = rates("ReduceLROnPlateau", 4, more=4)
    assert found[:3] == [0.1] * 3 and found[-1] < 0.1
    assert rates("ReduceLROnPlateau", 8, losses=[1 / (t + 1) for t in range(8)]) == [0.1] * 8


def test_a_plateau_without_validation_watches_the_training_loss(data):
    one = learner(Toy(schedule="ReduceLROnPlateau"))
    one.learn(data[0], 3)
    assert one.schedule.scheduler.best in one.record["train_loss"]


def test_the_optimiser_keeps_its_state_over_partial_fits(data):
    together, apart = learner(Toy()), learner(Toy())
    together.learn(data[0], 4)
    for _ in range(4):
        apart.learn(data[0], 1)
    for ours, theirs in zip(together.network.parameters(), apart.network.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"optimizer": "LBFGS"}, "optimizer='LBFGS' is unknown; choose one of"),
        ({"optimizer": "adam"}, "Did you mean 'Adam'"),
        ({"schedule": "CyclicLR"}, "schedule='CyclicLR' is unknown"),
        ({"momentum": 0.9}, "momentum=0.9 is for SGD and RMSprop; Adam has none"),
        ({"optimizer": "Rprop", "l2": 0.1}, "l2 is not for Rprop"),
        ({"learning_rate": 0.0}, "learning_rate=0.0 must be a number greater than 0"),
        ({"learning_rate": math.nan}, "learning_rate=nan must be"),
        ({"clip_norm": 0}, "clip_norm=0 must be"),
        ({"device": "cuda:99"}, "device='cuda:99' cannot be used here"),
        ({"device": "abacus"}, "device='abacus' cannot be used here"),
    ],
)
def test_what_cannot_be_used_is_said_before_the_work(data, parameters, message):
    one = Toy(**parameters)
    with pytest.raises(ValueError, match=message):
        one.fit(*data)
    assert not hasattr(one, "networks_")


# ---------------------------------------------------------------- penalties, clipping, momentum


def one_step(data, **parameters):
    """The network's named weights before and after one step of SGD with the learning rate 1 on all the data."""
    one = learner(Toy(**{"optimizer": "SGD", "learning_rate": 1.0, "batch_size": 100, "clip_norm": None, **parameters}))
    before = {k: v.detach().clone() for k, v in one.network.named_parameters()}
    one.learn(data[0], 1)
    return before, {k: v.detach() for k, v in one.network.named_parameters()}


def change(data, **parameters):
    before, after = one_step(data, **parameters)
    return before, {k: after[k] - before[k] for k in before}


@pytest.mark.parametrize(("name", "penalty"), [("l2", lambda w: w), ("l1", torch.sign)])
def test_a_penalty_adds_its_gradient_to_that_of_weights_and_spares_biases(data, name, penalty):
    before, plain = change(data)
    _, shrunk = change(data, **{name: 0.01})
    for key, weight in before.items():
        wanted = -0.01 * penalty(weight) if weight.dim() > 1 else torch.zeros_like(weight)
        torch.testing.assert_close(shrunk[key] - plain[key], wanted, atol=1e-6, rtol=1e-4)
    assert any(w.dim() < 2 for w in before.values()) and any(w.dim() > 1 for w in before.values())


def test_adamw_decays_only_as_l2_says(data):
    parameters = {"optimizer": "AdamW", "learning_rate": 0.01}
    before, plain = change(data, **parameters)
    assert all(torch.equal(plain[k], v) for k, v in change(data, **{**parameters, "optimizer": "Adam"})[1].items())
    _, decayed = change(data, **parameters, l2=0.5)
    for key, weight in before.items():
        wanted = -0.01 * 0.5 * weight if weight.dim() > 1 else torch.zeros_like(weight)
        torch.testing.assert_close(decayed[key] - plain[key], wanted, atol=1e-6, rtol=1e-3)


def test_the_norm_of_a_step_is_clipped(data):
    def norm(clip):
        return math.sqrt(sum(float((v**2).sum()) for v in change(data, clip_norm=clip)[1].values()))

    free = norm(None)
    assert norm(free / 3) == pytest.approx(free / 3, rel=1e-3) and norm(free * 3) == pytest.approx(free, rel=1e-6)


def test_momentum_adds_the_step_before(data):
    first = change(data)[1]
    settings = {"optimizer": "SGD", "batch_size": 100, "clip_norm": None, "learning_rate": 1e-4}
    moved = {}
    for momentum in (0.0, 0.5):
        one = learner(Toy(**settings, momentum=momentum))
        before = {k: v.detach().clone() for k, v in one.network.named_parameters()}
        one.learn(data[0], 2)
        moved[momentum] = {k: (v.detach() - before[k]) / 1e-4 for k, v in one.network.named_parameters()}
    for key, step in first.items():  # two steps, so small that the gradient stays: 2 steps without, 2.5 with
        torch.testing.assert_close(moved[0.5][key] - moved[0.0][key], 0.5 * step, rtol=0.05, atol=0.02)


# ---------------------------------------------------------------- batches


class Lengths(Examples):
    """Nothing but lengths, told or not."""

    def __init__(self, lengths, told=True):
        self.count, self.lengths = len(lengths), lengths if told else None

    def __len__(self):
        return self.count

    def batch(self, rows):
        raise AssertionError("nobody asks for a batch")


def padding(lengths, size, shuffle, told=True):
    """The part of all steps that is padding."""
    batches = list(batches_of(Lengths(lengths, told), size, shuffle=shuffle))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))  # each once
    return 1 - lengths.sum() / sum(len(rows) * lengths[rows].max() for rows in batches)


@pytest.mark.parametrize(("size", "most"), [(8, 0.1), (64, 0.15)])
def test_little_is_padded(size, most):
    lengths = np.random.default_rng(0).geometric(0.02, 64 * POOL)  # 50 steps on average, 400 at most
    torch.manual_seed(0)
    assert padding(lengths, size, shuffle=True) < most and padding(lengths, size, shuffle=False) < most
    assert padding(lengths, size, shuffle=True, told=False) > 0.6


def test_ragged_batches_come_in_a_new_order_each_time_and_the_short_one_is_among_them():
    torch.manual_seed(0)
    lengths = np.arange(1, 108)
    found = [[rows.tolist() for rows in batches_of(Lengths(lengths), 10, shuffle=True)] for _ in range(20)]
    assert found[0] != found[1] and {len(rows) for rows in found[0]} == {10, 7}
    assert len({[len(rows) for rows in one].index(7) for one in found}) > 1


# ---------------------------------------------------------------- randomness and ends


def test_a_fit_moves_no_random_numbers_but_its_own(data):
    torch.manual_seed(3)
    np.random.seed(3)
    wanted = torch.rand(1), np.random.rand()
    torch.manual_seed(3)
    np.random.seed(3)
    one = Toy(dropout=0.2).fit(*data)
    assert (torch.rand(1), np.random.rand()) == wanted
    torch.manual_seed(4)
    assert bits(Toy(dropout=0.2).fit(*data)) == bits(one) != bits(Toy(dropout=0.2, random_state=2).fit(*data))


def test_a_fit_leaves_the_threads_as_they_were(data):
    before = torch.get_num_threads()
    Toy().fit(*data)
    assert torch.get_num_threads() == before


def test_a_network_of_an_ensemble_is_what_its_seed_gives_alone(data):
    together = Toy(ensemble=3, random_state=5).fit(*data)
    for number in range(3):
        alone = Toy(random_state=5 + number).fit(*data)
        assert bits(alone)[0] == [bits(together)[0][number]]


def test_the_best_weights_are_taken_back(data):
    one = Toy(learning_rate=0.3, max_epochs=30, patience=4).fit(*data)
    record = one.training_[0]
    assert record["epochs"] < 30 and record["epochs"] - record["best_epoch"] == 4
    said = one._outputs(data[1])
    assert float(((said - data[1].y) ** 2).mean()) == pytest.approx(min(record["valid_loss"]), rel=1e-5)


@pytest.mark.parametrize(
    ("parameters", "spoil", "message"),
    [
        ({"optimizer": "SGD", "learning_rate": 1e30, "clip_norm": None}, None, "loss is (nan|inf) after epoch [12]: the training diverged"),
        ({}, "train", "training loss is nan after epoch 1"),
        ({}, "valid", "validation loss is nan after epoch 1"),
    ],
)
def test_a_training_that_diverges_stops_and_leaves_nothing(parameters, spoil, message):
    train, valid = Waves(24, 1), Waves(8, 2)
    if spoil:
        {"train": train, "valid": valid}[spoil].y[3] = np.nan
    one = Toy(**parameters)
    with pytest.raises(DataError, match=message):
        one.fit(train, valid)
    assert not hasattr(one, "networks_")


def test_weights_that_the_last_step_made_infinite_are_no_model():
    with pytest.raises(DataError, match="A weight is no finite number after epoch 1"):
        Toy(optimizer="SGD", learning_rate=1e38, clip_norm=1e30, batch_size=100, max_epochs=1).fit(Waves(24, 1))


def test_an_interrupt_ends_a_fit_and_leaves_the_estimator_as_it_was(data):
    def interrupt(epoch):
        if epoch.number == 2:
            raise KeyboardInterrupt

    one = Toy().fit(*data)
    before = bits(one)
    one.set_params(on_epoch=interrupt, learning_rate=0.5)
    with pytest.raises(KeyboardInterrupt):
        one.fit(*data)
    assert bits(one) == before


def test_a_long_training_keeps_no_record_of_its_batches(data):
    one = learner(Toy(batch_size=1), valid=data[1])
    one.learn(data[0], 3)
    assert [row["batches"] for row in one.trainer.history.to_list()] == [[]] * 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_in_the_middle_changes_nothing(data):
    def fork(epoch):
        if not (child := os.fork()):
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0

    assert bits(Toy(on_epoch=fork).fit(*data)) == bits(Toy().fit(*data))
