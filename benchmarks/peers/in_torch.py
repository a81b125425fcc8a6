"""torch.nn, and ours, which takes the same weights."""

from __future__ import annotations

import torch

import ostinato.nn

from .problem import Problem, Run, torch_layer


def theirs(problem: Problem) -> dict[str, Run]:
    return runs(problem, torch_layer(problem.cell, problem.inputs, problem.hidden), "torch")


def ours(problem: Problem) -> dict[str, Run]:
    kind = {"rnn": ostinato.nn.RNN, "gru": ostinato.nn.GRU, "lstm": ostinato.nn.LSTM}[problem.cell]
    return runs(problem, kind(problem.inputs, problem.hidden), "ostinato")


def runs(problem: Problem, layer: torch.nn.Module, name: str) -> dict[str, Run]:
    layer.load_state_dict({f"{k}_l0": torch.from_numpy(v) for k, v in problem.weights.items()})
    x, grad = torch.from_numpy(problem.x), torch.from_numpy(problem.grad)
    given = x.clone().requires_grad_()
    wanted = [given, *layer.parameters()]

    def infer() -> torch.Tensor:
        with torch.inference_mode():
            return layer(x)[0]

    def train() -> object:
        return torch.autograd.grad(layer(given)[0], wanted, grad)

    problem.check(name, infer().numpy())
    return {"inference": infer, "training": train}
