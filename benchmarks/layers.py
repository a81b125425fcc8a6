"""Our layers against torch.nn's: same weights, threads, dtype and work; interleaved, medians with quartiles.

    python benchmarks/layers.py [--threads 2] [--rounds 30] [--json FILE] [--cells lstm gru rnn] [--shapes 100,32,64,128 …]

Training is forward plus backward with the gradients of all weights and of the input. A shape is T,B,I,H.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable

import torch

import ostinato.nn

TURN = 4  # calls in a turn, the first of which does not count
LIMIT = 2.0  # seconds that a turn may take before it has fewer calls
SHAPES = ["100,32,64,128", "1000,16,16,32", "100,1,32,64"]
CELLS = {"lstm": (torch.nn.LSTM, ostinato.nn.LSTM), "gru": (torch.nn.GRU, ostinato.nn.GRU), "rnn": (torch.nn.RNN, ostinato.nn.RNN)}


def training(layer: torch.nn.Module, x: torch.Tensor, grad: torch.Tensor) -> Callable[[], None]:
    def run() -> None:
        x.grad = None
        for p in layer.parameters():
            p.grad = None
        layer(x)[0].backward(grad)

    return run


def inference(layer: torch.nn.Module, x: torch.Tensor) -> Callable[[], None]:
    def run() -> None:
        with torch.no_grad():
            layer(x)

    return run


def interleaved(runs: list[Callable[[], None]], rounds: int) -> list[list[float]]:
    """Milliseconds of each run in each round, after three rounds that do not count."""
    times: list[list[float]] = [[] for _ in runs]
    for count in range(rounds + 3):
        for k, run in enumerate(runs):
            start = time.perf_counter()
            run()
            if count >= 3:
                times[k].append(1e3 * (time.perf_counter() - start))
    return times


def turns(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of every counted call of several libraries, whose threads may still be awake when another's turn comes."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    calls = dict.fromkeys(runs, TURN)
    for round_ in range(rounds + 1):
        for name, run in runs.items():
            for call in range(calls[name]):
                began = time.perf_counter()
                run()
                took = time.perf_counter() - began
                if call and round_:
                    times[name].append(1e3 * took)
                elif not round_ and took * TURN > LIMIT:
                    calls[name] = 2
    return times


def compare(cell: str, shape: str, rounds: int) -> list[dict[str, object]]:
    length, batch, inputs, hidden = (int(n) for n in shape.split(","))
    torch.manual_seed(0)
    theirs, ours = (make(inputs, hidden) for make in CELLS[cell])
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(length, batch, inputs, requires_grad=True)
    grad = torch.randn(length, batch, hidden)
    rows: list[dict[str, object]] = []
    for kind, runs in (
        ("training", [training(theirs, x, grad), training(ours, x, grad)]),
        ("inference", [inference(theirs.eval(), x), inference(ours.eval(), x)]),
    ):
        torch_times, our_times = interleaved(runs, rounds)
        quartiles = [statistics.quantiles(t, n=4) for t in (torch_times, our_times)]
        row: dict[str, object] = {"cell": cell, "shape": shape, "kind": kind}
        row |= {"torch_ms": quartiles[0], "ostinato_ms": quartiles[1], "faster": quartiles[0][1] / quartiles[1][1]}
        rows.append(row)
    return rows


def processor() -> str:
    """The processor's name where the system tells it."""
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json")
    parser.add_argument("--cells", nargs="+", default=list(CELLS), choices=list(CELLS))
    parser.add_argument("--shapes", nargs="+", default=SHAPES)
    wishes = parser.parse_args()
    torch.set_num_threads(wishes.threads)
    print(f"{processor()}, {wishes.threads} threads, torch {torch.__version__}, float32; milliseconds: median (quartiles)")
    print(f"{'T,B,I,H':>16} {'cell':>5} {'':>10} {'torch.nn':>26} {'ostinato.nn':>26} {'times faster':>13}")
    rows = []
    for shape in wishes.shapes:
        for cell in wishes.cells:
            for row in compare(cell, shape, wishes.rounds):
                rows.append(row)
                (a, m, b), (c, n, d) = row["torch_ms"], row["ostinato_ms"]  # type: ignore[misc]
                times = f"{m:10.2f} ({a:6.2f}, {b:6.2f}) {n:10.2f} ({c:6.2f}, {d:6.2f}) {row['faster']:13.2f}"
                print(f"{shape:>16} {cell:>5} {row['kind']:>10} {times}")
    if wishes.json:
        with open(wishes.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
