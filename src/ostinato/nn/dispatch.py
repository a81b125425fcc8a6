"""Which way a call runs: the engine, the custom operator, or torch operations.

On a CPU: the engine, inside an autograd Function where gradients are wanted. Where torch records operations rather
than runs them (compile, export, tracing, modes and tensor subclasses): one operator. Under torch.func, under
forward-mode differentiation and on other devices: the program as torch operations.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd import forward_ad

from . import engine
from .cache import Cache
from .call import Call, as_torch
from .function import differentiable

PLAIN = frozenset((Tensor, torch.nn.Parameter))


def is_recording(tensors: Sequence[Tensor]) -> bool:
    """Whether torch records operations here rather than runs them: then it must see an operator, not an address."""
    if torch.compiler.is_compiling():
        return True
    if torch._C._are_functorch_transforms_active():
        return False
    modes = torch._C._len_torch_dispatch_stack() > 0 or torch._C._get_tracing_state() is not None
    return modes or not PLAIN.issuperset(map(type, tensors))


def is_watched() -> bool:
    """Whether torch itself does now more with operations than run and differentiate them."""
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0:
        return True
    return torch._C._len_torch_dispatch_stack() > 0 or torch._C._get_tracing_state() is not None


def is_plain(tensors: Sequence[Tensor]) -> bool:
    """Whether the engine itself will run, within torch's plain autograd or none."""
    return tensors[0].is_cpu and not is_watched() and PLAIN.issuperset(map(type, tensors))


def dispatch(call: Call, tensors: tuple[Tensor, ...], cache: Cache) -> tuple[Tensor, ...]:
    """The output and the final states."""
    if torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0 or not tensors[0].is_cpu:
        return as_torch(call, tensors)
    return on_engine(engine.plan_of(call, cache, tensors[0]), tensors)


def on_engine(plan: engine.Plan, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The same where all is plain."""
    if torch.is_grad_enabled():
        for t in tensors:
            if t.requires_grad:
                return differentiable(plan, *tensors)
    return engine.infer(plan, tensors)
