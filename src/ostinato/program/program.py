"""What a program is: the equations of one step, as a graph with named ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy.typing as npt

from .node import Graph, Level, Node, make, postorder, rebuild


@dataclass(frozen=True)
class Param:
    """A parameter: its node, how it starts, whether it is trained.

    ``init`` is None (uniform between ±1/√hidden_size, as torch), the number that fills it, or a vector's own numbers.
    """

    node: Node
    init: float | tuple[float, ...] | None = None
    trained: bool = True


@dataclass(frozen=True)
class Program:
    """One step of a recurrent cell: inputs and states in, an output and the states' new values out.

    Programs are never changed: an option makes another one on the same graph.
    """

    name: str
    graph: Graph
    hidden_size: int
    inputs: dict[str, Node]  # Level.STEP: one vector a step; Level.ROW: one vector a sequence
    states: dict[str, Node]  # as they enter the step
    start: dict[str, float]  # what a state is filled with where no initial value is given
    new: dict[str, Node]  # as they leave the step
    output: Node
    params: dict[str, Param]
    tied: tuple[tuple[str, ...], ...] = ()  # states that belong together: zoneout keeps or replaces them as one
    exempt: tuple[str, ...] = ()  # counters and last values, which zoneout leaves alone
    options: tuple[str, ...] = field(default=())  # the options applied so far, in order

    def roots(self) -> list[Node]:
        return [self.output, *self.new.values()]

    def nodes(self) -> list[Node]:
        return postorder(self.roots())

    @property
    def output_state(self) -> str | None:
        """The state that is the output, if one is."""
        return next((k for k, v in self.new.items() if v is self.output), None)

    def sizes(self, inputs: Mapping[str, npt.NDArray[Any]]) -> tuple[int, int]:
        """(time, batch) of arrays for the inputs; ValueError names the one whose shape does not go."""
        length = batch = -1
        for k, node in self.inputs.items():
            shape, stepwise = inputs[k].shape, node.level == Level.STEP
            if len(shape) != 2 + stepwise or shape[-1] != node.width:
                layout = "(time, batch, " if stepwise else "(batch, "
                raise ValueError(f"cell {self.name}: input {k!r} has shape {shape}, not {layout}{node.width})")
            batch = shape[-2] if batch < 0 else batch
            length = shape[0] if stepwise and length < 0 else length
            if shape[-2] != batch or (stepwise and shape[0] != length):
                raise ValueError(f"cell {self.name}: input {k!r} of shape {shape} does not go with the others' time and batch")
        if length < 0:
            raise ValueError(f"cell {self.name} has no input that changes from step to step")
        return length, batch

    def leaves(self, op: str) -> list[Node]:
        return [n for n in self.nodes() if n.op == op]

    def changed(self, change: Callable[[Node, tuple[Node, ...]], Node | None], **fields: object) -> Program:
        """The program with `change` applied to every node (see `rebuild`), and other fields replaced."""
        new = rebuild(self.roots(), change)
        output, states = new[self.output], {k: new[v] for k, v in self.new.items()}
        return replace(self, **{"output": output, "new": states, **fields})  # type: ignore[arg-type]

    def with_input(self, name: str, width: int, level: Level = Level.STEP) -> tuple[Program, Node]:
        """The program with one more input, and that input's node."""
        if name in self.inputs:
            raise ValueError(f"cell {self.name} has an input {name!r} already: the option was applied twice")
        node = self.graph.leaf("input", name, (width,), level)
        return replace(self, inputs={**self.inputs, name: node}), node

    def with_param(self, name: str, shape: tuple[int, ...], init: float | None) -> tuple[Program, Node]:
        """The program with one more trained parameter, and that parameter's node."""
        if name in self.params:
            raise ValueError(f"cell {self.name} has a parameter {name!r} already: the option was applied twice")
        node = self.graph.leaf("param", name, shape, Level.PARAM)
        return replace(self, params={**self.params, name: Param(node, init)}), node


def uniform(graph: Graph, number: int, width: int, level: Level) -> Node:
    """A vector of random numbers in [0, 1): one draw a step or, at Level.ROW, one a sequence."""
    node = graph.leaf("uniform", number, (width,), level)
    node.label = f"uniform{number}"
    return node


__all__ = ["Param", "Program", "make", "uniform"]
