"""What must hold of every program, whoever made it: checked after each pass in tests, and of each file before it runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable
from typing import Any

from .node import Level, Node
from .program import Program
from .table import OPERATIONS, Operation

LEAVES = ("const", "param", "input", "state", "uniform")
DRAWS = 256  # the bytecode numbers draws within one byte


class ProgramError(ValueError):
    """A program that breaks a rule: which node, which rule."""


def _whole_numbers(attr: Hashable, *counts: int) -> bool:
    return isinstance(attr, tuple) and len(attr) in counts and all(type(k) is int and k >= 0 for k in attr)


ATTRIBUTES: dict[str, Callable[[Hashable], bool]] = {
    "expand": lambda a: _whole_numbers(a, 1, 2) and 0 not in a,  # type: ignore[operator]
    "sum": lambda a: type(a) is int and a > 0,
    "slice": lambda a: _whole_numbers(a, 2),
    "pad": lambda a: _whole_numbers(a, 2),
    "normalise": lambda a: isinstance(a, float) and a > 0,
    "normalise_grad": lambda a: isinstance(a, float) and a > 0,
}


def verify(program: Program) -> list[str]:
    """Check every rule; raise `ProgramError` at the first that is broken. Returns the parameters that nothing reads."""
    nodes = program.nodes()
    for node in nodes:
        _check_node(program, node)
    _check_leaves(program, nodes)
    _check_ends(program)
    _check_names(program)
    return [k for k, p in program.params.items() if p.node not in set(nodes)]


def _fail(program: Program, what: str) -> ProgramError:
    return ProgramError(f"program {program.name}: {what}")


def _check_node(program: Program, node: Node) -> None:
    """The operation is known, its arguments come before it, and shape and level are what the table says."""
    if node.graph is not program.graph:
        raise _fail(program, f"{node!r} belongs to another graph")
    if any(a.graph is not program.graph or a.id >= node.id for a in node.args):
        raise _fail(program, f"{node!r} reads a value that does not come before it")
    if node.op in LEAVES:
        if node.args:
            raise _fail(program, f"the leaf {node!r} ({node.op}) has arguments")
        return
    row = OPERATIONS.get(node.op)
    if row is None:
        raise _fail(program, f"there is no operation {node.op!r}")
    check_arguments(row, node.args, node.attr)
    shape = row.shape(*node.args) if node.attr is None else row.shape(*node.args, node.attr)
    if node.shape != shape or min(node.shape) < 1:
        raise _fail(program, f"{node!r} has shape {node.shape}, and {node.op} gives {shape}")
    if node.level != row.level(node.args):
        raise _fail(program, f"{node!r} has level {node.level.name}, and its arguments give {row.level(node.args).name}")


def check_arguments(row: Operation, args: tuple[Node, ...], attr: Hashable) -> None:
    """The number of arguments, the attribute and the levels that an operation needs; `ProgramError` otherwise."""
    if row.kind == "sum":
        raise ProgramError(f"{row.name} is no operation of a step: it sums over rows and time")
    valid = ATTRIBUTES[row.name](attr) if row.name in ATTRIBUTES else attr is None
    if not valid:
        raise ProgramError(f"{row.name} cannot have the attribute {attr!r}")
    wanted = _arity(row)
    if (wanted is not None and len(args) != wanted) or not args:
        raise ProgramError(f"{row.name} takes {wanted or 'some'} values, not {len(args)}")
    levels = [a.level for a in args if not (a.is_scalar and row.kind == "pointwise")]
    if row.name == "rows":
        if levels != [Level.PARAM]:
            raise ProgramError("rows brings parameters to rows, and its value has rows already")
    elif row.kind != "product" and max(levels, default=Level.PARAM) > Level.PARAM and Level.PARAM in levels:
        raise ProgramError(f"{row.name} mixes parameters with the data; rows must come between")
    if row.kind == "param" and Level.PARAM not in levels[:1]:
        raise ProgramError(f"{row.name} is of parameters only")
    if row.name == "pad" and isinstance(attr, tuple) and attr[0] + args[0].width > attr[1]:
        raise ProgramError(f"pad to {attr[1]} from {attr[0]} is too short for {args[0].width} numbers")


def _arity(row: Operation) -> int | None:
    """How many values an operation takes; None for any number."""
    parameters = list(inspect.signature(row.meaning).parameters.values())
    if any(p.kind == p.VAR_POSITIONAL for p in parameters):
        return None
    return len(parameters) - 1 - (row.name in ATTRIBUTES)


def _check_leaves(program: Program, nodes: list[Node]) -> None:
    """Every leaf is declared, under its own name, at its level."""
    declared: dict[str, dict[str, Any]] = {
        "input": program.inputs, "state": program.states, "param": {k: p.node for k, p in program.params.items()},
    }  # fmt: skip
    for op, named in declared.items():
        for name, node in named.items():
            levels = {"input": (Level.ROW, Level.STEP), "state": (Level.STATE,), "param": (Level.PARAM,)}[op]
            if node.graph is not program.graph or (node.op, node.attr) != (op, name) or node.level not in levels:
                raise _fail(program, f"{op} {name!r} is declared with the node {node!r} ({node.op}, level {node.level.name})")
            if len(node.shape) > (2 if op == "param" else 1) or min(node.shape) < 1:
                raise _fail(program, f"{op} {name!r} has shape {node.shape}")
    for node in nodes:
        if node.op in declared and declared[node.op].get(str(node.attr)) is not node:
            raise _fail(program, f"{node.op} {node!r} is read but not declared")
        if node.op == "const" and program.graph.array(node).shape != node.shape:
            raise _fail(program, f"the constant {node!r} is not of shape {node.shape}")
    draws = [n for n in nodes if n.op == "uniform"]
    if any(type(n.attr) is not int or not 0 <= n.attr < DRAWS or n.level not in (Level.ROW, Level.STEP) for n in draws):
        raise _fail(program, f"a draw has a number from 0 to {DRAWS - 1} and is made once a step or once a sequence")
    if len({n.attr for n in draws}) < len(draws):
        raise _fail(program, "two draws have the same number")


def _check_ends(program: Program) -> None:
    """Each state leaves as wide as it enters; what leaves has rows; something comes in with every step."""
    if not program.states or list(program.new) != list(program.states) or set(program.start) != set(program.states):
        raise _fail(program, f"states {list(program.states)}, new values {list(program.new)} and starts {list(program.start)} differ")
    for k, node in program.new.items():
        if node.shape != program.states[k].shape:
            raise _fail(program, f"state {k} enters with shape {program.states[k].shape} and leaves with {node.shape}")
    for node in program.roots():
        if node.level == Level.PARAM or len(node.shape) != 1:
            raise _fail(program, f"{node!r} leaves the step and is no vector with rows")
    if not any(n.level == Level.STEP for n in program.inputs.values()):
        raise _fail(program, "no input comes with every step")


def _check_names(program: Program) -> None:
    tied = [k for group in program.tied for k in group]
    if not set(tied) | set(program.exempt) <= set(program.states) or len(set(tied)) < len(tied):
        raise _fail(program, f"tied {program.tied} and exempt {program.exempt} are not names of states, each once")
    if len(set(program.options)) < len(program.options):
        raise _fail(program, f"an option was applied twice: {', '.join(program.options)}")
    for k, p in program.params.items():
        if isinstance(p.init, tuple) and (len(p.init),) != p.node.shape:
            raise _fail(program, f"parameter {k} of shape {p.node.shape} starts from {len(p.init)} numbers")
