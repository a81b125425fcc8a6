"""A program's equations as people write them, and what a step costs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from .node import Level, Node
from .program import Program
from .verify import LEAVES

_INFIX = {"add": (" + ", 1), "sub": (" - ", 1), "mul": (" * ", 2), "div": (" / ", 2), "matvec": (" @ ", 2)}
_COMPARED = {"lt": " < ", "le": " <= ", "eq": " == "}


@dataclass(frozen=True)
class Cost:
    """What one step of one sequence takes, the expressions of parameters aside."""

    params: int  # trained numbers
    flops: int  # two for each multiply-add of a product, one for each number of any other operation
    bytes: int  # of parameters and states in float32


def cost(program: Program) -> Cost:
    """Parameters, operations and bytes of one step."""
    flops = 0
    for n in program.nodes():
        if n.level > Level.PARAM and n.op not in LEAVES and not is_silent(n):
            flops += 2 * n.args[0].width if n.op.startswith("matvec") else n.width
    numbers = sum(p.node.width for p in program.params.values())
    trained = sum(p.node.width for p in program.params.values() if p.trained)
    return Cost(trained, flops, 4 * (numbers + sum(n.width for n in program.states.values())))


def equations(program: Program) -> str:
    """The equations, one line for each value that has a name or is used twice, and the cost of a step."""
    names = {n: str(n.label) for n in program.nodes() if n.op in LEAVES and n.op != "const"}
    lines: list[tuple[str, str]] = []
    for name, n in named_values(program):
        lines.append((name, _write(n, names)[0]) if names.get(n) is None else (name, names[n]))
        names.setdefault(n, name)
    width = max(len(name) for name, _ in lines)
    price = cost(program)
    sizes = ", ".join(f"{k} {n.width}" for k, n in (program.inputs | program.states).items())
    return "\n".join(
        [f"{program.name}: {sizes}"]
        + [f"  {name:{width}} = {text}" for name, text in lines]
        + [f"{price.params} parameters; a step takes {price.flops} operations and reads {price.bytes} bytes in float32"]
    )


def named_values(program: Program) -> list[tuple[str, Node]]:
    """The lines of the equations, in order: each value with a name or with two uses, then the output and the states."""
    nodes = program.nodes()
    uses = Counter(a for n in nodes for a in n.args)
    lines: list[tuple[str, Node]] = []
    for n in nodes:
        if n.op not in LEAVES and not is_silent(n) and (n.label is not None or uses[n] > 1):
            lines.append((n.label or f"v{len(lines) + 1}", n))
    ends = [("output", program.output)] if program.output_state is None else []
    ends += [(f"{k}'", n) for k, n in program.new.items()]
    return lines + [(k, n) for k, n in ends if (k, n) not in lines]


def is_silent(n: Node) -> bool:
    """Whether people would not write it: it gives the same number to every row or unit."""
    return n.op in ("rows", "copy") or (n.op == "expand" and n.args[0].width == 1)


def _term(n: Node, names: dict[Node, str], tightness: int) -> str:
    """A value as part of an expression, in parentheses where it binds less tightly."""
    text, bound = _write(n, names) if n not in names else (names[n], 9)
    return f"({text})" if bound < tightness else text


def _write(n: Node, names: dict[Node, str]) -> tuple[str, int]:
    """An expression and how tightly it binds."""
    if n.op == "const":
        return (f"{n.graph.array(n)[0]:g}", 9) if n.is_scalar else (f"constant{list(n.shape)}", 9)
    if is_silent(n):
        return (names[n.args[0]], 9) if n.args[0] in names else _write(n.args[0], names)
    if n.op in _INFIX:
        sign, tight = _INFIX[n.op]
        left, right = _term(n.args[0], names, tight), _term(n.args[1], names, tight + (n.op in ("sub", "div", "matvec")))
        return f"{left}{sign}{right}", tight
    if n.op in _COMPARED:
        return f"{_term(n.args[0], names, 1)}{_COMPARED[n.op]}{_term(n.args[1], names, 1)}", 0
    if n.op == "fma":
        return f"{_term(n.args[0], names, 2)} * {_term(n.args[1], names, 2)} + {_term(n.args[2], names, 1)}", 1
    if n.op == "neg":
        return f"-{_term(n.args[0], names, 3)}", 1
    if n.op == "transpose":
        return f"{_term(n.args[0], names, 9)}.T", 9
    if n.op == "slice" and isinstance(n.attr, tuple):
        return f"{_term(n.args[0], names, 9)}[{n.attr[0]}:{n.attr[1]}]", 9
    if n.op == "expand":
        return f"repeat({_term(n.args[0], names, 0)}, {n.width // n.args[0].width})", 9
    values = [_term(a, names, 0) for a in n.args] + ([] if n.attr is None else [str(n.attr)])
    return f"{n.op}({', '.join(values)})", 9
