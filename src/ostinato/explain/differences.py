"""A program's derived gradient against central differences of an unrolled loss, in the oracle (float64)."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..compiler.derive import derive
from ..program import oracle
from ..program.node import Level
from ..program.oracle import Draws
from ..program.program import Program

Array = npt.NDArray[Any]
Maker = Callable[[np.random.Generator, tuple[int, ...]], Array]


@dataclass
class Values:
    """Arrays for every parameter, input and initial state of a program."""

    params: dict[str, Array]
    inputs: dict[str, Array]
    states: dict[str, Array]
    draws: Draws = field(default_factory=lambda: Draws(seed=11))

    def run(self, program: Program, reverse: bool = False) -> oracle.Run:
        """The oracle's forward pass."""
        return oracle.forward(program, self.params, self.inputs, self.states, reverse=reverse, draws=self.draws)


def bits(chance: float) -> Maker:
    """Ones and zeros."""
    return lambda rng, shape: (rng.random(shape) < chance) * 1.0


def values(program: Program, length: int = 3, batch: int = 2, seed: int = 0, given: Mapping[str, Maker] | None = None) -> Values:
    """Random values: parameters near their start, `given` makers for inputs and states by name."""
    rng = np.random.default_rng(seed)
    makers: dict[str, Maker] = {"reset": bits(0.4), "valid": bits(0.7), **(given or {})}

    def near(init: Any, shape: tuple[int, ...]) -> Array:
        if init is None:
            return rng.normal(size=shape) * 0.5
        start = np.broadcast_to(np.asarray(init, np.float64), shape)
        return start + 0.1 * rng.normal(size=shape) * np.where(start == 0, 1.0, np.abs(start))

    def fill(name: str, shape: tuple[int, ...], scale: float) -> Array:
        return makers[name](rng, shape) if name in makers else scale * rng.normal(size=shape)

    shapes = {k: (length, batch, n.width) if n.level == Level.STEP else (batch, n.width) for k, n in program.inputs.items()}
    return Values(
        {k: near(p.init, p.node.shape) for k, p in program.params.items()},
        {k: fill(k, shape, 1.0) for k, shape in shapes.items()},
        {k: fill(k, (batch, n.width), 0.5) for k, n in program.states.items()},
    )


def gradient_error(
    program: Program, at: Values, *, frozen: Container[str] = (), reverse: bool = False, along: str = "numbers", step: float = 1e-5
) -> tuple[float, str]:
    """The largest distance between the adjoint's gradients and differences, relative to 1 + the largest, and where.

    Compares along every number, with "tensors" along a random direction of each tensor, with "all" along one of all.
    """
    rng = np.random.default_rng(99)
    run = at.run(program, reverse)
    output_weight = rng.normal(size=run.output.shape)
    state_weights = {k: rng.normal(size=s.shape) for k, s in run.states.items()}

    def loss() -> float:
        r = at.run(program, reverse)
        return float((r.output * output_weight).sum() + sum((s * state_weights[k]).sum() for k, s in r.states.items()))

    inputs, states, params = oracle.backward(program, derive(program), run, output_weight, state_weights, reverse=reverse)
    pairs = (at.params, params), (at.inputs, inputs), (at.states, states)
    named = [(arrays, k, np.asarray(found[k])) for arrays, found in pairs for k in arrays if k in found and k not in frozen]

    def error(probes: list[Array]) -> float:
        """How far the gradients are from the slope of the loss when every array moves along its probe."""
        kept = [arrays[k] for arrays, k, _ in named]
        losses = []
        for size in (step, -step, step / 2, -step / 2):
            for (arrays, k, _), array, probe in zip(named, kept, probes, strict=True):
                arrays[k] = array + size * probe
            losses.append(loss())
        for (arrays, k, _), array in zip(named, kept, strict=True):
            arrays[k] = array
        slopes = (losses[0] - losses[1]) / (2 * step), (losses[2] - losses[3]) / step
        slope = (4 * slopes[1] - slopes[0]) / 3  # the error of second order cancels
        ours = sum(float((g * probe).sum()) for (_, _, g), probe in zip(named, probes, strict=True))
        return float(abs(slope - ours) / (1 + max(np.abs(g).max() for _, _, g in named) + abs(slope)))

    if along == "all":
        return error([rng.normal(size=g.shape) for _, _, g in named]), "all at once"
    worst = (0.0, "")
    for at_k, (_, name, gradient) in enumerate(named):
        still = [np.zeros(g.shape) for _, _, g in named]
        units = np.eye(gradient.size) if along == "numbers" else [rng.normal(size=gradient.size)]
        for unit in units:
            found_error = error([*still[:at_k], unit.reshape(gradient.shape), *still[at_k + 1 :]])
            if not found_error <= worst[0]:
                worst = (found_error, name)
    return worst
