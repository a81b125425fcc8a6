"""Initial values by name, for any cell.

What a parameter is for is read off the cell's equations. A matrix is recurrent where it meets a state; matrices and
biases whose result is sliced are cut as it is, into gates. Which gates keep a state, and which admit
what is new, is seen by opening and closing each of them while all products are 0.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..compiler.options import recurrent_products
from ..program import oracle
from ..program.node import Level, Node, make
from ..program.program import Program
from .stack import Step

_OPEN = 30.0  # a bias at which a sigmoid is 1, and minus that 0
Fill = Callable[[Tensor], Any]


class Block(NamedTuple):
    """Rows of one of the program's parameters."""

    param: str
    start: int
    stop: int


Filler = Callable[..., Iterator[tuple[Block, Fill]]]


def init_(layer: torch.nn.Module, name: str, **settings: float) -> torch.nn.Module:
    """Fill parameters of any of this module's layers in place, and return it; what has no part in it stays as it was.

    "orthogonal"
        recurrent matrices, gate by gate, times `gain` (1). Saxe et al., arXiv:1312.6120, 2014.
    "identity"
        square recurrent matrices with the identity times `gain` (1), and biases with 0: for an RNN with relu. Le et al.,
        arXiv:1504.00941, 2015.
    "xavier"
        input matrices, gate by gate, uniform, times `gain` (1). Glorot and Bengio, AISTATS 2010.
    "kaiming"
        input matrices, gate by gate, uniform, for relu. He et al., arXiv:1502.01852, 2015.
    "forget_bias"
        the bias of the gate called forget with `value` (1). Gers et al. 2000; Jozefowicz et al., ICML 2015.
    "chrono"
        the bias of what keeps a state with log u, u uniform from 1 to `max_time` - 1 steps, and that of what admits to it
        with -log u. Tallec and Ollivier, arXiv:1804.11188, 2018.

    Raises ValueError for another name or setting, and for a cell that has nothing it applies to. Where torch.nn has two
    biases the second becomes 0. `reset_parameters()` of torch's layers goes back to torch's own values.
    """
    stack: Any = getattr(layer, "_stack", None)
    if stack is None:
        raise TypeError(f"init_ takes a layer of ostinato.nn, got {type(layer).__name__}")
    spec, filler = stack.spec, check_init(name, settings)
    work: list[tuple[Fill, Tensor]] = []
    for number, step in enumerate(stack.steps_plain()):
        program = spec.cell.trace(next(iter(step.program.inputs.values())).width, step.program.hidden_size, **dict(spec.hyper))
        for suffix in ("", "_reverse")[: spec.directions]:
            into = _Tensors(layer, step, "" if isinstance(layer, torch.nn.RNNCellBase) else f"_l{number}{suffix}")
            made = [(fill, tensor) for block, fill in filler(program, **settings) for fill, tensor in into.where(block, fill)]
            if not made:
                raise ValueError(f"init {name!r} fills biases, and this {type(layer).__name__} was built with bias=False")
            work += made
    for fill, tensor in work:
        fill(tensor)
    return layer


def check_init(name: str, settings: Mapping[str, float]) -> Filler:
    """What fills by that name; ValueError for a name or a setting that there is not."""
    if name not in FILLERS:
        raise ValueError(f"init {name!r} is none of {', '.join(FILLERS)}")
    known = list(inspect.signature(FILLERS[name]).parameters)[1:]
    if unknown := [k for k in settings if k not in known]:
        raise ValueError(f"init {name!r} has no setting {unknown[0]!r}; it has {', '.join(known) or 'none'}")
    return FILLERS[name]


class _Tensors:
    """Where the program's parameters lie in a layer's tensors, in one direction."""

    def __init__(self, layer: torch.nn.Module, step: Step, suffix: str) -> None:
        self.layer, self.layout, self.suffix = layer, step.layout, suffix

    def where(self, block: Block, fill: Fill) -> Iterator[tuple[Fill, Tensor]]:
        """The rows of a block: none of a bias that is left out; of one that is the sum of two, the second's are 0."""
        names = [k for k in (block.param, f"{block.param}_ih", f"{block.param}_hh") if k in self.layout.slots]
        for name, how in zip(names, (fill, torch.nn.init.zeros_), strict=False):
            slot = self.layout.slots[name]
            tensor = self._tensor(self.layout.tensors[slot.tensor][0] + self.suffix)
            yield how, tensor.detach()[slot.row + block.start : slot.row + block.stop]

    def _tensor(self, name: str) -> Tensor:
        tensor = self.layer._parameters.get(name)
        if tensor is None:
            raise RuntimeError(f"{name} is computed from other tensors (a parametrisation): initialise the layer before that")
        return tensor


# ---------------------------------------------------------------- the names


def _orthogonal(program: Program, gain: float = 1.0) -> Iterator[tuple[Block, Fill]]:
    for block in _matrices(program, "orthogonal", recurrent=True):
        yield block, lambda t: torch.nn.init.orthogonal_(t, gain)


def _identity(program: Program, gain: float = 1.0) -> Iterator[tuple[Block, Fill]]:
    square = [b for b in _matrices(program, "identity", recurrent=True) if b.stop - b.start == program.params[b.param].node.shape[1]]
    if not square:
        raise ValueError(f"init 'identity': cell {program.name} has no square recurrent matrix")
    for block in square:
        yield block, lambda t: torch.nn.init.eye_(t).mul_(gain)
    for block in _biases(program):
        yield block, torch.nn.init.zeros_


def _xavier(program: Program, gain: float = 1.0) -> Iterator[tuple[Block, Fill]]:
    for block in _matrices(program, "xavier", recurrent=False):
        yield block, lambda t: torch.nn.init.xavier_uniform_(t, gain)


def _kaiming(program: Program) -> Iterator[tuple[Block, Fill]]:
    for block in _matrices(program, "kaiming", recurrent=False):
        yield block, lambda t: torch.nn.init.kaiming_uniform_(t, nonlinearity="relu")


def _forget_bias(program: Program, value: float = 1.0) -> Iterator[tuple[Block, Fill]]:
    block = next((b for b in _biases(program) if b.param == "forget.bias"), None)
    if block is None:
        raise ValueError(
            f"init 'forget_bias': cell {program.name} has no gate called forget with a bias; its biases are "
            f"{', '.join(dict.fromkeys(b.param for b in _biases(program))) or 'none'}"
        )
    if _Gates(program).keeping.get(block, 1) < 0:
        raise ValueError(f"init 'forget_bias': the forget gate of cell {program.name} keeps less the larger it is; use 'chrono'")
    yield block, lambda t: t.fill_(value)


def _chrono(program: Program, max_time: float | None = None) -> Iterator[tuple[Block, Fill]]:
    if max_time is None or not max_time > 2:
        raise ValueError(f"init 'chrono' needs max_time, the longest memory in steps, greater than 2, got {max_time}")
    gates = _Gates(program)
    if not gates.keeping:
        raise ValueError(f"init 'chrono': no bias of cell {program.name} alone decides how much of a state is kept")
    for state in program.states:
        if len(several := [b.param for b, states in gates.states.items() if state in states]) > 1:
            raise ValueError(f"init 'chrono': {' and '.join(several)} of cell {program.name} both decide how much of {state} is kept")
    for kept, sign in gates.keeping.items():
        draws = torch.empty(kept.stop - kept.start, dtype=torch.float64, device="cpu").uniform_(1, max_time - 1).log_()
        yield kept, partial(_copy, values=sign * draws)
        for admitting in gates.admitting(kept):
            yield admitting, partial(_copy, values=-draws)


def _copy(into: Tensor, values: Tensor) -> None:
    into.copy_(values)


FILLERS: dict[str, Filler] = {
    "orthogonal": _orthogonal,
    "identity": _identity,
    "xavier": _xavier,
    "kaiming": _kaiming,
    "forget_bias": _forget_bias,
    "chrono": _chrono,
}


# ---------------------------------------------------------------- what a parameter is for


def _matrices(program: Program, name: str, recurrent: bool) -> list[Block]:
    """The matrices that meet states, or those that meet inputs, cut into gates."""
    products = list(recurrent_products(program)) if recurrent else _input_products(program)
    direct = [n for n in products if n.args[0].op == "param" and program.params[str(n.args[0].attr)].init is None]
    if not direct:
        what = "recurrent" if recurrent else "input"
        reason = f"uses its {what} matrix in an expression, not as it is" if products else f"has no {what} matrix"
        raise ValueError(f"init {name!r}: cell {program.name} {reason}")
    order = list(program.params)
    direct.sort(key=lambda n: order.index(str(n.args[0].attr)))
    return list(dict.fromkeys(b for n in direct for b in _cut(program, str(n.args[0].attr), n)))


def _input_products(program: Program) -> list[Node]:
    """The products with what no state has touched; counters and last values aside."""
    carried = {n for k, n in program.states.items() if k not in program.exempt}
    for node in program.nodes():
        if not carried.isdisjoint(node.args):
            carried.add(node)
    return [n for n in program.nodes() if n.op == "matvec" and n.args[1] not in carried]


def _biases(program: Program) -> list[Block]:
    """The biases that start at random, cut into gates."""
    biases = {k: p.node for k, p in program.params.items() if p.init is None and k.split(".")[-1] == "bias"}
    return [b for k, node in biases.items() for b in _cut(program, k, node)]


def _cut(program: Program, param: str, source: Node) -> list[Block]:
    """A parameter's rows, cut where `source`, the value they become, is sliced after sums, gains and normalisation."""
    reached, cuts = {source}, {0, source.shape[0]}
    for node in program.nodes():
        if reached.isdisjoint(node.args):
            continue
        if node.op == "slice":
            cuts |= set(node.attr)  # type: ignore[call-overload]
        gain = node.op == "mul" and any(a.op == "rows" for a in node.args)
        if node.shape == source.shape and (gain or node.op in ("rows", "add", "normalise")):
            reached.add(node)
    ends = sorted(cuts)
    return [Block(param, a, b) for a, b in itertools.pairwise(ends)]


def _without_products(program: Program) -> Program:
    """The program with 0 for every product with a matrix."""
    zero = program.graph.const(0.0)
    return program.changed(lambda n, args: make("rows", make("expand", zero, attr=n.shape)) if n.op == "matvec" else None)


class _Gates:
    """Which biases keep states, by the step's own numbers: inputs and products are 0, a bias wide open or shut."""

    def __init__(self, program: Program) -> None:
        self.program, self.blocks = _without_products(program), _biases(program)
        self.keeping: dict[Block, int] = {}  # 1: open keeps all of a state; -1: shut keeps all
        self.states: dict[Block, set[str]] = {}
        for block in self.blocks:
            shut, opened = (self._kept(block, bias) for bias in (-_OPEN, _OPEN))
            for state in program.states:
                if program.states[state].width != block.stop - block.start:
                    continue
                for sign, none, all_ in ((1, shut, opened), (-1, opened, shut)):
                    if np.allclose(none[state], 0, atol=1e-3) and np.allclose(all_[state], 1, atol=1e-3):
                        self.keeping[block] = sign
                        self.states.setdefault(block, set()).add(state)

    def admitting(self, kept: Block) -> list[Block]:
        """The gates that, when shut, let nothing new into the states that this one keeps."""
        others = [b for b in self.blocks if b not in self.keeping and b.stop - b.start == kept.stop - kept.start]
        return [b for b in others if all(not self._new(b, -_OPEN)[s].any() and self._new(b, 1.0)[s].any() for s in self.states[kept])]

    def _kept(self, block: Block, bias: float) -> dict[str, npt.NDArray[Any]]:
        """Of each state, the part that is still there a step later, other biases being 0."""
        rows = {k: np.zeros((1 + len(self.program.states), n.width)) for k, n in self.program.states.items()}
        for row, state in enumerate(rows.values(), 1):
            state[row] = 0.5
        after = self._step(block, bias, 0.0, rows)
        return {k: (after[k][row] - after[k][0]) / 0.5 for row, k in enumerate(rows, 1)}

    def _new(self, block: Block, bias: float) -> dict[str, npt.NDArray[Any]]:
        """The states a step after 0, other biases being 1, where that is more than a rounding error."""
        after = self._step(block, bias, 1.0, {k: np.zeros((1, n.width)) for k, n in self.program.states.items()})
        return {k: np.abs(v) > 1e-6 for k, v in after.items()}

    def _step(self, block: Block, bias: float, others: float, states: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        batch = len(next(iter(states.values())))
        params = {}
        for name in {block.param, *(str(n.attr) for n in self.program.leaves("param"))}:
            p = self.program.params[name]
            params[name] = np.broadcast_to(others if p.init is None else p.init, p.node.shape).astype(float)
        params[block.param][block.start : block.stop] = bias
        inputs = {k: np.zeros((1, batch, n.width) if n.level == Level.STEP else (batch, n.width)) for k, n in self.program.inputs.items()}
        with np.errstate(all="ignore"):
            return oracle.forward(self.program, params, inputs, states).states
