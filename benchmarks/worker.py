"""A process for each library: it computes when it is told to, and sleeps idle while another has its turn.

A worker imports its library once, and forks a child for each problem, so that no memory, compiled function or thread of
an earlier problem is left over.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

UNCOUNTED = 0.01  # seconds at the start of a turn: threads wake, caches fill
PAUSE = 0.01  # and at its end, until all threads have slept as long; LONGEST_SPIN at most
LONGEST_SPIN = 0.5
HIGH_WATER, RESIDENT = "VmHWM", "VmRSS"


class Seconds(float):
    """What a run returns that has measured itself."""


@dataclass
class Made:
    """A problem ready to run. `runs`: a call of each kind; `arrays`: its result in torch's shapes, for the comparison;
    `pauses`: seconds of sleep before each call."""

    runs: dict[str, Callable[[], Any]]
    arrays: dict[str, Callable[[Any], list[np.ndarray]]] = field(default_factory=dict)
    pauses: dict[str, float] = field(default_factory=dict)


@dataclass
class Ready:
    """What a worker tells when it has run a problem once: kinds, results, extra memory in MB, seconds that it took."""

    kinds: list[str]
    arrays: dict[str, list[np.ndarray]] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass
class Failed:
    """Why a worker cannot."""

    why: str


class CannotRun(RuntimeError):
    """A library failed at a problem."""


class Worker:
    """The driver's side."""

    def __init__(self, module: str, threads: int) -> None:
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ[name] = str(threads)
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, module, threads), daemon=True)
        self.process.start()
        theirs.close()
        self.kinds: list[str] = []  # of the problem that is loaded
        self.loaded = False
        self.versions: dict[str, str] = self._answer()

    def load(self, function: str, arguments: tuple[Any, ...], memory: bool = False) -> Ready:
        """Make a problem and run every kind of call once. Raises CannotRun."""
        self.pipe.send((function, arguments, memory))
        ready: Ready = self._answer()
        self.kinds, self.loaded = ready.kinds, True
        return ready

    def turn(self, kind: str, seconds: float) -> list[float]:
        """Milliseconds of each call of a turn that lasts so long. Raises CannotRun."""
        self.pipe.send((kind, seconds))
        times: list[float] = self._answer()
        return times

    def leave(self) -> None:
        """Forget the problem, if there is one."""
        if self.loaded:
            self.pipe.send(None)
        self.loaded = False

    def _answer(self) -> Any:
        try:
            said = self.pipe.recv()
        except (EOFError, OSError):
            said = Failed("its process ended")
        if isinstance(said, Failed):
            self.loaded = False
            raise CannotRun(said.why)
        return said


def serve(pipe: Connection, module: str, threads: int) -> None:
    """The worker: one child after the other."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    warnings.filterwarnings("ignore", message=".*fork.*")
    try:
        library = import_module(module)
    except Exception as error:
        return pipe.send(Failed(f"{type(error).__name__}: {error}"))
    pipe.send(getattr(library, "VERSIONS", {}))
    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            asked = pipe.recv()
            child = os.fork()
            if not child:
                work(pipe, library, *asked)
            _, status = os.waitpid(child, 0)
            if status:
                pipe.send(Failed(f"it died with status {status}"))


def work(pipe: Connection, library: Any, function: str, arguments: tuple[Any, ...], memory: bool) -> None:
    """The child: one problem, turn by turn, until it is told to leave."""
    try:
        if threads := sys.modules.get("ostinato.nn.threads"):
            threads.share_torchs_threads()  # a fork forgets them
        if memory:
            first = getattr(library, function)(arguments[0].tiny(), *arguments[1:])
            for run in first.runs.values():
                run()
            del first
        began = time.perf_counter()
        made = getattr(library, function)(*arguments)
        pipe.send(once(made, began, memory))
        while (asked := pipe.recv()) is not None:
            kind, seconds = asked
            times = turn(made.runs[kind], seconds, made.pauses.get(kind, 0.0))
            settle()
            pipe.send(times)
    except (EOFError, OSError, KeyboardInterrupt):
        pass
    except BaseException as error:
        pipe.send(Failed(f"{type(error).__name__}: {error}"))
    os._exit(0)


def once(made: Made, began: float, memory: bool) -> Ready:
    """Each kind of call for the first time, the small ones first: memory that one has used may serve the next."""
    if memory:
        gc.collect()
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        forget_high_water()
    before = status(RESIDENT)
    found = Ready(list(made.runs))
    for kind, run in made.runs.items():
        result = run()
        if memory:
            found.memory[kind] = (status(HIGH_WATER) - before) / 1024
        if kind in made.arrays:
            found.arrays[kind] = [np.array(a) for a in made.arrays[kind](result)]
        del result
    found.seconds = time.perf_counter() - began
    return found


def turn(run: Callable[[], Any], seconds: float, pause: float) -> list[float]:
    """Milliseconds of each call, the first ones not counted."""
    awake = time.perf_counter() + UNCOUNTED
    run()
    while time.perf_counter() < awake:
        run()
    times: list[float] = []
    until = time.perf_counter() + seconds
    while not times or time.perf_counter() < until:
        if pause:
            time.sleep(pause)
        began = time.perf_counter()
        result = run()
        times.append(1e3 * (float(result) if isinstance(result, Seconds) else time.perf_counter() - began))
    return times


def settle() -> None:
    """Wait until this process's threads sleep: some spin for 60 ms after their work, and would slow down who comes next."""
    until = time.perf_counter() + LONGEST_SPIN
    while time.perf_counter() < until:
        before = time.process_time()
        time.sleep(PAUSE)
        if time.process_time() - before < 0.1 * PAUSE:
            return


def forget_high_water() -> None:
    """Let the high-water mark begin again at what is resident now."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def status(name: str) -> int:
    """A line of /proc/self/status, in kB."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))
