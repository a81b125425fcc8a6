"""From a module's tensors to the call or calls that they make: options, directions, and what joins one layer to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from . import operator
from .cache import Cache
from .call import Call, Piece, Tensors
from .dispatch import PLAIN, dispatch, is_plain, is_recording, is_watched, on_engine
from .engine import plan_of
from .flags import earlier
from .rows import Padded, Sorted, padding_pays, sorting_pays
from .stack import Mode, Stack

Layered = Tensor | Sequence[Tensor]  # a state of all layers; where their sizes are their own, one tensor a layer


def run(
    stack: Stack, inputs: list[Tensor], states: Sequence[Layered], params: Tensors, cache: Cache, *, training: bool = False,
    dropout: float = 0.0, pieces: tuple[Piece, ...] | None = None, reset: Tensor | None = None, valid: Tensor | None = None,
    holes: bool = False, starts: Tensors = (), lengths: Sequence[int] | None = None,
) -> tuple[Any, ...]:  # fmt: skip
    """The output (time, batch, width), then each final state (layers * directions, batch, width), or one for each layer.

    Inputs are time-major, or packed with `pieces`. `reset` and `valid` are shaped as the first input, 1 wide; `holes`
    says that what is not valid may lie anywhere. `starts`: learned initial states, layer by layer, direction by direction.
    `lengths`: where rows end for sure, if known.
    """
    more: dict[str, Any] = {"training": training, "dropout": dropout, "holes": holes, "starts": starts}
    if pieces is not None and padding_pays(pieces) and is_plain((*inputs, *params)):
        padded = Padded(pieces)
        data = [padded.inside(t) if stepwise else t for t, (_, _, stepwise) in zip(inputs, stack.inputs, strict=True)]
        reset = None if reset is None else padded.inside(reset)
        output, *ends = run(stack, data, states, params, cache, reset=reset, valid=padded.valid(data[0]), **more)
        return padded.outside(output), *ends
    if lengths is not None and sorting_pays(lengths) and not stack.draws(training) and is_plain((*inputs, *params)):
        rows = Sorted(lengths)
        data = [rows.inside(t) for t in inputs]
        reset, valid = (None if t is None else rows.inside(t) for t in (reset, valid))
        output, *ends = run(stack, data, _each(rows.inside, states), params, cache, reset=reset, valid=valid, **more)
        return rows.outside(output), *_each(rows.outside, ends)
    return _layers(stack, inputs, states, params, cache, pieces=pieces, reset=reset, valid=valid, **more)


def single(stack: Stack, x: Tensor, states: Tensors, params: Tensors, cache: Cache) -> Sequence[Tensor]:
    """The new states after one step of one layer whose output is its first state, (batch, width) all."""
    tensors = (x, *states, *params)
    if not is_plain(tensors):
        _, *new = run(stack, [x.unsqueeze(0)], [s.unsqueeze(0) for s in states], params, cache)
        return [s.squeeze(0) for s in new]
    call = Call(stack.steps_plain(), 1, 0, stack.columns(Mode()), 1, bool(states), None, 0, single=True)
    plan = plan_of(call, cache, x)
    cache.know((False, x.dtype, *[t.shape for t in (x, *states)]), plan)
    return on_engine(plan, tensors)


def again(
    stack: Stack, input: Any, hx: Any, params: Tensors, cache: Cache, *, training: bool = False, batch_first: bool = False
) -> Sequence[Tensor] | None:
    """The output and the final states, where a call like this has been checked and run before; None where none has.

    For calls of one input, without flags and without dropout between layers.
    """
    if is_watched() or type(input) not in PLAIN or len(stack.inputs) > 1:
        return None
    turned = batch_first and input.dim() == 3
    several = type(hx) is tuple and len(stack.states) > 1
    given = (input.transpose(0, 1) if turned else input, *(hx if several else () if hx is None else (hx,)))
    if not stack.expected.met(params, given):
        return None
    plan = cache.known.get((training, input.dtype, *[t.shape for t in given]))
    if plan is None:
        return None
    results = on_engine(plan, (*given, *params))
    return (results[0].transpose(0, 1), *results[1:]) if turned else results


def parted(results: Sequence[Tensor]) -> tuple[Tensor, Any]:
    """A layer's results as it hands them out: the output; its state, or a tuple of them."""
    output, *ends = results
    return output, ends[0] if len(ends) == 1 else tuple(ends)


def _layers(
    stack: Stack, inputs: list[Tensor], states: Sequence[Layered], params: Tensors, cache: Cache, *, training: bool, dropout: float,
    pieces: tuple[Piece, ...] | None, reset: Tensor | None, valid: Tensor | None, holes: bool, starts: Tensors,
) -> tuple[Any, ...]:  # fmt: skip
    """As `run`, the rows as they lie: all layers at once where nothing but the engine lies between them, else one by one."""
    mode = Mode(training, reset is not None, valid is not None)
    if reset is not None:
        reset = reset if valid is None else reset * valid
        inputs = [*inputs, reset, *([earlier(reset, pieces, valid if holes else None)] if stack.spec.directions == 2 else [])]
    if valid is not None:
        inputs = [*inputs, valid]
    # A seed from torch's generator, if anything is drawn.
    seed = torch.randint(2**63 - 1, (), device="cpu") if stack.draws(training) else None
    if not training:
        dropout = 0.0
    if stack.alike and not dropout:
        tensors: tuple[Any, ...] = (*inputs, *states, *params)
        if pieces is not None or not tensors[0].is_cpu or not is_recording(tensors):
            call = _call(stack, mode, 0, stack.spec.num_layers, len(inputs), bool(states), pieces, seed, cache)
            if pieces is None and reset is None and valid is None and seed is None:
                shapes = [t.shape for t in tensors[: len(inputs) + len(states)]]
                cache.know((training, tensors[0].dtype, *shapes), plan_of(call, cache, tensors[0]))
            return dispatch(call, tensors, cache)
    return _one_by_one(stack, mode, inputs, states, params, cache, dropout, pieces, valid, starts, seed)


def _one_by_one(
    stack: Stack, mode: Mode, inputs: list[Tensor], states: Sequence[Layered], params: Tensors, cache: Cache, dropout: float,
    pieces: tuple[Piece, ...] | None, valid: Tensor | None, starts: Tensors, seed: Tensor | None,
) -> tuple[Any, ...]:  # fmt: skip
    """Layer by layer, with what joins one to the next."""
    spec = stack.spec
    directions, layers = spec.directions, spec.num_layers
    flat = [t for s in states for t in ([s] if isinstance(s, Tensor) else s)]
    recording = pieces is None and inputs[0].is_cpu and is_recording((*inputs, *flat, *params, *starts))

    taken, learned, first = 0, len(starts) // layers, inputs[0]
    if valid is not None and (spec.residual or spec.skip):  # what is joined to an output of 0 must not be padding
        first = torch.where(valid != 0, first, 0.0)
    output = first
    finals: list[Sequence[Tensor]] = []
    for k, count in enumerate(stack.counts):
        below = output
        if k and dropout:
            output = torch.nn.functional.dropout(output, dropout)
        if k and spec.skip:
            output = torch.cat([output, first], -1)
        read = [output, *inputs[1:]]
        own = [s[k * directions : (k + 1) * directions] if isinstance(s, Tensor) else s[k] for s in states]
        if starts:
            mine, batch = starts[k * learned : (k + 1) * learned], first.size(1) if pieces is None else pieces[0].rows
            own = own or _initial(stack, k, mine, batch, first)
            read += [t.expand(batch, -1) for t in mine] if mode.reset else []
        tensors = (*read, *own, *params[taken : taken + count])
        taken += count
        if recording:
            output, *final = operator.run(stack, mode, k, tensors, len(read), bool(own), seed)
        else:
            call = _call(stack, mode, k, 1, len(read), bool(own), pieces, seed, cache)
            output, *final = dispatch(call, tensors, cache)
        output = _merged(output, spec.merge)
        if spec.residual and output.shape[-1] == below.shape[-1]:
            output = output + below
        finals.append(final)
    if len(finals) == 1 and not spec.sizes:
        return output, *finals[0]
    return output, *(f if spec.sizes else torch.cat(f) for f in zip(*finals, strict=True))


def _call(
    stack: Stack, mode: Mode, first: int, count: int, n_inputs: int, has_states: bool, pieces: tuple[Piece, ...] | None,
    seed: Tensor | None, cache: Cache,
) -> Call:  # fmt: skip
    """The call of `count` layers from `first` on; one like it is remembered where nothing is packed."""
    like = (mode, has_states, first, count)
    call = cache.calls.get(like) if pieces is None else None
    if call is None:
        steps = stack.steps(mode)[first : first + count]
        call = Call(steps, stack.spec.directions, first, stack.columns(mode), n_inputs, has_states, pieces, 0)
        if pieces is None:
            cache.calls[like] = call
    return call if seed is None else call.seeded(int(seed))


def _each(change: Callable[[Tensor], Tensor], states: Sequence[Layered]) -> list[Layered]:
    return [change(s) if isinstance(s, Tensor) else tuple(map(change, s)) for s in states]


def _initial(stack: Stack, layer: int, starts: Tensors, batch: int, like: Tensor) -> list[Tensor]:
    """The learned initial states of one layer, (directions, batch, width) each; others as the cell has them."""
    directions, number = stack.spec.directions, len(stack.learned)
    learned = iter([torch.stack(tuple(starts[k::number]))[:, None].expand(-1, batch, -1) for k in range(number)])
    states = stack.steps_plain()[layer].states
    return [next(learned) if k in stack.learned else like.new_full((directions, batch, width), start) for k, width, start in states]


def _merged(output: Tensor, how: str) -> Tensor:
    """Two directions' outputs, side by side, as one."""
    if how == "concat":
        return output
    a, b = output.chunk(2, -1)
    if how == "mul":
        return a * b
    return a + b if how == "sum" else (a + b) / 2
