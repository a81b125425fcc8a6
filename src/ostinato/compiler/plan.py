"""Give every value its place, and every item its instruction."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..program.node import Node
from .passes import Extern, Pass, State
from .places import Place, Slots, Space
from .schedule import Item, Schedule
from .sections import Section

_FOREVER = 1 << 30


@dataclass(frozen=True)
class Pack:
    """A packed matrix: for each output and segment a matrix of parameters, perhaps transposed."""

    outputs: tuple[int, ...]
    segments: tuple[int, ...]
    matrices: tuple[tuple[Place, bool], ...]  # output by output, segment by segment


@dataclass(frozen=True)
class Instr:
    """One instruction of docs/bytecode.md, operands still by place."""

    op: str
    places: tuple[Place | None, ...]  # in the order of the bytecode's words; None is −1
    numbers: tuple[int, ...] = ()  # raw integers, placed by the operation's layout
    pack: Pack | None = None


@dataclass
class Plan:
    """A pass, ready to be encoded."""

    kind: str
    sections: dict[Section, list[Instr]]
    externs: list[Extern]
    states: list[State]
    params: list[tuple[str, tuple[int, int]]]
    grads: list[tuple[str, tuple[int, int]]]
    sizes: dict[Space, int]
    consts: list[float] = field(default_factory=list)


def make_plan(work: Pass, order: Schedule) -> Plan:
    """The plan of a pass whose instructions run in the order of `order`."""
    places = _Places(work, order)
    sections = {s: [i for unit in units for item in unit for i in _instructions(item, places)] for s, units in order.units.items()}
    shapes = {k: _rows_cols(work.program.params[k].node) for k in work.program.params}
    sizes = {s: places.slots[s].size for s in places.slots}
    sizes |= {Space.TAPE: work.tape_width, Space.CARRY: sum(s.value_in.width for s in work.states if s.value_in.space == Space.CARRY)}
    return Plan(
        work.kind,
        sections,
        work.externs,
        work.states,
        [(k, shapes[k]) for k in work.params],
        [(k, shapes[k]) for k in work.grads],
        sizes,
        places.consts,
    )


def _rows_cols(node: Node) -> tuple[int, int]:
    return (node.shape[0], node.shape[1]) if len(node.shape) == 2 else (1, node.shape[0])


# ---------------------------------------------------------------- places


class _Places:
    """Where each node lives."""

    def __init__(self, work: Pass, order: Schedule) -> None:
        self.slots = {s: Slots(s, unit=s == Space.TILE) for s in (Space.PARAM, Space.ROW, Space.CHUNK, Space.WORK, Space.TILE, Space.TIME)}
        self.consts: list[float] = []
        self._known_consts: dict[bytes, Place] = {}
        self._at: dict[Node, Place] = {**work.given, **work.keep, **order.ends}
        moments = _Moments(order)
        for section, units in order.units.items():
            for unit in units:
                for item in unit:
                    for node in item.makes:
                        if node not in self._at:
                            self._at[node] = self._home(node, item, section, order, moments)

    def of(self, node: Node) -> Place:
        if node.op == "const" and node not in self._at:
            self._at[node] = self.const(node.graph.array(node))
        return self._at[node]

    def const(self, values: npt.NDArray[np.float64]) -> Place:
        key = values.tobytes()
        if key not in self._known_consts:
            self._known_consts[key] = Place(Space.CONST, len(self.consts), values.size)
            self.consts += [float(v) for v in values.ravel()]
        return self._known_consts[key]

    def _home(self, node: Node, item: Item, section: Section, order: Schedule, moments: _Moments) -> Place:
        readers = order.readers.get(node, [])
        sections = {r.section for r in readers}
        if section in (Section.PROLOGUE, Section.ACC, Section.EPILOGUE):
            return self.slots[Space.PARAM].take(node.width, 0, _FOREVER)
        if Section.ACC in sections:
            return self.slots[Space.TIME].take(node.width, 0, _FOREVER)
        if section == Section.ROW:
            return self.slots[Space.ROW].take(node.width, 0, _FOREVER)
        if item.width and all(r.width and moments.unit[r] == moments.unit[item] for r in readers):
            now, last = moments.item[item], max((moments.item[r] for r in readers), default=moments.item[item])
            return self.slots[Space.TILE].take(node.width, now, last)
        if section == Section.LOOP and sections <= {Section.LOOP}:
            last = max(moments.unit[r] for r in readers)
            return self.slots[Space.WORK].take(node.width, moments.unit[item], last)
        return self.slots[Space.CHUNK].take(node.width, moments.chunk(item), max(moments.chunk(r) for r in readers))


class _Moments:
    """When each item runs, counted in items and in units; for chunks the whole loop is one moment."""

    def __init__(self, order: Schedule) -> None:
        self.item: dict[Item, int] = {}
        self.unit: dict[Item, int] = {}
        units = 0
        self._loop = 0
        for section, runs in order.units.items():
            if section == Section.LOOP:
                self._loop = units
            for run in runs:
                for item in run:
                    self.item[item], self.unit[item] = len(self.item), units
                units += 1

    def chunk(self, item: Item) -> int:
        return self._loop if item.section == Section.LOOP else self.unit[item]


# ---------------------------------------------------------------- instructions


def _instructions(item: Item, places: _Places) -> list[Instr]:
    """The instructions of one item."""
    if item.op == "gemm":
        return [_gemm(item, places)]
    if item.op == "outer":
        operand, *gradients = (places.of(n) for n in item.reads)
        pairs = [p for node, g in zip(item.makes, gradients, strict=True) for p in (places.of(node), g)]
        return [Instr("outer", (operand, *pairs), (len(gradients),))]
    if item.to is not None:
        return [Instr("copy", (item.to, places.of(item.reads[0])))]
    node = item.makes[0]
    to, args = places.of(node), [places.of(a) for a in node.args]
    if node.op == "slice":
        return [Instr("copycols", (to, args[0]), (0, _first(node), node.width))]
    if node.op == "pad":
        return [Instr("zero", (to,)), Instr("copycols", (to, args[0]), (_first(node), 0, node.args[0].width))]
    if node.op == "concat":
        starts = np.cumsum([0, *(a.width for a in node.args)])
        return [Instr("copycols", (to, a), (int(s), 0, a.width)) for a, s in zip(args, starts, strict=False)]
    if node.op in ("normalise", "normalise_grad"):
        return [Instr(node.op, (to, *args, places.const(np.array([node.attr], dtype=np.float64))))]
    if node.op == "uniform":
        return [Instr("uniform", (to,), (int(str(node.attr)),))]
    if node.op == "transpose":
        return [Instr("transpose", (to, *args), node.args[0].shape)]
    if node.op in ("matvec", "matvec_t"):
        return [Instr("matvec", (to, *args), (*node.args[0].shape, int(node.op == "matvec_t")))]
    return [Instr({"total": "sum", "stop": "copy"}.get(node.op, node.op), (to, *args))]


def _first(node: Node) -> int:
    attr = node.attr
    assert isinstance(attr, tuple)
    return int(attr[0])


def _gemm(item: Item, places: _Places) -> Instr:
    first = item.chains[0]
    pack = Pack(
        tuple(c.root.width for c in item.chains),
        tuple(v.width for v in first.operands),
        tuple((places.of(m), transposed) for c in item.chains for m, transposed, _ in c.segments),
    )
    outputs = [p for c in item.chains for p in (places.of(c.root), places.of(c.init) if c.init is not None else None)]
    operands = [places.of(v) for v in first.operands]
    return Instr("gemm", (*outputs, *operands), (len(item.chains), len(operands)), pack)
