"""What the tests of ostinato.nn among PyTorch's tools share: a layer of each of the seven classes, and how to call it."""

import pytest
import tolerances
import torch

import ostinato.nn

STACKS, CELLS = ["RNN", "GRU", "LSTM"], ["RNNCell", "GRUCell", "LSTMCell"]
ALL = [*STACKS, *CELLS, "Recurrent"]
each = pytest.mark.parametrize("name", ALL)
of_torch = pytest.mark.parametrize("name", STACKS + CELLS)


def layer(name, dtype=torch.float64, **options):
    torch.manual_seed(0)
    sizes = ("lem", 3, 4) if name == "Recurrent" else (3, 4)
    return getattr(ostinato.nn, name)(*sizes, dtype=dtype, **options)


def twin(module):
    """torch.nn's module of that name, with the same weights and the same of them trained."""
    made = getattr(torch.nn, type(module).__name__)(3, 4, dtype=next(module.parameters()).dtype)
    made.load_state_dict(module.state_dict())
    for mine, theirs in zip(module.parameters(), made.parameters(), strict=True):
        theirs.requires_grad_(mine.requires_grad)
    return made


def inputs(name, dtype=torch.float64):
    torch.manual_seed(1)
    return torch.randn(*((5, 3) if name in CELLS else (6, 5, 3)), dtype=dtype)


def args(module, x):
    """What to call a module with: for a cell also a state that is not 0, so that its recurrent matrix counts."""
    if x.dim() == 3:
        return (x,)
    state = torch.linspace(-1, 1, 20, dtype=x.dtype, device=x.device).view(5, 4)
    return x, (state, state) if "LSTM" in repr(module) else state


def call(module, x):
    return module(*args(module, x))


def flat(result):
    """Every tensor of a result."""
    return [result] if isinstance(result, torch.Tensor) else [t for part in result for t in flat(part)]


def loss(result):
    return sum((k + 1) * t.sin().sum() for k, t in enumerate(flat(result)))


def grads(module, x):
    """Of every parameter, by name."""
    names, params = zip(*module.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss(call(module, x)), params), strict=True))


def recurrent_weight(module):
    """The name of a recurrent matrix."""
    return next(n for n, p in module.named_parameters() if n.startswith(("weight_hh", "dt_z_y")) and p.dim() == 2)


def same(a, b):
    return all(map(torch.equal, flat(a), flat(b)))


def close(a, b, tolerance):
    return all(tolerances.distance(x.detach(), y.detach()) <= tolerance["float64"] for x, y in zip(flat(a), flat(b), strict=True))
