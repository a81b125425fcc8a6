"""The cells as loops in torch, as people write them: the products of the input outside the loop, gates that can be in one product."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from ..peers.in_torch import VERSIONS as VERSIONS
from ..problem import Problem
from ..worker import Made
from .weights import weights_of

Weights = dict[str, Tensor]


def janet(x: Tensor, w: Weights) -> Tensor:
    gates = x @ torch.cat([w["forget_x"], w["new_x"]]).T + torch.cat([w["forget_bias"], w["new_bias"]])
    recurrent = torch.cat([w["forget_h"], w["new_h"]]).T
    h = x.new_zeros(x.shape[1], len(recurrent))
    outputs = []
    for gate in gates.unbind(0):
        s, n = torch.addmm(gate, h, recurrent).chunk(2, 1)
        h = torch.sigmoid(s) * h + (1 - torch.sigmoid(s - 1)) * torch.tanh(n)
        outputs.append(h)
    return torch.stack(outputs)


def mgu(x: Tensor, w: Weights) -> Tensor:
    forget, new = (torch.nn.functional.linear(x, w[f"{k}_x"], w[f"{k}_bias"]).unbind(0) for k in ("forget", "new"))
    forget_h, new_h = w["forget_h"].T, w["new_h"].T
    h = x.new_zeros(x.shape[1], len(forget_h))
    outputs = []
    for a, b in zip(forget, new, strict=True):
        f = torch.sigmoid(torch.addmm(a, h, forget_h))
        n = torch.tanh(torch.addmm(b, f * h, new_h))
        h = h + f * (n - h)
        outputs.append(h)
    return torch.stack(outputs)


def gru_layernorm(x: Tensor, w: Weights) -> Tensor:
    k = len(w["new_x"])
    gates = layer_norm(x @ w["gates_x"].T, [2 * k], w["norm_gates_x_gain"], w["gates_bias"]).unbind(0)
    new = layer_norm(x @ w["new_x"].T, [k], w["norm_new_gain"], w["norm_new_shift"]).unbind(0)
    recurrent = torch.cat([w["gates_h"], w["kept_h"]]).T
    h = x.new_zeros(x.shape[1], k)
    outputs = []
    for a, b in zip(gates, new, strict=True):
        product = h @ recurrent
        z, r = torch.sigmoid(a + layer_norm(product[:, : 2 * k], [2 * k], w["norm_gates_h_gain"])).chunk(2, 1)
        kept = layer_norm(product[:, 2 * k :], [k], w["norm_kept_gain"], w["norm_kept_shift"])
        h = h + z * (torch.tanh(b + r * kept) - h)
        outputs.append(h)
    return torch.stack(outputs)


def mlstm(x: Tensor, w: Weights) -> Tensor:
    names = ("input", "forget", "candidate", "output")
    multipliers = (x @ w["multiplier_x_x"].T).unbind(0)
    gates = (x @ torch.cat([w[f"{k}_x"] for k in names]).T + torch.cat([w[f"{k}_bias"] for k in names])).unbind(0)
    of_h, of_m = w["multiplier_h_h"].T, torch.cat([w[f"{k}_m"] for k in names]).T
    h = c = x.new_zeros(x.shape[1], len(of_h))
    outputs = []
    for a, b in zip(multipliers, gates, strict=True):
        i, f, g, o = torch.addmm(b, a * (h @ of_h), of_m).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        outputs.append(h)
    return torch.stack(outputs)


LOOPS: dict[str, Callable[[Tensor, Weights], Tensor]] = {one.__name__: one for one in (janet, mgu, gru_layernorm, mlstm)}


def loop(problem: Problem) -> Made:
    return made(problem, LOOPS[problem.cell])


def compiled(problem: Problem) -> Made:
    """torch.compile of the loop, which it unrolls: minutes."""
    return made(problem, torch.compile(LOOPS[problem.cell]))


def made(problem: Problem, function: Callable[[Tensor, Weights], Tensor]) -> Made:
    x, grad = torch.from_numpy(problem.x), torch.from_numpy(problem.grad)
    weights = {name: torch.from_numpy(value) for name, value in weights_of(problem).items()}
    given, trained = x.clone().requires_grad_(), {name: value.clone().requires_grad_() for name, value in weights.items()}

    def infer() -> Tensor:
        with torch.inference_mode():
            return function(x, weights)

    def train() -> tuple[Tensor, ...]:
        return torch.autograd.grad(function(given, trained), [given, *trained.values()], grad)

    return Made(
        {"inference": infer, "training": train},
        {"inference": lambda y: [y.numpy()], "training": lambda grads: [g.numpy() for g in grads]},
    )
