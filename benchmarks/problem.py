"""What every library is asked to do: these weights, this input; drawn by NumPy, so that every process has the same."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

GATES = {"rnn": 1, "gru": 3, "lstm": 4}


@dataclass(frozen=True)
class Problem:
    """A cell's layer of one direction over sequences `(length, batch, inputs)`; `grad` flows back into every step's output."""

    cell: str
    length: int = 0
    batch: int = 0
    inputs: int = 0
    hidden: int = 0
    dtype: str = "float32"

    @property
    def shape(self) -> str:
        return f"{self.length}, {self.batch}, {self.inputs}, {self.hidden}"

    def tiny(self) -> Problem:
        """The same, small, that a library may load what it needs."""
        return replace(self, length=2, batch=2, inputs=4, hidden=8)

    def draw(self, name: str, *shape: int, scale: float = 0.0) -> np.ndarray:
        """Numbers of that name: normal, or uniform up to `scale`."""
        random = np.random.default_rng(zlib.crc32(name.encode()))
        drawn = random.uniform(-scale, scale, shape) if scale else random.standard_normal(shape)
        return drawn.astype(self.dtype)

    @cached_property
    def x(self) -> np.ndarray:
        return self.draw("x", self.length, self.batch, self.inputs)

    @cached_property
    def grad(self) -> np.ndarray:
        return self.draw("grad", self.length, self.batch, self.hidden)

    @cached_property
    def weights(self) -> dict[str, np.ndarray]:
        """torch.nn's names, gate order and sizes of numbers."""
        gates, scale = GATES[self.cell] * self.hidden, self.hidden**-0.5
        shapes = {"weight_ih": (gates, self.inputs), "weight_hh": (gates, self.hidden), "bias_ih": (gates,), "bias_hh": (gates,)}
        return {name: self.draw(name, *shape, scale=scale) for name, shape in shapes.items()}

    def blocks(self, name: str) -> list[np.ndarray]:
        """A weight by its gates, in torch's order: i, f, g, o; r, z, n."""
        return np.split(self.weights[name], GATES[self.cell])

    def multiply_adds(self, kind: str) -> int:
        """Of the layer's products; training takes three times as many as inference."""
        once = self.length * self.batch * GATES[self.cell] * self.hidden * (self.inputs + self.hidden)
        return once * (3 if kind == "training" else 1)
