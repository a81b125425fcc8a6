"""A module for any cell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import dropout
from torch.nn.utils.rnn import PackedSequence

from .. import cells
from ..program.cell import Cell
from .cache import Cache
from .checks import check_computable, check_joins, check_layers, check_rate, check_tensors, lowered, readable
from .frame import Frame
from .initial import check_init, init_
from .layers import tensors_of
from .run import Layered, again, parted, run
from .stack import Spec, get_stack

Sequences = Tensor | PackedSequence


class Recurrent(torch.nn.Module):
    """Layers of any cell, given as a function under `cell` or by its name in `ostinato.cells`.

    Options, for every cell that can have them (`docs/options.md` has the equations): ``zoneout``, ``recurrent_dropout`` and
    ``weight_dropout`` (rates), ``layer_norm`` (of every product). ``bias=False`` leaves out the bias of every affine map.
    Further keywords are the cell's own hyper-parameters.

    Layers: ``hidden_size`` may be a sequence, a size a layer. ``dropout`` is between layers. ``residual`` adds what a
    layer was given, before dropout, to its output (in the first layer where the widths agree; He et al. 2016, Wu et al.
    2016). ``skip`` gives the input to every layer (Graves, arXiv:1308.0850). ``merge`` joins two directions: "concat",
    "sum", "mul" or "ave". ``learn_initial_state`` makes the states' first values parameters, used where no hx is given
    and after every reset.

    Input (time, batch, input_size), with `batch_first` (batch, time, input_size), unbatched (time, input_size) or a
    PackedSequence. Output alike, of width directions * the cell's output ("concat"); each state (layers * directions,
    batch, its width), or with a sequence of sizes a tuple of (directions, batch, its width), one a layer: that, or a tuple
    of those where the cell has several.

    Parameters are called ``<name in the cell>_l<layer>``, initial states ``start_<state>_l<layer>``, with ``_reverse`` for
    the second direction. They start uniform between ±1/√hidden_size, or as the cell says; ``init``, a name of `init_` or a
    mapping of names to their settings, fills some of them otherwise: ``init={"orthogonal": {}, "chrono": {"max_time": 400}}``.
    """

    def __init__(
        self, cell: Cell | str, input_size: int, hidden_size: int | Sequence[int], num_layers: int = 1, bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, device: Any = None, dtype: torch.dtype | None = None,
        *, zoneout: float = 0.0, recurrent_dropout: float = 0.0, weight_dropout: float = 0.0, layer_norm: bool = False,
        residual: bool = False, skip: bool = False, merge: str = "concat", learn_initial_state: bool = False,
        init: str | Mapping[str, Mapping[str, float]] | None = None, **hyper: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        self.cell = cells.get(cell) if isinstance(cell, str) else cell
        if not isinstance(self.cell, Cell):
            raise TypeError(f"cell should be a function under @ostinato.cell or a name in ostinato.cells, got: {type(cell).__name__}")
        sizes = None if isinstance(hidden_size, int) else tuple(hidden_size)
        num_layers = check_layers(num_layers, sizes)
        check_joins(num_layers, dropout, residual, skip, merge, bidirectional)
        self.input_size, self.num_layers, self.bias = input_size, num_layers, bool(bias)
        self.hidden_size = hidden_size if isinstance(hidden_size, int) else tuple(hidden_size)
        self.batch_first, self.dropout, self.bidirectional, self.hyper = batch_first, float(dropout), bool(bidirectional), dict(hyper)
        self.residual, self.skip, self.merge, self.learn_initial_state = bool(residual), bool(skip), merge, bool(learn_initial_state)
        self.weight_dropout = float(weight_dropout)
        check_rate("weight_dropout", weight_dropout)
        wanted = {"normalise": layer_norm, "recurrent_dropout": recurrent_dropout, "zoneout": zoneout}
        self.options = {k: v for k, v in wanted.items() if v}
        self.init = {init: {}} if isinstance(init, str) else dict(init or {})
        for name, settings in self.init.items():
            check_init(name, settings)
        self._cache = Cache()
        self._build(device, dtype)

    def _build(self, device: Any, dtype: torch.dtype | None) -> None:
        """The stack and its parameters, once the input size is known."""
        self._stack = get_stack(self._spec(self.input_size))
        self._register(device, dtype)
        self._dropped = self._matrices_to_drop() if self.weight_dropout else frozenset()
        self.reset_parameters()

    def _spec(self, input_size: int) -> Spec:
        return Spec(
            self.cell, input_size, self.hidden_size, self.num_layers, 1 + self.bidirectional, self.bias, False,
            tuple(self.hyper.items()), tuple(self.options.items()), self.residual, self.skip, self.merge, self.learn_initial_state,
        )  # fmt: skip

    def _register(self, device: Any, dtype: torch.dtype | None) -> None:
        """One parameter, or buffer, for each of the program's in every layer and direction; then the initial states."""
        self._names: list[str] = []
        self._starts: list[str] = []

        def register(names: list[str], name: str, shape: tuple[int, ...], learns: bool = True) -> None:
            if hasattr(self, name):
                raise ValueError(f"cell {self.cell.name}: {name!r} cannot be a parameter's name, as the module has it already")
            names.append(name)
            value = torch.empty(shape, device=device, dtype=dtype)
            if learns:
                self.register_parameter(name, torch.nn.Parameter(value))
            else:
                self.register_buffer(name, value)

        places = [(step, f"_l{k}{suffix}") for k, step in enumerate(self._stack.steps_plain()) for suffix in self._suffixes()]
        for step, place in places:
            trained = [p.trained for p in step.program.params.values()]
            for (name, shape), learns in zip(step.layout.tensors, trained, strict=True):
                register(self._names, name + place, shape, learns)
        for step, place in places:
            for name, width, _ in step.states:
                if name in self._stack.learned:
                    register(self._starts, f"start_{name}{place}", (width,))

    def _suffixes(self) -> list[str]:
        return ["", "_reverse"][: 1 + self.bidirectional]

    def _matrices_to_drop(self) -> frozenset[int]:
        """Which of the parameters `weight_dropout` drops."""
        names = [name for step in self._stack.steps_plain() for _ in self._suffixes() for name in step.program.params]
        recurrent = self._stack.recurrent_weights()
        return frozenset(k for k, name in enumerate(names) if name in recurrent)

    def reset_parameters(self) -> None:
        """Start again: uniform between ±1/√hidden_size, or as the cell says; then as `init` says."""
        steps = [step for step in self._stack.steps_plain() for _ in self._suffixes()]
        params = [(step, p) for step in steps for p in step.program.params.values()]
        starts = [value for step in steps for name, _, value in step.states if name in self._stack.learned]
        with torch.no_grad():
            for tensor, (step, param) in zip(tensors_of(self, self._names), params, strict=True):
                if param.init is None:
                    bound = 1.0 / math.sqrt(step.program.hidden_size)
                    tensor.uniform_(-bound, bound)
                elif isinstance(param.init, tuple):
                    tensor.copy_(torch.tensor(param.init, dtype=torch.float64))
                else:
                    tensor.fill_(param.init)
            for tensor, value in zip(tensors_of(self, self._starts), starts, strict=True):
                tensor.fill_(value)
        for name, settings in self.init.items():
            init_(self, name, **settings)

    def forward(
        self,
        input: Sequences | tuple[Sequences, ...] | Mapping[str, Sequences],
        hx: Tensor | Sequence[Tensor] | None = None,
        *,
        lengths: Tensor | Sequence[int] | None = None,
        reset: Sequences | None = None,
        mask: Any = None,
        **inputs: Sequences,
    ) -> tuple[Any, Any]:
        """Output and final states; shapes above.

        A cell with several inputs takes them as a tuple in the order of its signature, as a mapping, or the first
        by position and the others by name. hx: the initial state, or a tuple of them. lengths, reset, mask: as for
        `ostinato.nn.LSTM`; a reset starts from the cell's own initial values, or the learned ones. Where a cell has an
        input called mask, the keyword is that input unless it is given otherwise.
        """
        params: Sequence[Tensor] = tensors_of(self, self._names)
        if not (inputs or (self.training and (self.dropout or self.weight_dropout))) and lengths is None and reset is None and mask is None:
            known = again(self._stack, input, hx, params, self._cache, training=self.training, batch_first=self.batch_first)
            if known is not None:
                return parted(known)
        if "mask" in self.cell.inputs and mask is not None and not self._has_mask(input):
            inputs, mask = inputs | {"mask": mask}, None
        given = self._inputs(input, inputs)
        if isinstance(given[0], PackedSequence) and torch.compiler.is_compiling():  # its sizes are data: the graph breaks here
            return torch.compiler.disable(self.forward)(input, hx, lengths=lengths, reset=reset, mask=mask, **inputs)  # type: ignore[no-any-return]
        starts = tensors_of(self, self._starts)
        if self.training and self.weight_dropout:
            params = [dropout(p, self.weight_dropout) if k in self._dropped else p for k, p in enumerate(params)]
        frame = Frame(self._get_name(), given[0], self.batch_first)
        if frame.length == 0:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        like = next(iter([*params, *starts]), frame.data)  # a cell may have no parameters
        check_computable(like, self._get_name())
        data = self._checked(frame, given, like.dtype)
        check_tensors(data[1:], data[0], "input")
        params = readable(self._stack, params, data[0], self._get_name())
        check_tensors(starts, data[0], "parameter")
        y, *finals = run(
            self._stack, data, self._states(frame, hx, data[0]), params, self._cache, training=self.training, dropout=self.dropout,
            pieces=frame.pieces, reset=frame.reset(reset), valid=frame.valid(lengths, mask), holes=mask is not None,
            lengths=frame.ends, starts=starts,
        )  # fmt: skip
        ends = tuple(frame.state_outside(s) if isinstance(s, Tensor) else tuple(map(frame.state_outside, s)) for s in finals)
        return frame.outside(y), ends[0] if len(ends) == 1 else ends

    def _has_mask(self, input: Any) -> bool:
        """Whether the inputs given together hold the cell's own mask."""
        if isinstance(input, Mapping):
            return "mask" in input
        return isinstance(input, tuple) and not isinstance(input, PackedSequence) and len(input) > self.cell.inputs.index("mask")

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

    def _states(self, frame: Frame, hx: Any, data: Tensor) -> list[Layered]:
        """The initial states, checked; none where none are given."""
        if hx is None:
            return []
        wanted, sizes = self._stack.states, self._stack.spec.sizes
        given = [hx] if isinstance(hx, Tensor) or (sizes and len(wanted) == 1) else list(hx)
        if len(given) != len(wanted):
            raise RuntimeError(
                f"cell {self.cell.name} has the states {', '.join(k for k, _, _ in wanted)}: hx must hold {len(wanted)}, got {len(given)}"
            )
        if not sizes:
            return [self._state(frame, k, width, self.num_layers, s, data) for (k, width, _), s in zip(wanted, given, strict=True)]
        states: list[Layered] = []
        for k, layers in enumerate(given):
            name = wanted[k][0]
            if isinstance(layers, Tensor) or len(layers) != self.num_layers:
                raise RuntimeError(f"hx: state {name!r} must be a tuple of {self.num_layers} tensors, one for each layer's size")
            widths = [step.states[k][1] for step in self._stack.steps_plain()]
            states.append([self._state(frame, name, width, 1, s, data) for width, s in zip(widths, layers, strict=True)])
        return states

    def _state(self, frame: Frame, name: str, width: int, layers: int, state: Tensor, data: Tensor) -> Tensor:
        """One state of some layers, checked."""
        expected: tuple[int, ...] = (layers * (1 + self.bidirectional), frame.batch, width)
        expected = expected if frame.batched else (expected[0], width)
        if state.shape != expected:
            raise RuntimeError(f"Expected hidden {name!r} size {expected}, got {list(state.shape)}")
        inside = frame.state_inside(lowered(state, data.dtype))
        check_tensors([inside], data, "hidden")
        return inside

    def extra_repr(self) -> str:
        parts = [self.cell.name, str(self.input_size), str(self.hidden_size)]
        plain: dict[str, Any] = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
        plain |= {"residual": False, "skip": False, "merge": "concat", "learn_initial_state": False, "weight_dropout": 0.0, "init": {}}
        parts += [f"{k}={getattr(self, k)}" for k, default in plain.items() if getattr(self, k) != default]
        named = {"layer_norm" if k == "normalise" else k: v for k, v in self.options.items()} | self.hyper
        return ", ".join(parts + [f"{k}={v!r}" for k, v in named.items()])
