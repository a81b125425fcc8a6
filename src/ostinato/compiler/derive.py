"""The gradient of a program is another program in the same language: its adjoint.

One step of the adjoint takes the gradient of the output and the gradients carried back from later steps, reads
values of the forward step, and gives the gradients of the inputs and the gradients to carry on. What parameters
receive is summed over rows and time by `outer` and `colsum`; the expressions of those sums follow at the end.
"""

from __future__ import annotations

from ..program.adjoint import Adjoint
from ..program.node import Level, Node, make
from ..program.program import Program
from ..program.table import OPERATIONS


def derive(program: Program, inputs: bool = True, params: bool = True) -> Adjoint:
    """The adjoint of a program; with `inputs` or `params` false, without those gradients."""
    graph = program.graph
    sequence = {k: n for k, n in program.inputs.items() if n.level == Level.ROW and inputs}
    output = graph.leaf("input", "grad.output", program.output.shape, Level.STEP)
    carried = {k: graph.leaf("state", f"grad.{k}", n.shape, Level.STATE) for k, n in {**program.states, **sequence}.items()}

    gradients: dict[Node, Node] = {}

    def give(node: Node, gradient: Node | None) -> None:
        if gradient is None or node.op == "const":
            return
        gradients[node] = make("add", gradients[node], gradient) if node in gradients else gradient

    give(program.output, output)
    for k, node in program.new.items():
        give(node, carried[k])
    order = program.nodes()
    # The step first, then the expressions of parameters: those read sums over the whole step.
    for node in [n for n in reversed(order) if n.level > Level.PARAM] + [n for n in reversed(order) if n.level == Level.PARAM]:
        if node not in gradients or not node.args:
            continue
        if (vjp := OPERATIONS[node.op].vjp) is None:
            raise ValueError(f"cell {program.name}: operation {node.op} has no derivative")
        attr = [] if node.attr is None else [node.attr]
        for arg, gradient in zip(node.args, vjp(gradients[node], node, *node.args, *attr), strict=True):
            give(arg, gradient)

    def of(node: Node) -> Node:
        return gradients.get(node) or make("expand", graph.const(0.0), attr=node.shape)

    previous = {k: of(n) for k, n in program.states.items()}
    # An input that stays the same along the sequence gathers its gradient as a state would that never changes.
    previous |= {k: make("add", carried[k], of(n)) for k, n in sequence.items()}
    return Adjoint(
        output,
        carried,
        previous,
        {k: of(n) for k, n in program.inputs.items() if n.level == Level.STEP} if inputs else {},
        {k: of(p.node) for k, p in program.params.items() if p.trained} if params else {},
    )
