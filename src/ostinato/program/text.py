"""Programs as text, one equation a line, and back. Reading evaluates nothing and verifies everything.

    ostinato program 1
    cell indrnn
    hidden 2
    input x 3 step
    state h 2 start 0.0
    param input.bias 2
    ...
    %3 = add(%1, %2)
    h' = relu(%3)
    output h'
    new h = h'

Numbers are printed so that they read back to the same bits. A value without a label is called ``%k``; a second
value with the same label gets ``~2``, which is no part of the label.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import numpy as np

from .node import Graph, Level, Node, Shape
from .program import Param, Program
from .table import OPERATIONS
from .verify import LEAVES, ProgramError, check_arguments, verify

HEADER = "ostinato program 1"
LARGEST = 2**31 - 1  # numbers in one value

_EQUATION = re.compile(r"([^\s(),;=]+) = ([a-z_0-9]+)\(([^();]*)(?:; ([^;]*))?\)")
_SUFFIX = re.compile(r"~[0-9]+$")


class TextError(ProgramError):
    """Text that is no program: the line's number, the cause."""

    def __init__(self, line: int, cause: str) -> None:
        super().__init__(line, cause)
        self.line, self.cause = line, cause

    def __str__(self) -> str:
        return f"program text, line {self.line}: {self.cause}"


# ---------------------------------------------------------------- writing


def to_text(program: Program) -> str:
    """The program as text that `from_text` reads back to the same program."""
    names = _Names()
    nodes = program.nodes()
    lines = [HEADER, f"cell {program.name}", f"hidden {program.hidden_size}"]
    for k, node in program.inputs.items():
        lines.append(f"input {names.add(node, k)} {node.shape[0]} {'step' if node.level == Level.STEP else 'sequence'}")
    for k, node in program.states.items():
        lines.append(f"state {names.add(node, k)} {node.shape[0]} start {program.start[k]!r}")
    for k, p in program.params.items():
        lines.append(f"param {names.add(p.node, k)} {_numbers(p.node.shape)}{_init(p)}{'' if p.trained else ' fixed'}")
    for node in nodes:
        if node.op == "uniform":
            kind = "step" if node.level == Level.STEP else "sequence"
            lines.append(f"draw {names.add(node, node.label)} {node.shape[0]} {kind} {node.attr}")
        elif node.op == "const" and not node.is_scalar:
            array = program.graph.array(node)
            lines.append(f"const {names.add(node, node.label)} {_numbers(node.shape)} : {_numbers(array.ravel().tolist())}")
    for node in nodes:
        if node.op not in LEAVES:
            values = ", ".join(names.of(a, program.graph) for a in node.args)
            attr = "" if node.attr is None else f"; {node.attr!r}"
            lines.append(f"{names.add(node, node.label)} = {node.op}({values}{attr})")
    lines.append(f"output {names.of(program.output, program.graph)}")
    lines += [f"new {k} = {names.of(node, program.graph)}" for k, node in program.new.items()]
    lines += [f"tied {' '.join(group)}" for group in program.tied]
    lines += [f"exempt {k}" for k in program.exempt]
    lines += [f"option {k}" for k in program.options]
    return "\n".join(lines) + "\n"


class _Names:
    """What each value is called in the text: its label, made unique, or a number."""

    def __init__(self) -> None:
        self.names: dict[Node, str] = {}
        self.used: set[str] = set()
        self.unnamed = 0

    def add(self, node: Node, label: str | None) -> str:
        name = label or f"%{self.unnamed}"
        self.unnamed += label is None
        number = 2
        while name in self.used or _is_number(name):
            name, number = f"{label}~{number}", number + 1
        self.names[node] = name
        self.used.add(name)
        return name

    def of(self, node: Node, graph: Graph) -> str:
        return repr(float(graph.array(node)[0])) if node.is_scalar else self.names[node]


def _numbers(values: object) -> str:
    return " ".join(repr(v) for v in values)  # type: ignore[attr-defined]


def _init(p: Param) -> str:
    if p.init is None:
        return ""
    return " init " + (_numbers(p.init) if isinstance(p.init, tuple) else repr(float(p.init)))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# ---------------------------------------------------------------- reading


def from_text(text: str) -> Program:
    """The program that `to_text` printed. Raises `TextError` or `ProgramError`; reads no source, evaluates nothing."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != HEADER:
        raise TextError(1, f"a program begins with {HEADER!r}")
    reader = _Reader()
    for number, line in enumerate(lines[1:], 2):
        if line.strip():
            reader.read(number, line.strip())
    program = reader.finish(len(lines))
    verify(program)
    return program


@dataclass
class _Reader:
    """Reads line by line into the fields of a program."""

    graph: Graph = field(default_factory=Graph)
    line: int = 0
    values: dict[str, Node] = field(default_factory=dict)
    name: str | None = None
    hidden: int | None = None
    output: Node | None = None
    inputs: dict[str, Node] = field(default_factory=dict)
    states: dict[str, Node] = field(default_factory=dict)
    start: dict[str, float] = field(default_factory=dict)
    params: dict[str, Param] = field(default_factory=dict)
    new: dict[str, Node] = field(default_factory=dict)
    tied: list[tuple[str, ...]] = field(default_factory=list)
    exempt: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)

    def read(self, number: int, line: str) -> None:
        self.line = number
        if equation := _EQUATION.fullmatch(line):
            return self.equation(*equation.groups())
        word, _, rest = line.partition(" ")
        readers: dict[str, Callable[[list[str]], None]] = {
            "cell": self.read_cell, "hidden": self.read_hidden, "input": self.read_input, "state": self.read_state,
            "param": self.read_param, "draw": self.read_draw, "const": self.read_const, "output": self.read_output,
            "new": self.read_new, "tied": lambda w: self.tied.append(tuple(w)), "exempt": self.exempt.extend, "option": self.options.extend,
        }  # fmt: skip
        if word not in readers:
            raise self.error(f"{line[:40]!r} is no equation and no declaration")
        try:
            readers[word](rest.split())
        except (IndexError, ValueError) as e:
            if isinstance(e, TextError):
                raise
            raise self.error(f"{word}: cannot read {rest[:40]!r}") from None

    def error(self, cause: str) -> TextError:
        return TextError(self.line, cause)

    def finish(self, last: int) -> Program:
        if self.name is None or self.hidden is None or self.output is None:
            raise TextError(last, "a program has a cell, a hidden size and an output")
        return Program(
            self.name, self.graph, self.hidden, self.inputs, self.states, self.start, self.new, self.output, self.params,
            tuple(self.tied), tuple(self.exempt), tuple(self.options),
        )  # fmt: skip

    # -- declarations

    def read_cell(self, words: list[str]) -> None:
        (self.name,) = words

    def read_hidden(self, words: list[str]) -> None:
        (size,) = words
        self.hidden = self.shape([size])[0]

    def read_input(self, words: list[str]) -> None:
        name, width, kind = words
        self.inputs[_plain(name)] = self.leaf("input", name, [width], self.level(kind))

    def read_state(self, words: list[str]) -> None:
        name, width, _, start = words
        self.states[_plain(name)] = self.leaf("state", name, [width], Level.STATE)
        self.start[_plain(name)] = float(start)

    def read_param(self, words: list[str]) -> None:
        trained = words[-1] != "fixed"
        words = words if trained else words[:-1]
        at = words.index("init") if "init" in words[1:] else len(words)
        init = tuple(float(v) for v in words[at + 1 :])
        shape = words[1:at]
        vector = len(shape) == 1 and len(init) > 1
        self.params[_plain(words[0])] = Param(
            self.leaf("param", words[0], shape, Level.PARAM), None if at == len(words) else init if vector else _only(init), trained
        )

    def read_draw(self, words: list[str]) -> None:
        name, width, kind, number = words
        node = self.graph.leaf("uniform", int(number), self.shape([width]), self.level(kind))
        self.define(name, node)

    def read_const(self, words: list[str]) -> None:
        at = words.index(":")
        shape, numbers = self.shape(words[1:at]), [float(v) for v in words[at + 1 :]]
        if len(numbers) != int(np.prod(shape)):
            raise self.error(f"{words[0]} of shape {shape} has {len(numbers)} numbers")
        self.define(words[0], self.graph.const(np.array(numbers).reshape(shape)))

    def read_output(self, words: list[str]) -> None:
        (name,) = words
        self.output = self.value(name)

    def read_new(self, words: list[str]) -> None:
        name, _, value = words
        self.new[name] = self.value(value)

    # -- equations

    def equation(self, name: str, op: str, values: str, attr: str | None) -> None:
        row = OPERATIONS.get(op)
        if row is None:
            raise self.error(f"there is no operation {op!r}")
        args = tuple(self.value(v.strip()) for v in values.split(",") if v.strip())
        try:
            setting = None if attr is None else _attribute(attr)
            check_arguments(row, args, setting)
            node = self.graph.node(row, args, setting)
        except (ValueError, TypeError, IndexError) as e:
            raise self.error(str(e)) from None
        if node.width > LARGEST:
            raise self.error(f"{name} would hold {node.width} numbers")
        self.define(name, node)

    def value(self, name: str) -> Node:
        if name in self.values:
            return self.values[name]
        if _is_number(name):
            return self.graph.const(float(name))
        raise self.error(f"{name[:40]!r} is not defined above")

    def leaf(self, op: str, name: str, shape: list[str], level: Level) -> Node:
        node = self.graph.leaf(op, _plain(name), self.shape(shape), level)
        self.define(name, node)
        return node

    def define(self, name: str, node: Node) -> None:
        if name in self.values or _is_number(name):
            raise self.error(f"{name!r} is defined twice" if name in self.values else f"{name!r} is a number")
        self.values[name] = node
        if node.op not in ("input", "state", "param") and not name.startswith("%"):
            node.label = _plain(name)

    def shape(self, words: list[str]) -> Shape:
        shape = tuple(int(w) for w in words)
        if not 1 <= len(shape) <= 2 or min(shape) < 1 or max(shape) > LARGEST or (len(shape) == 2 and shape[0] * shape[1] > LARGEST):
            raise self.error(f"{' '.join(words)[:40]} is no shape")
        return shape

    def level(self, word: str) -> Level:
        return {"step": Level.STEP, "sequence": Level.ROW}.get(word) or self._no_level(word)

    def _no_level(self, word: str) -> Level:
        raise self.error(f"{word!r} is neither step nor sequence")


def _plain(name: str) -> str:
    return _SUFFIX.sub("", name)


def _only(numbers: tuple[float, ...]) -> float:
    (number,) = numbers
    return number


def _attribute(text: str) -> Hashable:
    """A whole number, a number, or whole numbers in parentheses."""
    if text.startswith("(") and text.endswith(")"):
        return tuple(int(w) for w in text[1:-1].split(",") if w.strip())
    return int(text) if text.lstrip("-").isdigit() else float(text)
