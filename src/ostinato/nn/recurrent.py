"""A module for any cell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from .. import cells
from ..program.cell import Cell
from .cache import Cache
from .checks import check_computable, check_tensors, lowered
from .frame import Frame
from .layers import tensors_of
from .run import run
from .stack import Spec, get_stack

Sequences = Tensor | PackedSequence


class Recurrent(torch.nn.Module):
    """Layers of any cell, given as a function under `cell` or by its name in `ostinato.cells`.

    Options, for every cell: ``zoneout`` (a rate), ``recurrent_dropout`` (a rate), ``layer_norm`` (of every product);
    ``dropout`` is between layers. With ``residual`` each layer's output is added to what it read, before dropout (the
    first layer's where the widths are equal; He et al. 2016, Wu et al. 2016). ``bias=False`` leaves out the bias of every affine map. Further keywords are the
    cell's own hyper-parameters.

    Input (time, batch, input_size), with `batch_first` (batch, time, input_size), unbatched (time, input_size) or a
    PackedSequence. Output alike, of width directions * the cell's output; each state (layers * directions, batch, its
    width): a tensor, or a tuple where the cell has several.

    Parameters are called ``<name in the cell>_l<layer>``, with ``_reverse`` for the second direction. They start
    uniform between ±1/√hidden_size, or as the cell says.
    """

    def __init__(
        self, cell: Cell | str, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, device: Any = None, dtype: torch.dtype | None = None, *,
        zoneout: float = 0.0, recurrent_dropout: float = 0.0, layer_norm: bool = False, residual: bool = False, **hyper: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        self.cell = cells.get(cell) if isinstance(cell, str) else cell
        if not isinstance(self.cell, Cell):
            raise TypeError(f"cell should be a function under @ostinato.cell or a name in ostinato.cells, got: {type(cell).__name__}")
        if not isinstance(num_layers, int) or num_layers < 1:
            raise ValueError("num_layers must be greater than zero")
        if not 0 <= dropout <= 1:
            raise ValueError("dropout should be a number in range [0, 1] representing the probability of an element being zeroed")
        self.input_size, self.hidden_size, self.num_layers, self.bias = input_size, hidden_size, num_layers, bool(bias)
        self.batch_first, self.dropout, self.bidirectional, self.hyper = batch_first, float(dropout), bool(bidirectional), dict(hyper)
        self.residual = bool(residual)
        wanted = {"normalise": layer_norm, "recurrent_dropout": recurrent_dropout, "zoneout": zoneout}
        self.options = {k: v for k, v in wanted.items() if v}
        self._stack = get_stack(
            Spec(
                self.cell,
                input_size,
                hidden_size,
                num_layers,
                1 + self.bidirectional,
                self.bias,
                False,
                tuple(hyper.items()),
                tuple(self.options.items()),
                self.residual,
            )
        )
        self._cache = Cache()
        self._names = self._register(device, dtype)
        self.reset_parameters()

    def _register(self, device: Any, dtype: torch.dtype | None) -> list[str]:
        """One parameter, or buffer, for each of the program's in every layer and direction; their names in order."""
        names = []
        for layer, step in enumerate(self._stack.steps_plain()):
            trained = [p.trained for p in step.program.params.values()]
            for suffix in ("", "_reverse")[: 1 + self.bidirectional]:
                for (name, shape), learns in zip(step.layout.tensors, trained, strict=True):
                    names.append(f"{name}_l{layer}{suffix}")
                    value = torch.empty(shape, device=device, dtype=dtype)
                    if learns:
                        self.register_parameter(names[-1], torch.nn.Parameter(value))
                    else:
                        self.register_buffer(names[-1], value)
        return names

    def reset_parameters(self) -> None:
        """Start again: uniform between ±1/√hidden_size, or as the cell says."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        steps = self._stack.steps_plain()
        params = [p for step in steps for _ in range(1 + self.bidirectional) for p in step.program.params.values()]
        with torch.no_grad():
            for tensor, param in zip(tensors_of(self, self._names), params, strict=True):
                if param.init is None:
                    tensor.uniform_(-bound, bound)
                elif isinstance(param.init, tuple):
                    tensor.copy_(torch.tensor(param.init, dtype=torch.float64))
                else:
                    tensor.fill_(param.init)

    def forward(
        self,
        input: Sequences | tuple[Sequences, ...] | Mapping[str, Sequences],
        hx: Tensor | Sequence[Tensor] | None = None,
        *,
        lengths: Tensor | Sequence[int] | None = None,
        reset: Sequences | None = None,
        **inputs: Sequences,
    ) -> tuple[Any, Any]:
        """Output and final states; shapes above.

        A cell with several inputs takes them as a tuple in the order of its signature, as a mapping, or the first
        by position and the others by name. hx: the initial state, or a tuple of them. lengths, reset: as for
        `ostinato.nn.LSTM`; a reset starts from the cell's own initial values.
        """
        given = self._inputs(input, inputs)
        if isinstance(given[0], PackedSequence) and torch.compiler.is_compiling():  # its sizes are data: the graph breaks here
            return torch.compiler.disable(self.forward)(input, hx, lengths=lengths, reset=reset, **inputs)  # type: ignore[no-any-return]
        params = tensors_of(self, self._names)
        frame = Frame(self._get_name(), given[0], self.batch_first)
        if frame.length == 0:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        check_computable(params[0], self._get_name())
        data = self._checked(frame, given, params[0].dtype)
        check_tensors(data[1:], data[0], "input")
        check_tensors(params, data[0], "parameter")
        y, *finals = run(
            self._stack, data, self._states(frame, hx, data[0]), params, self._cache, training=self.training, dropout=self.dropout,
            pieces=frame.pieces, reset=frame.reset(reset), valid=frame.valid(lengths),
        )  # fmt: skip
        ends = tuple(frame.state_outside(s) for s in finals)
        return frame.outside(y), ends[0] if len(ends) == 1 else ends

    def _inputs(self, input: Any, named: dict[str, Sequences]) -> list[Any]:
        """The cell's inputs in its own order."""
        names = self.cell.inputs
        if isinstance(input, Mapping):
            given = dict(input)
        elif isinstance(input, tuple) and not isinstance(input, PackedSequence):
            if len(input) > len(names):
                raise TypeError(f"cell {self.cell.name} takes {len(names)} inputs ({', '.join(names)}), got {len(input)}")
            given = dict(zip(names, input, strict=False))
        else:
            given = {names[0]: input}
        given |= named
        if missing := [k for k in names if k not in given]:
            raise TypeError(f"cell {self.cell.name} also takes the input {missing[0]!r}: give it by name, {missing[0]}=...")
        if unknown := [k for k in given if k not in names]:
            raise TypeError(f"cell {self.cell.name} has no input {unknown[0]!r}: its inputs are {', '.join(names)}")
        return [given[k] for k in names]

    def _checked(self, frame: Frame, given: list[Any], dtype: torch.dtype) -> list[Tensor]:
        """Each input's tensor, time-major, of the right shape and type."""
        data = []
        for (name, width, stepwise), value in zip(self._stack.inputs, given, strict=True):
            if not stepwise:
                tensor = self._once_a_sequence(frame, value)
                expected: tuple[int, ...] = (frame.batch, width)
            elif frame.packed is not None:
                tensor, expected = frame.repacked(name, value), (frame.data.size(0), width)
            else:
                if value.dim() != 2 + frame.batched:
                    raise RuntimeError(f"input {name!r} must have {2 + frame.batched} dimensions, got {value.dim()}")
                tensor, expected = frame.inside(value), (frame.length, frame.batch, width)
            tensor = lowered(tensor, dtype)
            if tensor.size(-1) != width and name == self.cell.inputs[0]:
                raise RuntimeError(f"input.size(-1) must be equal to input_size. Expected {width}, got {tensor.size(-1)}")
            if tensor.shape != expected:
                raise RuntimeError(f"Expected input {name!r} of size {list(expected)} (time, batch, width), got {list(tensor.shape)}")
            if tensor.dtype is not dtype:
                raise ValueError(
                    f"input {name!r} has dtype {tensor.dtype}, which does not match weight dtype ({dtype}). "
                    f"Convert input: input.to({dtype})"
                )
            data.append(tensor)
        return data

    def _once_a_sequence(self, frame: Frame, value: Tensor) -> Tensor:
        """An input that stays the same along the sequence, (batch, width)."""
        return frame.state_inside(value[None])[0] if frame.batched else value[None]

    def _states(self, frame: Frame, hx: Any, data: Tensor) -> list[Tensor]:
        """The initial states, checked; none where none are given."""
        if hx is None:
            return []
        wanted = self._stack.states
        given = [hx] if isinstance(hx, Tensor) else list(hx)
        if len(given) != len(wanted):
            raise RuntimeError(
                f"cell {self.cell.name} has the states {', '.join(k for k, _, _ in wanted)}: hx must hold {len(wanted)}, got {len(given)}"
            )
        states = []
        for (name, width, _), state in zip(wanted, given, strict=True):
            expected: tuple[int, ...] = (self.num_layers * (1 + self.bidirectional), frame.batch, width)
            expected = expected if frame.batched else (expected[0], width)
            if state.shape != expected:
                raise RuntimeError(f"Expected hidden {name!r} size {expected}, got {list(state.shape)}")
            states.append(frame.state_inside(lowered(state, data.dtype)))
        check_tensors(states, data, "hidden")
        return states

    def extra_repr(self) -> str:
        parts = [self.cell.name, str(self.input_size), str(self.hidden_size)]
        plain = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False, "residual": False}
        parts += [f"{k}={getattr(self, k)}" for k, default in plain.items() if getattr(self, k) != default]
        named = {"layer_norm" if k == "normalise" else k: v for k, v in self.options.items()} | self.hyper
        return ", ".join(parts + [f"{k}={v!r}" for k, v in named.items()])
