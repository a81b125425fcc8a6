"""torch.nn, in inference under inference_mode; and ours, which takes the same weights."""

from __future__ import annotations

import torch

from ..problem import Problem
from ..worker import Made

VERSIONS = {"torch": torch.__version__}


def new_layer(problem: Problem, kind: type[torch.nn.Module]) -> torch.nn.Module:
    """A layer with the problem's weights."""
    layer = kind(problem.inputs, problem.hidden, dtype=getattr(torch, problem.dtype))
    layer.load_state_dict({f"{k}_l0": torch.from_numpy(v) for k, v in problem.weights.items()})
    return layer


def layer(problem: Problem) -> Made:
    return made(problem, new_layer(problem, getattr(torch.nn, problem.cell.upper())))


def made(problem: Problem, layer: torch.nn.Module) -> Made:
    x, grad = torch.from_numpy(problem.x), torch.from_numpy(problem.grad)
    given = x.clone().requires_grad_()
    wanted = [given, *layer.parameters()]

    def infer() -> torch.Tensor:
        with torch.inference_mode():
            return layer(x)[0]

    def train() -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(layer(given)[0], wanted, grad)

    return Made(
        {"inference": infer, "training": train},
        {"inference": lambda y: [y.numpy()], "training": lambda grads: [g.numpy() for g in grads]},
    )
