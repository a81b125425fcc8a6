"""A call on the native engine: addresses and strides of torch's tensors, layer by layer, direction by direction.

Parameters are read, and their gradients written, where they lie in the module's tensors. A direction writes into its
own columns of the output, and packed sequences run piece by piece, each going on in place from the last one's states.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .. import _native
from .cache import Cache
from .call import Call, Tensors

Extern = tuple[int, int, int]  # address, time stride, row stride
_NULL: Extern = (0, 0, 0)
_MANY_SIZES = 64  # of one call are enough to remember


class Run(NamedTuple):
    """Steps that the engine takes in one go: its first packed row, its steps and rows, and the steps taken before."""

    start: int
    steps: int
    rows: int
    taken: int


class Wants(NamedTuple):
    """Which gradients a call must have."""

    inputs: bool
    params: bool


class Record:
    """What the forward pass of training leaves for the backward pass."""

    __slots__ = ("inputs", "outputs", "tapes", "wants")

    def __init__(self, call: Call, tensors: Tensors, wants: Wants | None, memory: Tensor | None = None) -> None:
        self.inputs, self.wants = [_aligned(t) for t in tensors[: call.n_inputs]], wants
        self.outputs: list[Tensor] = []  # of each layer
        self.tapes: list[list[Tape]] = []  # of each direction of each layer, of each run
        if memory is not None:  # one layer's tapes are there already
            size = memory.size(1) * memory.element_size()
            self.tapes = [[Tape(row.data_ptr(), size, memory)] for row in memory]


class Tape(NamedTuple):
    """A tape's memory and who owns it."""

    address: int
    nbytes: int
    owner: object


class Leg:
    """One direction of one layer in a call of one size: its runs, and where they lie in memory of our own making."""

    __slots__ = ("ends", "index", "made", "outputs", "own", "packed", "reverse", "runs", "size", "step", "stepwise", "stream")

    def __init__(self, call: Call, layer: int, direction: int, first: Tensor) -> None:
        self.step, self.reverse, self.packed = call.steps[layer], direction == 1, call.pieces is not None
        self.index = layer * call.directions + direction
        self.stream = 2 * (call.first_layer + layer) + direction
        self.size = first.element_size()
        self.runs = runs_of(call, first, self.reverse)
        count = len(self.step.layout.tensors)
        self.own = slice(self.index * count, (self.index + 1) * count)
        self.stepwise = [stepwise for _, _, stepwise in self.step.inputs]
        widths, width = [w for _, w, _ in self.step.inputs], self.step.width
        batch = first.size(1) if call.pieces is None else call.pieces[0].rows
        self.outputs = [self._fresh(run, batch, call.directions * width, direction * width) for run in self.runs]
        self.made = [[self._fresh(run, batch, w, 0) for w in widths] for run in self.runs]
        self.ends = [(self.index * batch * w * self.size, 0, w) for _, w, _ in self.step.states]

    def _fresh(self, run: Run, batch: int, width: int, column: int) -> Extern:
        """A run's steps in contiguous memory, as `sequence` but counted from where that begins."""
        return self._placed(run, 0, width * (run.rows if self.packed else batch), width, column)

    def _placed(self, run: Run, address: int, time: int, row: int, column: int) -> Extern:
        address += (run.start * row + column) * self.size
        return (address + (run.steps - 1) * time * self.size, -time, row) if self.reverse else (address, time, row)

    def sequence(self, t: Tensor, run: Run, column: int = 0) -> Extern:
        """A run's steps of a tensor, from one column on."""
        if self.packed:
            row = t.stride(0)
            return self._placed(run, t.data_ptr(), run.rows * row, row, column)
        time, row = t.stride()[:2]
        return self._placed(run, t.data_ptr(), time, row, column)

    def state(self, t: Tensor | None) -> Extern:
        """This leg's part of a tensor (layers * directions, batch, width)."""
        if t is None:
            return _NULL
        outer, row, _ = t.stride()
        return t.data_ptr() + self.index * outer * self.size, 0, row

    def inputs(self, tensors: Tensors, run: Run) -> list[int]:
        externs: list[int] = []
        for t, stepwise in zip(tensors, self.stepwise, strict=True):
            externs += self.sequence(t, run) if stepwise else (t.data_ptr(), 0, t.stride(0))
        return externs

    def forward(
        self, call: Call, inputs: Tensors, params: Tensors, output: Tensor, starts: Sequence[Tensor | None], finals: Tensors,
        wants: Wants | None, cache: Cache, memory: Tensor | None,
    ) -> list[Tape]:  # fmt: skip
        """Run forward into `output` and `finals`; with `wants` the tapes that this leaves, in `memory` if that is given."""
        bytecode = self.step.load("infer") if wants is None else self.step.load("train", *wants)
        double, threads = self.size == 8, torch.get_num_threads()
        weights = cache.take(bytecode, self.index, double, params[self.own])
        tapes: list[Tape] = []
        for run, (offset, time, row) in zip(self.runs, self.outputs, strict=True):
            externs = self.inputs(inputs, run)
            externs += (output.data_ptr() + offset, time, row)
            for start, final, (place, _, width) in zip(starts, finals, self.ends, strict=True):
                externs += self.state(start)
                externs += (final.data_ptr() + place, 0, width)
            address = nbytes = 0
            if wants is not None:
                nbytes = _native.tape_bytes(bytecode.kernel, double, run.steps, run.rows, threads)
                if memory is None:
                    pooled = _native.Tape(nbytes)
                    tapes.append(Tape(pooled.address, nbytes, pooled))
                else:
                    assert nbytes <= memory.size(1) * self.size
                    tapes.append(Tape(memory[self.index].data_ptr(), nbytes, memory))
                address = tapes[-1].address
            _native.run(
                weights, run.steps, run.rows, externs, address, nbytes, [], run.taken, call.seed, self.stream, threads, bytecode.valid
            )  # fmt: skip
        cache.put_back(bytecode, self.index, double, weights)
        return tapes

    def backward(
        self, call: Call, inputs: Tensors, params: Tensors, to_output: Tensor | None, to_states: Sequence[Tensor | None],
        of_states: Sequence[Tensor | None], tapes: list[Tape], wants: Wants, cache: Cache,
    ) -> tuple[list[Tensor], list[Tensor]]:  # fmt: skip
        """The gradients of the inputs, if wanted, and of the trained parameters; those of the states go into `of_states`."""
        bytecode = self.step.load("backward", *wants)
        double, threads, own = self.size == 8, torch.get_num_threads(), params[self.own]
        of_inputs = [_gradient(t, stepwise) for t, stepwise in zip(inputs, self.stepwise, strict=True)] if wants.inputs else []
        of_params = [torch.empty_like(own[k]) for k in bytecode.grad_tensors]
        weights = cache.take(bytecode, self.index, double, own)
        for number in reversed(range(len(self.runs))):
            run, tape = self.runs[number], tapes[number]
            externs = self.inputs(inputs, run)
            externs += _NULL if to_output is None else self.sequence(to_output, run, self.step.width if self.reverse else 0)
            for source, target, (place, _, width) in zip(to_states, of_states, self.ends, strict=True):
                externs += self.state(source)
                externs += _NULL if target is None else (target.data_ptr() + place, 0, width)
            for t, stepwise in zip(of_inputs, self.stepwise, strict=wants.inputs):
                if not stepwise:  # gathered in place, from 0
                    externs += (t.data_ptr(), 0, t.stride(0), t.data_ptr(), 0, t.stride(0))
            for t, stepwise, (offset, time, row) in zip(of_inputs, self.stepwise, self.made[number], strict=wants.inputs):
                if stepwise:
                    externs += (t.data_ptr() + offset, time, row)
            first = number == len(self.runs) - 1
            into = of_params if first else [torch.empty_like(t) for t in of_params]
            _native.run(
                weights, run.steps, run.rows, externs, tape.address, tape.nbytes, bytecode.grads(into, self.size),
                run.taken, call.seed, self.stream, threads, bytecode.valid,
            )  # fmt: skip
            if not first and into:
                torch._foreach_add_(of_params, into)
        cache.put_back(bytecode, self.index, double, weights)
        return of_inputs, of_params


def legs_of(call: Call, first: Tensor) -> list[Leg]:
    """The legs of a call, layer by layer, kept for its backward pass and for the next call of this size."""
    like = (first.size(0), first.size(1), first.element_size())
    legs = call.legs.get(like)
    if legs is None:
        legs = [Leg(call, layer, direction, first) for layer in range(len(call.steps)) for direction in range(call.directions)]
        if len(call.legs) >= _MANY_SIZES:
            call.legs.clear()
        call.legs[like] = legs
    return legs


def runs_of(call: Call, first: Tensor, reverse: bool) -> list[Run]:
    """The runs of one direction, in the order taken."""
    if call.pieces is None:
        return [Run(0, first.size(0), first.size(1), 0)]
    runs: list[Run] = []
    taken = 0
    for piece in reversed(call.pieces) if reverse else call.pieces:
        runs.append(Run(*piece, taken))
        taken += piece.steps
    return runs


def _gradient(t: Tensor, stepwise: bool) -> Tensor:
    return t.new_empty(t.shape) if stepwise else t.new_zeros(t.shape)


def _aligned(t: Tensor) -> Tensor:
    """The tensor, each row's numbers side by side, and at addresses that they may have: bytes from a file or a wire may not."""
    if t.data_ptr() % t.element_size():
        return t.clone(memory_format=torch.contiguous_format)
    return t if t.stride(-1) == 1 or t.size(-1) == 1 else t.contiguous()


def forward(
    call: Call, tensors: Tensors, cache: Cache, wants: Wants | None = None, memory: Tensor | None = None
) -> tuple[list[Tensor], Record]:
    """The output and the final states; with `wants` a record for `backward`, its tapes the rows of `memory` if that is given."""
    _, states, params = call.split(tensors)
    record = Record(call, tensors, wants)
    current = record.inputs[0]
    starts, finals = _states(call, current, [_aligned(t) for t in states])
    legs = legs_of(call, current)
    for layer, step in enumerate(call.steps):
        output = current.new_empty((*current.shape[:-1], call.directions * step.width))
        for direction in range(call.directions):
            leg = legs[layer * call.directions + direction]
            given = [current if c == 0 else record.inputs[c] for c in call.columns[direction]]
            record.tapes.append(leg.forward(call, given, params, output, starts, finals, _at(wants, layer), cache, memory))
        record.outputs.append(output)
        current = output
    return [record.outputs.pop(), *finals], record


def _at(wants: Wants | None, layer: int) -> Wants | None:
    """Upper layers hand a gradient down."""
    return Wants(True, wants.params) if wants is not None and layer else wants


def _states(call: Call, like: Tensor, states: list[Tensor]) -> tuple[Sequence[Tensor | None], list[Tensor]]:
    """The initial states, None for the cell's own, and memory for the final ones; packed runs go on in the same memory."""
    first, rows = call.steps[0], len(call.steps) * call.directions
    if call.pieces is None:
        return states or [None] * len(first.states), [like.new_empty((rows, like.size(1), width)) for _, width, _ in first.states]
    if states:
        finals = [s.clone(memory_format=torch.contiguous_format) for s in states]
    else:
        finals = [like.new_full((rows, call.pieces[0].rows, width), start) for _, width, start in first.states]
    return finals, finals


def backward(call: Call, tensors: Tensors, record: Record, cache: Cache, grads: Sequence[Tensor | None]) -> list[Tensor | None]:
    """The gradients of a call's tensors, given those of its output and final states; None for what is not wanted."""
    _, states, params = call.split(tensors)
    wants, inputs = record.wants, record.inputs
    assert wants is not None
    to_output = None if grads[0] is None else _aligned(grads[0])
    to_states, of_states = _state_gradients(call, inputs[0], grads[1:])
    legs = legs_of(call, inputs[0])
    of_inputs: list[Tensor | None] = [None] * len(inputs)
    of_params: list[Tensor | None] = [None] * len(params)
    for layer in reversed(range(len(call.steps))):
        current = record.outputs[layer - 1] if layer else inputs[0]
        below: Tensor | None = None
        for direction in range(call.directions):
            columns = call.columns[direction]
            leg = legs[layer * call.directions + direction]
            given = [current if c == 0 else inputs[c] for c in columns]
            here = _at(wants, layer)
            assert here is not None
            made, written = leg.backward(call, given, params, to_output, to_states, of_states, record.tapes[leg.index], here, cache)
            for c, g in zip(columns, made, strict=False):
                if c == 0:
                    below = g if below is None else below.add_(g)
                else:
                    known = of_inputs[c]
                    of_inputs[c] = g if known is None else known.add_(g)
            for k, g in zip(leg.step.load("backward", *here).grad_tensors, written, strict=True):
                of_params[leg.own.start + k] = g
        to_output = below
    of_inputs[0] = to_output
    return [*of_inputs, *(of_states if states else []), *of_params]


def _state_gradients(call: Call, like: Tensor, grads: Sequence[Tensor | None]) -> tuple[Sequence[Tensor | None], Sequence[Tensor | None]]:
    """The gradients of the final states, and memory for those of the initial ones; packed runs go on in the same memory."""
    first, rows = call.steps[0], len(call.steps) * call.directions
    if call.pieces is None:
        targets = [like.new_empty((rows, like.size(1), width)) if call.has_states else None for _, width, _ in first.states]
        return [None if g is None else _aligned(g) for g in grads], targets
    batch = call.pieces[0].rows
    carried = [
        like.new_zeros((rows, batch, width)) if g is None else g.clone(memory_format=torch.contiguous_format)
        for g, (_, width, _) in zip(grads, first.states, strict=True)
    ]
    return carried, carried
