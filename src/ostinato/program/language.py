"""The language in which cells are written: what a function under `cell` may call.

    @cell
    def gru(x, h):
        r = sigmoid(affine("reset", x, h))
        z = sigmoid(affine("update", x, h))
        n = tanh(affine("new", x) + r * affine("kept", h))
        return n + z * (h - n)

A value is a vector, one number a feature, of one step of one sequence; time and batch are not seen. A parameter
is a vector or a matrix; expressions of parameters are computed once a call. Widths meet where they are equal
or one of them is 1. Every function raises `CellError` for a mistake and outside of a trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from .cell import Cell, cell
from .node import Level, Node
from .program import uniform
from .tracer import CellError, Trace, Tracer, Value, current

__all__ = [
    "Cell", "CellError", "Tracer", "Value", "affine", "cell", "concat", "cos", "eq", "exp", "expand", "expm1", "floor", "grouped", "linear",
    "log", "matrix", "maximum", "mean", "minimum", "norm", "random", "relu", "repeat", "rsqrt", "sigmoid", "sign", "sin", "softplus",
    "sqrt", "stop", "tanh", "total", "weight", "where",
]  # fmt: skip

# ---------------------------------------------------------------- parameters


def affine(name: str, *operands: Tracer, to: int | None = None, **named: Tracer) -> Tracer:
    """``bias + W @ operand + ...``, of width `to` (by default the hidden size).

    Makes the parameters ``name.bias`` and, for each operand, ``name.operand``. An operand that is an input or
    a state as it entered has its own name; any other comes by keyword: ``affine("new", x, h=r * h)``.
    """
    trace = current()
    result = trace.param(f"{_name(trace, name)}.bias", (to or trace.hidden_size,))
    return _products(trace, name, result, operands, named, to)


def linear(name: str, *operands: Tracer, to: int | None = None, **named: Tracer) -> Tracer:
    """``W @ operand + ...`` without a bias; see `affine`."""
    trace = current()
    return _products(trace, _name(trace, name), None, operands, named, to)


def weight(
    name: str, width: int | None = None, *, init: float | Sequence[float] | npt.NDArray[Any] | None = None, trained: bool = True
) -> Tracer:
    """A vector of parameters, of the hidden size unless `width` says otherwise.

    `init` is a number, or a sequence of `width` numbers; by default random, uniform between ±1/√hidden_size. With
    ``trained=False`` it is a buffer: saved and loaded, set from data, never changed by training.
    """
    trace = current()
    width = trace.hidden_size if width is None else width
    return trace.param(name, (width,), init, trained)


def matrix(name: str, rows: int, columns: int, *, init: float | None = None) -> Tracer:
    """A matrix of parameters, for arithmetic and for ``matrix @ vector``."""
    return current().param(name, (rows, columns), init)


def grouped(name: str, *operands: Tracer, groups: int, to: int | None = None, **named: Tracer) -> Tracer:
    """A product with a block-diagonal matrix: each of `groups` parts of the result sees that part of the operand.

    Makes the parameters ``name.operand.0``, ``name.operand.1`` and so on, one small matrix a group.
    """
    trace = current()
    width = to or trace.hidden_size
    result: Tracer | None = None
    for label, v in _operands(trace, name, operands, named):
        if v.n % groups or width % groups:
            raise trace.error(f"grouped {name!r}: {groups} groups divide neither {label} ({v.n}) nor the result ({width}) evenly",
                              "choose sizes that are multiples of the groups")  # fmt: skip
        k = v.n // groups
        blocks = [trace.param(f"{name}.{label}.{g}", (width // groups, k)) @ v[g * k : (g + 1) * k] for g in range(groups)]
        product = concat(*blocks)
        result = product if result is None else result + product
    assert result is not None
    return result


def norm(name: str, v: Tracer, *, shift: bool = False, eps: float = 1e-5) -> Tracer:
    """Layer normalisation (Ba et al. 2016): zero mean and unit variance along the width, times ``name.gain``.

    With `shift`, ``name.shift`` is added.
    """
    trace = current()
    if v.n == 1:
        raise trace.error(f"norm({name!r}) of a vector of width 1 is always zero", "normalise a wider vector")
    result = trace.apply("normalise", v, attr=float(eps)) * weight(f"{name}.gain", v.n, init=1.0)
    return result + weight(f"{name}.shift", v.n, init=0.0) if shift else result


def _products(
    trace: Trace, name: str, result: Tracer | None, operands: tuple[Tracer, ...], named: dict[str, Tracer], to: int | None
) -> Tracer:
    for label, v in _operands(trace, name, operands, named):
        if len(v.shape) != 1:
            raise trace.error(f"{name!r}: the operand {label} is a matrix of shape {v.shape}", "the operands of a product are vectors")
        product = trace.param(f"{name}.{label}", (to or trace.hidden_size, v.n)) @ v
        result = product if result is None else result + product
    assert result is not None
    trace.gates.append((result.node, name))
    return result


def _operands(trace: Trace, name: str, operands: tuple[Tracer, ...], named: dict[str, Tracer]) -> list[tuple[str, Tracer]]:
    """Each operand with its name."""
    pairs = [(_operand_name(trace, name, v), v) for v in operands] + [(k, Tracer(trace.lift(v), trace)) for k, v in named.items()]
    if not pairs:
        raise trace.error(f"{name!r} has no operand", f'write affine("{name}", x, h), or weight("{name}") for a bias alone')
    return pairs


def _operand_name(trace: Trace, name: str, v: Tracer) -> str:
    node: Node = trace.lift(v)
    if node.op not in ("input", "state"):
        raise trace.error(f"{name!r}: an operand ({v!r}) has no name", f'give it by keyword, as in affine("{name}", x, m=value)')
    return str(node.attr)


def _name(trace: Trace, name: object) -> str:
    if not isinstance(name, str):
        raise trace.error("a product has no name", 'its name comes first, as in affine("input", x, h)')
    return name


# ---------------------------------------------------------------- along the width


def concat(*vectors: Value) -> Tracer:
    """The vectors one after the other."""
    trace = current()
    if not vectors:
        raise trace.error("concat() of nothing", "give it one vector or more")
    return trace.apply("concat", *vectors) if len(vectors) > 1 else Tracer(trace.lift(vectors[0]), trace)


def repeat(v: Tracer, times: int) -> Tracer:
    """Each number of `v`, `times` times in place, as np.repeat."""
    return expand(v, v.n * times)


def expand(v: Tracer, width: int) -> Tracer:
    """`v` at a width that is a multiple of its own, each number repeated in place; mostly of width 1."""
    return current().apply("expand", v, attr=(width,))


def total(v: Tracer, groups: int = 1) -> Tracer:
    """The sum along the width: one number, or one for each of `groups` equal parts. Of a matrix: of all its numbers."""
    if len(v.shape) == 2:
        return current().apply("total", v)
    return current().apply("sum", v, attr=groups)


def mean(v: Tracer, groups: int = 1) -> Tracer:
    """The mean along the width, or of each of `groups` equal parts."""
    return total(v, groups) * (groups / v.node.width)


# ---------------------------------------------------------------- choices


def where(condition: Value, a: Value, b: Value) -> Tracer:
    """`a` where the condition is not 0, otherwise `b`. What is not chosen receives no gradient, not even a NaN."""
    return current().apply("where", condition, a, b)


def eq(a: Value, b: Value) -> Tracer:
    """1 where `a` equals `b`, otherwise 0. Not differentiated."""
    return current().apply("eq", a, b)


def maximum(a: Value, b: Value) -> Tracer:
    """The larger of both. At a tie the gradient goes to `a`."""
    return current().apply("max", a, b)


def minimum(a: Value, b: Value) -> Tracer:
    """The smaller of both. At a tie the gradient goes to `a`."""
    return current().apply("min", a, b)


# ---------------------------------------------------------------- number by number


def exp(v: Value) -> Tracer:
    """e to the power v."""
    return current().apply("exp", v)


def expm1(v: Value) -> Tracer:
    """exp(v) - 1, exact near 0."""
    return current().apply("expm1", v)


def log(v: Value) -> Tracer:
    """The natural logarithm."""
    return current().apply("log", v)


def sqrt(v: Value) -> Tracer:
    """The square root. Its derivative at 0 is infinite."""
    return current().apply("sqrt", v)


def rsqrt(v: Value) -> Tracer:
    """1 / sqrt(v)."""
    return current().apply("rsqrt", v)


def tanh(v: Value) -> Tracer:
    """The hyperbolic tangent."""
    return current().apply("tanh", v)


def sigmoid(v: Value) -> Tracer:
    """1 / (1 + exp(-v))."""
    return current().apply("sigmoid", v)


def softplus(v: Value) -> Tracer:
    """log(1 + exp(v)); log(sigmoid(v)) is -softplus(-v)."""
    return current().apply("softplus", v)


def relu(v: Value) -> Tracer:
    """max(v, 0); the derivative at 0 is 0."""
    return current().apply("relu", v)


def sin(v: Value) -> Tracer:
    """The sine."""
    return current().apply("sin", v)


def cos(v: Value) -> Tracer:
    """The cosine."""
    return current().apply("cos", v)


def floor(v: Value) -> Tracer:
    """The largest whole number that is not larger. Not differentiated."""
    return current().apply("floor", v)


def sign(v: Value) -> Tracer:
    """-1, 0 or 1. Not differentiated."""
    return current().apply("sign", v)


def stop(v: Value) -> Tracer:
    """`v` itself, of which no gradient is taken."""
    return current().apply("stop", v)


def random(width: int | None = None, *, per_sequence: bool = False) -> Tracer:
    """Uniform random numbers in [0, 1): new ones each step, or one draw a sequence. Drawn in every mode.

    They are a function of the call's seed, the row, the step and the unit, so that recomputation sees the same.
    """
    trace = current()
    node = uniform(trace.graph, trace.draws, width or trace.hidden_size, Level.ROW if per_sequence else Level.STEP)
    trace.draws += 1
    return Tracer(node, trace)
