"""Hands out the turns: one worker computes, the others sleep. What they compute is compared first; who is wrong has no turn."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from .problem import Problem
from .worker import CannotRun, Worker

RIGHT = "torch"  # whose results the others are compared with
APART = {"float32": 1e-4, "float64": 1e-10}  # relative distance between libraries
NEEDS = {"in_jax": "jax", "in_tensorflow": "tensorflow", "in_onnxruntime": "onnxruntime"}
Way = tuple[Any, ...]  # a module of `benchmarks`, a function in it, and what it takes beside the problem
PEAK: Way = ("peak", "beside")  # what the processor can do in the same minutes


@dataclass(frozen=True)
class Asked:
    """A row to come: one problem in several ways."""

    part: str
    problem: Problem
    ways: Mapping[str, Way]
    turns: int
    seconds: float
    memory: bool = False
    peak: bool = False

    @property
    def key(self) -> str:
        return json.dumps([self.part, asdict(self.problem), list(self.ways)])


class Driver:
    """Keeps the workers from row to row."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.workers: dict[tuple[str, int], Worker] = {}
        self.versions: dict[str, str] = {}

    def run(self, asked: Asked) -> dict[str, Any]:
        """One row: milliseconds of each kind in each way, memory, distances; `failed` says who could not, and why.
        `peak`: the milliseconds of 10⁹ multiply-adds in registers."""
        row: dict[str, Any] = {"part": asked.part, **asdict(asked.problem), "shape": asked.problem.shape, "load": os.getloadavg()[0]}
        row |= {"ms": {}, "memory": {}, "ready": {}, "apart": {}, "failed": {}}
        arrays: dict[str, dict[str, list[np.ndarray]]] = {}
        loaded: dict[str, Worker] = {}
        taken: dict[str, int] = {}
        for label, (module, function, *arguments) in asked.ways.items():
            if not installed(module):
                continue
            number = taken[module] = taken.get(module, 0) + 1
            try:
                worker = self.worker(module, number)
                ready = worker.load(function, (asked.problem, *arguments), asked.memory)
            except CannotRun as error:
                row["failed"][label] = str(error)
                continue
            loaded[label], arrays[label] = worker, ready.arrays
            row["ready"][label] = ready.seconds
            for kind, size in ready.memory.items():
                row["memory"].setdefault(kind, {})[label] = size
        row["apart"] = compare(arrays)
        for label, far in row["apart"].items():
            if not far <= APART[asked.problem.dtype]:  # not a number is too far as well
                row["failed"][label] = f"computes something else: {far:.1e} from {RIGHT}"
        if asked.peak:
            try:
                beside = self.worker(PEAK[0], 1)
                beside.load(PEAK[1], (asked.problem,))
                loaded["peak"] = beside
            except CannotRun as error:
                row["failed"]["peak"] = str(error)
        times = self.turns(loaded, asked, row["failed"])
        row["peak"] = {kind: spread(by_label.pop("peak")) for kind, by_label in times.items() if "peak" in by_label}
        for kind, by_label in times.items():
            row["ms"][kind] = {label: spread(found) for label, found in by_label.items() if found}
        for worker in loaded.values():
            worker.leave()
        return row

    def turns(self, loaded: dict[str, Worker], asked: Asked, failed: dict[str, str]) -> dict[str, dict[str, list[list[float]]]]:
        """Milliseconds of every counted call of every turn, by kind and way."""
        times: dict[str, dict[str, list[list[float]]]] = {}
        for kind in dict.fromkeys(kind for worker in loaded.values() for kind in worker.kinds):
            times[kind] = {label: [] for label, worker in loaded.items() if kind in worker.kinds}
            for _ in range(asked.turns):
                for label, found in times[kind].items():
                    if label not in failed:
                        try:
                            found.append(loaded[label].turn(kind, asked.seconds))
                        except CannotRun as error:
                            failed[label] = str(error)
        return times

    def worker(self, module: str, number: int) -> Worker:
        """The worker of that module; several where one module is several ways of a row."""
        known = self.workers.get((module, number))
        if known is None or not known.process.is_alive():
            self.workers[module, number] = known = Worker(f"{__package__}.{module}", self.threads)
            self.versions |= known.versions
        return known


def installed(module: str) -> bool:
    """Whether the library is here that a module needs."""
    needed = NEEDS.get(module.rpartition(".")[2])
    return needed is None or find_spec(needed) is not None


def compare(arrays: dict[str, dict[str, list[np.ndarray]]]) -> dict[str, float]:
    """How far each way's results are from the right ones: the largest relative distance of an output or a gradient."""
    right = arrays.get(RIGHT, {})
    apart = {}
    for label, kinds in arrays.items():
        pairs = [(a, b) for kind in kinds.keys() & right.keys() for a, b in zip(kinds[kind], right[kind], strict=False)]
        if label != RIGHT and pairs:
            apart[label] = max(float(np.linalg.norm(a - b) / (np.linalg.norm(b) or 1.0)) for a, b in pairs)
    return apart


def spread(turns: list[list[float]]) -> dict[str, float]:
    """What is kept of the calls' milliseconds, turn by turn: each turn counts by its median, all of them by the lower quartile."""
    medians, calls = [statistics.median(turn) for turn in turns], [call for turn in turns for call in turn]
    low, _, high = statistics.quantiles(medians, n=4, method="inclusive") if len(medians) > 1 else medians * 3
    return {"least": min(calls), "low": low, "high": high, "calls": len(calls)}
