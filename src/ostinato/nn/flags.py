"""Flags of each step as numbers, (time, batch, 1) or (packed rows, 1): which steps are real, where states start again."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .call import Piece


def valid_steps(lengths: Tensor | Sequence[int], length: int, batch: int, like: Tensor) -> tuple[Tensor, list[int] | None]:
    """1 where a row's step is within its length, otherwise 0: (time, batch, 1). And the lengths, where they have values yet."""
    lengths = torch.as_tensor(lengths)
    if lengths.dtype.is_floating_point or lengths.dtype.is_complex or lengths.dtype == torch.bool:
        raise TypeError(f"lengths must be whole numbers, got {lengths.dtype}")
    if lengths.shape != (batch,):
        raise ValueError(f"lengths must have shape ({batch},), one for each sequence, got {list(lengths.shape)}")
    ends = None if torch.compiler.is_compiling() else lengths.tolist()
    if ends and (min(ends) < 0 or max(ends) > length):
        wrong = min(ends) if min(ends) < 0 else max(ends)
        raise ValueError(f"lengths must lie between 0 and the {length} steps of the input, got {wrong}")
    steps = torch.arange(length, device=like.device)[:, None, None]
    return (steps < lengths.to(like.device)[:, None]).to(like.dtype), ends


def flagged_steps(what: str, flags: Tensor, shape: tuple[int, ...], batch_first: bool, like: Tensor) -> Tensor:
    """1 where a flag is true, otherwise 0; `flags` are of `shape`, that of the input without its features."""
    flags = torch.as_tensor(flags)
    if flags.shape != shape:
        raise ValueError(f"{what} must have the input's shape without its features, {list(shape)}, got {list(flags.shape)}")
    if flags.dtype.is_complex:
        raise TypeError(f"{what} must be true or false, or numbers, got {flags.dtype}")
    numbers = (flags != 0).to(like)
    return (numbers.transpose(0, 1) if batch_first else numbers)[..., None]


def earlier(reset: Tensor, pieces: tuple[Piece, ...] | None, mask: Tensor | None) -> Tensor:
    """The resets for the reverse direction: one parts step t - 1 from step t, so in reverse it acts at t - 1.

    With a `mask`, which may have holes, at the last real step before t.
    """
    if pieces is not None:
        return _earlier_packed(reset, pieces)
    nothing = torch.zeros_like(reset[:1])
    if mask is None:
        return torch.cat([reset[1:], nothing])
    length = len(reset)
    steps = torch.arange(length, device=reset.device)[:, None, None]
    real = torch.where(mask != 0, steps, length)
    after = torch.cat([real[1:], torch.full_like(real[:1], length)]).flip(0).cummin(0)[0].flip(0)  # the next real step
    return torch.cat([reset, nothing]).gather(0, after) * mask


def _earlier_packed(reset: Tensor, pieces: tuple[Piece, ...]) -> Tensor:
    sizes = torch.tensor([p.rows for p in pieces for _ in range(p.steps)])
    first = sizes.cumsum(0) - sizes
    step = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
    row = torch.arange(len(step)) - first[step]
    after = (step + 1).clamp(max=len(sizes) - 1)
    there = (step + 1 < len(sizes)) & (row < sizes[after])
    source = torch.where(there, first[after] + row, 0).to(reset.device)
    return torch.where(there.to(reset.device)[:, None], reset[source], 0.0)
