"""From a module's tensors to the call or calls that they make: options, directions, dropout between layers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from .call import Call, Piece
from .cache import Cache
from .dispatch import dispatch
from .stack import Mode, Stack, Step


def run(
    stack: Stack, inputs: list[Tensor], states: Sequence[Tensor], params: Sequence[Tensor], cache: Cache, *, training: bool = False,
    dropout: float = 0.0, pieces: tuple[Piece, ...] | None = None, reset: Tensor | None = None, valid: Tensor | None = None,
) -> tuple[Tensor, ...]:  # fmt: skip
    """The output (time, batch, directions * width) and each final state (layers * directions, batch, width).

    Inputs are time-major, or packed with `pieces`. `reset` and `valid` are shaped as the first input, 1 wide.
    """
    spec = stack.spec
    directions = spec.directions
    steps = stack.steps(Mode(training, reset is not None, valid is not None))
    count = len(inputs)
    if reset is not None:
        reset = reset if valid is None else reset * valid
        inputs = [*inputs, reset, *([_earlier(reset, pieces)] if directions == 2 else [])]
    if valid is not None:
        inputs = [*inputs, valid]
    columns = _columns(count, reset is not None, valid is not None, directions)
    seed = _draw_seed(steps)
    if not (training and dropout > 0 and len(steps) > 1):
        return dispatch(Call(stack, steps, directions, 0, columns, len(inputs), bool(states), pieces, seed), (*inputs, *states, *params), cache)

    each = len(params) // len(steps)
    finals: list[tuple[Tensor, ...]] = []
    for k, step in enumerate(steps):
        own_states = [s[k * directions : (k + 1) * directions] for s in states]
        own_params = params[k * each : (k + 1) * each]
        call = Call(stack, (step,), directions, k, columns, len(inputs), bool(states), pieces, seed)
        output, *final = dispatch(call, (*inputs, *own_states, *own_params), cache)
        finals.append(tuple(final))
        if k + 1 < len(steps):
            inputs = [torch.nn.functional.dropout(output, dropout), *inputs[1:]]
    return output, *(torch.cat(f) for f in zip(*finals, strict=True))


@lru_cache
def _columns(count: int, reset: bool, valid: bool, directions: int) -> tuple[tuple[int, ...], ...]:
    """For each direction, which tensor is each of the program's inputs: the cell's own, then reset, then valid."""
    last = count + (directions if reset else 0)
    return tuple((*range(count), *([count + d] if reset else []), *([last] if valid else [])) for d in range(directions))


def _draw_seed(steps: tuple[Step, ...]) -> int:
    """A seed from torch's generator, if anything is drawn."""
    return int(torch.randint(2**63 - 1, ())) if any(s.random for s in steps[:2]) else 0


def _earlier(reset: Tensor, pieces: tuple[Piece, ...] | None) -> Tensor:
    """The flags for the reverse direction: a flag parts step t - 1 from step t, so in reverse it acts at t - 1."""
    if pieces is None:
        return torch.cat([reset[1:], torch.zeros_like(reset[:1])])
    sizes = torch.tensor([p.rows for p in pieces for _ in range(p.steps)])
    first = sizes.cumsum(0) - sizes
    step = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
    row = torch.arange(len(step)) - first[step]
    after = (step + 1).clamp(max=len(sizes) - 1)
    there = (step + 1 < len(sizes)) & (row < sizes[after])
    source = torch.where(there, first[after] + row, 0).to(reset.device)
    return torch.where(there.to(reset.device)[:, None], reset[source], 0.0)
