"""One layer of a stack as operators of torch, for where operations are recorded rather than run: compile, export, modes.

``ostinato::infer`` gives the output and the final states; ``ostinato::train`` also the tape that ``ostinato::backward``
reads. Differentiating ``infer`` (in an exported program) runs the forward pass again to have a tape.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from . import engine
from .cache import Cache
from .call import Call
from .engine import Plan, Wants, plan_of
from .stack import Mode, Stack, stack_of

_cache = Cache()


def run(
    stack: Stack, mode: Mode, layer: int, tensors: Sequence[Tensor], n_inputs: int, has_states: bool, seed: Tensor | None
) -> list[Tensor]:
    """One layer by the operator that goes with the call."""
    how = [layer, int(has_states), int(mode.training), int(mode.reset), int(mode.lengths)]
    n_states = len(stack.states) * has_states
    for_keeps = torch.compiler.is_exporting() or (not torch.compiler.is_compiling() and torch._C._get_tracing_state() is not None)
    if torch.is_grad_enabled() and not for_keeps and any(t.requires_grad for t in tensors):
        wants = [int(any(t.requires_grad for t in part)) for part in (tensors[:n_inputs], tensors[n_inputs + n_states :])]
        results: list[Tensor] = train(list(tensors), seed, stack.name, how, wants)
        return results[:-1]
    results = infer(list(tensors), seed, stack.name, how)
    return results


def _call(stack: str, how: Sequence[int], seed: Tensor | None) -> Call:
    return _numbered(stack, tuple(how), 0 if seed is None else int(seed))


@lru_cache(256)  # plans of calls like the last ones; those that draw have a seed of their own each time
def _numbered(stack: str, how: tuple[int, ...], seed: int) -> Call:
    number, has_states, training, reset, lengths = how
    found = stack_of(stack)
    mode, directions = Mode(bool(training), bool(reset), bool(lengths)), found.spec.directions
    columns = found.columns(mode)
    count = 1 + max(max(c) for c in columns)
    return Call((found.steps(mode)[number],), directions, number, columns, count, bool(has_states), None, seed)


def _plan(stack: str, how: Sequence[int], seed: Tensor | None, tensors: Sequence[Tensor]) -> Plan:
    return plan_of(_call(stack, how, seed), _cache, tensors[0])


def _wants(wants: Sequence[int]) -> Wants:
    return Wants(bool(wants[0]), bool(wants[1]))


def _shapes(call: Call, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Output and final states, without values."""
    step, first = call.steps[0], tensors[0]
    length, batch = first.shape[:2]
    output = first.new_empty((length, batch, call.directions * step.width))
    return [output, *(first.new_empty((call.directions, batch, width)) for _, width, _ in step.states)]


def _tape(call: Call, first: Tensor, wants: Wants) -> Tensor:
    """Memory for the tapes of a call, a row a direction, each row aligned as the engine wants it."""
    numbers = (first.size(0) + 1) * first.size(1) * call.steps[0].load("train", *wants).tape_width
    return first.new_empty((call.directions, (numbers + 15) // 16 * 16 + 16))


@torch.library.custom_op("ostinato::infer", mutates_args=(), device_types="cpu")
def infer(tensors: Sequence[Tensor], seed: Tensor | None, stack: str, how: Sequence[int]) -> list[Tensor]:
    """Output and final states of one layer. `how`: its number, has states, training, has resets, has lengths."""
    return list(engine.infer(_plan(stack, how, seed, tensors), tensors))


@infer.register_fake
def _(tensors: Sequence[Tensor], seed: Tensor | None, stack: str, how: Sequence[int]) -> list[Tensor]:
    return _shapes(_call(stack, how, None), tensors)


@torch.library.custom_op("ostinato::train", mutates_args=(), device_types="cpu")
def train(tensors: Sequence[Tensor], seed: Tensor | None, stack: str, how: Sequence[int], wants: Sequence[int]) -> list[Tensor]:
    """Output and final states of one layer, and its tape. `wants`: gradients of the inputs, of the parameters."""
    plan = _plan(stack, how, seed, tensors)
    tape = _tape(plan.call, tensors[0], _wants(wants))
    return [*engine.train(plan.wishes(_wants(wants)), tensors, tape)[0], tape]


@train.register_fake
def _(tensors: Sequence[Tensor], seed: Tensor | None, stack: str, how: Sequence[int], wants: Sequence[int]) -> list[Tensor]:
    call = _call(stack, how, None)
    return [*_shapes(call, tensors), _tape(call, tensors[0], _wants(wants))]


@torch.library.custom_op("ostinato::backward", mutates_args=(), device_types="cpu")
def backward(
    grads: Sequence[Tensor | None], tensors: Sequence[Tensor], tape: Tensor | None, seed: Tensor | None, stack: str, how: Sequence[int],
    wants: Sequence[int], needed: Sequence[int],
) -> list[Tensor]:  # fmt: skip
    """The gradients of those tensors that need one."""
    plan = _plan(stack, how, seed, tensors)
    trained = plan.wishes(_wants(wants))
    record = engine.train(trained, tensors)[1] if tape is None else engine.recalled(trained, tape)
    made = engine.backward(trained, tensors, record, grads)
    return [g if g is not None else torch.zeros_like(t) for g, t, wanted in zip(made, tensors, needed, strict=True) if wanted]


@backward.register_fake
def _(
    grads: Sequence[Tensor | None], tensors: Sequence[Tensor], tape: Tensor | None, seed: Tensor | None, stack: str, how: Sequence[int],
    wants: Sequence[int], needed: Sequence[int],
) -> list[Tensor]:  # fmt: skip
    return [t.new_empty(t.shape) for t, wanted in zip(tensors, needed, strict=True) if wanted]


def _remember(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    tensors, seed, stack, how = inputs[:4]
    ctx.stack, ctx.how, ctx.has_seed = stack, how, seed is not None
    ctx.taped = len(inputs) == 5
    ctx.wants = list(inputs[4]) if ctx.taped else [1, 1]
    ctx.count = len(tensors)
    kept = [*tensors, *([seed] if seed is not None else []), *([output[-1]] if ctx.taped else [])]
    ctx.save_for_backward(*kept)
    ctx.set_materialize_grads(False)


def _differentiate(ctx: Any, grads: Sequence[Tensor | None]) -> Any:
    saved = list(ctx.saved_tensors)
    tape = saved.pop() if ctx.taped else None
    seed = saved.pop() if ctx.has_seed else None
    needed = [int(t.requires_grad) for t in saved]
    results = list(grads[:-1] if ctx.taped else grads)
    made = iter(backward(results, saved, tape, seed, ctx.stack, ctx.how, ctx.wants, needed))
    return [next(made) if wanted else None for wanted in needed], *[None] * (4 if ctx.taped else 3)


infer.register_autograd(_differentiate, setup_context=_remember)
train.register_autograd(_differentiate, setup_context=_remember)
