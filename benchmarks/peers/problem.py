"""What every library is asked to do: one layer, these weights, this input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
Run = Callable[[], object]


@dataclass(frozen=True)
class Problem:
    """A layer without a second direction, float32; `grad` is what flows back into every step's output."""

    cell: str
    length: int
    batch: int
    inputs: int
    hidden: int
    x: np.ndarray = field(init=False, repr=False)
    grad: np.ndarray = field(init=False, repr=False)
    weights: dict[str, np.ndarray] = field(init=False, repr=False)  # torch.nn's names and gate order
    output: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        torch.manual_seed(0)
        layer = torch_layer(self.cell, self.inputs, self.hidden)
        x = torch.randn(self.length, self.batch, self.inputs)
        with torch.no_grad():
            output = layer(x)[0]
        put = object.__setattr__
        put(self, "x", x.numpy())
        put(self, "grad", torch.randn(self.length, self.batch, self.hidden).numpy())
        put(self, "weights", {k.removesuffix("_l0"): v.detach().numpy() for k, v in layer.named_parameters()})
        put(self, "output", output.numpy())

    @property
    def multiply_adds(self) -> int:
        """Of one inference; training takes three times as many."""
        return self.length * self.batch * GATES[self.cell] * self.hidden * (self.inputs + self.hidden)

    def blocks(self, name: str) -> list[np.ndarray]:
        """A weight by its gates, in torch's order: i, f, g, o; r, z, n."""
        return list(np.split(self.weights[name], GATES[self.cell]))

    def check(self, library: str, output: np.ndarray) -> None:
        """Raise ArithmeticError where a library computes something else."""
        far = float(np.linalg.norm(output - self.output) / np.linalg.norm(self.output))
        if not far < 1e-4:
            raise ArithmeticError(f"{library} computes another {self.cell}: {far:.1e} from torch's output")


def torch_layer(cell: str, inputs: int, hidden: int) -> torch.nn.Module:
    return {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[cell](inputs, hidden)
