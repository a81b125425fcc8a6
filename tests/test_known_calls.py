"""A call like an earlier one is not checked again: what it gives, and what it refuses, must be what the first one does."""

import pytest
import torch
from torch.nn.utils.rnn import pack_sequence

import ostinato
from ostinato import nn

LAYERS = {
    "RNN": lambda: nn.RNN(3, 4, 2),
    "LSTM": lambda: nn.LSTM(3, 4, bidirectional=True),
    "GRU": lambda: nn.GRU(3, 4, batch_first=True),
    "Recurrent": lambda: nn.Recurrent("mgu", 3, 4, zoneout=0.5),
    "LSTMCell": lambda: nn.LSTMCell(3, 4),
    "GRUCell": lambda: nn.GRUCell(3, 4),
}
each = pytest.mark.parametrize("name", LAYERS)


def made(name):
    """A layer that has been called once, its input, and states that go with it."""
    torch.manual_seed(0)
    layer, cell = LAYERS[name]().eval(), name.endswith("Cell")
    x = torch.randn(*(() if cell else (5,)), 5, 3)
    out = layer(x)
    states = out if cell else out[1]
    return layer, x, tuple(s.detach() for s in states) if isinstance(states, tuple) else states.detach()


def flat(out):
    return [out] if isinstance(out, torch.Tensor) else [t for part in out for t in flat(part)]


@each
def test_the_same_bits_by_the_short_way(name, monkeypatch):
    """With and without states, with gradients; in a layer's first call and in the next, which checks nothing."""
    layer, x, states = made(name)
    results = []
    for way in ("first", "short"):
        for hx in (None, states):
            if way == "first":
                layer._cache.known.clear()
            out = flat(layer(x, hx))
            results.append([*out, *torch.autograd.grad(sum(t.square().sum() for t in out), list(layer.parameters()))])
        layer(x)
        for long in ("layers.run", "recurrent.run", "onestep.single"):
            monkeypatch.setattr(f"ostinato.nn.{long}", None)
    for k in (0, 1):
        assert all(torch.equal(a, b) for a, b in zip(results[k], results[k + 2], strict=True))


@each
def test_what_is_refused_at_first_is_refused_later(name):
    """After good calls with and without states."""
    layer, x, states = made(name)
    layer(x, states)
    one = states[0] if isinstance(states, tuple) else states
    bad = {
        "type": (x.double(), None),
        "width": (x[..., :2], None),
        "dimensions": (x[None, None], None),
        "state's type": (x, tuple(s.double() for s in states) if isinstance(states, tuple) else states.double()),
        "state's batch": (x, tuple(s[..., :2, :] for s in states) if isinstance(states, tuple) else states[..., :2, :]),
        "too many states": (x, (one, one, one)),
        "something else": (x, "h"),
        "no tensor": ("x", None),
    }
    if isinstance(states, tuple):
        bad["too few states"] = (x, one)
    for what, arguments in bad.items():
        with pytest.raises((ValueError, TypeError, RuntimeError, AttributeError), match=r"."):
            layer(*arguments)
            raise AssertionError(what)  # is none of these


def test_two_inputs_are_not_one_input_and_a_state():
    @ostinato.cell
    def summed(x, u, /, h):
        """Two inputs."""
        return ostinato.tanh(x + u + h)

    layer, x = nn.Recurrent(summed, 4, 4), torch.randn(1, 2, 4)
    layer((x, x))
    with pytest.raises(TypeError, match="also takes the input"):
        layer(x, x)


def test_what_is_set_later_counts():
    """Dropout between layers, training, the order of dimensions, packed sequences, transforms."""
    x = torch.randn(6, 6, 3)
    layer = nn.LSTM(3, 4, 2)
    plain = layer(x)[0]
    layer.dropout = 0.9
    assert not torch.equal(layer(x)[0], plain)
    assert torch.equal(layer.eval()(x)[0], plain)
    layer.batch_first = True
    assert torch.equal(layer(x.transpose(0, 1))[0].transpose(0, 1), plain)
    assert layer(pack_sequence([x[0], x[1]]))[0].data.shape == (12, 4)

    layer = nn.Recurrent("mgu", 3, 4, zoneout=0.9)
    assert not torch.equal(layer(x)[0], layer(x)[0])
    assert torch.equal(layer.eval()(x)[0], layer(x)[0])
    torch.testing.assert_close(torch.func.vmap(lambda t: layer(t)[0])(x[None])[0], layer(x)[0])


def test_a_tensor_that_has_outlived_its_transform():
    layer, kept = nn.GRU(3, 4), []
    torch.func.grad(lambda t: kept.append(t) or t.sum())(torch.randn(5, 2, 3))
    out = layer(kept[0])[0]
    assert out.shape == (5, 2, 4) and out.requires_grad


def test_single_steps_can_be_differentiated_twice():
    for name in ("LSTMCell", "GRUCell"):
        layer = LAYERS[name]().double()
        x, h = torch.randn(2, 3, dtype=torch.float64, requires_grad=True), torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
        pair = name == "LSTMCell"
        assert torch.autograd.gradgradcheck(lambda x, h, layer=layer, pair=pair: layer(x, (h, h * 2) if pair else h), (x, h))
