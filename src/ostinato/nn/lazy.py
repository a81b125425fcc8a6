"""A layer whose input size is read off its first input, as torch's lazy modules have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import UninitializedParameter
from torch.nn.utils.rnn import PackedSequence

from ..program.cell import Cell
from .recurrent import Recurrent
from .stack import get_stack

_TRIED = (61, 67)  # two input sizes: what grows from one to the other tells the size of stored parameters


class LazyRecurrent(LazyModuleMixin, Recurrent):
    """`Recurrent` without its `input_size`; the first call, or `load_state_dict`, tells it and makes the parameters.

    Until then the module has one `torch.nn.parameter.UninitializedParameter`, which optimisers refuse; after the first
    call it is a `Recurrent`.
    """

    cls_to_become = Recurrent

    def __init__(self, cell: Cell | str, hidden_size: int | Sequence[int], *args: Any, **options: Any) -> None:
        super().__init__(cell, 0, hidden_size, *args, **options)

    def _build(self, device: Any, dtype: torch.dtype | None) -> None:
        if self.input_size:
            return super()._build(device, dtype)
        self.unsized = UninitializedParameter(device=device, dtype=dtype)  # type: ignore[call-arg]

    def reset_parameters(self) -> None:
        if not self.has_uninitialized_params():
            super().reset_parameters()

    def initialize_parameters(self, input: Any, *args: Any, **inputs: Any) -> None:
        """Make the parameters for that first input; torch calls this before the first forward."""
        if not self.has_uninitialized_params():
            return
        name = self.cell.inputs[0]
        first = input[name] if isinstance(input, Mapping) else input
        first = first[0] if isinstance(first, tuple) and not isinstance(first, PackedSequence) else first
        self._begin((first.data if isinstance(first, PackedSequence) else first).size(-1))

    def _begin(self, input_size: int) -> None:
        device, dtype = self.unsized.device, self.unsized.dtype
        del self.unsized
        self.input_size = input_size
        self._build(device, dtype)

    def _lazy_load_hook(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        if self.has_uninitialized_params() and (size := self._stored_size(state_dict, prefix)):
            self._begin(size)

    def _stored_size(self, state_dict: Mapping[str, Any], prefix: str) -> int:
        """The input size of stored parameters, 0 if they do not tell."""
        low, high = (dict(get_stack(self._spec(size)).steps_plain()[0].layout.tensors) for size in _TRIED)
        for name in [k for k in low if k in high and f"{prefix}{k}_l0" in state_dict]:
            for a, b, found in zip(low[name], high[name], state_dict[f"{prefix}{name}_l0"].shape, strict=False):
                if a != b:
                    return int(_TRIED[0] + (found - a) * (_TRIED[1] - _TRIED[0]) // (b - a))
        return 0
