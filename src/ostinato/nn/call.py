"""One call of some layers of a stack, and its meaning as torch operations.

All tensors are time-major. A call's tensors are, in order: the inputs (time, batch, width), or (rows of all steps,
width) where the sequences are packed, or (batch, width) if given once a sequence; the initial states
(layers * directions, batch, width), all or none; the parameters, layer by layer, direction by direction. A `single` call is
one step of one layer whose output is its first state: its tensors have no axis of time or layers, and the state is given once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from ..program.node import Level
from .emit import TorchDraws
from .stack import Step

Tensors = Sequence[Tensor]
T = TypeVar("T")


class Piece(NamedTuple):
    """Steps with the same number of rows: the first of its packed rows, its steps, its rows."""

    start: int
    steps: int
    rows: int


class Call:
    """What a call is, its tensors aside."""

    __slots__ = ("plans", "steps", "directions", "first_layer", "columns", "n_inputs", "has_states", "pieces", "seed", "single")

    def __init__(
        self, steps: tuple[Step, ...], directions: int, first_layer: int, columns: tuple[tuple[int, ...], ...], n_inputs: int,
        has_states: bool, pieces: tuple[Piece, ...] | None, seed: int, single: bool = False,
    ) -> None:  # fmt: skip
        self.steps, self.directions, self.first_layer = steps, directions, first_layer
        self.columns = columns  # for each direction, which input tensor is each of the program's inputs
        self.n_inputs, self.has_states, self.pieces, self.seed, self.single = n_inputs, has_states, pieces, seed, single
        self.plans: dict[Any, Any] = {}  # the engine's, by size and type

    def seeded(self, seed: int) -> Call:
        """The same with other draws; what is worked out by size is shared."""
        other = Call(self.steps, self.directions, self.first_layer, self.columns, self.n_inputs, self.has_states, self.pieces, seed)
        other.plans = self.plans
        return other

    def split(self, tensors: Sequence[T]) -> tuple[Sequence[T], Sequence[T], Sequence[T]]:
        """The inputs, the initial states, the parameters; or what is said of each."""
        a = self.n_inputs
        b = a + len(self.steps[0].states) * self.has_states
        return tensors[:a], tensors[a:b], tensors[b:]


def pieces_of(batch_sizes: Sequence[int]) -> tuple[Piece, ...]:
    """Packed steps, cut where the number of rows changes."""
    pieces: list[Piece] = []
    start = 0
    for rows in batch_sizes:
        if pieces and pieces[-1].rows == rows:
            pieces[-1] = pieces[-1]._replace(steps=pieces[-1].steps + 1)
        else:
            pieces.append(Piece(start, 1, rows))
        start += rows
    return tuple(pieces)


def as_torch(call: Call, tensors: Tensors) -> tuple[Tensor, ...]:
    """The call as torch operations: the last layer's output (time, batch, directions * width), and each final state."""
    inputs, states, params = call.split(tensors)
    if call.single:
        inputs, states = [t[None] for t in inputs], [s[None] for s in states]
    count = len(call.steps[0].layout.tensors)
    finals: list[list[Tensor]] = []
    output = inputs[0]
    for layer, step in enumerate(call.steps):
        outputs = []
        for direction in range(call.directions):
            index = layer * call.directions + direction
            given = [output if c == 0 else inputs[c] for c in call.columns[direction]]
            own = params[index * count : (index + 1) * count]
            start = [s[index] for s in states]
            y, final = _one(call, step, 2 * (call.first_layer + layer) + direction, given, start, own)
            outputs.append(y)
            finals.append(final)
        output = torch.cat(outputs, -1) if len(outputs) > 1 else outputs[0]
    if call.single:
        return output[0], *finals[0][1:]
    return output, *(torch.stack(f) for f in zip(*finals, strict=True))


def _one(call: Call, step: Step, stream: int, inputs: Tensors, start: Tensors, params: Tensors) -> tuple[Tensor, list[Tensor]]:
    """One layer in one direction; odd streams run in reverse."""
    program = step.program
    own = {k: _slice(params[slot.tensor], slot.row, shape) for k, slot, shape in step.layout.params(program)}
    given = dict(zip(program.inputs, inputs, strict=True))
    states = dict(zip(program.states, start, strict=bool(start)))
    if call.pieces is not None:
        return _packed(call, step, stream, given, states, own)
    y, final = step.emitted.run(own, given, states, reverse=stream % 2 == 1, draws=TorchDraws(call.seed, stream))
    return y, list(final.values())


def _slice(tensor: Tensor, row: int, shape: tuple[int, ...]) -> Tensor:
    return tensor if tensor.shape == shape else tensor[row : row + shape[0]]


def _packed(
    call: Call, step: Step, stream: int, inputs: dict[str, Tensor], states: dict[str, Tensor], params: dict[str, Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """Piece by piece: rows that a piece lacks keep their state."""
    assert call.pieces is not None
    program, like = step.program, next(iter(inputs.values()))
    batch = max(p.rows for p in call.pieces)
    now = {k: states[k] if states else like.new_full((batch, n.width), program.start[k]) for k, n in program.states.items()}
    outputs: list[Tensor] = [like] * len(call.pieces)
    taken, reverse = 0, stream % 2 == 1
    for i in reversed(range(len(call.pieces))) if reverse else range(len(call.pieces)):
        start, steps, rows = call.pieces[i]
        given = {
            k: inputs[k][start : start + steps * rows].unflatten(0, (steps, rows)) if n.level == Level.STEP else inputs[k][:rows]
            for k, n in program.inputs.items()
        }
        draws = TorchDraws(call.seed, stream, taken)
        y, final = step.emitted.run(params, given, {k: v[:rows] for k, v in now.items()}, reverse=reverse, draws=draws)
        now = {k: torch.cat([v, now[k][rows:]]) for k, v in final.items()}
        outputs[i] = y.flatten(0, 1)
        taken += steps
    return torch.cat(outputs), list(now.values())
