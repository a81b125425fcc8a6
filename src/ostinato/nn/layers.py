"""torch.nn's RNN, LSTM and GRU on our engine: the same arguments, shapes, state_dict and errors.

They derive from torch.nn.RNNBase and not from the three classes themselves, which torch.compile refuses to trace
together with all that derive from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from ..cells import standard
from ..program.cell import Cell
from .cache import Cache
from .checks import check_input, check_state, check_tensors, lowered, readable
from .frame import Frame
from .run import again, parted, run
from .stack import Spec, get_stack


def tensors_of(module: torch.nn.Module, names: Sequence[str]) -> list[Tensor]:
    """A module's tensors by name; parametrised ones are computed by their attribute."""
    own: dict[str, Any] = module._parameters
    try:
        tensors = [own[name] for name in names]
    except KeyError:
        tensors = [getattr(module, name) for name in names]
    return tensors


class _Layer(torch.nn.RNNBase):
    """What our layers share. On devices other than the CPU, torch's own kernels run what they can."""

    _theirs: Any  # torch's forward

    def _begin(self, cell: Cell, **hyper: Any) -> None:
        directions = 2 if self.bidirectional else 1
        self._stack = get_stack(
            Spec(cell, self.input_size, self.hidden_size, self.num_layers, directions, self.bias, True, tuple(hyper.items()))
        )
        self._cache = Cache()

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: Any = None,
        *,
        lengths: Tensor | Sequence[int] | None = None,
        reset: Tensor | PackedSequence | None = None,
        mask: Tensor | None = None,
    ) -> Any:
        """As torch.nn's layer of this name, and beyond it:

        lengths: whole numbers (batch,), 0 to time: steps from there on are not read, their output is 0, and the
        final state is that of the last step within the length. In reverse a row starts at its own end.
        reset: true or false (or numbers, 0 is false), the input's shape without its features: where true, the
        states start again from 0 before this step. For a PackedSequence, a PackedSequence of the same batch_sizes.
        mask: shaped as reset, for a padded input: where false, anywhere, a step is passed over as those past a length are,
        its reset too.
        """
        if isinstance(input, PackedSequence) and torch.compiler.is_compiling():  # its sizes are data: the graph breaks here
            return torch.compiler.disable(self.forward)(input, hx, lengths=lengths, reset=reset, mask=mask)
        params: Sequence[Tensor] = tensors_of(self, self._flat_weights_names)
        weight = params[0]
        if not weight.is_cpu and lengths is None and reset is None and mask is None:
            return self._theirs(input, hx)
        if lengths is None and reset is None and mask is None and not (self.training and self.dropout):
            known = again(self._stack, input, hx, params, self._cache, training=self.training, batch_first=self.batch_first)
            if known is not None:
                return parted(known)
        frame = Frame(self._get_name(), input, self.batch_first)
        data = check_input(frame.data, self.input_size, weight.dtype)
        if frame.length == 0:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        params = readable(self._stack, params, data, self._get_name())
        states = self._states(frame, data, hx)
        y, *finals = run(
            self._stack, [data], states, params, self._cache, training=self.training, dropout=self.dropout, pieces=frame.pieces,
            reset=frame.reset(reset), valid=frame.valid(lengths, mask), holes=mask is not None, lengths=frame.ends,
        )  # fmt: skip
        ends = [frame.state_outside(s) for s in finals]
        return frame.outside(y), ends[0] if len(ends) == 1 else tuple(ends)

    def _states(self, frame: Frame, data: Tensor, hx: Any) -> list[Tensor]:
        """The initial states, checked; none where none are given."""
        if hx is None:
            return []
        given = [hx]
        if len(self._stack.states) == 2:
            if isinstance(hx, Tensor) or len(hx) != 2:
                raise RuntimeError(f"{self._get_name()}: hx must be a pair of tensors (h_0, c_0)")
            given = list(hx)
        dims = [s.dim() for s in given]
        if any(d != 2 + frame.batched for d in dims):
            kind, want = ("batched 3-D", 3) if frame.batched else ("unbatched 2-D", 2)
            subject = "hx and cx should" if len(dims) == 2 else "hx should"
            found = f"({dims[0]}-D, {dims[1]}-D) tensors" if len(dims) == 2 else f"{dims[0]}-D tensor"
            raise RuntimeError(f"For {kind} input, {subject} also be {want}-D but got {found}")
        states: list[Tensor] = []
        rows = self.num_layers * self._stack.spec.directions
        for k, (state, (_, width, _)) in enumerate(zip(given, self._stack.states, strict=True)):
            batched = state if frame.batched else state.unsqueeze(1)
            check_state(batched, (rows, frame.batch, width), "hidden" if len(given) == 1 else f"hidden[{k}]")
            states.append(frame.state_inside(lowered(state, data.dtype)))
        check_tensors(states, data, "hidden")
        return states


class RNN(_Layer):
    """torch.nn.RNN on Ostinato's engine, with ``lengths`` and ``reset`` beside.

    Input (time, batch, input_size), with ``batch_first`` (batch, time, input_size), unbatched (time, input_size) or
    a PackedSequence; output the same with directions * hidden_size features; states (layers * directions, batch,
    hidden_size). Errors as torch.nn.RNN's.
    """

    _theirs = torch.nn.RNN.forward

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh", *args: Any, **kwargs: Any
    ) -> None:
        _refuse_projection(kwargs)
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(f"RNN_{nonlinearity.upper()}", input_size, hidden_size, num_layers, *args, **kwargs)
        self.nonlinearity = nonlinearity
        self._begin(standard.rnn, nonlinearity=nonlinearity)


class GRU(_Layer):
    """torch.nn.GRU on Ostinato's engine; shapes and additions as for `RNN`."""

    _theirs = torch.nn.GRU.forward

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _refuse_projection(kwargs)
        super().__init__("GRU", *args, **kwargs)
        self._begin(standard.gru)


class LSTM(_Layer):
    """torch.nn.LSTM on Ostinato's engine; shapes and additions as for `RNN`, the state a pair (h, c).

    With ``proj_size`` the output and h have that width.
    """

    _theirs = torch.nn.LSTM.forward
    get_expected_cell_size = torch.nn.LSTM.get_expected_cell_size
    check_forward_args = torch.nn.LSTM.check_forward_args  # type: ignore[assignment]
    permute_hidden = torch.nn.LSTM.permute_hidden  # type: ignore[assignment]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)
        if self.proj_size:
            self._begin(standard.lstm_projected, projection=self.proj_size)
        else:
            self._begin(standard.lstm)


def _refuse_projection(kwargs: dict[str, Any]) -> None:
    if "proj_size" in kwargs:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
