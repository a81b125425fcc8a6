"""What options cost: every cell, time relative to the plain cell; and lengths, packed sequences, resets, masks.

    python -m benchmarks.options [--threads 1] [--rounds 7] [--shape 50,16,32,64] [--cells lstm gru …] [--ragged]

Training is forward plus backward with all gradients. Runs are interleaved; the figures are ratios of medians of the
process's own processor time, so that a busy machine disturbs them little. A shape is T,B,I,H.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import ostinato.nn
from ostinato import cells
from ostinato.compiler.options import OptionError

from .machine import machine

LAYER: dict[str, dict[str, Any]] = {
    "zoneout": {"zoneout": 0.1},
    "recurrent dropout": {"recurrent_dropout": 0.25},
    "weight dropout": {"weight_dropout": 0.5},
    "layer norm": {"layer_norm": True},
    "learned start": {"learn_initial_state": True},
}


def seconds(runs: list[Callable[[], None]], rounds: int) -> list[float]:
    """The median of each run's processor time, after two rounds that do not count."""
    times: list[list[float]] = [[] for _ in runs]
    for count in range(rounds + 2):
        for k, run in enumerate(runs):
            start = time.process_time()
            run()
            if count >= 2:
                times[k].append(time.process_time() - start)
    return [statistics.median(t) for t in times]


def calling(module: torch.nn.Module, inputs: Any, train: bool, **call: Any) -> Callable[[], None]:
    """One inference call, or one call and its backward pass."""
    given = inputs.data if isinstance(inputs, PackedSequence) else inputs
    leaves = given if isinstance(given, tuple) else (given,)

    def run() -> None:
        module.train(train)
        for t in leaves:
            t.requires_grad_(train)
        with torch.set_grad_enabled(train):
            y = module(inputs, **call)[0]
            if train:
                module.zero_grad()
                (y if isinstance(y, torch.Tensor) else y.data).sum().backward()

    return run


def table(names: list[str], shape: tuple[int, ...], rounds: int) -> None:
    length, batch, inputs, hidden = shape
    flags = {"reset": torch.rand(length, batch) < 0.01, "lengths": torch.full((batch,), length), "mask": torch.rand(length, batch) < 0.9}
    print(f"{'cell':<16}{'plain, ms':>16}" + "".join(f"{name:>19}" for name in [*LAYER, *flags]))
    for name in names:
        plain = ostinato.nn.Recurrent(name, inputs, hidden)
        data = tuple(torch.rand(*((length,) if stepwise else ()), batch, width) for _, width, stepwise in plain._stack.inputs)
        subjects: list[tuple[torch.nn.Module, dict[str, Any]] | None] = [(plain, {})]
        for options in LAYER.values():
            try:
                subjects.append((ostinato.nn.Recurrent(name, inputs, hidden, **options), {}))
            except OptionError:
                subjects.append(None)
        subjects += [(plain, {k: v}) for k, v in flags.items()]
        kinds = [
            seconds([calling(module, data, train, **call) for module, call in filter(None, subjects)], rounds) for train in (True, False)
        ]
        cost = iter(zip(*kinds, strict=True))
        figures = [next(cost) if subject else None for subject in subjects]
        (a, b), rest = figures[0] or (0.0, 0.0), figures[1:]
        ratios = [f"{x / a:.2f} / {y / b:.2f}" if (pair := f) and (x := pair[0]) and (y := pair[1]) else "refused" for f in rest]
        print(f"{name:<16}{f'{1e3 * a:.2f} / {1e3 * b:.2f}':>16}" + "".join(f"{r:>19}" for r in ratios), flush=True)


def ragged(shape: tuple[int, ...], rounds: int) -> None:
    """Lengths uniform from 1 to T, and resets, against the full call; torch.nn beside."""
    length, batch, inputs, hidden = shape
    lengths = torch.randint(1, length + 1, (batch,))
    lengths[0] = length
    x = torch.randn(length, batch, inputs)
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    print(f"T,B,I,H {shape}: {float(lengths.sum()) / (length * batch):.2f} of the steps are real; time relative to ours, full")
    for name in ("LSTM", "GRU"):
        ours, theirs = getattr(ostinato.nn, name)(inputs, hidden), getattr(torch.nn, name)(inputs, hidden)
        for train in (True, False):
            runs = {
                "full": calling(ours, x, train),
                "lengths": calling(ours, x, train, lengths=lengths),
                "packed": calling(ours, packed, train),
                "torch full": calling(theirs, x, train),
                "torch packed": calling(theirs, packed, train),
                "mask 90 %": calling(ours, x, train, mask=torch.rand(length, batch) < 0.9),
            }
            for rate in (0.0, 0.01, 0.5):
                runs[f"reset {rate:.0%}"] = calling(ours, x, train, reset=torch.rand(length, batch) < rate)
            times = dict(zip(runs, seconds(list(runs.values()), rounds), strict=True))
            figures = ", ".join(f"{k} {v / times['full']:.2f}" for k, v in times.items())
            print(f"{name} {'training' if train else 'inference'}, {1e3 * times['full']:.2f} ms: {figures}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--shape", default="50,16,32,64")
    parser.add_argument("--cells", nargs="+", default=cells.names(), choices=cells.names())
    parser.add_argument("--ragged", action="store_true", help="lengths, packed sequences and resets instead of the table")
    wishes = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(wishes.threads)
    torch.manual_seed(0)
    shape = tuple(int(n) for n in wishes.shape.split(","))
    print(f"{machine()}, {wishes.threads} threads, torch {torch.__version__}, float32, processor time: training / inference")
    if wishes.ragged:
        ragged(shape, wishes.rounds)
    else:
        table(wishes.cells, shape, wishes.rounds)


if __name__ == "__main__":
    main()
