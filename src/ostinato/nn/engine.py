"""A call on the native engine: layer by layer, direction by direction, by routes through torch's tensors.

Parameters are read, and their gradients written, where they lie in the module's tensors. A direction writes into its
own columns of the output, and packed sequences run piece by piece, each going on in place from the last one's states.
What depends on sizes alone is worked out once; a call then makes its results' memory and hands tensors over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import _native
from ..compiler.passes import Kind
from ..engine.executable import hoists
from .cache import MANY_SIZES, Cache, Shelves
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


class Leg:
    """One direction of one layer in a call of one size."""

    __slots__ = ("column", "columns", "count", "double", "index", "packed", "reverse", "runs", "single", "step", "stepwise", "stream")

    def __init__(self, call: Call, layer: int, direction: int, first: Tensor) -> None:
        self.step, self.reverse, self.packed, self.single = call.steps[layer], direction == 1, call.pieces is not None, call.single
        self.index = layer * call.directions + direction
        self.stream = 2 * (call.first_layer + layer) + direction
        self.double = first.element_size() == 8
        self.runs = runs_of(call, first, self.reverse)
        self.columns, self.count = call.columns[direction], len(self.step.layout.tensors)
        self.stepwise = [stepwise for _, _, stepwise in self.step.inputs]
        self.column = direction * self.step.width

    def passes(self, kind: Kind, wants: Wants | None, shelves: Shelves) -> tuple[Any, ...]:
        """One pass as `_native.Course` takes it: a route for each run and the bytes of its tape, packed weights, parameters."""
        bytecode = self.bytecode(kind, wants)
        runs: list[tuple[_native.Route, int]] = []
        for run in self.runs:
            places = self._places(run) + (self._gradients(run) if kind == "backward" and wants and wants.inputs else [])
            route = _native.Route(run.steps, run.rows, places, bytecode.params, bytecode.grads, run.taken, self.stream, bytecode.valid)
            runs.append((route, self.tape_bytes(run, wants) if kind == "train" else 0))
        shelf = shelves.of(bytecode, self.index, self.double)
        return self.columns, self.stepwise, runs, shelf, self.index * self.count, self.count, bytecode.grad_tensors

    def bytecode(self, kind: Kind, wants: Wants | None) -> Pass:
        """Of one pass over so many steps and rows."""
        hoist = hoists(sum(run.steps for run in self.runs), max(run.rows for run in self.runs))
        return self.step.load(kind, *wants or (True, True), hoist)

    def tape_bytes(self, run: Run, wants: Wants | None) -> int:
        """Of the tape of one run."""
        return _native.tape_bytes(self.bytecode("train", wants).kernel, self.double, run.steps, run.rows)

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


class Trained(NamedTuple):
    """A plan for some wishes, and its forward pass of training."""

    plan: Plan
    wants: Wants
    forward: _native.Course


class Plan:
    """A call of one size: its legs, layer by layer, the shapes of what it gives, and the passes made of them."""

    __slots__ = ("_courses", "_shelves", "_trained", "call", "legs", "outputs", "states")

    def __init__(self, call: Call, shelves: Shelves, first: Tensor) -> None:
        self.call, self._shelves = call, shelves
        self.legs = [[Leg(call, layer, direction, first) for direction in range(call.directions)] for layer in range(len(call.steps))]
        self.outputs = [(*first.shape[:-1], call.directions * step.width) for step in call.steps]
        batch = first.size(-2) if call.pieces is None else call.pieces[0].rows
        outer = () if call.single else (len(call.steps) * call.directions,)
        self.states = [(*outer, batch, width) for _, width, _ in call.steps[0].states]
        self._courses: dict[tuple[Kind, Wants | None], _native.Course] = {}
        self._trained: dict[Sequence[bool], Trained] = {}

    def for_draws_of(self, call: Call) -> Plan:
        """The same passes with another call's seed."""
        other = Plan.__new__(Plan)
        other.call, other.legs, other.outputs, other.states = call, self.legs, self.outputs, self.states
        other._courses, other._shelves, other._trained = self._courses, self._shelves, {}
        return other

    def trained(self, needed: Sequence[bool]) -> Trained:
        """For a call of which these tensors need a gradient."""
        found = self._trained.get(needed)
        if found is None:
            inputs, _, params = self.call.split(needed)
            found = self._trained[needed] = self.wishes(Wants(any(inputs), any(params)))
        return found

    def wishes(self, wants: Wants) -> Trained:
        """For a call that leaves these gradients."""
        return Trained(self, wants, self.course("train", wants))

    def course(self, kind: Kind, wants: Wants | None) -> _native.Course:
        """One pass over all layers."""
        found = self._courses.get((kind, wants))
        if found is None:
            found = self._courses.setdefault((kind, wants), self._laid(kind, wants))
        return found

    def _laid(self, kind: Kind, wants: Wants | None) -> _native.Course:
        call, starts = self.call, [start for _, _, start in self.call.steps[0].states]
        upper = wants and Wants(True, wants.params)  # upper layers hand a gradient down
        layers = [[leg.passes(kind, upper if k else wants, self._shelves) for leg in legs] for k, legs in enumerate(self.legs)]
        return _native.Course(
            layers, self.outputs, self.states, starts, call.n_inputs, call.has_states, call.single, call.pieces is not None,
            wants is not None and wants.inputs,
        )  # fmt: skip


def plan_of(call: Call, cache: Cache, first: Tensor) -> Plan:
    """The plan of a call, kept for its backward pass and for the next call of this size."""
    like = (first.shape, first.dtype)
    plan: Plan | None = call.plans.get(like)
    if plan is None:
        if len(call.plans) >= MANY_SIZES:
            call.plans.clear()
        plan = call.plans[like] = Plan(call, cache.shelves, first)
    return plan if plan.call is call else plan.for_draws_of(call)


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


def _readable(t: Tensor) -> Tensor:
    """Each row's numbers side by side, and at addresses that they may have: bytes from a file or a wire may not."""
    if t.data_ptr() % t.element_size():
        return t.clone(memory_format=torch.contiguous_format)
    return t if t.stride(-1) == 1 or t.size(-1) == 1 else t.contiguous()


_native.make_tensors_by(torch.empty_like, _readable)


def infer(plan: Plan, tensors: Tensors) -> tuple[Tensor, ...]:
    """The output and the final states."""
    return plan.course("infer", None).infer(tensors, plan.call.seed, torch.get_num_threads())


def train(trained: Trained, tensors: Tensors, memory: Tensor | None = None) -> tuple[tuple[Tensor, ...], _native.Record]:
    """The same and what `backward` reads: its tapes, the rows of `memory` if that is given."""
    rows = () if memory is None else [address for address, _ in _tapes(trained, memory)]
    return trained.forward.train(tensors, trained.plan.call.seed, torch.get_num_threads(), rows)


def backward(trained: Trained, tensors: Tensors, record: _native.Record, grads: Sequence[Tensor | None]) -> tuple[Tensor | None, ...]:
    """The gradients of a call's tensors, given those of its output and final states; None for what is not wanted."""
    course = trained.plan.course("backward", trained.wants)
    return course.backward(tensors, record, grads, trained.plan.call.seed, torch.get_num_threads())


def recalled(trained: Trained, memory: Tensor) -> _native.Record:
    """What `train` left of one layer in `memory`."""
    return _native.Record(_tapes(trained, memory))


def _tapes(trained: Trained, memory: Tensor) -> list[tuple[int, int]]:
    """The addresses and sizes of one layer's tapes in the rows of `memory`."""
    tapes = [(row.data_ptr(), leg.tape_bytes(leg.runs[0], trained.wants)) for row, leg in zip(memory, trained.plan.legs[0], strict=True)]
    assert all(size <= row.nbytes for (_, size), row in zip(tapes, memory, strict=True))
    return tapes
