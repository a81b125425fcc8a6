"""ostinato.nn's RNN, LSTM and GRU against torch.nn's: same weights, same values, same gradients."""

import math
from types import SimpleNamespace

import parity
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from parity import Config
from tolerances import GRADIENTS, TIMES_TORCH, VALUES, distance

import ostinato.nn

LAYOUTS = ["time first", "batch first", "unbatched", "strided", "packed", "packed unsorted"]


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(parity.configs())
def test_random_configurations(config):
    parity.check(ostinato.nn, config)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_with_everything_else(name, layout):
    """Two layers, two directions, initial states, in a size beyond one tile."""
    projection = 11 if name == "LSTM" else 0
    config = Config(name, (9, 21, 13, 37), 2, True, projection=projection, hx=True, layout=layout, dtype="float64", seed=5)
    parity.check(ostinato.nn, config)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("sizes", [(100, 32, 64, 128), (300, 16, 16, 32), (100, 1, 32, 64), (7, 3, 200, 257)])
def test_sizes_of_the_benchmarks(name, sizes):
    parity.check(ostinato.nn, Config(name, sizes, seed=1))


def test_on_the_whole_no_farther_than_twice_torchs_distance():
    """A single small tensor may be off by luck; the geometric mean over many may not."""
    ratios = {"values": [], "gradients": []}
    for name in ("RNN", "LSTM", "GRU"):
        for seed, sizes in enumerate([(10, 8, 16, 16), (30, 16, 32, 64), (50, 4, 8, 33), (20, 32, 64, 128)]):
            far = parity.check(ostinato.nn, Config(name, sizes, seed=seed))
            for kind, distances in zip(ratios, far, strict=True):
                ratios[kind] += [math.log(ours / torchs) for ours, torchs in distances.values()]
    for kind, logs in ratios.items():
        assert math.exp(sum(logs) / len(logs)) <= TIMES_TORCH, kind


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_a_layer_that_returns_a_constant_fails(name):
    """The test of the test: right shapes, gradients everywhere, and nothing computed."""
    theirs = getattr(torch.nn, name)

    class Constant(theirs):
        def forward(self, x, hx=None):
            output, ends = super().forward(x, hx)
            ends = ends if isinstance(ends, tuple) else (ends,)
            ends = tuple(e * 0 + 0.1 for e in ends)
            return output * 0 + 0.1, ends if len(ends) > 1 else ends[0]

    with pytest.raises(AssertionError, match="distance"):
        parity.check(SimpleNamespace(**{name: Constant}), Config(name))


@pytest.mark.parametrize("fault", ["gradient", "state", "direction"])
def test_a_layer_with_one_fault_fails(fault):
    """A lost weight gradient, a final state of the wrong step, a second direction run forwards."""

    class Faulty(ostinato.nn.GRU):
        def forward(self, x, hx=None):
            if fault == "gradient":
                self.weight_hh_l0.data, kept = self.weight_hh_l0.data, self.weight_hh_l0
                self._parameters["weight_hh_l0"] = kept.detach() + 0 * kept
                output, end = super().forward(x, hx)
                self._parameters["weight_hh_l0"] = kept
                return output, end
            output, end = super().forward(x, hx)
            if fault == "state":
                return output, end * 1.001
            return torch.cat([output[..., : self.hidden_size], output[..., self.hidden_size :].flip(0)], -1), end

    with pytest.raises(AssertionError, match="distance"):
        parity.check(SimpleNamespace(GRU=Faulty), Config("GRU", bidirectional=True))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("hx", [True, False])
@pytest.mark.parametrize("name", ["RNNCell", "LSTMCell", "GRUCell"])
def test_cells(name, hx, bias, batched, dtype):
    dtype = getattr(torch, dtype)
    torch.manual_seed(2)
    theirs = getattr(torch.nn, name)(5, 19, bias, dtype=dtype)
    ours = getattr(ostinato.nn, name)(5, 19, bias, dtype=dtype)
    ours.load_state_dict(theirs.state_dict())
    lead = (7,) if batched else ()
    x = torch.randn(*lead, 5, dtype=dtype, requires_grad=True)
    states = [torch.randn(*lead, 19, dtype=dtype, requires_grad=True) for _ in range(2 if name == "LSTMCell" else 1)] if hx else []
    given = (tuple(states) if name == "LSTMCell" else states[0]) if hx else None
    results = []
    for cell in (ours, theirs):
        new = cell(x, given)
        new = new if isinstance(new, tuple) else (new,)
        grads = torch.autograd.grad(sum((k + 1) * n.sin().sum() for k, n in enumerate(new)), [x, *states, *cell.parameters()])
        results.append(([n.detach() for n in new], grads))
    (ours_new, ours_grads), (new, grads) = results
    kind = str(dtype).removeprefix("torch.")
    assert all(distance(a, b) <= VALUES[kind] for a, b in zip(ours_new, new, strict=True))
    assert all(distance(a, b) <= GRADIENTS[kind] for a, b in zip(ours_grads, grads, strict=True))


def test_lengths_are_what_packing_is():
    torch.manual_seed(3)
    for name in ("RNN", "LSTM", "GRU"):
        layer = getattr(ostinato.nn, name)(4, 9, num_layers=2, bidirectional=True, dtype=torch.float64)
        lengths = torch.tensor([3, 7, 1, 5])
        x = torch.randn(7, 4, 4, dtype=torch.float64)
        for row, n in enumerate(lengths):
            x[n:, row] = math.nan
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
        results = []
        for how in ({"input": x, "lengths": lengths}, {"input": packed}):
            output, ends = layer(**how)
            output = output if isinstance(output, torch.Tensor) else torch.nn.utils.rnn.pad_packed_sequence(output, total_length=7)[0]
            ends = ends if isinstance(ends, tuple) else (ends,)
            grads = torch.autograd.grad(output.sin().sum() + sum(e.cos().sum() for e in ends), layer.parameters())
            results.append([output.detach(), *(e.detach() for e in ends), *grads])
        for a, b in zip(*results, strict=True):
            assert distance(a, b) <= GRADIENTS["float64"]


def test_length_zero_leaves_the_initial_state():
    layer = ostinato.nn.GRU(3, 4, bidirectional=True)
    h = torch.randn(2, 2, 4)
    output, end = layer(torch.randn(5, 2, 3), h, lengths=[0, 5])
    assert torch.equal(end[:, 0], h[:, 0])
    assert not output[:, 0].any()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_a_reset_parts_the_sequence(name, packed):
    """Two sequences run in one go are what they are alone, in both directions."""
    torch.manual_seed(4)
    layer = getattr(ostinato.nn, name)(3, 6, bidirectional=True, dtype=torch.float64)
    first, second = torch.randn(4, 2, 3, dtype=torch.float64), torch.randn(5, 2, 3, dtype=torch.float64)
    flags = torch.zeros(9, 2, dtype=torch.bool)
    flags[4] = True
    joined = torch.cat([first, second])
    if packed:
        joined = torch.nn.utils.rnn.pack_sequence([joined[:, 0], joined[:8, 1]])
        flags = torch.nn.utils.rnn.pack_sequence([flags[:, 0], flags[:8, 1]])
        output = torch.nn.utils.rnn.pad_packed_sequence(layer(joined, reset=flags)[0])[0]
        expected = torch.cat([layer(first)[0][:, 0], layer(second)[0][:, 0]])
        assert distance(output[:, 0].detach(), expected.detach()) <= VALUES["float64"]
        expected = torch.cat([layer(first)[0][:, 1], layer(second[:4, 1:])[0][:, 0]])
        assert distance(output[:8, 1].detach(), expected.detach()) <= VALUES["float64"]
    else:
        output, _ = layer(joined, reset=flags)
        expected = torch.cat([layer(first)[0], layer(second)[0]])
        assert distance(output.detach(), expected.detach()) <= VALUES["float64"]
