"""The cells as their equations, and the library's own of the same arithmetic."""

from __future__ import annotations

import torch

import ostinato as ost
from ostinato.nn import Recurrent

from ..peers.in_torch import VERSIONS as VERSIONS, made
from ..problem import Problem
from ..worker import Made
from .weights import weights_of


@ost.cell
def janet(x, h, *, beta=1.0):
    s = ost.affine("forget", x, h)
    n = ost.tanh(ost.affine("new", x, h))
    return ost.sigmoid(s) * h + (1 - ost.sigmoid(s - beta)) * n


@ost.cell
def mgu(x, h):
    f = ost.sigmoid(ost.affine("forget", x, h))
    n = ost.tanh(ost.affine("new", x, h=f * h))
    return (1 - f) * h + f * n


@ost.cell
def gru_layernorm(x, h):
    k = h.n
    gates = ost.norm("norm_gates_x", ost.linear("gates", x, to=2 * k)) + ost.norm("norm_gates_h", ost.linear("gates", h, to=2 * k))
    gates = gates + ost.weight("gates.bias", 2 * k)
    z, r = ost.sigmoid(gates[:k]), ost.sigmoid(gates[k:])
    new = ost.norm("norm_new", ost.linear("new", x), shift=True)
    n = ost.tanh(new + r * ost.norm("norm_kept", ost.linear("kept", h), shift=True))
    return (1 - z) * h + z * n


@ost.cell
def mlstm(x, h, c):
    m = ost.linear("multiplier_x", x) * ost.linear("multiplier_h", h)
    i = ost.sigmoid(ost.affine("input", x, m=m))
    f = ost.sigmoid(ost.affine("forget", x, m=m))
    g = ost.tanh(ost.affine("candidate", x, m=m))
    o = ost.sigmoid(ost.affine("output", x, m=m))
    c = f * c + i * g
    return o * ost.tanh(c), c


CELLS = {cell.name: cell for cell in (janet, mgu, gru_layernorm, mlstm)}


def own(problem: Problem) -> Made:
    """The cell that is written here."""
    return layer(problem, CELLS[problem.cell])


def built_in(problem: Problem) -> Made:
    """The cell of that name in `ostinato.cells`."""
    return layer(problem, problem.cell)


def layer(problem: Problem, cell: object) -> Made:
    module = Recurrent(cell, problem.inputs, problem.hidden, dtype=getattr(torch, problem.dtype))
    module.load_state_dict({f"{name}_l0": torch.from_numpy(value) for name, value in weights_of(problem).items()})
    return made(problem, module)
