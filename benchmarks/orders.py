"""What equal bits cost, as far as it can be seen: our fixed orders beside torch, which may sum in any order.

The engine does a product, a sum over rows and time, or a function of each number, and nothing else; torch does the same by
its own kernels. Faster kernels in a free order would show as torch ahead; there is no second engine to ask.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

import ostinato as ost
from ostinato import _native
from ostinato.nn import Recurrent

from .peers.in_torch import VERSIONS as VERSIONS
from .problem import Problem
from .worker import Made


@ost.cell
def product(x, h):
    return ost.linear("w", x)


@ost.cell
def recurrence(x, h):
    return x + ost.linear("w", h)


CELLS = {cell.name: cell for cell in (product, recurrence)}


def weight_of(problem: Problem) -> torch.Tensor:
    """So small that a recurrence does not grow."""
    across = problem.inputs if problem.cell == "product" else problem.hidden
    return torch.from_numpy(problem.draw("w", problem.hidden, across, scale=across**-0.5))


def ours(problem: Problem) -> Made:
    layer = Recurrent(CELLS[problem.cell], problem.inputs, problem.hidden)
    x, grad = torch.from_numpy(problem.x), torch.from_numpy(problem.grad)
    for parameter in layer.parameters():
        parameter.data.copy_(weight_of(problem))

    def forward() -> torch.Tensor:
        with torch.inference_mode():
            return layer(x)[0]

    runs: dict[str, Callable[[], Any]] = {"forward": forward}
    if problem.cell == "product":
        y = layer(x)[0]
        runs["sum over rows and time"] = lambda: torch.autograd.grad(y, list(layer.parameters()), grad, retain_graph=True)[0]
    return Made(runs, {kind: lambda y: [y.numpy()] for kind in runs})


def theirs(problem: Problem) -> Made:
    x, grad = torch.from_numpy(problem.x), torch.from_numpy(problem.grad)
    rows, across, weight = x.flatten(0, 1), grad.flatten(0, 1).T, weight_of(problem)
    right, into = weight.T, torch.empty(len(weight), problem.inputs)
    y = torch.empty(problem.length, problem.batch, problem.hidden)

    def step_by_step() -> torch.Tensor:
        h = torch.zeros(problem.batch, problem.hidden)
        for now, then in zip(x.unbind(0), y.unbind(0), strict=True):
            h = torch.addmm(now, h, right, out=then)
        return y

    if problem.cell == "product":
        runs: dict[str, Callable[[], Any]] = {
            "forward": lambda: torch.mm(rows, right, out=y.flatten(0, 1)).view_as(y),
            "sum over rows and time": lambda: torch.mm(across, rows, out=into),
        }
    else:
        runs = {"forward": step_by_step}
    return Made(runs, {kind: lambda y: [y.numpy()] for kind in runs})


def functions(problem: Problem, library: str) -> Made:
    """A function of each number of `inputs`, on one thread; theirs may use what reciprocals it likes."""
    x = torch.from_numpy(problem.draw("x", problem.inputs))
    y = torch.empty_like(x)

    def ours(name: str) -> torch.Tensor:
        _native.pointwise(name, False, "", x.numel(), y.data_ptr(), x.data_ptr(), 0, 0)
        return y

    call = ours if library == "ostinato" else lambda name: getattr(torch, name)(x, out=y)
    runs = {name: partial(call, name) for name in ("sigmoid", "tanh", "exp")}
    return Made(runs, {kind: lambda y: [y.numpy()] for kind in runs})
