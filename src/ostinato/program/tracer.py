"""Traced values: what a cell's function computes with while it is traced, and the mistakes it can make.

A `Tracer` stands for a node of the graph that is being built. Its operators make nodes. Whatever a traced
value cannot do (be true or false, be iterated, be given to NumPy) is answered by a `CellError` that names the
cell, the line, the cause and the cure.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import CodeType, FrameType
from typing import Any, NoReturn, Union

import numpy as np
import numpy.typing as npt

from .node import Graph, Level, Node, Shape, make
from .program import Param

Value = Union["Tracer", float, int, npt.NDArray[Any]]

_CURES = {
    "pointwise": 'bring one to the other\'s width with linear("name", value, to=...), a slice, repeat or expand',
    "matvec": 'write matrix("name", rows, columns) @ vector with columns = vector.n, or linear("name", vector)',
    "slice": "slice within 0 and the vector's width .n",
    "sum": "choose a number of groups that divides the width",
    "expand": "expand to a multiple of the width",
    "transpose": "only a matrix has a transpose",
}
_NUMPY_CURES = {
    "concatenate": "concat(a, b)", "sum": "total(v)", "dot": "a matrix @ a vector", "absolute": "abs(v)", "clip": "maximum and minimum",
    "power": "v ** 2, sqrt(v) or exp(k * log(v))", "equal": "eq(a, b)", "square": "v * v", "reshape": "slices and concat",
}  # fmt: skip
_NUMPY_OPERATORS: dict[str, Callable[..., Any]] = {
    "add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "divide": operator.truediv, "true_divide": operator.truediv,
    "matmul": operator.matmul, "less": operator.lt, "less_equal": operator.le, "greater": operator.gt, "greater_equal": operator.ge,
    "equal": operator.eq, "not_equal": operator.ne, "remainder": operator.mod, "floor_divide": operator.floordiv,
}  # fmt: skip


class CellError(ValueError):
    """A mistake in a cell: which cell, which line of its function, the cause, and the cure."""

    def __init__(self, cell: str, line: int | None, cause: str, cure: str = "") -> None:
        super().__init__(cell, line, cause, cure)
        self.cell, self.line, self.cause, self.cure = cell, line, cause, cure

    def __str__(self) -> str:
        place = f"cell {self.cell}" if self.line is None else f"cell {self.cell}, line {self.line}"
        return f"{place}: {self.cause}" + (f"; {self.cure}" if self.cure else "")


class _MissingAttribute(CellError, AttributeError):
    """So that ``hasattr`` on a traced value keeps its meaning."""


class Trace:
    """One run of a cell's function: the graph that it fills and the parameters that it creates."""

    def __init__(self, cell: str, code: CodeType | None, hidden_size: int) -> None:
        self.cell, self.code, self.hidden_size = cell, code, hidden_size
        self.graph = Graph()
        self.params: dict[str, Param] = {}
        self.gates: list[tuple[Node, str]] = []
        self.draws = 0
        self.final: FrameType | None = None  # the cell's frame as its function returned

    @contextmanager
    def active(self) -> Iterator[Trace]:
        """While this lasts, the functions of the language build this trace."""
        token = _current.set(self)
        try:
            yield self
        finally:
            _current.reset(token)

    def frame(self) -> FrameType | None:
        """The running frame of the cell's function."""
        frame: FrameType | None = sys._getframe()
        while frame is not None and frame.f_code is not self.code:
            frame = frame.f_back
        return frame or self.final

    def error(self, cause: str, cure: str = "", kind: type[CellError] = CellError) -> CellError:
        """The error to raise, with the line that the cell's function has reached."""
        frame = self.frame()
        line = frame.f_lineno if frame else self.code.co_firstlineno if self.code else None
        return kind(self.cell, line, cause, cure)

    def lift(self, value: object) -> Node:
        """The node of a traced value, or the constant that a number or an array is."""
        if isinstance(value, Tracer):
            if value.trace is not self:
                raise self.error(
                    f"{value.name} was kept from another trace (of cell {value.trace.cell})",
                    "use only values that this call of the function was given or made",
                )
            return value.node
        if not isinstance(value, (int, float, np.number, np.bool_, np.ndarray, list, tuple)):
            raise self.error(f"{_short(value)} is no traced value, number or NumPy array", "constants are Python numbers and NumPy arrays")
        try:
            return self.graph.const(np.asarray(value))
        except CellError:
            raise
        except (ValueError, TypeError) as e:
            raise self.error(f"{_short(value)} is no constant: {e}", "constants are real numbers, vectors and matrices") from None

    def apply(self, op: str, *operands: object, attr: Hashable = None) -> Tracer:
        """The traced value of one operation."""
        nodes = [self.lift(o) for o in operands]
        try:
            return Tracer(make(op, *nodes, attr=attr), self)
        except ValueError:
            self.name_locals(self.frame())
        try:  # once more, now that the message can call values by the user's names
            return Tracer(make(op, *nodes, attr=attr), self)
        except ValueError as e:
            raise self.error(str(e), _CURES.get(op, _CURES["pointwise"])) from None

    def name_locals(self, frame: FrameType | None) -> None:
        """Give values without a label the name of the local variable that holds them."""
        for name, value in (frame.f_locals if frame else {}).items():
            if isinstance(value, Tracer) and value.node.label is None:
                value.node.label = name

    def param(self, name: str, shape: Shape, init: Any = None, trained: bool = True) -> Tracer:
        """A new parameter; its name must be new."""
        if not isinstance(name, str) or not name or not all(part.replace("_", "a").isalnum() for part in name.split(".")):
            raise self.error(f"{_short(name)} is no parameter name", 'a name comes first and is made of letters, digits, "_" and ".", '
                             'as in affine("input", x, h)')  # fmt: skip
        if name in self.params:
            raise self.error(
                f"the parameter name {name!r} is used twice", "to share it keep the first value in a variable; otherwise rename one"
            )
        node = self.graph.leaf("param", name, shape, Level.PARAM)
        self.params[name] = Param(node, self._start(name, shape, init), trained)
        return Tracer(node, self)

    def _start(self, name: str, shape: Shape, init: Any) -> float | tuple[float, ...] | None:
        """What a parameter starts from: one number, or for a vector one for each place."""
        if init is None:
            return None
        try:
            values = np.asarray(init, np.float64)
        except (TypeError, ValueError):
            raise self.error(f"{name!r} has the init {_short(init)}", "give one number, or for a vector one for each place") from None
        if values.ndim == 0:
            return float(values)
        if len(shape) == 2:
            raise self.error(f"the matrix {name!r} has an init of shape {values.shape}",
                             "a matrix starts from one number; add an array that stays, matrix(...) + array")  # fmt: skip
        if values.shape != shape:
            raise self.error(f"the weight {name!r} is {shape[0]} wide and its init has {values.size} numbers",
                             "give one number, or one for each")  # fmt: skip
        return tuple(values.tolist())


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def current() -> Trace:
    """The trace that is being built; a `CellError` outside of one."""
    trace = _current.get()
    if trace is None:
        raise CellError(
            "?", _caller_line(), "a function of the cell language was called outside of a trace",
            "write it inside a function under @cell; that function runs when its sizes are known",
        )  # fmt: skip
    return trace


def _caller_line() -> int | None:
    """The line of the nearest frame that is not this package's."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_globals.get("__package__") == __package__:
        frame = frame.f_back
    return frame.f_lineno if frame else None


def _own(name: str) -> str:
    """What this language has in the place of another library's function."""
    from . import language

    return _NUMPY_CURES.get(name) or (f"ostinato's own {name}" if name in language.__all__ else "the functions of ostinato")


def _short(value: object) -> str:
    text = repr(value)
    return f"{text if len(text) <= 40 else text[:37] + '...'} ({type(value).__name__})"


class Tracer:
    """A value of one step while a cell is traced: a vector of width ``n``, or a matrix of parameters."""

    __slots__ = ("node", "trace")

    def __init__(self, node: Node, trace: Trace) -> None:
        self.node, self.trace = node, trace

    @property
    def n(self) -> int:
        """The width of a vector."""
        if len(self.node.shape) != 1:
            raise self.trace.error(f"{self.name} is a matrix of shape {self.node.shape} and has no width", "use .shape")
        return self.node.shape[0]

    @property
    def shape(self) -> Shape:
        """(n,) of a vector, (rows, columns) of a matrix."""
        return self.node.shape

    @property
    def T(self) -> Tracer:
        """The transpose of a matrix."""
        if len(self.node.shape) != 2:
            raise self.trace.error(f"{self.name} is a vector of width {self.n}", _CURES["transpose"])
        return self._apply("transpose", self)

    @property
    def name(self) -> str:
        """What to call the value in a message: its label, or the local variable that holds it."""
        if self.node.label is None:
            self.trace.name_locals(self.trace.frame())
        return repr(self.node)

    def __repr__(self) -> str:
        return f"<traced {self.node!r}, shape {self.node.shape}>"

    def _apply(self, op: str, *operands: object, attr: Hashable = None) -> Tracer:
        trace = _current.get()
        if trace is None:
            raise self.trace.error(f"{self.name} is used outside of its trace", "a traced value lives only while the cell's function runs")
        return trace.apply(op, *operands, attr=attr)

    def _refuse(self, cause: str, cure: str) -> NoReturn:
        raise self.trace.error(f"{self.name} {cause}", cure)

    # ---------------------------------------------------------------- what works

    def __add__(self, other: Value) -> Tracer:
        return self._apply("add", self, other)

    def __radd__(self, other: Any) -> Tracer:
        return self._apply("add", other, self)

    def __sub__(self, other: Value) -> Tracer:
        return self._apply("sub", self, other)

    def __rsub__(self, other: Any) -> Tracer:
        return self._apply("sub", other, self)

    def __mul__(self, other: Value) -> Tracer:
        return self._apply("mul", self, other)

    def __rmul__(self, other: Any) -> Tracer:
        return self._apply("mul", other, self)

    def __truediv__(self, other: Value) -> Tracer:
        return self._apply("div", self, other)

    def __rtruediv__(self, other: Any) -> Tracer:
        return self._apply("div", other, self)

    def __floordiv__(self, other: Value) -> Tracer:
        return self._apply("floor", self / other)

    def __mod__(self, other: Value) -> Tracer:
        return self - other * (self // other)

    def __neg__(self) -> Tracer:
        return self._apply("neg", self)

    def __abs__(self) -> Tracer:
        return self._apply("abs", self)

    def __lt__(self, other: Any) -> Tracer:
        return self._apply("lt", self, other)

    def __gt__(self, other: Any) -> Tracer:
        return self._apply("lt", other, self)

    def __le__(self, other: Any) -> Tracer:
        return self._apply("le", self, other)

    def __ge__(self, other: Any) -> Tracer:
        return self._apply("le", other, self)

    def __pow__(self, power: float) -> Tracer:
        if power == 0.5:
            return self._apply("sqrt", self)
        if not isinstance(power, int) or not 1 <= power <= 8:
            self._refuse(f"to the power {power!r} is not in the language", "write v ** 2, sqrt(v), 1 / v or exp(k * log(v))")
        return self if power == 1 else self * self ** (power - 1)

    def __matmul__(self, other: Value) -> Tracer:
        right = (_current.get() or self.trace).lift(other)
        if len(self.shape) == 1 and len(right.shape) == 2:
            return self._apply("matvec_t", other, self)
        return self._apply("matvec", self, other)

    def __rmatmul__(self, other: Value) -> Tracer:
        return Tracer(self.trace.lift(other), self.trace) @ self

    def __getitem__(self, index: slice) -> Tracer:
        if not isinstance(index, slice):
            self._refuse(f"was indexed with {index!r}", "a traced vector has slices only: v[0:1] is its first number, v[:k] its first k")
        if index.step not in (None, 1):
            self._refuse(f"was sliced with the step {index.step!r}", "slices have step 1")
        start, stop, _ = index.indices(self.n)
        if start >= stop:
            self._refuse(f"of width {self.n} was sliced {index.start}:{index.stop}, which is empty", _CURES["slice"])
        return self if (start, stop) == (0, self.n) else self._apply("slice", self, attr=(start, stop))

    # ---------------------------------------------------------------- what cannot work, and the cure

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> NoReturn:
        self._refuse("was compared with ==", "write eq(a, b), which is 1 where they are equal, and where(...) to choose")

    def __ne__(self, other: object) -> NoReturn:
        self._refuse("was compared with !=", "write 1 - eq(a, b)")

    def __bool__(self) -> NoReturn:
        self._refuse(
            "was used as a Python truth value (if, and, or, not, a < b < c): it stands for every row and step",
            "write where(condition, a, b)",
        )

    def __iter__(self) -> NoReturn:
        self._refuse("was iterated or unpacked", "take slices: v[:k], v[k:]")

    def __len__(self) -> NoReturn:
        self._refuse("was given to len()", "its width is .n")

    def __setitem__(self, index: object, value: object) -> NoReturn:
        self._refuse("was assigned to in place", "build a new vector with concat(...)")

    def __and__(self, other: object) -> NoReturn:
        self._refuse("was combined with & or |", "conditions are 1 or 0: multiply them, or take their maximum")

    __or__ = __rand__ = __ror__ = __xor__ = __rxor__ = __and__

    def __invert__(self) -> NoReturn:
        self._refuse("was inverted with ~", "a condition is 1 or 0: write 1 - condition")

    def __rpow__(self, base: object) -> NoReturn:
        self._refuse("was used as an exponent", "write exp(v * math.log(base))")

    def __float__(self) -> float:
        self._refuse("was turned into a Python number", "it has no value yet; use the functions of ostinato, not of math")

    __int__ = __index__ = __complex__ = __round__ = __trunc__ = __floor__ = __ceil__ = __float__

    def __array__(self, *args: object, **kwargs: object) -> NoReturn:
        self._refuse("was turned into a NumPy array", "use the functions of ostinato: concat, where, tanh and the others")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: object, **kwargs: object) -> Any:
        known = _NUMPY_OPERATORS.get(ufunc.__name__)
        if known is None or method != "__call__" or kwargs:
            self._refuse_foreign("np", ufunc.__name__)
        return known(*(Tracer(self.trace.lift(i), self.trace) for i in inputs))

    def __array_function__(self, function: Callable[..., Any], types: object, args: object, kwargs: object) -> NoReturn:
        self._refuse_foreign("np", function.__name__)

    @classmethod
    def __torch_function__(cls, function: Any, types: object, args: tuple[object, ...] = (), kwargs: object = None) -> NoReturn:
        tracer = next((a for a in args if isinstance(a, Tracer)), None)
        name = getattr(function, "__name__", "a function")
        if tracer is None:
            raise CellError("?", _caller_line(), f"torch.{name} was called on a traced value", "use the functions of ostinato")
        tracer._refuse_foreign("torch", name)

    def _refuse_foreign(self, library: str, name: str) -> NoReturn:
        self._refuse(f"was given to {library}.{name}", f"use {_own(name)}")

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise self.trace.error(
            f"{self.name} has no attribute {name!r}", f"a traced value has .n, .shape and .T; for the rest use {_own(name)}",
            _MissingAttribute,
        )  # fmt: skip
