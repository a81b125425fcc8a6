"""Where a program's parameters lie inside a module's tensors.

torch.nn stacks the gates: ``weight_ih`` holds their input matrices one below the other, and each bias comes in two
halves that are added. A parameter is then a contiguous slice of rows, so the engine reads it, and writes its
gradient, where it lies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..program.node import Level, Node, make
from ..program.program import Param, Program


@dataclass(frozen=True)
class Slot:
    """A parameter's place: which of the tensors, from which row on."""

    tensor: int
    row: int


@dataclass(frozen=True)
class Layout:
    """The tensors of one layer in one direction, and where in them each of the program's parameters lies."""

    tensors: tuple[tuple[str, tuple[int, ...]], ...]  # name and shape
    slots: dict[str, Slot]

    def params(self, program: Program) -> list[tuple[str, Slot, tuple[int, ...]]]:
        """Each parameter with its place and shape."""
        return [(k, self.slots[k], p.node.shape) for k, p in program.params.items()]


# Of torch's stacked blocks, each gate by the name that the cell gives it: for the input, for the state.
_GATES = {
    "rnn": [("hidden", "hidden")],
    "lstm": [("input", "input"), ("forget", "forget"), ("candidate", "candidate"), ("output", "output")],
    "gru": [("reset", "reset"), ("update", "update"), ("new", "kept")],
}
_GATES["lstm_projected"] = _GATES["lstm"]


def stacked(program: Program, bias: bool) -> tuple[Program, Layout]:
    """The program of one of torch's own cells over torch's stacked tensors, in torch's order and by torch's names."""
    gates = _GATES[program.name]
    program = with_two_biases(program, [a for a, b in gates if a == b]) if bias else without_bias(program)
    hidden, slots = program.hidden_size, dict[str, Slot]()
    weights = 2 if bias else 0
    for k, (ours, theirs) in enumerate(gates):
        row = k * hidden
        slots |= {f"{ours}.x": Slot(0, row), f"{theirs}.h": Slot(1, row)}
        if bias:
            names = (f"{ours}.bias_ih", f"{ours}.bias_hh") if ours == theirs else (f"{ours}.bias", f"{theirs}.bias")
            slots |= {names[0]: Slot(2, row), names[1]: Slot(3, row)}
    rows = len(gates) * hidden
    tensors: list[tuple[str, tuple[int, ...]]] = [
        ("weight_ih", (rows, program.inputs["x"].width)),
        ("weight_hh", (rows, program.states["h"].width)),
    ]
    if bias:
        tensors += [("bias_ih", (rows,)), ("bias_hh", (rows,))]
    if "projection.m" in program.params:
        slots["projection.m"] = Slot(2 + weights, 0)
        tensors.append(("weight_hr", program.params["projection.m"].node.shape))
    return program, Layout(tuple(tensors), slots)


def separate(program: Program, bias: bool) -> tuple[Program, Layout]:
    """The program of any cell over one tensor for each parameter."""
    program = program if bias else without_bias(program)
    tensors = tuple((name.replace(".", "_"), p.node.shape) for name, p in program.params.items())
    if len({name for name, _ in tensors}) < len(tensors):
        raise ValueError(f"cell {program.name}: two parameters' names differ only in '.' and '_': {', '.join(program.params)}")
    return program, Layout(tensors, {name: Slot(k, 0) for k, name in enumerate(program.params)})


def with_two_biases(program: Program, gates: list[str]) -> Program:
    """The program with each gate's bias the sum of two parameters, as torch.nn has it."""
    sums: dict[Node, Node] = {}
    params: dict[str, Param] = {}
    for name, p in program.params.items():
        if name not in {f"{g}.bias" for g in gates}:
            params[name] = p
            continue
        parts = {f"{name}_{half}": program.graph.leaf("param", f"{name}_{half}", p.node.shape, Level.PARAM) for half in ("ih", "hh")}
        params |= {k: Param(n, p.init) for k, n in parts.items()}
        sums[p.node] = make("add", *parts.values())
    return program.changed(lambda node, args: sums.get(node), params=params)


def without_bias(program: Program) -> Program:
    """The program with the constant 0 for every bias of an affine map."""
    biases = {p.node for name, p in program.params.items() if name.split(".")[-1] == "bias"}
    zero = program.graph.const(0.0)

    def change(node: Node, args: tuple[Node, ...]) -> Node | None:
        if node in biases:
            return make("expand", zero, attr=node.shape)
        # A sum with the scalar 0 is no sum at all.
        return zero if node.op == "rows" and node.args[0] in biases else None

    left = {k: p for k, p in program.params.items() if p.node not in biases}
    return replace(program.changed(change), params=left)
