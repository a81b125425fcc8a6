"""What a new cell is worth before anybody trains it: right, stable, able to remember, and at what cost."""

from __future__ import annotations

import time
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import cells
from ..compiler.derive import derive
from ..engine import arrays as engine
from ..engine.executable import Executable
from ..program import oracle
from ..program.cell import Cell
from ..program.equations import cost, equations
from ..program.node import Level
from ..program.program import Program
from ..program.verify import verify
from .differences import Maker, Values, gradient_error, values

DIFFERENCES = 1e-6  # of a derived gradient from central differences
ENGINE = {"float64": 1e-12, "float32": 1e-5}  # of the engine from the oracle; small states of a new cell may cancel
REMEMBERED = (10, 100, 1000)  # steps over which a gradient is followed
VANISHED, EXPLODED = 1e-3, 1e3


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `ok` is None for what is told and not judged."""

    name: str
    ok: bool | None
    words: str


@dataclass(frozen=True)
class Report:
    """What `check` found. Printed, it is a page; `ok` tells whether everything that is judged is as it should be."""

    cell: str
    equations: str
    findings: tuple[Finding, ...]
    memory: Mapping[int, float]  # the part of a gradient that is left after so many steps back

    @property
    def ok(self) -> bool:
        """Whether nothing judged is wrong."""
        return all(one.ok is not False for one in self.findings)

    def __getitem__(self, name: str) -> Finding:
        return next(one for one in self.findings if one.name == name)

    def __str__(self) -> str:
        marks = {True: "ok", False: "WRONG", None: ""}
        lines = [f"{one.name:<10} {marks[one.ok]:<6} {one.words}" for one in self.findings]
        return "\n".join([self.equations, "", *lines])


def check(
    cell: Cell | str,
    input_size: int = 8,
    hidden_size: int = 16,
    *,
    inputs: Mapping[str, Maker] | None = None,
    frozen: Container[str] = (),
    steps: int = 10_000,
    seed: int = 0,
    **hyper: Any,
) -> Report:
    """Trace a cell and look at its shapes, gradient, engine, long run, memory and cost.

    inputs: for an input, or a state, that needs numbers of its own kind, ``maker(generator, shape)``; all others are
    normal with a spread of 1.  frozen: inputs and states that change in jumps, which have no derivative.
    steps: of the long run.  hyper: the cell's hyper-parameters.

    Raises `CellError` for a mistake in the equations; whatever else is wrong stands in the report.
    """
    cell = cells.get(cell) if isinstance(cell, str) else cell
    program = cell.trace(input_size, hidden_size, **hyper)
    executable = Executable(program)
    made = dict(inputs or {})
    small = values(program, length=7, batch=3, seed=seed, given=made)
    long = at_start(program, values(program, length=steps, batch=1, seed=seed, given=made), seed)
    run, words = long_run(executable, long)
    memory = remembered(executable, program, made, seed)
    findings = [
        shapes(program),
        gradient(program, small, frozen),
        against_oracle(executable, small),
        Finding("long run", run, words),
        Finding("memory", None, in_words(memory)),
        Finding("cost", None, price(executable, made, seed)),
    ]
    return Report(cell.name, equations(program), tuple(findings), memory)


def at_start(program: Program, at: Values, seed: int) -> Values:
    """The same inputs, with parameters as they start and states as they are where none are given."""
    rng = np.random.default_rng(seed)
    bound = 1 / np.sqrt(program.hidden_size)

    def start(init: Any, shape: tuple[int, ...]) -> Any:
        return rng.uniform(-bound, bound, shape) if init is None else np.broadcast_to(np.asarray(init, np.float64), shape)

    return replace(at, params={k: start(p.init, p.node.shape) for k, p in program.params.items()}, states={})


def shapes(program: Program) -> Finding:
    """Widths of what comes out, and parameters that nothing reads."""
    unread = verify(program)
    states = ", ".join(f"{k} {n.width}" for k, n in program.states.items())
    told = f"output (time, batch, {program.output.width}); states {states}; {len(program.params)} parameters"
    return Finding("shapes", not unread, told + (f"; nothing reads {', '.join(unread)}" if unread else ""))


def gradient(program: Program, at: Values, frozen: Container[str]) -> Finding:
    """The derived gradient against central differences, and parameters to which the output is deaf."""
    error, where = gradient_error(program, at, along="tensors", frozen=frozen)
    run = at.run(program)
    weights = np.random.default_rng(1).normal(size=run.output.shape)
    _, _, params = oracle.backward(program, derive(program), run, weights, run.states)
    deaf = [k for k, g in params.items() if not np.any(g)]
    told = f"{error:.0e} from central differences at most" + (f", in {where}" if where else "")
    return Finding(
        "gradient", error <= DIFFERENCES and not deaf, told + (f"; nothing feels {', '.join(deaf)} at these inputs" if deaf else "")
    )


def against_oracle(executable: Executable, at: Values) -> Finding:
    """Values and gradients of the native engine against the equations, and the same bits step by step."""
    program, given = executable.program, (at.params, at.inputs, at.states)
    run = at.run(program)
    rng = np.random.default_rng(2)
    weights = rng.normal(size=run.output.shape)
    wanted = [run.output, *run.states.values(), *flat(oracle.backward(program, derive(program), run, weights))]
    far = {}
    for dtype in ENGINE:
        training = engine.train(executable, *given, dtype=dtype, draws=at.draws)
        found = [training.output, *training.states.values(), *flat(training.backward(weights))]
        far[dtype] = max(distance(a, b) for a, b in zip(found, wanted, strict=True))
    same = np.array_equal(step_by_step(executable, at), engine.forward(executable, *given, draws=at.draws)[0], equal_nan=True)
    told = ", ".join(f"{kind} {far[kind]:.0e}" for kind in far) + " from the equations; "
    told += "the same bits step by step" if same else "OTHER bits step by step"
    return Finding("engine", bool(same) and all(far[kind] <= limit for kind, limit in ENGINE.items()), told)


def flat(gradients: tuple[Mapping[str, Any], ...]) -> list[Any]:
    return [part[k] for part in gradients for k in sorted(part)]


def distance(a: Any, b: Any) -> float:
    """Relative to the size of b; where that is 0, absolute."""
    scale = float(np.linalg.norm(b))
    return float(np.linalg.norm(np.asarray(a, np.float64) - b)) / (scale if scale > 0 else 1.0)


def step_by_step(executable: Executable, at: Values) -> Any:
    """The output, with the states carried from call to call."""
    states, outputs = at.states, []
    stepwise = {k for k, n in executable.program.inputs.items() if n.level == Level.STEP}
    length = next(v.shape[0] for k, v in at.inputs.items() if k in stepwise)
    for t in range(length):
        now = {k: v[t : t + 1] if k in stepwise else v for k, v in at.inputs.items()}
        output, states = engine.forward(executable, at.params, now, states, draws=replace(at.draws, first_step=t))
        outputs.append(output)
    return np.concatenate(outputs)


def long_run(executable: Executable, at: Values) -> tuple[bool, str]:
    """Whether states stay finite, and stay where they are, over a long sequence from starting parameters."""
    output, states = engine.forward(executable, at.params, at.inputs, draws=at.draws)
    length = len(output)
    bad = np.flatnonzero(~np.isfinite(output).all(axis=(1, 2)))
    if len(bad) or not all(np.isfinite(s).all() for s in states.values()):
        return False, f"not finite from step {bad[0] + 1 if len(bad) else length} on, of {length:,}"
    early, late = (float(np.abs(part).max()) for part in (output[: length // 2], output[length // 2 :]))
    largest = ", ".join(f"|{k}| {float(np.abs(s).max()):.2g}" for k, s in states.items())
    grows = late > 2 * early and late > 10
    return not grows, f"{'the output GROWS' if grows else 'finite and bounded'} over {length:,} steps; at the end {largest}"


def remembered(executable: Executable, program: Program, given: Mapping[str, Maker], seed: int) -> dict[int, float]:
    """The part of a gradient of the final states that reaches the first ones, by steps between them."""
    left = {}
    for length in REMEMBERED:
        at = at_start(program, values(program, length=length, batch=4, seed=seed, given=given), seed)
        training = engine.train(executable, at.params, at.inputs, dtype="float64", draws=at.draws)
        rng = np.random.default_rng(3)
        sent = {k: rng.normal(size=s.shape) for k, s in training.states.items()}
        _, back, _ = training.backward(None, sent)
        with np.errstate(over="ignore"):  # an exploded gradient is told as infinite
            size = [np.linalg.norm([np.linalg.norm(g) for g in part.values()]) for part in (back, sent)]
        left[length] = float(size[0] / size[1])
    return left


def in_words(memory: Mapping[int, float]) -> str:
    """How far back a gradient reaches, and what it is called where it does not."""
    told = ", ".join(f"{part:.0e} after {length:,}" for length, part in memory.items())
    worst = memory[100]
    verdict = "it explodes" if not worst < EXPLODED else "it vanishes" if worst < VANISHED else "it lasts"
    return f"of a gradient is left, by steps back: {told}; over 100 steps {verdict}"


def price(executable: Executable, given: Mapping[str, Maker], seed: int) -> str:
    """Numbers, operations and bytes of a step, and what they take here."""
    program = executable.program
    paid = cost(program)
    began = time.perf_counter()
    Executable(program).load("infer")
    compiled = time.perf_counter() - began
    took = {batch: step_seconds(executable, given, seed, batch) for batch in (1, 32)}
    return (
        f"{paid.params:,} trained numbers; a step takes {paid.flops:,} operations and reads {paid.bytes:,} bytes; in float32 here "
        f"{1e6 * took[1]:.2g} µs alone, {1e6 * took[32]:.2g} µs for 32 rows; compiled in {1e3 * compiled:.0f} ms"
    )


def step_seconds(executable: Executable, given: Mapping[str, Maker], seed: int, batch: int, length: int = 500) -> float:
    """The median time of a step within a sequence, on one thread."""
    at = values(executable.program, length=length, batch=batch, seed=seed, given=given)
    took = []
    for _ in range(5):
        began = time.perf_counter()
        engine.forward(executable, at.params, at.inputs, at.states, draws=at.draws, threads=1)
        took.append((time.perf_counter() - began) / length)
    return float(np.median(took))
