"""Ours and torch.nn's layers among torch's operations: whole training steps, calls after a pause, calls of almost no work, chunks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

import ostinato.nn
from ostinato import _native, cells, engine
from ostinato.engine import Executable

from .peers.in_torch import VERSIONS as VERSIONS, new_layer
from .problem import Problem
from .worker import Made

LIBRARIES = {"torch": torch.nn, "ostinato": ostinato.nn}
IDLE = 0.02  # seconds


def of(problem: Problem, library: str) -> torch.nn.Module:
    return new_layer(problem, getattr(LIBRARIES[library], problem.cell.upper()))


def training_step(problem: Problem, library: str, pool: str = "") -> Made:
    """Layer, Linear, loss, backward and Adam; and an inference call after a pause. `pool`: the engine's threads, if not as it chooses."""
    if pool:
        _native.set_thread_pool(pool)
    torch.manual_seed(0)
    layer, x = of(problem, library), torch.from_numpy(problem.x)
    head = torch.nn.Linear(problem.hidden, 1, dtype=x.dtype)
    optimiser = torch.optim.Adam([*layer.parameters(), *head.parameters()])
    target = x.new_zeros(problem.batch, 1)

    def step() -> torch.Tensor:
        optimiser.zero_grad()
        loss = torch.nn.functional.mse_loss(head(layer(x)[0][-1]), target)
        loss.backward()
        optimiser.step()
        return loss

    def infer() -> torch.Tensor:
        with torch.inference_mode():
            return layer(x)[0]

    runs: dict[str, Callable[[], Any]] = {"training step": step, "inference": infer, "inference after 20 ms idle": infer}
    return Made(runs, {"training step": lambda loss: [loss.detach().numpy()]}, {"inference after 20 ms idle": IDLE})


def call(problem: Problem, library: str) -> Made:
    """A call in three ways, of so little work that only the call counts."""
    layer, x, grad = of(problem, library), torch.from_numpy(problem.x), torch.from_numpy(problem.grad)
    given = x.clone().requires_grad_()
    wanted = [given, *layer.parameters()]

    def infer() -> torch.Tensor:
        with torch.inference_mode():
            return layer(x)[0]

    def both() -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(layer(given)[0], wanted, grad)

    runs: dict[str, Callable[[], Any]] = {"no gradient": infer, "forward": lambda: layer(given)[0], "forward and backward": both}
    return Made(runs, {"no gradient": lambda y: [y.numpy()], "forward and backward": lambda grads: [g.numpy() for g in grads]})


def engine_call(problem: Problem) -> Made:
    """The native calls alone, for the same cell: caught in the engine for NumPy arrays, and made again with the same addresses."""
    program = cells.get(problem.cell).trace(problem.inputs, problem.hidden)
    executable, inputs = Executable(program), {"x": problem.x}
    params = {name: problem.draw(name, *param.node.shape) for name, param in program.params.items()}
    infer, ended = caught(lambda: engine.forward(executable, params, inputs))
    forward, training = caught(lambda: engine.train(executable, params, inputs))
    backward, grads = caught(lambda: training.backward(problem.grad))
    kept = (params, ended, training, grads)  # whose memory the calls use

    def again(calls: list[tuple[Any, ...]], kept: Any = kept) -> None:
        for arguments in calls:
            _native.run(*arguments)

    runs: dict[str, Callable[[], Any]] = {
        "no gradient": lambda: again(infer),
        "forward": lambda: again(forward),
        "forward and backward": lambda: again(forward + backward),
    }
    return Made(runs)


def caught(work: Callable[[], Any]) -> tuple[list[tuple[Any, ...]], Any]:
    """The arguments of the engine's calls in some work, and its result."""
    calls: list[tuple[Any, ...]] = []
    real = _native.run

    def catch(*arguments: Any) -> None:
        calls.append(arguments)
        real(*arguments)

    _native.run = catch
    try:
        result = work()
    finally:
        _native.run = real
    assert calls, "the engine no longer goes by _native.run"
    return calls, result


def chunks(problem: Problem, library: str) -> Made:
    """A sequence whole, and in ten calls that hand the states on."""
    layer, x = of(problem, library), torch.from_numpy(problem.x)
    pieces = x.chunk(10)

    def whole() -> torch.Tensor:
        with torch.inference_mode():
            return layer(x)[0]

    def parts() -> torch.Tensor:
        states, outputs = None, []
        with torch.inference_mode():
            for piece in pieces:
                output, states = layer(piece, states)
                outputs.append(output)
            return torch.cat(outputs)

    return Made({"whole": whole, "ten chunks": parts}, {kind: lambda y: [y.numpy()] for kind in ("whole", "ten chunks")})
