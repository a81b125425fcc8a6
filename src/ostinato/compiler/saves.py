"""Choose what the forward pass of training keeps for the backward pass: only what it reads and cannot redo cheaply."""

from __future__ import annotations

from dataclasses import dataclass

from ..program.adjoint import Adjoint
from ..program.node import Level, Node, postorder
from ..program.program import Program
from ..program.table import OPERATIONS


@dataclass(frozen=True)
class Tape:
    """What a step leaves behind: values, and states (each as it enters the step; the next step's entry is its exit)."""

    values: tuple[Node, ...]
    states: tuple[str, ...]

    def width(self, program: Program) -> int:
        """Numbers a row and step, inputs and output aside."""
        return sum(n.width for n in self.values) + sum(program.states[k].width for k in self.states)


def choose_saves(program: Program, adjoint: Adjoint) -> Tape:
    """A small set from which everything the adjoint reads can be had: greedy, cheap arithmetic is done again."""
    forward = dict.fromkeys(program.nodes())
    ends = {n: k for k, n in program.new.items() if n.level > Level.ROW and n.op != "input"} | {n: k for k, n in program.states.items()}
    reads = [n for n in _reads(forward, adjoint) if n.level > Level.ROW and n.op not in ("input", "uniform") and n not in ends]
    kept = dict.fromkeys(reads)
    for node in reads:
        del kept[node]
        if not _reachable(node, kept, ends):
            kept[node] = None
    return Tape(tuple(sorted(kept, key=lambda n: n.id)), tuple(_states(program, forward, adjoint, kept, ends)))


def _reads(forward: dict[Node, None], adjoint: Adjoint) -> list[Node]:
    """Nodes of the forward step that nodes of the adjoint read, in the order of the program."""
    read: dict[Node, None] = {}
    for node in postorder(adjoint.roots()):
        if node in forward:
            continue
        read.update((a, None) for a in node.args if a in forward)
    read.update((n, None) for n in adjoint.roots() if n in forward)
    return [n for n in forward if n in read]


def _reachable(node: Node, kept: dict[Node, None], ends: dict[Node, str]) -> bool:
    """Whether cheap operations lead to the node from what is kept, the inputs and the states."""
    if node in kept or node in ends or node.level <= Level.ROW or node.op in ("input", "uniform"):
        return True
    return bool(node.args) and OPERATIONS[node.op].cheap and all(_reachable(a, kept, ends) for a in node.args)


def _states(program: Program, forward: dict[Node, None], adjoint: Adjoint, kept: dict[Node, None], ends: dict[Node, str]) -> list[str]:
    """The states that are met on the way back to what is kept."""
    todo, seen, met = _reads(forward, adjoint), set(kept), set()
    while todo:
        node = todo.pop()
        if node in ends:
            met.add(ends[node])
        elif node not in seen:
            seen.add(node)
            todo += node.args
    return [k for k in program.states if k in met]
