"""The engine under torch's autograd: a Function whose backward is a Function, so that it can be differentiated again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .. import _native
from . import engine
from .call import Call, Tensors, as_torch
from .engine import Plan, Trained

Gradients = tuple[Tensor | None, ...]


class Forward(torch.autograd.Function):
    """``apply(plan, *tensors)``: output and final states.

    Not for functorch's transforms: `dispatch` takes those calls elsewhere.
    """

    @staticmethod
    def forward(ctx: Any, plan: Plan, *tensors: Tensor) -> tuple[Tensor, ...]:
        trained = plan.trained(ctx.needs_input_grad[1:])
        results, record = engine.train(trained, tensors)
        ctx.made = trained, record
        ctx.save_for_backward(*tensors)
        ctx.set_materialize_grads(False)
        return results

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        tensors, (trained, record), needed = ctx.saved_tensors, ctx.made, ctx.needs_input_grad[1:]
        if torch._C._are_functorch_transforms_active() or any(map(_is_batched, grads)):  # a vmap over backward passes
            return None, *vjp(trained.plan.call, tensors, grads, needed)
        if not torch._C._autograd._get_current_graph_task_keep_graph():
            ctx.made = trained, None  # so that the tape lives no longer than torch's saved tensors
        if torch.is_grad_enabled():
            return None, *Backward.apply(trained, record, needed, len(tensors), *tensors, *grads)
        return None, *engine.backward(trained, tensors, record, grads)  # torch drops what is not needed


_apply = super(torch.autograd.Function, Forward).apply  # what Function.apply comes to where no transform is active
_unwrapped = torch._C._functorch.unwrap_if_dead  # of a tensor that has outlived its transform


def differentiable(plan: Plan, *tensors: Tensor) -> tuple[Tensor, ...]:
    """Output and final states, with a node of torch's graph behind them."""
    return _apply(plan, *map(_unwrapped, tensors))  # type: ignore[no-any-return]


class Backward(torch.autograd.Function):
    """The engine's backward pass as a function of the call's tensors and of the gradients given; its own is the torch program's."""

    @staticmethod
    def forward(ctx: Any, trained: Trained, record: _native.Record, needed: tuple[bool, ...], count: int, *given: Tensor | None) -> Any:
        ctx.call, ctx.needed, ctx.count = trained.plan.call, needed, count
        ctx.save_for_backward(*given)
        ctx.set_materialize_grads(False)
        tensors: Any = given[:count]
        return tuple(_only(needed, engine.backward(trained, tensors, record, given[count:])))

    @staticmethod
    def backward(ctx: Any, *seconds: Tensor | None) -> Any:
        again = torch.is_grad_enabled()
        given = ctx.saved_tensors
        with torch.enable_grad():
            # Each its own node of the graph, should one tensor stand in two places.
            given = [_alias(g, wanted, again) for g, wanted in zip(given, ctx.needs_input_grad[4:], strict=True)]
            tensors, grads = given[: ctx.count], given[ctx.count :]
            firsts = vjp(ctx.call, tensors, grads, ctx.needed, differentiable=True)
            pairs = [(f, s) for f, s in zip(firsts, seconds, strict=True) if f is not None and s is not None and f.requires_grad]
            sources = [g for g, wanted in zip(given, ctx.needs_input_grad[4:], strict=True) if wanted]
        if not pairs:
            return (None,) * len(ctx.needs_input_grad)
        made = iter(torch.autograd.grad([f for f, _ in pairs], sources, [s for _, s in pairs], create_graph=again, allow_unused=True))
        return None, None, None, None, *(next(made) if wanted else None for wanted in ctx.needs_input_grad[4:])


def _is_batched(grad: Tensor | None) -> bool:
    return grad is not None and torch._C._functorch.is_legacy_batchedtensor(grad)


def _only(needed: Sequence[bool], grads: Sequence[Tensor | None]) -> Gradients:
    return tuple(g if wanted else None for g, wanted in zip(grads, needed, strict=True))


def _alias(t: Tensor | None, wanted: bool, connected: bool) -> Tensor | None:
    if t is None:
        return None
    return t.view_as(t) if connected else t.detach().requires_grad_(wanted)


def vjp(call: Call, tensors: Tensors, grads: Sequence[Tensor | None], needed: Sequence[bool], differentiable: bool = False) -> Gradients:
    """The gradients of a call's tensors by torch's own autograd, through the program as torch operations."""
    with torch.enable_grad():
        leaves = [_alias(t, wanted, differentiable) for t, wanted in zip(tensors, needed, strict=True)]
        if differentiable:  # what is not yet part of a graph becomes its leaf
            leaves = [
                t if t is None or t.requires_grad or not wanted else t.requires_grad_() for t, wanted in zip(leaves, needed, strict=True)
            ]
        outputs = as_torch(call, leaves)  # type: ignore[arg-type]
        pairs = [(o, g) for o, g in zip(outputs, grads, strict=True) if g is not None and o.requires_grad]
        sources = [t for t, wanted in zip(leaves, needed, strict=True) if wanted and t is not None]
    if not pairs:
        return (None,) * len(tensors)
    made = iter(torch.autograd.grad([o for o, _ in pairs], sources, [g for _, g in pairs], create_graph=differentiable, allow_unused=True))
    return tuple(next(made) if wanted else None for wanted in needed)
