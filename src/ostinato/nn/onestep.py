"""torch.nn's RNNCell, LSTMCell and GRUCell on our engine: one step a call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..cells import standard
from ..program.cell import Cell
from .cache import Cache
from .checks import check_computable, check_input_type, check_tensors, lowered, readable
from .layers import tensors_of
from .run import again, single
from .stack import Spec, get_stack


class _OneStep(torch.nn.RNNCellBase):
    """What the three share."""

    def _begin(self, cell: Cell, **hyper: Any) -> None:
        self._stack = get_stack(Spec(cell, self.input_size, self.hidden_size, bias=self.bias, stacked=True, hyper=tuple(hyper.items())))
        self._names = [name for name, _ in self._stack.steps_plain()[0].layout.tensors]
        self._cache = Cache()

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        """One step: input (batch, input_size) or (input_size,), each state (batch, hidden_size) or (hidden_size,)."""
        if not self.weight_ih.is_cpu:
            return super().forward(input, hx)
        params: Sequence[Tensor] = tensors_of(self, self._names)
        known = again(self._stack, input, hx, params, self._cache)
        if known is not None:
            return known[0] if len(known) == 1 else tuple(known)
        dim = input.dim()
        if dim not in (1, 2):
            raise ValueError(f"{self._get_name()}: Expected input to be 1D or 2D, got {dim}D instead")
        given = self._given(hx)
        weight = params[0]
        check_computable(weight, self._get_name())
        x = lowered(input if dim == 2 else input.unsqueeze(0), weight.dtype)
        if x.size(1) != self.input_size:
            raise RuntimeError(f"input has inconsistent input_size: got {x.size(1)} expected {self.input_size}")
        check_input_type(x, weight.dtype)
        states = [self._state(k, lowered(s if dim == 2 else s.unsqueeze(0), weight.dtype), x) for k, s in enumerate(given)]
        params = readable(self._stack, params, x, self._get_name())
        check_tensors(states, x, "hidden")
        new = single(self._stack, x, states, params, self._cache)
        ends = [s if dim == 2 else s[0] for s in new]
        return ends[0] if len(ends) == 1 else tuple(ends)

    def _given(self, hx: Any) -> list[Tensor]:
        """The states given, of one or two dimensions."""
        if hx is None:
            return []
        pair = len(self._stack.states) == 2
        if pair and (isinstance(hx, Tensor) or len(hx) != 2):
            raise RuntimeError(f"{self._get_name()}: hx must be a pair of tensors (h_0, c_0)")
        given = list(hx) if pair else [hx]
        for k, state in enumerate(given):
            if state.dim() not in (1, 2):
                what = f"hx[{k}]" if pair else "hidden"
                raise ValueError(f"{self._get_name()}: Expected {what} to be 1D or 2D, got {state.dim()}D instead")
        return given

    def _state(self, k: int, state: Tensor, x: Tensor) -> Tensor:
        """An initial state whose shape goes with the input's."""
        if state.dim() != 2 or state.size(0) != x.size(0):
            raise RuntimeError(f"Input batch size {x.size(0)} doesn't match hidden{k} batch size {state.size(0)}")
        if state.size(1) != self.hidden_size:
            raise RuntimeError(f"hidden{k} has inconsistent hidden_size: got {state.size(1)}, expected {self.hidden_size}")
        return state


class RNNCell(_OneStep, torch.nn.RNNCell):
    """torch.nn.RNNCell on Ostinato's engine. Input (batch, input_size), state (batch, hidden_size), or both unbatched."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, nonlinearity, device=device, dtype=dtype)
        if self.nonlinearity in ("tanh", "relu"):
            self._begin(standard.rnn, nonlinearity=self.nonlinearity)

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return super().forward(input, hx)


class GRUCell(_OneStep, torch.nn.GRUCell):
    """torch.nn.GRUCell on Ostinato's engine. Input (batch, input_size), state (batch, hidden_size), or both unbatched."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(input_size, hidden_size, bias, device=device, dtype=dtype)
        self._begin(standard.gru)


class LSTMCell(_OneStep, torch.nn.LSTMCell):
    """torch.nn.LSTMCell on Ostinato's engine. Input (batch, input_size), states h, c (batch, hidden_size), or unbatched."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(input_size, hidden_size, bias, device=device, dtype=dtype)
        self._begin(standard.lstm)
