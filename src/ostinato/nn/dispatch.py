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
from .function import Forward

_PLAIN = frozenset((Tensor, torch.nn.Parameter))


def is_recording(tensors: Sequence[Tensor]) -> bool:
    """Whether torch records operations here rather than runs them: then it must see an operator, not an address."""
    if torch.compiler.is_compiling():
        return True
    if torch._C._are_functorch_transforms_active():
        return False
    modes = torch._C._len_torch_dispatch_stack() > 0 or torch._C._get_tracing_state() is not None
    return modes or not _PLAIN.issuperset(map(type, tensors))


def is_plain(tensors: Sequence[Tensor]) -> bool:
    """Whether the engine itself will run, within torch's plain autograd or none."""
    transformed = torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0
    return tensors[0].is_cpu and not transformed and not is_recording(tensors)


def dispatch(call: Call, tensors: tuple[Tensor, ...], cache: Cache) -> tuple[Tensor, ...]:
    """The output and the final states."""
    if torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0 or not tensors[0].is_cpu:
        return as_torch(call, tensors)
    if torch.is_grad_enabled():
        for t in tensors:
            if t.requires_grad:
                return Forward.apply(call, cache, *tensors)  # type: ignore[no-any-return]
    return tuple(engine.forward(call, tensors, cache)[0])
