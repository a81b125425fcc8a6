"""Which section of the bytecode each node belongs to: hoisted before the time loop, inside it, or sunk behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import IntEnum

from ..program.adjoint import SUMS, Adjoint
from ..program.node import Level, Node, postorder
from ..program.program import Program
from ..program.table import OPERATIONS, PRODUCTS


class Section(IntEnum):
    """In the order they run; docs/bytecode.md says how often."""

    PROLOGUE = 0
    ROW = 1
    PRE = 2
    LOOP = 3
    POST = 4
    ACC = 5
    EPILOGUE = 6


_BY_LEVEL = {Level.PARAM: Section.PROLOGUE, Level.ROW: Section.ROW, Level.STEP: Section.PRE}


# Products of an operand this wide cost no more as the beginning of the loop's own chains than on their own, where all
# their sums are written and read again.
_WIDEST = 256


def forward_sections(program: Program, hoist: bool = False) -> dict[Node, Section]:
    """Hoist by level; sink what no new state needs. `hoist`: also what chains of the loop could begin with."""
    core = set(postorder(program.new.values()))
    order = program.nodes()
    sections = {n: _BY_LEVEL.get(n.level, Section.LOOP if n in core else Section.POST) for n in order}
    if hoist:
        return sections
    uses = Counter([a for n in order for a in n.args] + [program.output, *program.new.values()])
    begins = [
        _beginning(n.args[0], sections, uses) for n in order if n.op == "add" and n.args[1].op in PRODUCTS and sections[n] == Section.LOOP
    ]
    joined = {n for begin in begins for n in begin}
    alone = {n.args[1] for n in order if n.op in PRODUCTS and sections[n] == Section.PRE and n not in joined}
    for begin in begins:
        if not any(n.args[1] in alone for n in begin if n.op in PRODUCTS):
            sections |= dict.fromkeys(begin, Section.LOOP)
    return sections


def _beginning(node: Node, sections: dict[Node, Section], uses: Counter[Node]) -> list[Node]:
    """Of what a chain of the loop adds to: the hoisted products of operands not too wide, and their sums."""
    found: list[Node] = []
    while True:
        product = node if node.op in PRODUCTS else node.args[1] if node.op == "add" else node
        wide = product.op not in PRODUCTS or product.args[1].width > _WIDEST
        if wide or any(sections[n] != Section.PRE or uses[n] > 1 for n in (node, product)):
            return found
        found += dict.fromkeys((node, product))
        if node is product:
            return found
        node = node.args[0]


def backward_level(adjoint: Adjoint, forward: set[Node]) -> dict[Node, Level]:
    """Levels as the backward loop sees them: a value of the forward step is an input, not a state."""
    carried = set(adjoint.carried.values())
    level: dict[Node, Level] = {}
    for n in postorder(adjoint.roots()):
        if n in forward or not n.args:
            level[n] = Level.STATE if n in carried else min(n.level, Level.STEP)
        elif n.op in SUMS or n.op == "rows":
            level[n] = OPERATIONS[n.op].level(n.args)
        else:
            level[n] = max(level[a] for a in n.args)
    return level


def backward_sections(adjoint: Adjoint, forward: set[Node], places: Iterable[Node]) -> dict[Node, Section]:
    """The same for the adjoint; `places` are the nodes that the tape or the caller holds already."""
    known = set(places)
    order = postorder(adjoint.roots(), known)
    level = backward_level(adjoint, forward)
    core = set(postorder(adjoint.previous.values(), known))
    after = _reading_sums(order)
    sections: dict[Node, Section] = {}
    for n in order:
        if n.op in SUMS:
            sections[n] = Section.ACC
        elif n in after:
            sections[n] = Section.EPILOGUE
        elif level[n] == Level.STATE:
            sections[n] = Section.LOOP if n in core else Section.POST
        else:
            sections[n] = _BY_LEVEL[level[n]]
    _sink(order, sections, adjoint)
    return sections


def _reading_sums(order: list[Node]) -> set[Node]:
    after: set[Node] = set()
    for n in order:
        if any(a.op in SUMS or a in after for a in n.args):
            after.add(n)
    return after


def _sink(order: list[Node], sections: dict[Node, Section], adjoint: Adjoint) -> None:
    """Move cheap hoisted arithmetic to where it is used: reading it again costs more than doing it there."""
    readers: dict[Node, list[Section]] = {n: [Section.LOOP] for n in adjoint.previous.values()}
    for n in reversed(order):
        if sections[n] == Section.PRE and n.op not in PRODUCTS and OPERATIONS.get(n.op) and OPERATIONS[n.op].cheap:
            used = [min(s, Section.POST) for s in readers.get(n, [])]
            sections[n] = min(used, default=Section.POST)
        for a in n.args:
            readers.setdefault(a, []).append(sections[n])
