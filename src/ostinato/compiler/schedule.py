"""Turn a pass into instructions, in order: chains of products first, then what to copy, then the order of running."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field

from ..program.node import Level, Node
from ..program.table import OPERATIONS, PRODUCTS
from .passes import Pass
from .places import Place, Space
from .sections import Section


@dataclass(frozen=True)
class Chain:
    """One accumulation chain: ``root = init + matrix · operand + …``, from left to right."""

    root: Node
    init: Node | None
    segments: tuple[tuple[Node, bool, Node], ...]  # (matrix, transposed, operand)

    @property
    def operands(self) -> tuple[Node, ...]:
        return tuple(v for _, _, v in self.segments)

    def reads(self) -> list[Node]:
        return [*dict.fromkeys(self.operands), *([self.init] if self.init else []), *(m for m, _, _ in self.segments)]


@dataclass(eq=False)
class Item:
    """One instruction to be: what it makes, what it reads, and how wide it is if it is pointwise."""

    op: str
    section: Section
    makes: tuple[Node, ...]
    reads: tuple[Node, ...]
    width: int = 0  # of a pointwise instruction; others 0
    to: Place | None = None  # where a copy to an end goes
    chains: tuple[Chain, ...] = ()


@dataclass
class Schedule:
    """Items of each section in running order, cut into units: runs of pointwise items, or single others."""

    units: dict[Section, list[list[Item]]]
    ends: dict[Node, Place] = field(default_factory=dict)  # nodes that are made right where an end wants them
    readers: dict[Node, list[Item]] = field(default_factory=dict)


def schedule(work: Pass) -> Schedule:
    items = _items(work)
    readers: dict[Node, list[Item]] = {}
    for item in items:
        for node in item.reads:
            readers.setdefault(node, []).append(item)
    ends = _direct_ends(work, readers)
    for node, place in work.ends:
        if ends.get(node) != place:
            copy = Item("copy", _copy_section(work, node, place), (), (node,), place.width, place)
            items.append(copy)
            readers.setdefault(node, []).append(copy)
    units = {s: _units(_order([i for i in items if i.section == s])) for s in Section}
    return Schedule(units, ends, readers)


# ---------------------------------------------------------------- from nodes to items


def _items(work: Pass) -> list[Item]:
    """An item for every node that is needed; nodes inside a chain have none of their own."""
    order = work.nodes()
    uses = Counter([a for n in order for a in n.args] + [n for n, _ in work.ends] + list(work.keep))
    needed = dict.fromkeys([n for n, _ in work.ends] + list(work.keep))
    chains: list[Chain] = []
    items: list[Item] = []
    for node in reversed(order):
        if node not in needed:
            continue
        chain = _chain(node, work.sections, uses) if node.level > Level.PARAM else None
        if chain is not None:
            chains.append(chain)
            reads = chain.reads()
        else:
            row = OPERATIONS.get(node.op)
            pointwise = row is not None and row.kind == "pointwise"
            reads = [a for a in node.args if not (pointwise and a.is_scalar)]
            items.append(Item(node.op, work.sections[node], (node,), tuple(reads), node.width if pointwise else 0))
        needed.update((a, None) for a in reads)
    return _grouped_outers(items[::-1]) + _grouped_chains(work, chains[::-1])


def _chain(root: Node, sections: dict[Node, Section], uses: Counter[Node]) -> Chain | None:
    """The products that end in `root` and can be accumulated in one go, or None."""
    section = sections[root]
    segments: list[tuple[Node, bool, Node]] = []
    node: Node | None = root

    def inner(n: Node) -> bool:
        return n is root or (uses[n] == 1 and sections.get(n) == section)

    while node is not None and inner(node):
        product = node if node.op in PRODUCTS else node.args[1] if node.op == "add" else None
        if product is None or product.op not in PRODUCTS or not inner(product):
            break
        segments.append(_segment(product))
        node = node.args[0] if node.op == "add" else None
    if not segments:
        return None
    # A bias is read where it lies, not brought to rows.
    init = node.args[0] if node is not None and node.op == "rows" else node
    return Chain(root, init, tuple(reversed(segments)))


def _segment(product: Node) -> tuple[Node, bool, Node]:
    matrix, operand = product.args
    transposed = product.op == "matvec_t"
    while matrix.op == "transpose":
        matrix, transposed = matrix.args[0], not transposed
    return matrix, transposed, operand


def _grouped_chains(work: Pass, chains: list[Chain]) -> list[Item]:
    """Chains over the same operands, equally deep, are one product with stacked outputs."""
    depth: dict[Node, int] = {}
    for node in work.nodes():
        here = [depth.get(a, 0) for a in node.args if work.sections.get(a) == work.sections[node]]
        depth[node] = max(here, default=0) + (node.op in PRODUCTS)
    groups: dict[tuple[object, ...], list[Chain]] = {}
    for chain in chains:
        section = work.sections[chain.root]
        before = max((depth.get(n, 0) for n in chain.reads() if work.sections.get(n) == section), default=0)
        groups.setdefault((section, chain.operands, before), []).append(chain)
    return [
        Item(
            "gemm",
            work.sections[group[0].root],
            tuple(c.root for c in group),
            tuple(dict.fromkeys(n for c in group for n in c.reads())),
            chains=tuple(group),
        )
        for group in groups.values()
    ]


def _grouped_outers(items: list[Item]) -> list[Item]:
    """Sums over time with the same operand are one product: it is packed once."""
    outers: dict[Node, list[Item]] = {}
    for item in items:
        if item.op == "outer":
            outers.setdefault(item.makes[0].args[1], []).append(item)
    merged = [
        Item("outer", Section.ACC, tuple(i.makes[0] for i in group), (operand, *(i.makes[0].args[0] for i in group)))
        for operand, group in outers.items()
    ]
    return [i for i in items if i.op != "outer"] + merged


# ---------------------------------------------------------------- ends


def _direct_ends(work: Pass, readers: dict[Node, list[Item]]) -> dict[Node, Place]:
    """Nodes that can be made right where an end wants them, so that no copy is needed."""
    wanted = Counter(n for n, _ in work.ends)
    direct: dict[Node, Place] = {}
    for node, place in sorted(work.ends, key=lambda end: end[1].space == Space.STEP):
        if node in work.given or node in work.keep or node in direct or node.op == "const":
            continue
        section, read_in = work.sections[node], {i.section for i in readers.get(node, [])}
        if place.space == Space.CARRY:
            ok = section == Section.LOOP and read_in <= {Section.LOOP}
        elif place.space == Space.TAPE:
            ok = section == Section.LOOP
        elif place.space == Space.STEP:
            ok = not read_in and wanted[node] == 1 and section in (Section.PRE, Section.LOOP, Section.POST)
        else:
            ok = not read_in and wanted[node] == 1 and section in (Section.ACC, Section.EPILOGUE)
        if ok:
            direct[node] = place
    return direct


def _copy_section(work: Pass, node: Node, place: Place) -> Section:
    if place.space == Space.GRAD:
        return Section.EPILOGUE
    if place.space in (Space.CARRY, Space.TAPE):
        return Section.LOOP
    if node in work.given:
        return Section.LOOP if work.given[node].space == Space.CARRY else Section.POST
    return max(work.sections[node], Section.PRE)


# ---------------------------------------------------------------- order


def _order(items: list[Item]) -> list[Item]:
    """Each item after what it reads; runs of pointwise items of one width as long as can be."""
    maker = {n: k for k, i in enumerate(items) for n in i.makes}
    waits = [{maker[n] for n in i.reads if n in maker} for i in items]
    followers: list[list[int]] = [[] for _ in items]
    for k, before in enumerate(waits):
        for b in before:
            followers[b].append(k)
    left = [len(before) for before in waits]
    ready: dict[int, list[int]] = {}  # by width, a heap each; instructions that are not pointwise have width 0

    def release(k: int) -> None:
        heapq.heappush(ready.setdefault(items[k].width, []), k)

    for k, count in enumerate(left):
        if not count:
            release(k)
    done: list[Item] = []
    run = 0
    while any(ready.values()):
        if not ready.get(run):
            run = 0 if ready.get(0) else min((w for w in ready if ready[w]), key=lambda w: ready[w][0])
        k = heapq.heappop(ready[run])
        done.append(items[k])
        for f in followers[k]:
            left[f] -= 1
            if not left[f]:
                release(f)
    return done


def _units(items: list[Item]) -> list[list[Item]]:
    units: list[list[Item]] = []
    for item in items:
        if item.width and units and units[-1][0].width == item.width:
            units[-1].append(item)
        else:
            units.append([item])
    return units
