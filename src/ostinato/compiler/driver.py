"""The compiler, read as a list of stages: simplify, derive, choose saves, the pass, schedule, plan, encode.

Before them a cell is traced (`program/cell.py`) and options are applied (`options.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from ..program.program import Program
from .bytecode import Bytecode, encode
from .derive import derive
from .passes import Kind, Pass, backward_pass, forward_pass
from .plan import Plan, make_plan
from .saves import choose_saves
from .schedule import schedule
from .simplify import simplify, simplify_adjoint


@dataclass(frozen=True)
class Compiled:
    """A program's bytecode for one kind of pass, and the plan that says what its arrays are."""

    program: Program
    plan: Plan
    bytecode: Bytecode


def compile_program(program: Program, kind: Kind, *, inputs: bool = True, params: bool = True, hoist: bool = False) -> Compiled:
    """The bytecode of a program for "infer", "train" or "backward".

    "train" and "backward" of the same program, with the same `inputs` and `params` (which gradients are
    wanted), share a tape. `hoist`: everything that needs no state goes before the time loop, also products that the loop
    could begin its own with; the results are the same.
    """
    step = simplify(program)
    if kind == "infer":
        return _finished(step, forward_pass(step, None, hoist))
    adjoint = derive(step, inputs, params)
    tape = choose_saves(step, adjoint)
    if kind == "train":
        return _finished(step, forward_pass(step, tape, hoist))
    return _finished(step, backward_pass(step, simplify_adjoint(adjoint, step), tape))


def _finished(step: Program, work: Pass) -> Compiled:
    plan = make_plan(work, schedule(work))
    return Compiled(step, plan, encode(plan))
