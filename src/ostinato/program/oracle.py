"""The meaning of a program: a NumPy interpreter of the graph and a plain time loop, in float64.

Slow on purpose, and the judge of everything else. Shapes: a step input is (time, batch, width), a sequence
input and a state (batch, width), a parameter its own shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from .adjoint import Adjoint
from .node import Level, Node, postorder
from .philox import uniform
from .program import Program
from .table import OPERATIONS, numpy_math

Array = npt.NDArray[Any]
Arrays = Mapping[str, npt.ArrayLike]


@dataclass(frozen=True)
class Draws:
    """Where random numbers come from: the same numbers as the engine's for the same four."""

    seed: int = 0
    stream: int = 0
    first_step: int = 0


@dataclass(frozen=True)
class Run:
    """What a forward pass returns: output (time, batch, width), final states, and every step's values."""

    output: Array
    states: dict[str, Array]
    steps: list[dict[Node, Array]]
    params: dict[Node, Array]


def evaluate(nodes: list[Node], values: dict[Node, Array], batch: int | None, dtype: npt.DTypeLike = np.float64) -> None:
    """Give each node its value; what is known already stays."""
    math = SimpleNamespace(**vars(numpy_math))
    if batch is not None:
        math.rows = lambda a: np.broadcast_to(a, (batch, a.shape[-1]))
    for node in nodes:
        if node in values:
            continue
        if node.op == "const":
            values[node] = node.graph.array(node).astype(dtype)
            continue
        if not node.args:
            raise KeyError(f"no value for {node.op} {node!r}")
        args = [values[a] for a in node.args]
        attr = [] if node.attr is None else [node.attr]
        values[node] = OPERATIONS[node.op].meaning(math, *args, *attr)


def forward(
    program: Program, params: Arrays, inputs: Arrays, states: Arrays | None = None, *,
    reverse: bool = False, draws: Draws | None = None, dtype: npt.DTypeLike = np.float64,
) -> Run:  # fmt: skip
    """Run the program over whole sequences.

    `inputs` holds an array for each of the program's inputs, `states` initial values for any of its states
    (others start at the program's own). With `reverse` the steps are taken from the last to the first. A `dtype`
    of float32 shows what plain float32 arithmetic would give.
    """
    draws = draws or Draws()
    known = {program.params[k].node: np.asarray(v, dtype) for k, v in params.items() if k in program.params}
    given = {k: np.asarray(inputs[k], dtype) for k in program.inputs}
    length, batch = program.sizes(given)
    order = program.nodes()
    evaluate([n for n in order if n.level == Level.PARAM], known, None, dtype)
    now = {k: np.broadcast_to((states or {}).get(k, program.start[k]), (batch, v.width)).astype(dtype) for k, v in program.states.items()}
    output = np.zeros((length, batch, program.output.width), dtype)
    steps: list[dict[Node, Array]] = [{} for _ in range(length)]
    for count, t in enumerate(reversed(range(length)) if reverse else range(length)):
        values = dict(known)
        values |= {n: given[k][t] if n.level == Level.STEP else given[k] for k, n in program.inputs.items()}
        values |= {n: now[k] for k, n in program.states.items()}
        for n in order:
            if n.op == "uniform":
                step = draws.first_step + count if n.level == Level.STEP else None
                values[n] = uniform(draws.seed, int(str(n.attr)) + 256 * draws.stream, step, batch, n.width).astype(dtype)
        evaluate(order, values, batch, dtype)
        output[t] = values[program.output]
        now = {k: np.broadcast_to(values[n], (batch, n.width)) for k, n in program.new.items()}
        steps[t] = values
    return Run(output, now, steps, known)


def backward(
    program: Program, adjoint: Adjoint, run: Run, output_grad: Array, state_grads: Arrays | None = None, *, reverse: bool = False
) -> tuple[dict[str, Array], dict[str, Array], dict[str, Array]]:
    """Run the adjoint over the steps of `run`, last taken first.

    Returns the gradients of the inputs, of the initial states and of the trained parameters.
    """
    (length, batch), dtype = output_grad.shape[:2], run.output.dtype
    output_grad = output_grad.astype(dtype)
    carried = {k: np.broadcast_to((state_grads or {}).get(k, 0.0), (batch, n.width)).astype(dtype) for k, n in adjoint.carried.items()}
    inputs = {k: np.zeros((length, batch, n.width), dtype) for k, n in adjoint.inputs.items()}
    sums = {n: np.zeros(n.shape, dtype) for n in adjoint.sums()}
    ends = [*adjoint.previous.values(), *adjoint.inputs.values(), *(a for n in sums for a in n.args)]
    per_step = [n for n in postorder(ends) if n not in run.params]
    for t in range(length) if reverse else reversed(range(length)):
        values = dict(run.steps[t]) | {adjoint.output: output_grad[t]} | {n: carried[k] for k, n in adjoint.carried.items()}
        evaluate(per_step, values, batch, dtype)
        for k, n in adjoint.inputs.items():
            inputs[k][t] = values[n]
        for n in sums:
            terms = OPERATIONS[n.op].meaning(numpy_math, *(np.broadcast_to(values[a], (batch, a.width)) for a in n.args))
            sums[n] += terms.sum(0)
        carried = {k: np.broadcast_to(values[n], (batch, n.width)) for k, n in adjoint.previous.items()}
    known = dict(run.params) | sums
    evaluate(postorder(adjoint.params.values(), known), known, None, dtype)
    params = {k: np.broadcast_to(known[n], program.params[k].node.shape) for k, n in adjoint.params.items()}
    sequences = {k: carried[k] for k in adjoint.carried if k in program.inputs}
    return inputs | sequences, {k: carried[k] for k in adjoint.carried if k in program.states}, params
