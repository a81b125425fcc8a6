"""Hypothesis strategies that write cells: random equations in the whole language, with bounded values.

`programs()` gives a `Program`; `gradients.values(program)` gives arrays to run it on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import ostinato as ost
from ostinato.compiler import options
from ostinato.program.program import Program

Draw = Callable[[st.SearchStrategy[Any]], Any]
WIDTHS = (1, 2, 3, 4, 6)

# Conditions and floors cut at odd numbers, so that no rounding decides a branch.
ONE: dict[str, Callable[[Any], Any]] = {
    "tanh": ost.tanh,
    "sigmoid": ost.sigmoid,
    "softplus": ost.softplus,
    "relu": ost.relu,
    "sin": ost.sin,
    "cos": ost.cos,
    "neg": lambda v: -v,
    "abs": abs,
    "exp": lambda v: ost.exp(ost.tanh(v)),
    "expm1": lambda v: ost.expm1(ost.tanh(v)),
    "log": lambda v: ost.log(abs(v) + 0.7),
    "sqrt": lambda v: ost.sqrt(abs(v) + 0.3),
    "rsqrt": lambda v: ost.rsqrt(abs(v) + 0.3),
    "floor": lambda v: ost.floor(1.37 * v + 0.123),
    "sign": lambda v: ost.sign(v - 0.0817),
    "square": lambda v: ost.tanh(v) ** 2,
    "scaled": lambda v: v * np.linspace(-1.0, 1.5, v.n),
    "shared": lambda v: v * ost.total(v) / (1 + ost.softplus(ost.mean(v))),
}
TWO: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: ost.tanh(a) * b,
    "div": lambda a, b: a / (0.5 + ost.sigmoid(b)),
    "max": lambda a, b: ost.maximum(a, b + 0.0419),
    "min": lambda a, b: ost.minimum(a, b + 0.0419),
    "where": lambda a, b: ost.where(a < 0.1234, a, b),
    "eq": lambda a, b: a + ost.eq(a, 0.7) * b,
    "mix": lambda a, b: b + ost.sigmoid(a) * (a - b),
}


class _Writer:
    """Writes one cell's equations: a pool of values that grows."""

    def __init__(self, draw: Draw, pool: list[Any], smooth: bool) -> None:
        self.draw, self.pool, self.smooth, self.names = draw, list(pool), smooth, 0

    def pick(self) -> Any:
        return self.pool[self.draw(st.integers(0, len(self.pool) - 1))]

    def name(self) -> str:
        self.names += 1
        return f"p{self.names}"

    def fit(self, v: Any, width: int) -> Any:
        """A value at another width: by a slice, by repeating it, or by a product."""
        if v.n == width:
            return v
        if v.n > width and self.draw(st.booleans()):
            return v[:width]
        if width % v.n == 0 and self.draw(st.booleans()):
            return ost.repeat(v, width // v.n)
        return self.product(v, width)

    def product(self, v: Any, width: int) -> Any:
        kind = self.draw(st.sampled_from(["affine", "linear", "shaped", "left", "fixed", "grouped"]))
        if kind == "affine":
            return ost.affine(self.name(), v=v, w=self.pick(), to=width)
        if kind == "shaped":
            return (abs(ost.matrix(self.name(), width, v.n)) * np.eye(width, v.n) + ost.matrix(self.name(), v.n, width).T) @ v
        if kind == "left":
            return v @ ost.matrix(self.name(), v.n, width)
        if kind == "fixed":
            return np.cos(np.arange(width * v.n)).reshape(width, v.n) @ v
        if kind == "grouped" and v.n % 2 == 0 and width % 2 == 0:
            return ost.grouped(self.name(), v=v, groups=2, to=width)
        return ost.linear(self.name(), v=v, to=width)

    def step(self) -> None:
        kind = self.draw(st.sampled_from(["one", "one", "two", "two", "product", "weight", "concat", "sum", "norm", "random", "stop"]))
        a = self.pick()
        if kind == "one":
            new = ONE[self.draw(st.sampled_from(sorted(ONE)))](a)
        elif kind == "two":
            b = self.pick()
            new = TWO[self.draw(st.sampled_from(sorted(TWO)))](a, b if 1 in (a.n, b.n) else self.fit(b, a.n))
        elif kind == "product":
            new = self.product(a, self.draw(st.sampled_from(WIDTHS)))
        elif kind == "weight":
            new = a * ost.softplus(ost.weight(self.name(), a.n)) + ost.weight(self.name(), self.draw(st.sampled_from([1, a.n])), init=0.1)
        elif kind == "concat":
            new = ost.concat(a, self.pick())
        elif kind == "sum":
            new = ost.total(a, 2 if a.n % 2 == 0 else 1)
        elif kind == "norm":
            new = ost.norm(self.name(), a * np.arange(1.0, a.n + 1), shift=self.draw(st.booleans()), eps=0.1) if a.n > 2 else ost.tanh(a)
        elif kind == "random":
            new = a * ost.random(a.n, per_sequence=self.draw(st.booleans()))
        else:
            new = ost.tanh(a) if self.smooth else ost.stop(a)
        self.pool.append(new[:8] if new.n > 8 else new)


@st.composite
def programs(draw: Draw, steps: int = 8, smooth: bool = True, with_options: bool = False) -> Program:
    """A random cell's program: up to three inputs, two states, products at every level, inner widths from 1 to 8.

    With `smooth` its gradients can be checked by differences. With `with_options` some options are applied.
    """
    widths = st.sampled_from(WIDTHS)
    size = {"h": draw(widths), "c": draw(widths), "y": draw(widths), "given": draw(widths)}
    count, several = draw(st.integers(1, steps)), draw(st.booleans())

    def body(x: Any, y: Any, given: Any, h: Any, c: Any) -> Any:
        writer = _Writer(draw, [x, h, c, *([y, given] if several else [])], smooth)
        for _ in range(count):
            writer.step()
        new = [ost.tanh(writer.fit(writer.pick(), v.n)) for v in (h, c)]
        return (writer.pick() * 1.5, *new) if draw(st.booleans()) else tuple(new)

    @ost.cell(size=size, per_sequence=("given",), start={"c": 0.25}, exempt=("c",) if draw(st.booleans()) else ())
    def wild(x, y, given, /, h, c):  # type: ignore[no-untyped-def]
        return body(x, y, given, h, c)

    program = wild.trace(draw(widths), draw(widths))
    return draw(optioned(program)) if with_options else program


@st.composite
def optioned(draw: Draw, program: Program) -> Program:
    """The program with a random choice of the options that it can have."""
    wishes: dict[str, Any] = {"normalise": True, "recurrent_dropout": 0.4, "zoneout": 0.3, "reset": True, "lengths": True}
    for name, value in wishes.items():
        if draw(st.booleans()):
            try:
                program = options.apply(program, {name: value})
            except options.OptionError:
                continue
    return program
