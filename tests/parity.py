"""A layer against torch.nn's of the same name and weights: every value and every gradient, in random configurations.

The judge is torch's layer in float64, on the weights and data that the layer under test sees.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from tolerances import GRADIENTS, TIMES_TORCH, UNIT, VALUES, distance
from torch.nn.utils.rnn import PackedSequence, pack_sequence


@dataclass(frozen=True)
class Config:
    """One configuration; `seed` decides weights and data."""

    name: str = "LSTM"
    sizes: tuple[int, int, int, int] = (5, 3, 4, 6)  # T, B, I, H
    layers: int = 1
    bidirectional: bool = False
    bias: bool = True
    projection: int = 0
    nonlinearity: str = "tanh"
    dropout: float = 0.0
    hx: bool = False
    layout: str = "time first"
    dtype: str = "float32"
    seed: int = 0

    def make(self, module, dtype):
        """The layer of this configuration in `module` (torch.nn or ostinato.nn), in evaluation mode."""
        options = {"num_layers": self.layers, "bidirectional": self.bidirectional, "bias": self.bias, "dropout": self.dropout}
        options["batch_first"] = self.layout == "batch first"
        if self.name == "LSTM":
            options["proj_size"] = self.projection
        if self.name == "RNN":
            options["nonlinearity"] = self.nonlinearity
        _, _, inputs, hidden = self.sizes
        return getattr(module, self.name)(inputs, hidden, dtype=dtype, **options).eval()


@st.composite
def configs(draw):
    """Random configurations; sizes on both sides of the engine's tiles."""
    name = draw(st.sampled_from(["RNN", "LSTM", "GRU"]))
    layers, hidden = draw(st.integers(1, 3)), draw(st.integers(2, 40))
    return Config(
        name=name,
        sizes=(draw(st.integers(1, 12)), draw(st.integers(1, 19)), draw(st.integers(1, 20)), hidden),
        layers=layers,
        bidirectional=draw(st.booleans()),
        bias=draw(st.booleans()),
        projection=draw(st.integers(0, hidden - 1)) if name == "LSTM" else 0,
        nonlinearity=draw(st.sampled_from(["tanh", "relu"])) if name == "RNN" else "tanh",
        dropout=draw(st.sampled_from([0.0, 0.5])) if layers > 1 else 0.0,
        hx=draw(st.booleans()),
        layout=draw(st.sampled_from(["time first", "batch first", "unbatched", "strided", "packed", "packed unsorted"])),
        dtype=draw(st.sampled_from(["float32", "float64"])),
        seed=draw(st.integers(0, 2**16)),
    )


def data(config):
    """Input, initial states, and the gradient of every result, as tensors in float64 that the configuration's type can hold."""
    T, B, inputs, hidden = config.sizes
    draw = torch.Generator().manual_seed(config.seed)

    def normal(*shape):
        return torch.randn(*shape, generator=draw, dtype=torch.float64).to(getattr(torch, config.dtype)).double()

    rows = config.layers * (1 + config.bidirectional)
    widths = [config.projection or hidden] + [hidden] * (config.name == "LSTM")
    batched = config.layout != "unbatched"
    states = [normal(rows, B, w) if batched else normal(rows, w) for w in widths] if config.hx else []
    width = widths[0] * (1 + config.bidirectional)
    if config.layout.startswith("packed"):
        lengths = sorted((int(torch.randint(1, T + 1, (), generator=draw)) for _ in range(B)), reverse=config.layout == "packed")
        x = [normal(n, inputs) for n in lengths]
        to_output = normal(sum(lengths), width)
    elif config.layout == "unbatched":
        x, to_output = [normal(T, inputs)], normal(T, width)
    elif config.layout == "batch first":
        x, to_output = [normal(B, T, inputs)], normal(B, T, width)
    else:
        x, to_output = [normal(T, B, inputs)], normal(T, B, width)
    to_states = [normal(rows, B, w) if batched else normal(rows, w) for w in widths]
    return x, states, to_output, to_states


def run(layer, config):
    """Every value and every gradient of one call, by name."""
    dtype = next(layer.parameters()).dtype
    x, states, to_output, to_states = data(config)
    leaves = [t.to(dtype).requires_grad_() for t in (*x, *states)]
    sequence, states = leaves[: len(x)], leaves[len(x) :]
    if config.layout.startswith("packed"):
        given = pack_sequence(sequence, enforce_sorted=config.layout == "packed")
    elif config.layout == "strided":
        given = torch.stack([sequence[0], torch.zeros_like(sequence[0])], 2).transpose(2, 3)[..., 0]
    else:
        given = sequence[0]
    hx = (tuple(states) if len(states) > 1 else states[0]) if states else None
    output, ends = layer(given, hx)
    output = output.data if isinstance(output, PackedSequence) else output
    ends = ends if isinstance(ends, tuple) else (ends,)
    values = {"output": output, **{f"final {k}": e for k, e in enumerate(ends)}}
    made = torch.autograd.grad(
        [output, *ends], [*leaves, *layer.parameters()], [g.to(dtype) for g in (to_output, *to_states)], allow_unused=True
    )
    names = [f"input {k}" for k in range(len(x))] + [f"state {k}" for k in range(len(states))] + [n for n, _ in layer.named_parameters()]
    return {k: v.detach() for k, v in values.items()}, dict(zip(names, made, strict=True))


def check(module, config):
    """Assert that the layer of `module` is within the tolerances.

    Returns how far it and torch's own layer in the same type are from the judge, tensor by tensor: values, gradients.
    """
    dtype = getattr(torch, config.dtype)
    torch.manual_seed(config.seed)
    theirs, ours, judge = config.make(torch.nn, dtype), config.make(module, dtype), config.make(torch.nn, torch.float64)
    ours.load_state_dict(theirs.state_dict())
    judge.load_state_dict(theirs.state_dict())
    results = [run(layer, config) for layer in (ours, theirs, judge)]
    far = []
    for (mine, torchs, exact), tolerance in zip(zip(*results, strict=True), (VALUES, GRADIENTS), strict=True):
        far.append({k: (distance(mine[k], exact[k]), distance(torchs[k], exact[k])) for k in exact})
        for k, (our_distance, torch_distance) in far[-1].items():
            size = float(exact[k].square().mean().sqrt())
            # Where torch is as far off, the sum itself is ill-conditioned.
            allowed = max(tolerance[config.dtype], TIMES_TORCH * torch_distance, UNIT[config.dtype] / size if size else 0.0)
            assert our_distance <= allowed, (
                f"{k}: distance {our_distance:.2g}, torch's {torch_distance:.2g}, allowed {allowed:.2g}; {config}"
            )
    return far
