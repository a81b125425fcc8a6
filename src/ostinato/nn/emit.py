"""A program as torch operations: the same table of meanings, with torch's functions.

What does not depend on the state runs once over the whole sequence; products with one operand run as one. This is
the path of other devices, of double backward, of torch.func and of forward-mode differentiation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from ..program.node import Level, Node
from ..program.program import Program
from ..program.table import OPERATIONS


def _repeat(a: Tensor, times: int) -> Tensor:
    return a[..., None].expand(*a.shape, times).flatten(-2)


def _concat(arrays: list[Tensor]) -> Tensor:
    leading = torch.broadcast_shapes(*(a.shape[:-1] for a in arrays))
    return torch.cat([a.expand(*leading, a.shape[-1]) for a in arrays], -1)


def _maximum(a: Tensor, b: Tensor) -> Tensor:
    """As torch.maximum, but at a tie the first argument takes the whole gradient."""
    return torch.where((a >= b) | (a != a), a, b)


def _minimum(a: Tensor, b: Tensor) -> Tensor:
    return torch.where((a <= b) | (a != a), a, b)


torch_math = SimpleNamespace(
    **{name: getattr(torch, name) for name in "abs sign floor exp expm1 log sqrt tanh sin cos where sigmoid relu".split()},
    maximum=_maximum,
    minimum=_minimum,
    softplus=lambda a: torch.logaddexp(a, torch.zeros_like(a)),  # torch's own softplus is exact to 1e-10 only
    stop=lambda a: a.detach(),
    number=lambda condition, like: condition.to(like.dtype),
    repeat=_repeat,
    concat=_concat,
    rows=lambda a: a,
    zeros=lambda like, n: like.new_zeros(like.shape[:-1] + (n,)),
    full=lambda a, shape: a.expand(shape),
)


@dataclass(frozen=True)
class TorchDraws:
    """Where random numbers come from: the same numbers as the engine's for the same three."""

    seed: int = 0
    stream: int = 0
    first_step: int = 0


class Emitted:
    """A program made ready to run as torch operations."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._order = program.nodes()
        self._levels = {level: [n for n in self._order if n.level == level] for level in Level}
        self._group = _groups(self._order)
        in_loop = set(self._levels[Level.STATE])
        reads = [a for n in in_loop for a in n.args] + list(program.new.values())
        self._per_step = [n for n in self._levels[Level.STEP] if n in set(reads)]

    def run(
        self, params: Mapping[str, Tensor], inputs: Mapping[str, Tensor], states: Mapping[str, Tensor], *, reverse: bool = False,
        draws: TorchDraws | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:  # fmt: skip
        """The output (time, batch, width) and the final states (batch, width).

        `inputs` are (time, batch, width), or (batch, width) if given once a sequence; `states` may lack some. With
        `reverse` the steps are taken from the last to the first.
        """
        program = self.program
        like = next(inputs[k] for k, n in program.inputs.items() if n.level == Level.STEP)
        length, batch = like.shape[:2]
        values = {program.params[k].node: v for k, v in params.items()} | {n: inputs[k] for k, n in program.inputs.items()}
        self._draw(values, like, reverse, draws or TorchDraws())
        joined: dict[Node, Tensor] = {}
        for level in (Level.PARAM, Level.ROW, Level.STEP):
            self._evaluate(self._levels[level], values, joined, like)
        per_step = {n: values[n].unbind(0) for n in self._per_step}
        now = {k: states[k] if k in states else like.new_full((batch, n.width), program.start[k]) for k, n in program.states.items()}
        outputs: list[Tensor] = [like] * length
        stateful = program.output.level == Level.STATE
        for t in reversed(range(length)) if reverse else range(length):
            step = values | {n: v[t] for n, v in per_step.items()} | {n: now[k] for k, n in program.states.items()}
            self._evaluate(self._levels[Level.STATE], step, joined, like)
            now = {k: step[n] for k, n in program.new.items()}
            outputs[t] = step[program.output] if stateful else like
        output = torch.stack(outputs) if stateful else values[program.output]
        return output.expand(length, batch, -1), {k: v.expand(batch, -1) for k, v in now.items()}

    def _evaluate(self, nodes: list[Node], values: dict[Node, Tensor], joined: dict[Node, Tensor], like: Tensor) -> None:
        """Give each node its value; what is known already stays."""
        for node in nodes:
            if node in values:
                continue
            if node.op == "const":
                values[node] = _constant(node, like)
            elif node in self._group:
                self._products(node, values, joined)
            else:
                attr = [] if node.attr is None else [node.attr]
                values[node] = OPERATIONS[node.op].meaning(torch_math, *(values[a] for a in node.args), *attr)

    def _products(self, first: Node, values: dict[Node, Tensor], joined: dict[Node, Tensor]) -> None:
        """All products of a group at once, when the first of them is met."""
        group = self._group[first]
        if first not in joined:
            joined[first] = torch.cat([values[n.args[0]] for n in group])
        parts = torch.nn.functional.linear(values[first.args[1]], joined[first]).split([n.width for n in group], -1)
        values.update(zip(group, parts, strict=True))

    def _draw(self, values: dict[Node, Tensor], like: Tensor, reverse: bool, draws: TorchDraws) -> None:
        length, batch = like.shape[:2]
        for n in self._order:
            if n.op == "uniform":
                first = draws.first_step if n.level == Level.STEP else None
                numbers = uniform(draws.seed, int(str(n.attr)) + 256 * draws.stream, first, length, batch, n.width, like.device).to(
                    like.dtype
                )
                values[n] = numbers.flip(0) if reverse and first is not None else numbers


def _groups(order: list[Node]) -> dict[Node, list[Node]]:
    """Products of matrices with one operand, by each of them; those that stand alone are left out."""
    by_operand: dict[Node, list[Node]] = {}
    for n in order:
        if n.op == "matvec" and n.level > Level.PARAM:
            by_operand.setdefault(n.args[1], []).append(n)
    return {n: group for group in by_operand.values() if len(group) > 1 for n in group}


def _constant(node: Node, like: Tensor) -> Tensor:
    array: Any = node.graph.array(node)
    if node.is_scalar:
        return like.new_full((1,), float(array[0]))
    return torch.tensor(array.tolist(), dtype=like.dtype, device=like.device)


# ---------------------------------------------------------------- random numbers

_MASK = 0xFFFFFFFF


def uniform(seed: int, stream: int, first: int | None, length: int, batch: int, width: int, device: torch.device) -> Tensor:
    """Numbers in [0, 1) in float64, (time, batch, width): those of `ostinato.program.philox` for steps `first`, `first` + 1, …

    With `first` None one draw a sequence, (batch, width).
    """

    def counted(n: int, start: int = 0) -> Tensor:
        return torch.arange(start, start + n, device=device) & _MASK

    steps = torch.full((1,), _MASK, device=device) if first is None else counted(length, first)
    c0, c1, c2, c3 = torch.broadcast_tensors(
        counted((width + 3) // 4), torch.tensor(stream & _MASK, device=device), counted(batch)[:, None], steps[:, None, None]
    )
    k0, k1 = seed & _MASK, (seed >> 32) & _MASK
    for _ in range(10):
        p0, p1 = c0 * 0xD2511F53, c2 * 0xCD9E8D57  # modulo 2**64: the halves are right whatever the sign
        c0, c1, c2, c3 = ((p1 >> 32) & _MASK) ^ c1 ^ k0, p1 & _MASK, ((p0 >> 32) & _MASK) ^ c3 ^ k1, p0 & _MASK
        k0, k1 = (k0 + 0x9E3779B9) & _MASK, (k1 + 0xBB67AE85) & _MASK
    words = torch.stack([c0, c1, c2, c3], -1).flatten(-2)[..., :width]
    numbers = (words >> 8).to(torch.float64) * 2.0**-24
    return numbers[0] if first is None else numbers
