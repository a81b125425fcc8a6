"""Nodes and the graph they live in.

A node is one operation on the values of one step, without time and without batch: a vector ``(n,)`` or a
matrix ``(n, k)``. Equal expressions are one node, so identity is equality, and nodes can be dictionary keys.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Hashable, Iterable
from enum import IntEnum
from typing import TYPE_CHECKING, Union

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from .table import Operation

Array = npt.NDArray[np.float64]
Shape = tuple[int, ...]
Operand = Union["Node", float, int, Array]


class Level(IntEnum):
    """What a value depends on, and so how often it must be computed."""

    PARAM = 0  # parameters and constants only: once a call
    ROW = 1  # and the row of the batch: once a sequence
    STEP = 2  # and the step: the inputs
    STATE = 3  # and the carried state: inside the time loop


class Node:
    """One operation in a `Graph`. Arithmetic on nodes makes nodes; ``==`` stays identity."""

    __slots__ = ("graph", "op", "args", "attr", "shape", "level", "id", "label")
    __array_ufunc__ = None  # so that ``array * node`` reaches `__rmul__`

    def __init__(
        self,
        graph: Graph,
        op: str,
        args: tuple[Node, ...],
        attr: Hashable,
        shape: Shape,
        level: Level,
        number: int,
    ) -> None:
        self.graph, self.op, self.args, self.attr = graph, op, args, attr
        self.shape, self.level, self.id = shape, level, number
        self.label: str | None = None

    @property
    def width(self) -> int:
        """The number of numbers a row: the length of a vector, rows times columns of a matrix."""
        return math.prod(self.shape)

    @property
    def is_scalar(self) -> bool:
        """Whether it is a constant of width 1, which goes with any width."""
        return self.op == "const" and self.shape == (1,)

    def __repr__(self) -> str:
        """The label; without one the number, or the operation and its arguments."""
        if self.label is not None:
            return self.label
        if self.op == "const":
            return f"{self.graph.array(self)[0]:g}" if self.is_scalar else "constant"
        return f"{self.op}({', '.join(repr(a) if a.label or a.is_scalar else f'%{a.id}' for a in self.args)})"

    def __reduce__(self) -> str:
        raise TypeError("a node cannot be pickled; keep to_text(program)")

    def __add__(self, other: Operand) -> Node:
        return make("add", self, other)

    def __radd__(self, other: Operand) -> Node:
        return make("add", other, self)

    def __sub__(self, other: Operand) -> Node:
        return make("sub", self, other)

    def __rsub__(self, other: Operand) -> Node:
        return make("sub", other, self)

    def __mul__(self, other: Operand) -> Node:
        return make("mul", self, other)

    def __rmul__(self, other: Operand) -> Node:
        return make("mul", other, self)

    def __truediv__(self, other: Operand) -> Node:
        return make("div", self, other)

    def __rtruediv__(self, other: Operand) -> Node:
        return make("div", other, self)

    def __neg__(self) -> Node:
        return make("neg", self)


class Graph:
    """An append-only store of nodes; asking twice for the same expression gives the same node."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Node] = {}
        self._arrays: dict[int, Array] = {}

    def leaf(self, op: str, name: Hashable, shape: Shape, level: Level) -> Node:
        """A value that comes from outside: op is param, input, state or uniform."""
        node = self._intern((op, name, shape, level), op, (), name, shape, level)
        node.label = node.label or str(name)
        return node

    def const(self, value: float | int | npt.ArrayLike) -> Node:
        """A constant: a scalar of shape (1,), a vector or a matrix, in float64."""
        array = np.array(value, dtype=np.float64)
        array = array.reshape(1) if array.ndim == 0 else array
        if array.ndim > 2 or array.size == 0:
            raise ValueError(f"a constant is a number, a vector or a matrix, not of shape {array.shape}")
        array[np.isnan(array)] = np.nan  # one NaN, so that equal constants are one node
        node = self._intern(("const", array.shape, array.tobytes()), "const", (), None, array.shape, Level.PARAM)
        array.setflags(write=False)
        self._arrays.setdefault(node.id, array)
        return node

    def array(self, node: Node) -> Array:
        """The value of a constant node."""
        return self._arrays[node.id]

    def node(self, op: Operation, args: tuple[Node, ...], attr: Hashable) -> Node:
        shape = op.shape(*args) if attr is None else op.shape(*args, attr)
        level = op.level(args)
        return self._intern((op.name, tuple(a.id for a in args), attr), op.name, args, attr, shape, level)

    def _intern(self, key: Hashable, op: str, args: tuple[Node, ...], attr: Hashable, shape: Shape, level: Level) -> Node:
        node = self._known.get(key)
        if node is None:
            node = self._known[key] = Node(self, op, args, attr, shape, level, len(self._known))
        return node


def make(op: str, *operands: Operand, attr: Hashable = None) -> Node:
    """The node ``op(*operands)``; numbers and arrays become constants, widths are made to meet."""
    from .table import OPERATIONS, prepare, to_rows

    graph = next(o.graph for o in operands if isinstance(o, Node))
    args = tuple(o if isinstance(o, Node) else graph.const(o) for o in operands)
    row = OPERATIONS[op]
    if row.kind == "pointwise":
        args = prepare(args)
    elif op == "concat":
        args = to_rows(args)
    return row.shortcut(*args) or graph.node(row, args, attr) if row.shortcut else graph.node(row, args, attr)


def postorder(roots: Iterable[Node], known: Container[Node] = ()) -> list[Node]:
    """Every node that the roots need and that is not `known`, each after its arguments.

    The order depends on the graph alone.
    """
    done: dict[Node, None] = {}
    for root in roots:
        stack = [(root, iter(root.args))] if root not in done and root not in known else []
        while stack:
            node, rest = stack[-1]
            following = next((a for a in rest if a not in done and a not in known), None)
            if following is not None:
                stack.append((following, iter(following.args)))
            else:
                done[node] = None
                stack.pop()
    return list(done)


def rebuild(roots: Iterable[Node], change: Callable[[Node, tuple[Node, ...]], Node | None]) -> dict[Node, Node]:
    """Rebuild what the roots need. ``change(node, new_args)`` returns a replacement, or None to keep the operation."""
    new: dict[Node, Node] = {}
    for node in postorder(roots):
        args = tuple(new[a] for a in node.args)
        made = change(node, args)
        if made is None:
            made = node if args == node.args else make(node.op, *args, attr=node.attr)
        if made.label is None:
            made.label = node.label
        new[node] = made
    return new
