"""From a module's tensors to the call or calls that they make: options, directions, dropout between layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from . import operator
from .cache import Cache
from .call import Call, Piece, columns_of
from .dispatch import dispatch, is_recording
from .stack import Mode, Stack


def run(
    stack: Stack, inputs: list[Tensor], states: Sequence[Tensor], params: Sequence[Tensor], cache: Cache, *, training: bool = False,
    dropout: float = 0.0, pieces: tuple[Piece, ...] | None = None, reset: Tensor | None = None, valid: Tensor | None = None,
) -> tuple[Tensor, ...]:  # fmt: skip
    """The output (time, batch, directions * width) and each final state (layers * directions, batch, width).

    Inputs are time-major, or packed with `pieces`. `reset` and `valid` are shaped as the first input, 1 wide.
    """
    directions, layers = stack.spec.directions, stack.spec.num_layers
    mode = Mode(training, reset is not None, valid is not None)
    count = len(inputs)
    if reset is not None:
        reset = reset if valid is None else reset * valid
        inputs = [*inputs, reset, *([_earlier(reset, pieces)] if directions == 2 else [])]
    if valid is not None:
        inputs = [*inputs, valid]
    # A seed from torch's generator, if anything is drawn.
    seed = torch.randint(2**63 - 1, (), device="cpu") if stack.draws(training) else None
    recording = pieces is None and inputs[0].is_cpu and is_recording((*inputs, *states, *params))
    dropping, residual = training and dropout > 0, stack.spec.residual
    at_once = 1 if recording or dropping or residual else layers

    each, output = len(params) // layers, inputs[0]
    if residual and valid is not None:  # what is added to an output of 0 must not be padding
        output = torch.where(valid != 0, output, 0.0)
    finals: list[Sequence[Tensor]] = []
    for k in range(0, layers, at_once):
        below = output
        if k and dropping:
            output = torch.nn.functional.dropout(output, dropout)
        own_states = [s[k * directions : (k + at_once) * directions] for s in states] if at_once < layers else states
        tensors = (output, *inputs[1:], *own_states, *params[k * each : (k + at_once) * each])
        if recording:
            output, *final = operator.run(stack, mode, k, tensors, len(inputs), bool(states), seed)
        else:
            like = (mode, bool(states), k, at_once)
            call = cache.calls.get(like) if pieces is None and seed is None else None
            if call is None:
                columns = columns_of(count, mode.reset, mode.lengths, directions)
                steps = stack.steps(mode)[k : k + at_once]
                call = Call(steps, directions, k, columns, len(inputs), bool(states), pieces, 0 if seed is None else int(seed))
                if pieces is None and seed is None:
                    cache.calls[like] = call
            output, *final = dispatch(call, tensors, cache)
        if residual and output.shape[-1] == below.shape[-1]:
            output = output + below
        finals.append(final)
    if len(finals) == 1:
        return output, *finals[0]
    return output, *(torch.cat(f) for f in zip(*finals, strict=True))


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
