"""What an adjoint is: the gradient of a step, as nodes with named ends. `compiler/derive.py` makes it."""

from __future__ import annotations

from dataclasses import dataclass

from .node import Node, postorder

SUMS = ("outer", "colsum")


@dataclass(frozen=True)
class Adjoint:
    """The adjoint step of a program. Its nodes live in the program's graph and read the program's nodes."""

    output: Node  # in: the gradient of the output
    carried: dict[str, Node]  # in: the gradient of each state (and sequence input) from the later steps
    previous: dict[str, Node]  # out: what `carried` becomes for the step before
    inputs: dict[str, Node]  # out: gradients of the step inputs
    params: dict[str, Node]  # out: gradients of the trained parameters, once, after all steps

    def sums(self) -> list[Node]:
        """The sums over rows and time that the parameters' gradients read."""
        return [n for n in postorder(self.params.values()) if n.op in SUMS]

    def roots(self) -> list[Node]:
        return [*self.previous.values(), *self.inputs.values(), *self.params.values()]
