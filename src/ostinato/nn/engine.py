"""A call on the native engine: layer by layer, direction by direction, by routes through torch's tensors.

Parameters are read, and their gradients written, where they lie in the module's tensors. A direction writes into its
own columns of the output, and packed sequences run piece by piece, each going on in place from the last one's states.
What depends on sizes alone is worked out once; a call then makes its results' memory and hands tensors over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .. import _native
from ..compiler.passes import Kind
from .cache import MANY_SIZES, Cache, Shelf
from .call import Call, Tensors
from .passes import Pass

Place = tuple[int, int, int, int, int]  # of an extern, as `_native.Route` takes it: tensor, first index, stride, rows' dimension, column

_native.read_tensors_by(Tensor.__dlpack_c_exchange_api__)


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

    def __init__(self, inputs: Tensors, wants: Wants | None, memory: Tensor | None = None) -> None:
        self.inputs, self.wants = _readable(inputs), wants
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


_NO_TAPE = Tape(0, 0, None)


class Routes(NamedTuple):
    """One pass of a leg: its bytecode, a route for each run and the bytes of its tape, and where its packed weights are kept."""

    bytecode: Pass
    runs: list[tuple[_native.Route, int]]
    shelf: Shelf


class Leg:
    """One direction of one layer in a call of one size."""

    __slots__ = ("_routes", "column", "double", "index", "own", "packed", "reverse", "runs", "single", "step", "stepwise", "stream")

    def __init__(self, call: Call, layer: int, direction: int, first: Tensor) -> None:
        self.step, self.reverse, self.packed, self.single = call.steps[layer], direction == 1, call.pieces is not None, call.single
        self.index = layer * call.directions + direction
        self.stream = 2 * (call.first_layer + layer) + direction
        self.double = first.element_size() == 8
        self.runs = runs_of(call, first, self.reverse)
        count = len(self.step.layout.tensors)
        self.own = slice(self.index * count, (self.index + 1) * count)
        self.stepwise = [stepwise for _, _, stepwise in self.step.inputs]
        self.column = direction * self.step.width
        self._routes: dict[tuple[Kind, Wants | None], Routes] = {}

    def routes(self, kind: Kind, wants: Wants | None) -> Routes:
        """Of one pass."""
        found = self._routes.get((kind, wants))
        if found is None:
            found = self._routes.setdefault((kind, wants), self._routed(kind, wants))
        return found

    def _routed(self, kind: Kind, wants: Wants | None) -> Routes:
        bytecode = self.step.load(kind, *wants or ())
        runs: list[tuple[_native.Route, int]] = []
        for run in self.runs:
            places = self._places(run) + (self._gradients(run) if kind == "backward" and wants and wants.inputs else [])
            route = _native.Route(run.steps, run.rows, places, bytecode.params, bytecode.grads, run.taken, self.stream, bytecode.valid)
            tape = _native.tape_bytes(bytecode.kernel, self.double, run.steps, run.rows) if kind == "train" else 0
            runs.append((route, tape))
        return Routes(bytecode, runs, (bytecode, self.index, self.double))

    def _places(self, run: Run) -> list[Place]:
        """Of tensors (inputs, output, each state before, each state after), and alike for their gradients."""
        inputs, states = len(self.step.inputs), len(self.step.states)
        places = [self._sequence(k, run) if stepwise else (k, 0, 0, 0, 0) for k, stepwise in enumerate(self.stepwise)]
        places.append(self._sequence(inputs, run, self.column))
        for k in range(inputs + 1, inputs + 1 + states):
            places += [(tensor, self.index, 0, 0 if self.single else 1, 0) for tensor in (k, k + states)]
        return places

    def _gradients(self, run: Run) -> list[Place]:
        """Of the gradients of the inputs, which come after those: what is given once a sequence is gathered in place."""
        numbered = list(enumerate(self.stepwise, len(self.step.inputs) + 1 + 2 * len(self.step.states)))
        places: list[Place] = [(k, 0, 0, 0, 0) for k, stepwise in numbered if not stepwise for _ in range(2)]
        return places + [self._sequence(k, run) for k, stepwise in numbered if stepwise]

    def _sequence(self, tensor: int, run: Run, column: int = 0) -> Place:
        """A run's steps of a tensor, from one column on."""
        if self.single:
            return tensor, 0, 0, 0, column
        stride = run.rows if self.packed else 1
        last = (run.steps - 1) * stride if self.reverse else 0
        return tensor, run.start + last, -stride if self.reverse else stride, 0 if self.packed else 1, column

    def forward(
        self, seed: int, tensors: Sequence[Tensor | None], params: Tensors, wants: Wants | None, cache: Cache, memory: Tensor | None
    ) -> list[Tape]:
        """Run forward, tensors as for `_places`; with `wants` leaves tapes, in `memory` if that is given."""
        routes = self.routes("infer" if wants is None else "train", wants)
        threads, own = torch.get_num_threads(), params[self.own]
        weights = cache.take(routes.shelf)
        tapes: list[Tape] = []
        for route, nbytes in routes.runs:
            tape = _NO_TAPE if wants is None else self._tape(nbytes, memory)
            tapes.append(tape)
            route.run(weights, tensors, own, (), tape.address, tape.nbytes, seed, threads)
        cache.put_back(routes.shelf, weights)
        return tapes

    def _tape(self, nbytes: int, memory: Tensor | None) -> Tape:
        if memory is None:
            pooled = _native.Tape(nbytes)
            return Tape(pooled.address, nbytes, pooled)
        assert nbytes <= memory.size(1) * memory.element_size()
        return Tape(memory[self.index].data_ptr(), nbytes, memory)

    def backward(
        self, seed: int, tensors: Sequence[Tensor | None], params: Tensors, tapes: list[Tape], wants: Wants, cache: Cache
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The gradients of the inputs, if wanted, and of the trained parameters; tensors as for `_places`."""
        routes = self.routes("backward", wants)
        threads, own = torch.get_num_threads(), params[self.own]
        of_inputs: list[Tensor] = []
        if wants.inputs:
            of_inputs = [_gradient(t, stepwise) for t, stepwise in zip(tensors, self.stepwise, strict=False) if t is not None]
            tensors = [*tensors, *of_inputs]
        of_params = [torch.empty_like(own[k]) for k in routes.bytecode.grad_tensors]
        weights = cache.take(routes.shelf)
        into = of_params
        for number in reversed(range(len(self.runs))):
            tape = tapes[number]
            routes.runs[number][0].run(weights, tensors, own, into, tape.address, tape.nbytes, seed, threads)
            if into is not of_params:
                torch._foreach_add_(of_params, into)
            elif number and into:
                into = [torch.empty_like(t) for t in of_params]
        cache.put_back(routes.shelf, weights)
        return of_inputs, of_params


class Plan:
    """A call of one size: its legs, layer by layer, and the shapes of what it gives."""

    __slots__ = ("legs", "outputs", "states")

    def __init__(self, call: Call, first: Tensor) -> None:
        self.legs = [[Leg(call, layer, direction, first) for direction in range(call.directions)] for layer in range(len(call.steps))]
        self.outputs = [(*first.shape[:-1], call.directions * step.width) for step in call.steps]
        batch = first.size(-2) if call.pieces is None else call.pieces[0].rows
        outer = () if call.single else (len(call.steps) * call.directions,)
        self.states = [(*outer, batch, width) for _, width, _ in call.steps[0].states]


def plan_of(call: Call, first: Tensor) -> Plan:
    """The plan of a call, kept for its backward pass and for the next call of this size."""
    like = (first.shape, first.dtype)
    plan: Plan | None = call.plans.get(like)
    if plan is None:
        if len(call.plans) >= MANY_SIZES:
            call.plans.clear()
        plan = call.plans[like] = Plan(call, first)
    return plan


def runs_of(call: Call, first: Tensor, reverse: bool) -> list[Run]:
    """The runs of one direction, in the order taken."""
    if call.single:
        return [Run(0, 1, first.size(0), 0)]
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


def _readable(tensors: Tensors) -> Tensors:
    """The tensors, each row's numbers side by side, and at addresses that they may have: bytes from a file or a wire may not."""
    return tensors if _native.readable(tensors) else [_aligned(t) for t in tensors]


def _aligned(t: Tensor) -> Tensor:
    if t.data_ptr() % t.element_size():
        return t.clone(memory_format=torch.contiguous_format)
    return t if t.stride(-1) == 1 or t.size(-1) == 1 else t.contiguous()


def forward(
    call: Call, tensors: Tensors, cache: Cache, wants: Wants | None = None, memory: Tensor | None = None
) -> tuple[list[Tensor], Record]:
    """The output and the final states; with `wants` a record for `backward`, its tapes the rows of `memory` if that is given."""
    inputs, states, params = call.split(tensors)
    record = Record(inputs, wants, memory)
    current, inputs = record.inputs[0], record.inputs
    plan = plan_of(call, current)
    starts, finals = _states(call, plan, current, _readable(states))
    ends = [None, *finals] if call.single else finals
    for layer, legs in enumerate(plan.legs):
        output = current.new_empty(*plan.outputs[layer])
        for leg, columns in zip(legs, call.columns, strict=True):
            given = [current if c == 0 else inputs[c] for c in columns]
            here = (*given, output, *starts, *ends)
            record.tapes.append(leg.forward(call.seed, here, params, _at(wants, layer), cache, memory))
        record.outputs.append(output)
        current = output
    return [record.outputs.pop(), *finals], record


def _at(wants: Wants | None, layer: int) -> Wants | None:
    """Upper layers hand a gradient down."""
    return Wants(True, wants.params) if wants is not None and layer else wants


def _states(call: Call, plan: Plan, like: Tensor, states: Tensors) -> tuple[Sequence[Tensor | None], list[Tensor]]:
    """The initial states, None for the cell's own, and memory for the final ones; packed runs go on in the same memory."""
    if call.pieces is None:
        return states or [None] * len(plan.states), [like.new_empty(*shape) for shape in plan.states[call.single :]]
    if states:
        finals = [s.clone(memory_format=torch.contiguous_format) for s in states]
    else:
        finals = [like.new_full(shape, start) for shape, (_, _, start) in zip(plan.states, call.steps[0].states, strict=True)]
    return finals, finals


def backward(call: Call, tensors: Tensors, record: Record, cache: Cache, grads: Sequence[Tensor | None]) -> list[Tensor | None]:
    """The gradients of a call's tensors, given those of its output and final states; None for what is not wanted."""
    _, states, params = call.split(tensors)
    wants, inputs = record.wants, record.inputs
    assert wants is not None
    plan = plan_of(call, inputs[0])
    to_output, *to_states = (None if g is None else _aligned(g) for g in grads)
    if call.single:
        to_states.insert(0, None)
    before, after = _state_gradients(call, plan, inputs[0], to_states)
    of_inputs: list[Tensor | None] = [None] * len(inputs)
    of_params: list[Tensor | None] = [None] * len(params)
    for layer in reversed(range(len(call.steps))):
        current = record.outputs[layer - 1] if layer else inputs[0]
        below: Tensor | None = None
        here = _at(wants, layer)
        assert here is not None
        for leg, columns in zip(plan.legs[layer], call.columns, strict=True):
            given = (*(current if c == 0 else inputs[c] for c in columns), to_output, *before, *after)
            made, written = leg.backward(call.seed, given, params, record.tapes[leg.index], here, cache)
            for c, g in zip(columns, made, strict=False):
                if c == 0:
                    below = g if below is None else below.add_(g)
                else:
                    known = of_inputs[c]
                    of_inputs[c] = g if known is None else known.add_(g)
            for k, g in zip(leg.routes("backward", here).bytecode.grad_tensors, written, strict=True):
                of_params[leg.own.start + k] = g
        to_output = below
    of_inputs[0] = to_output
    return [*of_inputs, *(after if states else []), *of_params]


def _state_gradients(
    call: Call, plan: Plan, like: Tensor, grads: Sequence[Tensor | None]
) -> tuple[Sequence[Tensor | None], Sequence[Tensor | None]]:
    """The gradients of the final states, and memory for those of the initial ones; packed runs go on in the same memory."""
    if call.pieces is None:
        return grads, [like.new_empty(*shape) if call.has_states else None for shape in plan.states]
    carried = [
        like.new_zeros(shape) if g is None else g.clone(memory_format=torch.contiguous_format)
        for g, shape in zip(grads, plan.states, strict=True)
    ]
    return carried, carried
