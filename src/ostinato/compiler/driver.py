"""The compiler, read as a list of stages: trace, options, simplify, derive, choose saves, plan, encode."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..program.adjoint import Adjoint
from ..program.program import Program
from .bytecode import Bytecode, encode
from .derive import derive
from .lower import Plan, lower
from .plan import Kind, backward_pass, forward_pass
from .saves import choose_saves
from .sections import backward_level
from .simplify import simplify, tidy


@dataclass(frozen=True)
class Compiled:
    """A program's bytecode for one kind of pass, and the plan that says what its arrays are."""

    program: Program
    plan: Plan
    bytecode: Bytecode


def compile_program(program: Program, kind: Kind, *, inputs: bool = True, params: bool = True) -> Compiled:
    """The bytecode of a program for "infer", "train" or "backward".

    "train" and "backward" of the same program, with the same `inputs` and `params` (which gradients are
    wanted), share a tape.
    """
    step = simplify(program)
    if kind == "infer":
        work = forward_pass(step, None)
    else:
        adjoint = derive(step, inputs, params)
        tape = choose_saves(step, adjoint)
        if kind == "train":
            work = forward_pass(step, tape)
        else:
            work = backward_pass(step, ordered(adjoint, step), tape)
    plan = lower(work)
    return Compiled(step, plan, encode(plan))


def ordered(adjoint: Adjoint, program: Program) -> Adjoint:
    """The adjoint with its sums in the engine's order; the forward step's nodes, which the tape keeps, stay as they are."""
    forward = set(program.nodes())
    levels = backward_level(adjoint, forward)
    new = tidy(adjoint.roots(), lambda n: levels[n], forward)
    return replace(
        adjoint,
        previous={k: new[n] for k, n in adjoint.previous.items()},
        inputs={k: new[n] for k, n in adjoint.inputs.items()},
        params={k: new[n] for k, n in adjoint.params.items()},
    )
