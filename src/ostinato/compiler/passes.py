"""What a pass must do: the values that lie somewhere already, and those that must be made and where they must go.

`schedule.py` turns a pass into instructions in order, `plan.py` gives every value its place.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from ..program.adjoint import Adjoint
from ..program.node import Level, Node, make, postorder, rebuild
from ..program.program import Program
from .places import Place, Space
from .saves import Tape
from .sections import Section, backward_sections, forward_sections

Kind = Literal["infer", "train", "backward"]


@dataclass(frozen=True)
class Extern:
    """An array of the caller's: what it is called, its role in docs/bytecode.md's numbers, its width."""

    role: Literal["input", "output", "state in", "state out", "grad output", "grad input", "grad state in", "grad state out"]
    name: str
    kind: int  # 0 step in, 1 step out, 2 sequence in, 3 sequence out
    width: int
    optional: bool = False


@dataclass
class State:
    """A carried value: where it enters and leaves a step, and the caller's arrays for its start and end."""

    value_in: Place
    value_out: Place
    extern_in: int
    extern_out: int
    start: float


@dataclass
class Pass:
    """What one bytecode must do: values that are there, values that must be made, and where these must go."""

    kind: Kind
    program: Program
    sections: dict[Node, Section]
    given: dict[Node, Place]  # nodes whose value lies somewhere already
    ends: list[tuple[Node, Place]]  # nodes whose value must come to lie somewhere
    keep: dict[Node, Place]  # nodes that live on the tape
    externs: list[Extern]
    states: list[State]
    params: list[str]
    grads: list[str] = field(default_factory=list)
    tape_width: int = 0

    def nodes(self) -> list[Node]:
        """Everything to be computed, each after what it reads."""
        return [n for n in postorder([n for n, _ in self.ends], self.given) if n.op != "const"]


def tape_places(program: Program, tape: Tape) -> tuple[dict[Node, Place], dict[str, Place], int]:
    """Offsets on the tape, the same for the forward and the backward pass."""
    values: dict[Node, Place] = {}
    states: dict[str, Place] = {}
    offset = 0
    for node in tape.values:
        values[node] = Place(Space.TAPE, offset, node.width)
        offset += node.width
    for k in tape.states:
        states[k] = Place(Space.TAPE, offset, program.states[k].width)
        offset += program.states[k].width
    return values, states, offset


def forward_pass(program: Program, tape: Tape | None, hoist: bool = False) -> Pass:
    """Inference, or with a tape the forward pass of training."""
    keep, on_tape, tape_width = tape_places(program, tape or Tape((), ()))
    externs = [_input(k, n) for k, n in program.inputs.items()]
    given = {n: _caller(i, externs[i]) for i, n in enumerate(program.inputs.values())}
    output = len(externs)
    externs.append(Extern("output", "output", 1, program.output.width))
    ends: list[tuple[Node, Place]] = [(program.output, _caller(output, externs[output]))]
    states: list[State] = []
    carry = 0
    for k, node in program.states.items():
        place = on_tape.get(k) or Place(Space.CARRY, carry, node.width)
        carry += node.width if place.space == Space.CARRY else 0
        externs += [Extern("state in", k, 2, node.width, True), Extern("state out", k, 3, node.width, True)]
        states.append(State(place, place.after(), len(externs) - 2, len(externs) - 1, program.start[k]))
        given[node] = place
        ends.append((program.new[k], place.after()))
    names = _give_params(program, given)
    kind: Kind = "infer" if tape is None else "train"
    sections = forward_sections(program, hoist)
    return lay_out(Pass(kind, program, sections, given, _settled(ends, sections), keep, externs, states, names, [], tape_width))


def backward_pass(program: Program, adjoint: Adjoint, tape: Tape) -> Pass:
    """The backward pass over a tape that `forward_pass` with the same tape has left."""
    keep, on_tape, tape_width = tape_places(program, tape)
    externs = [_input(k, n) for k, n in program.inputs.items()]
    given = {n: _caller(i, externs[i]) for i, n in enumerate(program.inputs.values())}
    externs.append(Extern("grad output", "output", 0, program.output.width, True))
    given[adjoint.output] = _caller(len(externs) - 1, externs[-1])
    given |= keep
    for k, place in on_tape.items():
        if program.new[k].level > Level.ROW and program.new[k].op != "input":
            given.setdefault(program.new[k], place.after())
    given |= {program.states[k]: place for k, place in on_tape.items()}
    names = _give_params(program, given)
    forward = set(program.nodes())
    sections = backward_sections(adjoint, forward, given)

    ends: list[tuple[Node, Place]] = []
    states: list[State] = []
    carry = 0
    for k, node in adjoint.carried.items():
        place = Place(Space.CARRY, carry, node.width)
        carry += node.width
        externs += [Extern("grad state in", k, 2, node.width, True), Extern("grad state out", k, 3, node.width, True)]
        states.append(State(place, place.after(), len(externs) - 2, len(externs) - 1, 0.0))
        given[node] = place
        ends.append((adjoint.previous[k], place.after()))
    for k, node in adjoint.inputs.items():
        externs.append(Extern("grad input", k, 1, node.width))
        ends.append((node, _caller(len(externs) - 1, externs[-1])))
    grads = list(adjoint.params)
    for i, k in enumerate(grads):
        ends.append((adjoint.params[k], Place(Space.GRAD, 0, adjoint.params[k].width, index=i)))
    return lay_out(Pass("backward", program, sections, given, _settled(ends, sections), {}, externs, states, names, grads, tape_width))


def lay_out(work: Pass) -> Pass:
    """Copy, step by step, what later sections read but that is gone by then.

    Carried values live for one step, so what runs after the loop reads a copy made inside it; and sums over time
    read only what is laid out in time.
    """
    sections, given = work.sections, work.given

    def lifted(reader: Section, node: Node) -> Node:
        carried = node in given and given[node].space == Space.CARRY
        flat = reader == Section.ACC and node not in given and sections.get(node) == Section.ROW
        if not (carried or flat):
            return node
        copy = make("copy", node)
        sections[copy] = Section.LOOP if carried else Section.PRE
        return copy

    def change(node: Node, args: tuple[Node, ...]) -> Node | None:
        if node in given or node not in sections:
            return node
        if sections[node] in (Section.POST, Section.ACC):
            args = tuple(lifted(sections[node], a) for a in args)
        if args == node.args:
            return node
        made = make(node.op, *args, attr=node.attr)
        sections.setdefault(made, sections[node])
        return made

    new = rebuild([*(n for n, _ in work.ends), *work.keep], change)
    return replace(work, ends=[(new[n], place) for n, place in work.ends], keep={new[n]: p for n, p in work.keep.items()})


def _input(name: str, node: Node) -> Extern:
    return Extern("input", name, 0 if node.level == Level.STEP else 2, node.width)


def _caller(index: int, extern: Extern) -> Place:
    return Place(Space.STEP if extern.kind < 2 else Space.SEQ, 0, extern.width, index=index)


def _give_params(program: Program, given: dict[Node, Place]) -> list[str]:
    for i, p in enumerate(program.params.values()):
        given[p.node] = Place(Space.GIVEN, 0, p.node.width, index=i)
    return list(program.params)


def _settled(ends: list[tuple[Node, Place]], sections: dict[Node, Section]) -> list[tuple[Node, Place]]:
    """A value of parameters that must reach every row is brought to rows first."""
    settled = []
    for node, place in ends:
        if node.level == Level.PARAM and place.space != Space.GRAD:
            node = make("rows", node)
            sections[node] = Section.ROW
        settled.append((node, place))
    return settled
