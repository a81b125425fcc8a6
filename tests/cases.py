"""How to run each cell of the library in a test: small sizes, sensible inputs, and what has no derivative."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ostinato import cells
from ostinato.explain.differences import Maker, Values, bits, values
from ostinato.program.program import Program


@dataclass(frozen=True)
class Case:
    """One cell at one size."""

    name: str
    hidden: int = 4
    inputs: int = 3
    hyper: dict[str, Any] = field(default_factory=dict)
    given: dict[str, Maker] = field(default_factory=dict)
    frozen: tuple[str, ...] = ()

    def program(self) -> Program:
        return cells.get(self.name).trace(self.inputs, self.hidden, **self.hyper)

    def values(self, program: Program, **sizes: Any) -> Values:
        return values(program, given=self.given, **sizes)

    def all_frozen(self) -> tuple[str, ...]:
        """What changes in jumps, in the cell and in the options."""
        return (*self.frozen, "reset", "valid")


def _positive(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return 0.5 + rng.random(shape)


def _times(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return np.cumsum(rng.random(shape), 0)


_SPECIAL = [
    Case("lstm_projected", hyper={"projection": 2}),
    Case("slstm", given={"n": _positive}),
    Case("phased_lstm", given={"time": _times}, hyper={"longest": 20.0, "leak": 0.05}),
    Case("clockwork", hidden=6, hyper={"periods": (1, 2, 3)}, given={"step": lambda rng, shape: np.zeros(shape)}, frozen=("step",)),
    Case("dale", hyper={"inhibitory": 0.5}),
    Case("sparse", hyper={"density": 0.5}),
    Case("cfc", hyper={"backbone": 5}, given={"gap": _positive}),
    Case("ltc", hyper={"unfolds": 3}),
    Case("ltc_synapses", hidden=3, inputs=2, hyper={"unfolds": 2}),
    Case("gru_d", given={"mask": bits(0.6), "gap": _positive}, frozen=("mask",)),
    Case("s4d", hyper={"order": 2}),
    Case("lmu", hyper={"order": 3, "window": 6.0}),
]
_BY_NAME = {c.name: c for c in _SPECIAL}
CASES = [_BY_NAME.get(name, Case(name)) for name in cells.names()]
