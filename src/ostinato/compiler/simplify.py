"""Rewrite sums so that products can be chained, and multiply-adds so that they are one operation.

A sum of products is one accumulation chain in the engine: it starts from a bias, takes what does not change with
the state, then the products with the state. So the terms of every sum are put in that order here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container
from dataclasses import replace

from ..program.adjoint import Adjoint
from ..program.node import Level, Node, make, postorder, rebuild
from ..program.program import Program
from ..program.table import PRODUCTS
from .sections import backward_level

LevelOf = Callable[[Node], Level]


def simplify(program: Program) -> Program:
    """The same meaning, with sums in the engine's order and multiply-adds fused."""
    new = tidy(program.roots(), lambda n: n.level)
    return program.changed(lambda node, _: new[node])


def simplify_adjoint(adjoint: Adjoint, program: Program) -> Adjoint:
    """The same for an adjoint; nodes of the forward step, which the tape keeps, stay as they are."""
    forward = set(program.nodes())
    levels = backward_level(adjoint, forward)
    new = tidy(adjoint.roots(), lambda n: levels[n], forward)
    return replace(
        adjoint,
        previous={k: new[n] for k, n in adjoint.previous.items()},
        inputs={k: new[n] for k, n in adjoint.inputs.items()},
        params={k: new[n] for k, n in adjoint.params.items()},
    )


def tidy(roots: list[Node], level_of: LevelOf, fixed: Container[Node] = ()) -> dict[Node, Node]:
    """What each node becomes; nodes in `fixed` stay as they are."""
    summed = order_sums(roots, level_of, fixed)
    fused = fuse([summed[r] for r in roots], fixed)
    return {node: fused.get(new, new) for node, new in summed.items()}


def order_sums(roots: list[Node], level_of: LevelOf, fixed: Container[Node] = ()) -> dict[Node, Node]:
    """Write each sum as ((first + second) + third) …, terms in the order of `_rank`."""
    uses = count_uses(roots)
    depth = _depths(roots)

    def terms(node: Node, top: bool) -> list[Node]:
        if node.op != "add" or node in fixed or node.level == Level.PARAM or (uses[node] > 1 and not top):
            return [node]
        return [t for a in node.args for t in terms(a, False)]

    def change(node: Node, args: tuple[Node, ...]) -> Node | None:
        if node in fixed:
            return node
        if node.op != "add" or node.level == Level.PARAM:
            return None
        parts = terms(node, True)
        if (joined := _joined([new[p] for p in parts])) is not None:
            return joined
        if not any(p.op in PRODUCTS for p in parts):
            return None
        late = min((depth[p.args[1]] for p in parts if p.op in PRODUCTS and p.args[1].args), default=-1)
        parts.sort(key=lambda p: _rank(p, level_of(p), depth[p] <= late))
        total = new[parts[0]]
        if total.is_scalar:  # a chain starts from a vector
            total = make("rows", make("expand", total, attr=node.shape))
        for part in parts[1:]:
            total = make("add", total, new[part])
        return total

    new: dict[Node, Node] = {}
    for node in postorder(roots):
        new |= rebuild_one(node, new, change)
    return new


def _joined(parts: list[Node]) -> Node | None:
    """A sum of vectors that lie side by side, each padded to the whole width, is their concatenation."""
    if not all(p.op == "pad" for p in parts):
        return None
    parts = sorted(parts, key=_start)
    ends = [_start(p) + p.args[0].width for p in parts]
    if [0, *ends] != [*map(_start, parts), parts[0].width]:
        return None
    return make("concat", *(p.args[0] for p in parts))


def _start(pad: Node) -> int:
    assert isinstance(pad.attr, tuple)
    return int(pad.attr[0])


def _rank(term: Node, level: Level, early: bool) -> tuple[int, int]:
    """Lower levels first. Within one: biases, terms that are ready before the products, products, the rest."""
    if term.op == "rows":
        return level, 0
    if term.op in PRODUCTS:
        return level, 2
    return level, 1 if early else 3


def _depths(roots: list[Node]) -> dict[Node, int]:
    """The number of products on the longest way to each node."""
    depth: dict[Node, int] = {}
    for node in postorder(roots):
        depth[node] = max((depth[a] for a in node.args), default=0) + (node.op in PRODUCTS)
    return depth


def fuse(roots: list[Node], fixed: Container[Node] = ()) -> dict[Node, Node]:
    """Make ``a * b + c`` and the slope of a function at ``a * b`` one operation where that product is used nowhere else."""
    uses = count_uses(roots)

    def own_product(node: Node, arg: Node) -> bool:
        return node.op == arg.op == "mul" and uses[node] == 1 and node not in fixed

    def change(node: Node, args: tuple[Node, ...]) -> Node | None:
        if node in fixed:
            return node
        if node.op in ("dtanh", "dsigmoid") and own_product(node.args[0], args[0]):
            return make(f"mul_{node.op}", *args[0].args, args[1])
        if node.op != "add" or any(a.op in PRODUCTS for a in node.args):
            return None
        for k in (1, 0):
            if own_product(node.args[k], args[k]):
                return make("fma", *args[k].args, args[1 - k])
        return None

    return rebuild(roots, change)


def rebuild_one(node: Node, new: dict[Node, Node], change: Callable[[Node, tuple[Node, ...]], Node | None]) -> dict[Node, Node]:
    """One step of `rebuild`, for a change that looks at what came before."""
    args = tuple(new[a] for a in node.args)
    made = change(node, args)
    if made is None:
        made = node if args == node.args else make(node.op, *args, attr=node.attr)
    if made.label is None:
        made.label = node.label
    return {node: made}


def count_uses(roots: list[Node]) -> Counter[Node]:
    """How often each node is read; being a root counts as a reading."""
    uses: Counter[Node] = Counter(roots)
    for node in postorder(roots):
        uses.update(node.args)
    return uses
