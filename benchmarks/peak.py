"""The measured peak: multiply-adds a second that the processor reaches where nothing but arithmetic is in the way.

A loop in C over registers, compiled here by the system's compiler, on one thread and on as many as the layers get; and
torch.mm on square matrices beside it, which stands in where there is no compiler.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from .problem import Problem
from .worker import Made, Seconds

TURNS = 1_000_000  # of the loop in a call
SIZES = (256, 512, 1024, 2048)
GIGA = 1e9
FLAGS = ("-O3", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC")


def registers(problem: Problem) -> Made:
    """The loop in C, by the number of threads: a run returns the seconds of 10⁹ multiply-adds. Raises OSError without a compiler."""
    function, scale = compiled(problem.dtype)
    most = int(os.environ["OMP_NUM_THREADS"])
    pool = ThreadPoolExecutor(most)

    def work(_: int) -> int:
        return int(function(TURNS, scale(0.999), ctypes.byref(scale())))

    def on(threads: int) -> Callable[[], Seconds]:
        return lambda: timed(lambda: sum(pool.map(work, range(threads))))

    return Made({f"{threads} threads": on(threads) for threads in sorted({1, most})})


def beside(problem: Problem) -> Made:
    """The loop on all threads, between the turns of libraries."""
    run = list(registers(problem).runs.values())[-1]
    return Made(dict.fromkeys(("training", "inference"), run))


def products(problem: Problem) -> Made:
    """torch.mm on all threads, by size, in the same unit."""
    dtype = getattr(torch, problem.dtype)

    def of(size: int) -> Callable[[], Seconds]:
        a, b, c = (torch.randn(size, size, dtype=dtype) for _ in range(3))

        def run() -> int:
            torch.mm(a, b, out=c)
            return size**3

        return lambda: timed(run)

    return Made({f"{size} x {size}": of(size) for size in SIZES})


def timed(work: Callable[[], int]) -> Seconds:
    began = time.perf_counter()
    done = work()
    return Seconds((time.perf_counter() - began) * GIGA / done)


def compiled(dtype: str) -> tuple[Any, type]:
    """The loop for numbers of a type."""
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    if compiler is None:
        raise OSError("no C compiler is here")
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "peak.so"
        subprocess.run([compiler, *FLAGS, str(Path(__file__).with_suffix(".c")), "-o", str(made)], check=True)
        library = ctypes.CDLL(str(made))
    name, kind = {"float32": ("float", ctypes.c_float), "float64": ("double", ctypes.c_double)}[dtype]
    function = getattr(library, f"peak_{name}")
    function.argtypes, function.restype = [ctypes.c_long, kind, ctypes.POINTER(kind)], ctypes.c_long
    return function, kind
