"""What joins layers and steps in ostinato.nn, beyond torch.nn: in values, on every path, and what is refused."""

from __future__ import annotations

import pytest
import torch
from tolerances import GRADIENTS, VALUES, distance
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import ostinato.nn

T, B, I, H = 6, 3, 5, 4


def make(cell="lstm", inputs=I, hidden=H, **options):
    torch.manual_seed(0)
    return ostinato.nn.Recurrent(cell, inputs, hidden, dtype=torch.float64, **options)


def data(width=I, seed=1):
    return torch.randn(T, B, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def far(a, b):
    return distance(a.detach(), b.detach())


def flat(result):
    """Output and final states in one tuple."""
    output, ends = result
    return (output, *ends) if isinstance(ends, tuple) else (output, ends)


def layer_of(module, k):
    """One layer of a stack as a module of its own, both directions in it."""
    own = make(
        module.cell, module._stack.steps_plain()[k].inputs[0][1], module.hidden_size, bidirectional=module.bidirectional, **module.hyper
    )
    state = module.state_dict()
    own.load_state_dict({name: state[name.replace("_l0", f"_l{k}")] for name in own.state_dict()})
    return own


# ---------------------------------------------------------------- layers


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("inputs", [I, H])
def test_residual(inputs, bidirectional):
    module = make("gru", inputs, num_layers=3, bidirectional=bidirectional, residual=True)
    x = y = data(inputs)
    ends = []
    for k in range(3):
        new, end = layer_of(module, k)(y)
        y = new + y if new.shape == y.shape else new
        ends.append(end)
    output, final = module(x)
    assert far(output, y) <= VALUES["float64"]
    assert far(final, torch.cat(ends)) <= VALUES["float64"]


def test_residual_where_widths_differ():
    with pytest.raises(ValueError, match="residual: layer 1 reads 10 numbers a step and gives 20"):
        make("lru", num_layers=2, bidirectional=True, residual=True)


def test_layers_whose_output_grows():
    module = make("lru", num_layers=3, bidirectional=True)
    y = data()
    for k in range(3):
        y = layer_of(module, k)(y)[0]
    assert y.shape == (T, B, 8 * I)
    assert far(module(data())[0], y) <= VALUES["float64"]


@pytest.mark.parametrize("options", [{"residual": True}, {"residual": True, "bidirectional": True, "inputs": 2 * H}])
def test_the_same_on_every_path(options):
    module = make(num_layers=2, **options)
    x, lengths = data(module.input_size).requires_grad_(), torch.tensor([6, 2, 4])
    reset = torch.rand(T, B, generator=torch.Generator().manual_seed(3)) < 0.3
    leaves = [x, *module.parameters()]

    def results(call, x=x):
        got = flat(call(x, lengths=lengths, reset=reset))
        return got, torch.autograd.grad(sum((k + 1) * t.sin().sum() for k, t in enumerate(got)), leaves)

    engine = results(module)
    with torch.autograd.forward_ad.dual_level():
        emitted = results(module)
    torch._dynamo.reset()
    compiled = results(torch.compile(module, fullgraph=True, backend="aot_eager"))
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    flags = pack_padded_sequence(reset[..., None], lengths, enforce_sorted=False)
    flags = flags._replace(data=flags.data[:, 0])

    def through_packed(x, lengths, reset):
        output, ends = module(packed, reset=flags)
        return pad_packed_sequence(output, total_length=T)[0], ends

    for other in (emitted, compiled, results(through_packed)):
        assert all(far(a, b) <= VALUES["float64"] for a, b in zip(other[0], engine[0], strict=True))
        assert all(far(a, b) <= GRADIENTS["float64"] for a, b in zip(other[1], engine[1], strict=True))
    with torch.no_grad():
        assert torch.equal(module(x, lengths=lengths, reset=reset)[0], engine[0][0])


def test_padding_is_not_added():
    module = make(inputs=H, num_layers=2, residual=True)
    x = data(H)
    x[3:, 1] = torch.nan
    x.requires_grad_()
    output, _ = module(x, lengths=[6, 3, 6])
    assert not output[3:, 1].any()
    (grad,) = torch.autograd.grad(output.sum(), x)
    assert grad.isfinite().all()
    assert not grad[3:, 1].any()
