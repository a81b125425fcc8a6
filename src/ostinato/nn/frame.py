"""How a call's sequences are laid out: batched or not, batch first or not, packed or not; and back again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from .call import Piece
from .checks import check_packed
from .flags import flagged_steps, valid_steps


class Frame:
    """The layout of one call, read off its first input. Inside, everything is time-major and batched."""

    __slots__ = ("name", "batch_first", "batched", "packed", "pieces", "data", "length", "batch", "ends")

    def __init__(self, name: str, input: Tensor | PackedSequence, batch_first: bool) -> None:
        self.name = name
        self.packed: PackedSequence | None = None
        self.pieces: tuple[Piece, ...] | None = None
        self.ends: list[int] | None = None  # the rows' lengths, once given
        if isinstance(input, PackedSequence):
            self.packed, self.batched, self.batch_first = input, True, False
            self.data, self.pieces = check_packed(input)
            self.length, self.batch = len(input.batch_sizes), self.pieces[0].rows
            return
        dim = input.dim()
        if dim not in (2, 3):
            raise ValueError(f"{name}: Expected input to be 2D or 3D, got {dim}D tensor instead")
        self.batched, self.batch_first = dim == 3, batch_first and dim == 3
        self.data = self.inside(input)
        self.length, self.batch = self.data.shape[:2]

    def inside(self, sequence: Tensor) -> Tensor:
        """A sequence as (time, batch, width)."""
        if not self.batched:
            return sequence.unsqueeze(1)
        return sequence.transpose(0, 1) if self.batch_first else sequence

    def state_inside(self, state: Tensor) -> Tensor:
        """An initial state as (layers * directions, batch, width), in the order of the packed rows."""
        if not self.batched:
            return state.unsqueeze(1)
        if self.packed is not None and self.packed.sorted_indices is not None:
            return state.index_select(1, self.packed.sorted_indices)
        return state

    def outside(self, output: Tensor) -> Any:
        """The output as the caller's input was laid out."""
        if self.packed is not None:
            return PackedSequence(output, self.packed.batch_sizes, self.packed.sorted_indices, self.packed.unsorted_indices)
        if not self.batched:
            return output.squeeze(1)
        return output.transpose(0, 1) if self.batch_first else output

    def state_outside(self, state: Tensor) -> Tensor:
        """A final state in the caller's order of rows."""
        if not self.batched:
            return state.squeeze(1)
        if self.packed is not None and self.packed.unsorted_indices is not None:
            return state.index_select(1, self.packed.unsorted_indices)
        return state

    def valid(self, lengths: Tensor | Sequence[int] | None, mask: Tensor | None) -> Tensor | None:
        """1 where a step is within its row's length and real by the mask, otherwise 0, (time, batch, 1)."""
        if lengths is None and mask is None:
            return None
        if self.packed is not None:
            raise ValueError(
                f"{'mask' if lengths is None else 'lengths'} goes with a padded input: a PackedSequence carries its own lengths"
            )
        real = None if mask is None else self._flagged("mask", mask)
        if lengths is None:
            return real
        lengths = torch.as_tensor(lengths)
        lengths = lengths if self.batched else lengths.reshape(-1)
        within, self.ends = valid_steps(lengths, self.length, self.batch, self.data)
        return within if real is None else within * real

    def reset(self, flags: Tensor | PackedSequence | None) -> Tensor | None:
        """The flags as numbers, (time, batch, 1) or (packed rows, 1)."""
        if flags is None:
            return None
        if self.packed is None:
            if isinstance(flags, PackedSequence):
                raise TypeError("reset is a PackedSequence but the input is not: pack both or neither")
            return self._flagged("reset", flags)
        return flagged_steps("reset", self.repacked("reset", flags), (self.data.size(0),), False, self.data)

    def _flagged(self, what: str, flags: Tensor) -> Tensor:
        shape = (self.batch, self.length) if self.batch_first else (self.length, self.batch) if self.batched else (self.length,)
        inside = flagged_steps(what, flags, shape, self.batch_first, self.data)
        return inside if self.batched else inside.unsqueeze(1)

    def repacked(self, what: str, sequence: object) -> Tensor:
        """The data of another sequence that is packed as the input is."""
        assert self.packed is not None
        if not isinstance(sequence, PackedSequence) or not torch.equal(sequence.batch_sizes, self.packed.batch_sizes):
            raise TypeError(f"{what} must be a PackedSequence with the input's batch_sizes")
        return sequence.data
