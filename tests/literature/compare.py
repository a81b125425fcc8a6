"""A layer of a cell beside the cell's reference: one set of numbers, both results."""

from __future__ import annotations

import numpy as np
import torch
from tolerances import distance

from ostinato.nn import Recurrent

from . import REFERENCES, continuous, diagonal, gated, stable, standard  # noqa: F401  (they fill REFERENCES)
from .names import SYMBOLS

SIZES = [(6, 3, 3, 8), (4, 2, 8, 8), (2, 5, 1, 4), (3, 17, 7, 36)]  # time, batch, input, hidden
HYPER = {  # ours, beside the defaults
    "lstm_projected": {"projection": 3},
    "phased_lstm": {"leak": 0.05, "longest": 20.0},
    "dale": {"inhibitory": 0.3, "alpha": 0.15},
    "sparse": {"density": 0.5},
    "cfc": {"backbone": 5},
    "ltc_synapses": {"unfolds": 3, "dt": 0.5},
    "clockwork": {"periods": (1, 2, 3, 4)},
    "s4d": {"order": 2},
    "lmu": {"order": 5, "window": 9.0},
}
CONSTANTS = {  # the same in the paper's letters; gated_inside: we take the common variant
    "lstm_projected": {"projection": 3},
    "phased_lstm": {"alpha": 0.05},
    "clockwork": {"periods": (1, 2, 3, 4)},
    "dale": {"alpha": 0.15},
    "ltc_synapses": {"L": 3, "dt": 0.5},
    "mlstm": {"gated_inside": False},
    "lmu": {"order": 5, "window": 9.0},
}
SHAPED_BY = ("inhibitory", "density", "seed", "heads", "order", "projection")  # hyper-parameters that symbols depend on
DATA = {  # inputs and states that are not normal numbers: from a generator and a shape (..., batch, width)
    "time": lambda rng, shape: np.cumsum(rng.random(shape), 0),
    "gap": lambda rng, shape: 0.2 + rng.random(shape),
    "mask": lambda rng, shape: 1.0 * (rng.random(shape) < 0.6),
    "step": lambda rng, shape: np.zeros(shape),
    "n": lambda rng, shape: 0.5 + rng.random(shape),
}
COUNTERS = {"step"}  # has no derivative


def drawn(name):
    """Sizes of the cell's own, at random."""
    rng = np.random.default_rng(list(name.encode()))
    return int(rng.integers(1, 10)), int(rng.integers(1, 6)), int(rng.integers(1, 12)), 4 * int(rng.integers(1, 8))


def make(name, sizes, seed=0):
    """A layer of the cell with random parameters, its inputs and its initial states; `sizes` as in SIZES."""
    length, batch, width, hidden = sizes
    hidden = min(hidden, 6) if name == "ltc_synapses" else hidden  # its reference goes neuron by neuron
    width = max(width, 2) if "layernorm" in name else width  # of one feature, normalised, hardly any gradient is left
    torch.manual_seed(seed)
    layer = Recurrent(name, width, hidden, dtype=torch.float64, **HYPER.get(name, {}))
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for t in layer.state_dict().values():
            t += torch.tensor(0.2 * rng.normal(size=t.shape))
    program = layer.cell.trace(width, hidden, **layer.hyper)

    def draw(key, shape):
        return torch.tensor(DATA.get(key, lambda r, s: r.normal(size=s))(rng, shape))

    inputs = [draw(k, (length, batch, n.width)) for k, n in program.inputs.items()]
    return layer, inputs, [draw(k, (batch, n.width)) for k, n in program.states.items()]


def symbols(layer):
    """The paper's parameters, from the layer's tensors."""
    tensors = {k.removesuffix("_l0"): v for k, v in (*layer.named_parameters(), *layer.named_buffers())}
    hyper = {k: v for k, v in (layer.cell.hyper | layer.hyper).items() if k in SHAPED_BY}
    return SYMBOLS[layer.cell.name](tensors, **hyper)


def reference(layer, p, inputs, states, **constants):
    """The reference, row by row: output (time, batch, width) and final states (batch, width)."""
    name = layer.cell.name
    constants = CONSTANTS.get(name, {}) | constants
    rows = [REFERENCES[name](p, [u[:, b] for u in inputs], [s[b] for s in states], **constants) for b in range(len(states[0]))]
    outputs, ends = zip(*rows, strict=True)
    return [torch.stack(outputs, 1), *(torch.stack(e) for e in zip(*ends, strict=True))]


def run(layer, inputs, states):
    """The layer: output (time, batch, width) and final states (batch, width)."""
    given = tuple(s[None] for s in states)
    output, ends = layer(tuple(inputs), given if len(given) > 1 else given[0])
    return [output, *(e[0] for e in (ends if isinstance(ends, tuple) else (ends,)))]


def compare(name, sizes, seed=0, fault=lambda p: None):
    """The largest distance of a value, in training and in inference, and of a gradient; `fault` may spoil the reference."""
    layer, inputs, states = make(name, sizes, seed)
    leaves = [t.requires_grad_() for t in (*inputs, *states)]
    trained = run(layer, inputs, states)
    with torch.no_grad():
        inferred = run(layer.eval(), inputs, states)
    p = symbols(layer)
    fault(p)
    theirs = reference(layer, p, inputs, states)
    values = max(distance(a.detach(), b.detach()) for ours in (trained, inferred) for a, b in zip(ours, theirs, strict=True))

    along = [torch.randn_like(t) for t in trained]
    wanted = [t for k, t in zip((*layer.cell.inputs, *layer.cell.states), leaves, strict=True) if k not in COUNTERS]
    wanted += layer.parameters()
    results = trained, theirs
    grads = [torch.autograd.grad(sum((t * w).sum() for t, w in zip(r, along, strict=True)), wanted) for r in results]
    return values, max(distance(a, b) for a, b in zip(*grads, strict=True))
