"""A program's equations in LaTeX, for a paper or a page."""

from __future__ import annotations

import re
from collections import Counter

from .equations import is_silent, named_values
from .node import Level, Node
from .program import Program

FUNCTIONS = {"sigmoid": r"\sigma", "tanh": r"\tanh", "exp": r"\exp", "log": r"\log", "sin": r"\sin", "cos": r"\cos"}
FUNCTIONS |= {"max": r"\max", "min": r"\min", "sign": r"\operatorname{sgn}"}
BARS = {"floor": (r"\lfloor ", r" \rfloor"), "abs": (r"\lvert ", r" \rvert")}
COMPARED = {"lt": " < ", "le": r" \le ", "eq": " = "}
GREEK = set("alpha beta gamma delta epsilon zeta eta theta kappa lambda mu nu xi pi rho sigma tau phi chi psi omega".split())
LOOSE, SUM, PRODUCT, ATOM = range(4)  # how tightly an expression binds


def latex(program: Program) -> str:
    r"""The equations as an ``align*`` environment (amsmath).

    :math:`x_t` is an input, :math:`h_{t-1}` a state as it enters the step, :math:`h_t` as it leaves; parameters carry
    the name of their gate above and of their operand below, and :math:`\odot` is the product of each unit.
    """
    writer = _Writer(program)
    gates = {name.rpartition(".")[0] for name in program.params}
    uses = Counter(a for n in program.nodes() for a in n.args)
    # A product that only its gate's function reads is written there, as papers do.
    lines = [writer.line(name, n) for name, n in named_values(program) if name not in gates or uses[n] > 1 or n is program.output]
    return "\n".join([r"\begin{align*}", " \\\\\n".join(lines), r"\end{align*}"])


class _Writer:
    """Writes one program; remembers what has a name by now."""

    def __init__(self, program: Program) -> None:
        self.states = set(program.states)
        self.names: dict[Node, str] = {}
        for n in program.inputs.values():
            self.names[n] = subscripted(str(n.label), "t" if n.level == Level.STEP else "")
        for k, n in program.states.items():
            self.names[n] = subscripted(k, "t-1")
        for k, p in program.params.items():
            self.names[p.node] = parameter(k, p.node)

    def line(self, name: str, n: Node) -> str:
        text = self.names[n] if n in self.names else self.write(n)[0]
        own = name.removesuffix("'")
        # A value that has a state's name without being its next value gets a tilde.
        drafted = own in self.states and not name.endswith("'")
        symbol = subscripted(own, "" if n.level == Level.PARAM else "t", tilde=drafted)
        self.names.setdefault(n, symbol)
        return f"{symbol} &= {text}"

    def term(self, n: Node, tightness: int) -> str:
        """A value as part of an expression, in parentheses where it binds less tightly."""
        text, bound = (self.names[n], ATOM) if n in self.names else self.write(n)
        return rf"\left({text}\right)" if bound < tightness else text

    def write(self, n: Node) -> tuple[str, int]:
        """An expression and how tightly it binds."""
        op, args = n.op, n.args
        if op == "const":
            array = n.graph.array(n)
            return (number(float(array.flat[0])), ATOM) if n.is_scalar else (r"\mathbf{const}", ATOM)
        if op == "uniform":
            return r"u_t", ATOM
        if is_silent(n) or op == "expand":
            return (self.names[args[0]], ATOM) if args[0] in self.names else self.write(args[0])
        if op in ("add", "sub"):
            sign = " + " if op == "add" else " - "
            return self.term(args[0], SUM) + sign + self.term(args[1], SUM + (op == "sub")), SUM
        if op == "mul":
            sign = r" \odot " if all(a.width > 1 for a in args) else r" \, "
            return self.term(args[0], PRODUCT) + sign + self.term(args[1], PRODUCT), PRODUCT
        if op == "matvec":
            return self.term(args[0], PRODUCT) + r" \, " + self.term(args[1], PRODUCT), PRODUCT
        if op == "fma":
            return f"{self.term(args[0], PRODUCT)} \\odot {self.term(args[1], PRODUCT)} + {self.term(args[2], SUM)}", SUM
        if op == "div":
            return rf"\frac{{{self.term(args[0], LOOSE)}}}{{{self.term(args[1], LOOSE)}}}", ATOM
        if op == "neg":
            return "-" + self.term(args[0], PRODUCT), SUM
        return self.call(n)

    def call(self, n: Node) -> tuple[str, int]:
        """Everything that is written as a function."""
        op, args = n.op, n.args
        inside = [self.term(a, LOOSE) for a in args]
        if op in COMPARED:
            return inside[0] + COMPARED[op] + inside[1], LOOSE
        if op in ("sqrt", "rsqrt"):
            root = rf"\sqrt{{{inside[0]}}}"
            return (root if op == "sqrt" else rf"\frac{{1}}{{{root}}}"), ATOM
        if op == "where":
            return rf"\begin{{cases}} {inside[1]} & {inside[0]} \\ {inside[2]} & \text{{otherwise}} \end{{cases}}", ATOM
        if op in BARS:
            return inside[0].join(BARS[op]), ATOM
        if op == "transpose":
            return self.term(args[0], ATOM) + r"^{\top}", ATOM
        if op == "slice" and isinstance(n.attr, tuple):
            return f"{self.term(args[0], ATOM)}[{n.attr[0]}{{:}}{n.attr[1]}]", ATOM
        name = FUNCTIONS.get(op, rf"\operatorname{{{op}}}".replace("_", r"\_"))
        return rf"{name}\left({', '.join(inside)}\right)", ATOM


def subscripted(name: str, index: str, tilde: bool = False) -> str:
    """A name as a symbol: ``log_i`` of step t is written log i with the subscript t."""
    symbol = letter(name)
    symbol = rf"\tilde{{{symbol}}}" if tilde else symbol
    return f"{symbol}_{{{index}}}" if index else symbol


def letter(name: str) -> str:
    """A name without subscript: a letter, a Greek one, or upright text."""
    name = name.rstrip("_")
    if name in GREEK:
        return "\\" + name
    if numbered := re.fullmatch(r"([A-Za-z])(\d+)", name):
        return rf"{numbered[1]}^{{({numbered[2]})}}"
    return name if len(name) == 1 else rf"\mathrm{{{name.replace('_', chr(92) + ' ')}}}"


def parameter(name: str, node: Node) -> str:
    r"""``input.x`` is :math:`W^{\mathrm{input}}_{x}`, ``input.bias`` :math:`b^{\mathrm{input}}`, other vectors their own name."""
    gate, _, operand = name.rpartition(".")
    if not gate:
        return letter(name)
    above = rf"\mathrm{{{gate.replace('_', chr(92) + ' ').replace('.', ', ')}}}"
    if operand == "bias":
        return f"b^{{{above}}}"
    return f"{'W' if len(node.shape) == 2 else 'w'}^{{{above}}}_{{{letter(operand)}}}"


def number(value: float) -> str:
    """A number without an exponent of a computer's kind."""
    text = f"{value:g}"
    mantissa, _, exponent = text.partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else text
