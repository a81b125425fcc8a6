"""`ostinato.accelerate` and `restore`: the same objects, the same numbers, and a reason for what stays."""

from __future__ import annotations

import copy
import pickle

import pytest
import tolerances
import torch
from torch.nn import GRU, LSTM, RNN, GRUCell, LSTMCell, Module, ModuleDict, RNNCell, Sequential
from torch.nn.utils import parametrizations

import ostinato as ost
import ostinato.nn

X = torch.randn(6, 3, 5, generator=torch.Generator().manual_seed(0))


def model():
    """Every kind that can be swapped."""
    torch.manual_seed(0)
    layers = {
        "lstm": LSTM(5, 4, 2, bidirectional=True),
        "projected": LSTM(5, 4, proj_size=2),
        "gru": GRU(5, 4, bias=False),
        "tanh": RNN(5, 4),
        "relu": RNN(5, 4, nonlinearity="relu"),
    }
    return ModuleDict({**layers, "deeper": Sequential(LSTMCell(5, 4), GRUCell(5, 4), RNNCell(5, 4, nonlinearity="relu"))})


def outputs(one):
    """What every layer says, and every gradient."""
    one.zero_grad()
    said = [one[k](X)[0] for k in ("lstm", "projected", "gru", "tanh", "relu")]
    steps = [cell(X[0]) for cell in one["deeper"]]
    said += [s if isinstance(s, torch.Tensor) else s[1] for s in steps]
    sum((s * s).sum() for s in said).backward()
    return [s.detach() for s in said], [p.grad.clone() for p in one.parameters()]


def test_numbers_stay_and_objects_stay():
    one = model()
    params, modules, keys = list(one.parameters()), list(one.modules()), list(one.state_dict())
    kinds = [type(m) for m in modules]
    before = outputs(one)
    swaps = ost.accelerate(one)
    assert len(swaps.swapped) == 8 and not swaps.left
    assert all(a is b for a, b in zip(params, one.parameters(), strict=True)) and list(one.state_dict()) == keys
    assert all(a is b for a, b in zip(modules, one.modules(), strict=True))
    assert all(isinstance(m, kind) for m, kind in zip(modules, kinds, strict=True))
    assert sum(type(m).__module__.startswith("ostinato") for m in one.modules()) == 8
    for kind, now, then in zip(("values", "gradients"), outputs(one), before, strict=True):
        limit = {"values": tolerances.VALUES, "gradients": tolerances.GRADIENTS}[kind]["float32"]
        assert all(tolerances.distance(a, b) <= limit for a, b in zip(now, then, strict=True))
    assert ost.restore(one) == 8 and [type(m) for m in one.modules()] == kinds
    assert all(torch.equal(a, b) for a, b in zip(outputs(one)[0], before[0], strict=True))
    assert ost.restore(one) == 0 and not any("_stack" in vars(m) for m in one.modules())


def test_an_optimiser_and_hooks_go_on():
    one, seen = GRU(5, 4), []
    optimiser = torch.optim.SGD(one.parameters(), 0.1)
    one.register_forward_hook(lambda module, args, out: seen.append(type(module).__name__))
    ost.accelerate(one)
    weight = one.weight_hh_l0.detach().clone()
    one(X)[0].sum().backward()
    optimiser.step()
    assert seen == ["GRU"] and not torch.equal(weight, one.weight_hh_l0)
    fresh = GRU(5, 4)
    fresh.load_state_dict(one.state_dict())
    assert tolerances.distance(one(X)[0].detach(), fresh(X)[0].detach()) <= tolerances.VALUES["float32"]


@pytest.mark.parametrize("again", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))], ids=["deepcopy", "pickle"])
def test_copies_are_swapped_too(again):
    one = model()
    ost.accelerate(one)
    other = again(one)
    assert all(torch.equal(a, b) for a, b in zip(outputs(one)[0], outputs(other)[0], strict=True))
    assert ost.restore(other) == 8 and type(one["gru"]) is not GRU


class Own(LSTM):
    pass


def replaced():
    one = GRU(5, 4)
    one.forward = lambda x: x
    return one


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: GRU(5, 4).half(), "float16"),
        (lambda: Own(5, 4), "derived from LSTM"),
        (lambda: ostinato.nn.LSTM(5, 4), "already"),
        (lambda: ostinato.nn.GRUCell(5, 4), "already"),
        (replaced, "forward was replaced"),
        (lambda: RNNCell(5, 4, nonlinearity="sine"), "nonlinearity is unknown: sine"),
        (lambda: parametrizations.weight_norm(LSTM(5, 4), "weight_hh_l0"), "derived from LSTM"),
    ],
)
def test_what_stays_is_told(make, reason):
    one = torch.nn.Sequential(make())
    kind = type(one[0])
    (left,) = ost.accelerate(one).left
    assert left.name == "0" and reason in left.reason and type(one[0]) is kind
    assert reason in str(ost.accelerate(one)) and ost.restore(one) == 0


def test_what_is_no_model():
    with pytest.raises(TypeError, match=r"takes a torch\.nn\.Module, got int"):
        ost.accelerate(3)
    assert "no recurrent layer" in str(ost.accelerate(torch.nn.Linear(2, 2)))


def test_it_goes_on_under_compile():
    class Net(Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.head = LSTM(5, 4), torch.nn.Linear(4, 1)

        def forward(self, x):
            return self.head(self.lstm(x)[0])

    one = Net()
    said = one(X)
    ost.accelerate(one)
    assert torch.allclose(torch.compile(one, backend="eager")(X), said, atol=1e-5)
