"""Rows of different lengths, so laid out that blocks of rows end together: sorted by length, packed ones padded.

The engine takes blocks of `BLOCK` rows, each up to the end of its longest row; so the order decides what padding costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .call import Piece

BLOCK = 8
_WORTH = 0.85  # of the steps: sorting copies inputs and outputs
_MOST_PADDING = 4  # times the packed rows


class Sorted:
    """The longest row first, and back again."""

    def __init__(self, lengths: Sequence[int]) -> None:
        rows = sorted(range(len(lengths)), key=lambda r: -lengths[r])
        self.order = torch.tensor(rows)
        self.inverse = torch.empty_like(self.order)
        self.inverse[self.order] = torch.arange(len(rows))

    def inside(self, tensor: Tensor) -> Tensor:
        """(…, batch, width) in the new order."""
        there: Tensor = _Rows.apply(tensor, self.order, self.inverse)
        return there

    def outside(self, tensor: Tensor) -> Tensor:
        """And in the old one."""
        back: Tensor = _Rows.apply(tensor, self.inverse, self.order)
        return back


class _Rows(torch.autograd.Function):
    """A permutation of rows; torch's own gradient of a selection adds row by row."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.order, ctx.inverse = order, inverse
        return tensor.index_select(tensor.dim() - 2, order)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return grad.index_select(grad.dim() - 2, ctx.inverse), None, None


def sorting_pays(lengths: Sequence[int]) -> bool:
    """Whether blocks of rows end so much earlier."""

    def cost(ends: Sequence[int]) -> int:
        return sum(max(ends[k : k + BLOCK]) for k in range(0, len(ends), BLOCK))

    return len(lengths) > BLOCK and cost(sorted(lengths)) <= _WORTH * cost(lengths)


def padding_pays(pieces: tuple[Piece, ...]) -> bool:
    """Whether packed rows run faster padded: their pieces are many, and the padding is bounded."""
    steps = sum(p.steps for p in pieces)
    return len(pieces) > 1 and steps * pieces[0].rows <= _MOST_PADDING * sum(p.steps * p.rows for p in pieces)


class Padded:
    """Packed rows as padded ones, (time, batch, width), and back again."""

    def __init__(self, pieces: tuple[Piece, ...]) -> None:
        sizes = [p.rows for p in pieces for _ in range(p.steps)]
        self.batch_sizes, self.steps = torch.tensor(sizes), len(sizes)
        ends = [k for k, (rows, following) in enumerate(zip(sizes, [*sizes[1:], 0], strict=True), 1) for _ in range(rows - following)]
        self.lengths = torch.tensor(ends[::-1])

    def inside(self, data: Tensor) -> Tensor:
        """Packed (rows, width) as (time, batch, width), 0 where there is nothing."""
        return torch._VF._pad_packed_sequence(data, self.batch_sizes, False, 0.0, self.steps)[0]

    def outside(self, padded: Tensor) -> Tensor:
        """And back."""
        return torch._VF._pack_padded_sequence(padded, self.lengths, False)[0]

    def valid(self, like: Tensor) -> Tensor:
        """1 within each row's length, otherwise 0, (time, batch, 1)."""
        return (torch.arange(self.steps)[:, None] < self.lengths).to(like.dtype)[..., None]
