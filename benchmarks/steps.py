"""Our layers inside a whole training step, and right after idling: against torch.nn's, with either kind of threads.

    python benchmarks/steps.py [--rounds 30] [--shapes 100,32,64,128 …]

A whole step is layer, Linear, loss, backward and Adam. "idle" is one inference call after 20 ms of sleep. The engine
runs on its own threads ("own") or on the OpenMP runtime that torch has loaded ("openmp"); rows are interleaved.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from layers import inference

import ostinato.nn
from ostinato import _native

SHAPES = ["100,32,64,128", "100,1,32,64", "20,8,16,32"]


def use(pool: str) -> None:
    library = next((str(p) for p in sorted((Path(torch.__file__).parent / "lib").glob("libgomp*"))), "")
    _native.set_thread_pool(pool, library if pool == "openmp" else "")


def whole_step(layer: torch.nn.Module, x: torch.Tensor, hidden: int) -> Callable[[], None]:
    head = torch.nn.Linear(hidden, 1)
    optimiser = torch.optim.Adam([*layer.parameters(), *head.parameters()])
    target = torch.randn(x.shape[1], 1)

    def run() -> None:
        optimiser.zero_grad()
        torch.nn.functional.mse_loss(head(layer(x)[0][-1]), target).backward()
        optimiser.step()

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--shapes", nargs="+", default=SHAPES)
    wishes = parser.parse_args()
    torch.set_num_threads(2)
    print(f"{'T,B,I,H':>16} {'':>12} {'torch.nn':>10} {'own':>10} {'openmp':>10}   milliseconds, medians, LSTM, float32")
    for shape in wishes.shapes:
        length, batch, inputs, hidden = (int(n) for n in shape.split(","))
        x = torch.randn(length, batch, inputs)
        theirs, ours = torch.nn.LSTM(inputs, hidden), ostinato.nn.LSTM(inputs, hidden)
        for kind, make, pause in (
            ("whole step", lambda layer, x=x, hidden=hidden: whole_step(layer, x, hidden), 0.0),
            ("idle", lambda layer, x=x: inference(layer, x), 0.02),
        ):
            runs = {"torch.nn": make(theirs), "own": make(ours), "openmp": make(ours)}
            times: dict[str, list[float]] = {name: [] for name in runs}
            for count in range(wishes.rounds + 3):
                for name, run in runs.items():
                    use("openmp" if name == "openmp" else "own")
                    time.sleep(pause)
                    start = time.perf_counter()
                    run()
                    if count >= 3:
                        times[name].append(1e3 * (time.perf_counter() - start))
            print(f"{shape:>16} {kind:>12} " + " ".join(f"{statistics.median(t):10.3f}" for t in times.values()))


if __name__ == "__main__":
    main()
