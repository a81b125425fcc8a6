"""The operations: one row each, with its shape, its meaning, its derivative and its number in the bytecode.

A row's ``meaning`` takes a namespace of array functions first (`numpy_math` here, torch's in `ostinato.nn`), so
that one line is the definition for the oracle and for every torch device. A row's ``vjp(g, y, *args)`` takes the
gradient of the output, the output and the arguments, all nodes, and returns the gradient of each argument or None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np

from .node import Level, Node, Shape, make

Kind = Literal["pointwise", "rowwise", "product", "sum", "param"]
Gradient = Node | None


@dataclass(frozen=True)
class Operation:
    """One row of the table."""

    name: str
    opcode: int
    kind: Kind  # pointwise; rowwise: along the width; product: with a matrix; sum: over rows and time; param: no rows
    shape: Callable[..., Shape]
    meaning: Callable[..., Any]
    vjp: Callable[..., Sequence[Gradient]] | None
    cheap: bool = True  # whether the backward pass may compute it again rather than keep it
    shortcut: Callable[..., Node | None] | None = None

    def level(self, args: tuple[Node, ...]) -> Level:
        if self.kind == "sum":
            return Level.PARAM
        if self.name == "rows":
            return Level.ROW
        return max(a.level for a in args)


# ---------------------------------------------------------------- the arrays' functions, in NumPy


_FROM_NUMPY = ("abs", "sign", "floor", "exp", "expm1", "log", "sqrt", "tanh", "sin", "cos", "maximum", "minimum", "where")

numpy_math = SimpleNamespace(
    **{name: getattr(np, name) for name in _FROM_NUMPY},
    sigmoid=lambda a: 0.5 * (1 + np.tanh(0.5 * a)),
    softplus=lambda a: np.logaddexp(0, a),
    relu=lambda a: np.maximum(a, 0),
    stop=lambda a: a,
    number=lambda condition, like: condition * 1.0,
    repeat=lambda a, k: np.repeat(a, k, -1),
    concat=lambda arrays: np.concatenate(arrays, -1),
    rows=lambda a: a,
    zeros=lambda like, n: np.zeros((*like.shape[:-1], n)),
    full=lambda a, shape: np.broadcast_to(a, shape),
)

# ---------------------------------------------------------------- shapes


def _same(*args: Node) -> Shape:
    """The shape that all operands share, constants of width 1 aside."""
    shapes = dict.fromkeys(a.shape for a in args if not a.is_scalar)
    if len(shapes) > 1:
        listed = ", ".join(f"{a!r} {a.shape}" for a in args)
        raise ValueError(f"widths do not meet: {listed}")
    return next(iter(shapes), (1,))


def _matvec_shape(w: Node, v: Node) -> Shape:
    _check_product(w, v, w.shape[-1])
    return (w.shape[0],)


def _matvec_t_shape(w: Node, v: Node) -> Shape:
    _check_product(w, v, w.shape[0])
    return (w.shape[1],)


def _check_product(w: Node, v: Node, inner: int) -> None:
    if len(w.shape) != 2:
        raise ValueError(f"{w!r} has shape {w.shape}: a product needs a matrix on its left")
    if w.level > Level.PARAM:
        raise ValueError(f"the matrix {w!r} depends on the data: only parameters and constants make matrices")
    if len(v.shape) != 1 or v.shape[0] != inner:
        raise ValueError(f"widths do not meet: matrix {w!r} {w.shape} times {v!r} {v.shape}")


def _expand_shape(a: Node, shape: Shape) -> Shape:
    if len(shape) == 1 and (len(a.shape) != 1 or shape[0] % a.shape[0]):
        raise ValueError(f"{a!r} of width {a.shape} cannot be repeated to {shape[0]}")
    return shape


def _slice_shape(a: Node, bounds: tuple[int, int]) -> Shape:
    start, stop = bounds
    if len(a.shape) != 1 or not 0 <= start < stop <= a.shape[0]:
        raise ValueError(f"slice {start}:{stop} of {a!r} {a.shape} is empty or outside it")
    return (stop - start,)


def _sum_shape(a: Node, groups: int) -> Shape:
    if groups < 1 or a.width % groups:
        raise ValueError(f"{a!r} of width {a.width} has no {groups} equal groups")
    return (groups,)


def _vector(a: Node, *rest: Any) -> Shape:
    if len(a.shape) != 1:
        raise ValueError(f"{a!r} has shape {a.shape}: a vector is needed")
    return a.shape


def prepare(args: tuple[Node, ...]) -> tuple[Node, ...]:
    """Make the operands of a pointwise operation alike: numbers widened, parameters given to every row."""
    shape = next((a.shape for a in args if a.shape != (1,)), (1,))
    level = max(a.level for a in args)

    def meet(a: Node) -> Node:
        if a.is_scalar:
            return a
        if a.shape == (1,) and shape != (1,):
            a = make("expand", a, attr=shape)
        if a.level == Level.PARAM and level > Level.PARAM:
            if len(a.shape) != 1:
                raise ValueError(f"the matrix {a!r} {a.shape} meets a vector of the data: write matrix @ vector")
            a = make("rows", a)
        return a

    return tuple(meet(a) for a in args)


def to_rows(args: tuple[Node, ...]) -> tuple[Node, ...]:
    """Give parameters and constants to every row where another operand has rows."""
    if all(a.level == Level.PARAM for a in args):
        return args
    return tuple(make("rows", a) if a.level == Level.PARAM else a for a in args)


# ---------------------------------------------------------------- shortcuts that keep the graph small


def _constant(a: Node) -> float | None:
    return float(a.graph.array(a)[0]) if a.is_scalar else None


def _add_shortcut(a: Node, b: Node) -> Node | None:
    if b.op == "neg" or a.op == "neg":
        a, b = (a, b) if b.op == "neg" else (b, a)
        return make("sub", a, b.args[0])
    return b if _constant(a) == 0 else a if _constant(b) == 0 else _folded("add", a, b)


def _sub_shortcut(a: Node, b: Node) -> Node | None:
    return a if _constant(b) == 0 else _folded("sub", a, b)


def _mul_shortcut(a: Node, b: Node) -> Node | None:
    return b if _constant(a) == 1 else a if _constant(b) == 1 else _folded("mul", a, b)


def _div_shortcut(a: Node, b: Node) -> Node | None:
    return a if _constant(b) == 1 else _folded("div", a, b)


def _folded(op: str, *args: Node) -> Node | None:
    if not all(a.is_scalar for a in args):
        return None
    graph = args[0].graph
    return graph.const(OPERATIONS[op].meaning(numpy_math, *(graph.array(a) for a in args)))


# ---------------------------------------------------------------- the rows

_ROWS: list[Operation] = []


def _one(name: str, opcode: int, meaning: Any, derivative: Callable[[Node, Node, Node], Gradient], cheap: bool = False) -> None:
    """A function of one argument; ``derivative(g, y, a)``."""
    _ROWS.append(Operation(name, opcode, "pointwise", _same, meaning, lambda g, y, a: [derivative(g, y, a)], cheap))


def _two(name: str, opcode: int, meaning: Any, vjp: Any, shortcut: Any = None) -> None:
    _ROWS.append(Operation(name, opcode, "pointwise", _same, meaning, vjp, True, shortcut))


def _where(condition: Node, a: Any, b: Any) -> Node:
    return make("where", condition, a, b)


def _none(g: Node, y: Node, *args: Node) -> list[Gradient]:
    return [None] * len(args)


def _outer(g: Node, v: Node) -> Node:
    return make("outer1" if g.level == v.level == Level.PARAM else "outer", g, v)


_one("copy", 1, lambda m, a: a, lambda g, y, a: g, cheap=True)
_one("stop", 1, lambda m, a: m.stop(a), lambda g, y, a: None, cheap=True)  # zero derivative (spiking, straight-through)
_one("neg", 2, lambda m, a: -a, lambda g, y, a: -g, cheap=True)
_one("abs", 3, lambda m, a: m.abs(a), lambda g, y, a: g * make("sign", a), cheap=True)  # 0 at 0
_one("sign", 4, lambda m, a: m.sign(a), lambda g, y, a: None, cheap=True)
_one("floor", 5, lambda m, a: m.floor(a), lambda g, y, a: None, cheap=True)
_one("exp", 6, lambda m, a: m.exp(a), lambda g, y, a: g * y)
_one("expm1", 7, lambda m, a: m.expm1(a), lambda g, y, a: g * (y + 1.0))
_one("log", 8, lambda m, a: m.log(a), lambda g, y, a: g / a)
_one("sqrt", 9, lambda m, a: m.sqrt(a), lambda g, y, a: g * 0.5 / y)
_one("rsqrt", 10, lambda m, a: 1.0 / m.sqrt(a), lambda g, y, a: g * (-0.5 * (y * y * y)))
_one("tanh", 11, lambda m, a: m.tanh(a), lambda g, y, a: make("dtanh", g, y))
_one("sigmoid", 12, lambda m, a: m.sigmoid(a), lambda g, y, a: make("dsigmoid", g, y))
_one("softplus", 13, lambda m, a: m.softplus(a), lambda g, y, a: g * make("sigmoid", a))
_one("relu", 14, lambda m, a: m.relu(a), lambda g, y, a: _where(make("lt", 0.0, y), g, 0.0), cheap=True)  # 0 at 0, as torch
_one("sin", 15, lambda m, a: m.sin(a), lambda g, y, a: g * make("cos", a))
_one("cos", 16, lambda m, a: m.cos(a), lambda g, y, a: -(g * make("sin", a)))

_two("add", 32, lambda m, a, b: a + b, lambda g, y, a, b: [g, g], _add_shortcut)
_two("sub", 33, lambda m, a, b: a - b, lambda g, y, a, b: [g, -g], _sub_shortcut)
_two("mul", 34, lambda m, a, b: a * b, lambda g, y, a, b: [g * b, g * a], _mul_shortcut)
_two("div", 35, lambda m, a, b: a / b, lambda g, y, a, b: [g / b, -(g * y) / b], _div_shortcut)
# At a tie the first argument takes the whole gradient.
_two("max", 36, lambda m, a, b: m.maximum(a, b), lambda g, y, a, b: [_where(make("le", b, a), g, 0.0), _where(make("le", b, a), 0.0, g)])
_two("min", 37, lambda m, a, b: m.minimum(a, b), lambda g, y, a, b: [_where(make("le", a, b), g, 0.0), _where(make("le", a, b), 0.0, g)])
_two("lt", 38, lambda m, a, b: m.number(a < b, a), _none)
_two("le", 39, lambda m, a, b: m.number(a <= b, a), _none)
_two("eq", 40, lambda m, a, b: m.number(a == b, a), _none)
_two("dtanh", 41, lambda m, g, y: g * (1.0 - y * y), None)
_two("dsigmoid", 42, lambda m, g, y: g * (y * (1.0 - y)), None)
_two(
    "where",
    56,
    lambda m, c, a, b: m.where(c != 0, a, b),
    lambda g, y, c, a, b: [None, _where(c, g, 0.0), _where(c, 0.0, g)],
)
_two("fma", 57, lambda m, a, b, c: a * b + c, lambda g, y, a, b, c: [g * b, g * a, g])
_two("mul_dtanh", 58, lambda m, a, b, y: a * b * (1.0 - y * y), None)
_two("mul_dsigmoid", 59, lambda m, a, b, y: a * b * (y * (1.0 - y)), None)

# fmt: off
_ROWS += [
    # along the width
    Operation(
        "expand", 64, "rowwise", _expand_shape,
        lambda m, a, shape: m.full(a, shape) if len(shape) == 2 else m.repeat(a, shape[0] // a.shape[-1]),
        lambda g, y, a, shape: [make("total", g) if len(shape) == 2 else make("sum", g, attr=a.width)],
    ),
    Operation(
        "sum", 65, "rowwise", _sum_shape,
        lambda m, a, groups: a.reshape((*a.shape[:-1], groups, -1)).sum(-1),
        lambda g, y, a, groups: [make("expand", g, attr=a.shape)],
        cheap=False,
    ),
    Operation(
        "total", 65, "param", lambda a: (1,),  # of a matrix of parameters
        lambda m, a: a.sum().reshape(1),
        lambda g, y, a: [make("expand", g, attr=a.shape)],
    ),
    Operation(
        "slice", 66, "rowwise", _slice_shape,
        lambda m, a, bounds: a[..., bounds[0] : bounds[1]],
        lambda g, y, a, bounds: [make("pad", g, attr=(bounds[0], a.width))],
    ),
    Operation(
        "pad", 66, "rowwise", lambda a, place: (place[1],),
        lambda m, a, place: m.concat([m.zeros(a, place[0]), a, m.zeros(a, place[1] - place[0] - a.shape[-1])]),
        lambda g, y, a, place: [make("slice", g, attr=(place[0], place[0] + a.width))],
    ),
    Operation(
        "concat", 66, "rowwise", lambda *args: (sum(_vector(a)[0] for a in args),),
        lambda m, *arrays: m.concat(list(arrays)),
        lambda g, y, *args: [
            make("slice", g, attr=(end - a.width, end)) for a, end in zip(args, accumulate(a.width for a in args), strict=True)
        ],
    ),
    Operation(
        "normalise", 68, "rowwise", _vector,
        lambda m, a, eps: (a - a.mean(-1)[..., None]) / m.sqrt(((a - a.mean(-1)[..., None]) ** 2).mean(-1)[..., None] + eps),
        lambda g, y, a, eps: [make("normalise_grad", g, y, a, attr=eps)],
        cheap=False,
    ),
    Operation(
        "normalise_grad", 69, "rowwise", _vector,
        lambda m, g, y, a, eps: (g - g.mean(-1)[..., None] - y * (g * y).mean(-1)[..., None])
        / m.sqrt(((a - a.mean(-1)[..., None]) ** 2).mean(-1)[..., None] + eps),
        None,
    ),
    # from parameters to rows, products, and what they leave to be summed over rows and time
    Operation("rows", 72, "rowwise", _vector, lambda m, a: m.rows(a), lambda g, y, a: [make("colsum", g)]),
    Operation(
        "matvec", 70, "product", _matvec_shape,
        lambda m, w, v: v @ w.T,
        lambda g, y, w, v: [_outer(g, v), make("matvec_t", w, g)],
        cheap=False,
    ),
    Operation(
        "matvec_t", 70, "product", _matvec_t_shape,
        lambda m, w, v: v @ w,
        lambda g, y, w, v: [_outer(v, g), make("matvec", w, g)],
        cheap=False,
    ),
    Operation("outer", 80, "sum", lambda g, v: (g.width, v.width), lambda m, g, v: g[..., :, None] * v[..., None, :], None),
    Operation("outer1", 75, "param", lambda g, v: (g.width, v.width), lambda m, g, v: g[:, None] * v[None, :], None),
    Operation("colsum", 81, "sum", _vector, lambda m, g: g, None),
    Operation(
        "transpose", 73, "param", lambda a: a.shape[::-1],
        lambda m, a: a.T,
        lambda g, y, a: [make("transpose", g)],
    ),
]
# fmt: on

OPERATIONS: dict[str, Operation] = {row.name: row for row in _ROWS}
PRODUCTS = tuple(name for name, row in OPERATIONS.items() if row.kind == "product")
