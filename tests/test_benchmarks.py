"""The benchmark's pieces, with ours and torch alone: workers, turns, comparison, memory, and the pages made of a run."""

from __future__ import annotations

import math
import os
import re
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.driver import APART, Asked, Driver, compare, installed, spread
from benchmarks.plan import PARTS, Plan
from benchmarks.problem import Problem
from benchmarks.worker import LONGEST_SPIN, UNCOUNTED, CannotRun, Made, Seconds, Worker, settle, turn

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SMALL = Problem("gru", 3, 2, 4, 8)
LARGE = 50 * 2**20  # bytes


# ---------------------------------------------------------------- what a worker of this module is asked


def sizes(problem, times=1):
    return Made({"inference": lambda: np.full(times * LARGE // 8, 1.0)[:3]}, {"inference": lambda y: [y]})


def fails(problem):
    raise ValueError("no such cell")


def dies(problem):
    return Made({"inference": lambda: os._exit(3)})


@pytest.fixture(scope="module")
def worker():
    return Worker(__name__, 1)


def test_a_worker_outlives_what_it_is_asked(worker):
    with pytest.raises(CannotRun, match="ValueError: no such cell"):
        worker.load("fails", (SMALL,))
    with pytest.raises(CannotRun, match="died with status"):
        worker.load("dies", (SMALL,))
    worker.leave()
    ready = worker.load("sizes", (SMALL, 0))
    assert ready.kinds == ["inference"] and worker.turn("inference", 0.0)
    worker.leave()


@pytest.mark.parametrize("times", [1, 2])
def test_memory_is_what_a_call_adds(worker, times):
    found = worker.load("sizes", (SMALL, times), memory=True).memory["inference"]
    worker.leave()
    assert times * 45 < found < times * 55  # MB


def test_a_turn_counts_from_its_second_call_on():
    calls = []
    times = turn(lambda: calls.append(0), 0.001, 0.0)
    assert 0 < len(times) < len(calls)
    calls.clear()
    assert turn(lambda: calls.append(0) or Seconds(2.0), 0.0, UNCOUNTED) == [2000.0]


def test_a_turn_ends_when_its_threads_sleep():
    def spin(until):
        while time.perf_counter() < until:
            pass

    began = time.perf_counter()
    spinning = threading.Thread(target=spin, args=(began + 0.15,))
    spinning.start()
    settle()
    assert not spinning.is_alive() and time.perf_counter() - began < LONGEST_SPIN


def test_turns_on_a_shared_core_do_not_count():
    alone, shared = [1.0, 1.0, 5.0], [2.0, 2.1]
    assert spread([alone, shared, alone, shared]) == {"least": 1.0, "low": 1.0, "high": 2.05, "calls": 10}
    assert spread([shared]) == {"least": 2.0, "low": 2.05, "high": 2.05, "calls": 2}


def ours(problem):
    return Made({"inference": lambda: [1.0, 1.0]}, {"inference": lambda y: [np.array(y)]})


def another(problem, value):
    return Made({"inference": lambda: [1.0, value]}, {"inference": lambda y: [np.array(y)]})


@pytest.mark.parametrize("value", [1.01, math.nan])
def test_who_computes_something_else_has_no_turn(value, worker, monkeypatch):
    driver = Driver(1)
    monkeypatch.setattr(driver, "worker", lambda module, number: worker if number == 1 else second)
    second = Worker(__name__, 1)
    row = driver.run(Asked("table", SMALL, {"torch": (__name__, "ours"), "JAX": (__name__, "another", value)}, 1, 0.0))
    assert list(row["ms"]["inference"]) == ["torch"] and "computes something else" in row["failed"]["JAX"]
    row = driver.run(Asked("table", SMALL, {"torch": (__name__, "ours"), "JAX": (__name__, "another", 1.0)}, 1, 0.0))
    assert list(row["ms"]["inference"]) == ["torch", "JAX"] and row["failed"] == {}


# ---------------------------------------------------------------- the parts


def here(asked):
    """The ways of a row that need no other library, in this process."""
    from importlib import import_module

    for label, (module, function, *arguments) in asked.ways.items():
        if not module.endswith(("in_jax", "in_tensorflow", "in_onnxruntime")):
            yield label, getattr(import_module(f"benchmarks.{module}"), function), arguments


@pytest.mark.parametrize("part", [part for part in PARTS if part not in ("peak", "epochs")])
def test_every_part_computes_the_same_in_ours_and_torch(part):
    seen = set()
    for asked in PARTS[part](Plan()):
        problem = asked.problem
        if problem.cell in seen:
            continue
        seen.add(problem.cell)
        problem = replace(problem, length=min(problem.length, 12), batch=min(problem.batch, 3), inputs=min(problem.inputs, 8))
        problem = replace(problem, hidden=min(problem.hidden, 8))
        arrays = {}
        for label, make, arguments in here(asked):
            if label.endswith("threads"):
                continue  # which threads run is a setting of the whole process
            made = make(problem, *arguments)
            results = {kind: run() for kind, run in made.runs.items()}
            arrays[label] = {kind: [np.array(a) for a in made.arrays[kind](results[kind])] for kind in made.arrays}
        apart = compare(arrays)
        assert "ostinato" in apart and all(far < APART[problem.dtype] for far in apart.values())
    assert seen


def test_no_row_is_asked_twice():
    for plan in (Plan(), Plan(quick=True, compile=True)):
        keys = [asked.key for part in PARTS.values() for asked in part(plan)]
        assert len(set(keys)) == len(keys)


# ---------------------------------------------------------------- a run and its pages


@pytest.fixture(scope="module")
def run():
    """A table of one row, measured, and the same row grown."""
    asked = next(PARTS["table"](Plan(quick=True)))
    driver = Driver(1)
    asked = replace(asked, problem=SMALL, ways={k: v for k, v in asked.ways.items() if k in ("ostinato", "torch")}, seconds=0.001)
    rows = [driver.run(asked)]
    assert rows[0]["failed"] == {}
    rows += [{**rows[0], "part": "growth", "length": 100 * 2**k} for k in range(4)]
    said = {"machine": "a machine", "date": "today", "source": "abc", "minutes": 1.0}
    return {**said, "settings": {"quick": True, "threads": 1}, "versions": driver.versions, "rows": rows}


def test_a_row(run):
    row = run["rows"][0]
    for kind in ("training", "inference"):
        for label in ("ostinato", "torch"):
            times = row["ms"][kind][label]
            assert 0 < times["least"] <= times["low"] <= times["high"]
            assert row["memory"][kind][label] >= 0
    assert set(run["versions"]) == {"torch"} and installed("peers.in_torch")


def test_a_page_is_filled(run):
    from benchmarks.page import filled

    text = "a\n<!-- speed: training -->\nold\n<!-- end -->\nb\n<!-- speed: odd -->\nkept\n<!-- end -->\n"
    made = filled(text, run)
    assert "| 3, 2, 4, 8 | GRU | " in made and "old" not in made and "kept" in made
    assert filled(made, run) == made
    with pytest.raises(KeyError, match="tarining"):
        filled(text.replace("training", "tarining"), run)


def test_losses_are_told(run):
    from benchmarks.tables import in_short

    row = run["rows"][0]
    times = {label: {"low": low} for label, low in (("ostinato", 2.0), ("torch", 1.0))}
    told = in_short({**run, "rows": [{**row, "ms": {"training": times, "inference": {**times, "ostinato": {"low": 0.5}}}}]})
    assert "Lost: 1 of 2, " in told and "training gru 3, 2, 4, 8: 0.50 (torch)." in told


def test_growth_is_drawn(run, tmp_path):
    from benchmarks.picture import draw_growth

    draw_growth(run, tmp_path / "growth.svg")
    assert (tmp_path / "growth.svg").stat().st_size > 10_000


def test_pages_ask_for_tables_that_there_are():
    from benchmarks.tables import BLOCKS

    asked = {name for page in PAGES for name in re.findall(r"<!-- speed: ([\w ]+) -->", page.read_text())}
    assert asked == set(BLOCKS)
