"""Our layers beside torch, JAX, TensorFlow and ONNX Runtime: same weights, same work, in one run.

    python -m benchmarks.peers [--rounds 15] [--threads 2] [--cells rnn gru lstm] [--shapes 100,32,64,128 …] [--to FILE.json]

Training is forward and backward with the gradients of the input and of all weights; float32. The libraries take turns;
a turn is a few calls of which the first does not count, because the last library's threads may still be awake. Shown are
medians with quartiles. "peak" is the part of the measured speed of multiplying matrices. A library that is not installed
is left out: the extra `peers` has them all.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import time
from collections.abc import Callable
from importlib import import_module

SHAPES = ["100,1,32,64", "100,32,64,128", "200,64,128,256", "50,64,512,512", "1000,16,16,32", "365,256,8,64"]
LIBRARIES = {
    "ostinato": ("in_torch", "ours", ""),
    "torch": ("in_torch", "theirs", ""),
    "JAX": ("in_jax", "runs", "jax"),
    "TensorFlow": ("in_tensorflow", "runs", "tensorflow"),
    "ONNX Runtime": ("in_onnxruntime", "runs", "onnxruntime"),
}


def installed(libraries: dict[str, tuple[str, str, str]]) -> dict[str, Callable[..., dict]]:
    """How each library that is here makes its runs."""
    from importlib.util import find_spec

    return {
        name: getattr(import_module(f"benchmarks.peers.{module}"), function)
        for name, (module, function, needs) in libraries.items()
        if not needs or find_spec(needs)
    }


def peak(size: int = 1024) -> float:
    """Multiply-adds in a second that torch reaches on square matrices here: the best of a few."""
    import torch

    a, b = torch.randn(size, size), torch.randn(size, size)
    best = 0.0
    for _ in range(10):
        began = time.perf_counter()
        torch.mm(a, b)
        best = max(best, size**3 / (time.perf_counter() - began))
    return best


def geometric_mean(ratios: list[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, ratios)))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cells", nargs="+", default=["rnn", "gru", "lstm"])
    parser.add_argument("--shapes", nargs="+", default=SHAPES)
    parser.add_argument("--without", nargs="+", default=[], choices=list(LIBRARIES))
    parser.add_argument("--to", help="write all numbers here as JSON")
    wishes = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import torch

    from benchmarks.layers import processor, turns
    from benchmarks.peers.problem import Problem

    torch.set_num_threads(wishes.threads)
    makers = installed({k: v for k, v in LIBRARIES.items() if k not in wishes.without})
    limit = peak()
    print(f"{processor()}, {wishes.threads} threads, float32, {limit / 1e9:.0f} G multiply-adds a second; milliseconds, median (quartiles)")
    rows = []
    for shape in wishes.shapes:
        for cell in wishes.cells:
            problem = Problem(cell, *(int(n) for n in shape.split(",")))
            made = {name: make(problem) for name, make in makers.items()}
            for kind, work in (("training", 3), ("inference", 1)):
                times = turns({name: runs[kind] for name, runs in made.items() if kind in runs}, wishes.rounds)
                quartiles = {name: statistics.quantiles(t, n=4, method="inclusive") for name, t in times.items()}
                middle = {name: q[1] for name, q in quartiles.items()}
                best = min((name for name in middle if name != "ostinato"), key=middle.__getitem__)
                row = {"shape": shape, "cell": cell, "kind": kind, "ms": quartiles, "best_peer": best}
                row |= {"over_best": middle[best] / middle["ostinato"], "over_torch": middle["torch"] / middle["ostinato"]}
                row |= {"peak": 1e3 * work * problem.multiply_adds / middle["ostinato"] / limit}
                rows.append(row)
                told = "  ".join(f"{name} {q[1]:.2f} ({q[0]:.2f}, {q[2]:.2f})" for name, q in quartiles.items())
                print(f"{shape} {cell} {kind}: {told}; {row['over_best']:.2f} x {best}, {100 * row['peak']:.0f} % of the peak", flush=True)
                if wishes.to:
                    with open(wishes.to, "w") as file:
                        json.dump({"processor": processor(), "threads": wishes.threads, "peak": limit, "rows": rows}, file, indent=1)
    for kind in ("training", "inference"):
        ratios = {key: [row[key] for row in rows if row["kind"] == kind] for key in ("over_torch", "over_best")}
        print(
            f"{kind}: {geometric_mean(ratios['over_torch']):.2f} x torch and {geometric_mean(ratios['over_best']):.2f} x the best peer "
            f"(geometric means); least {min(ratios['over_best']):.2f} x the best peer"
        )


if __name__ == "__main__":
    main()
