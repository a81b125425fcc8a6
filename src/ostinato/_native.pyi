"""The native engine; docs/bytecode.md is its contract."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

class Kernel:
    """A verified bytecode. Raises ValueError with the place and the cause."""
    def __init__(self, words: npt.NDArray[np.int32], consts: npt.NDArray[np.float64]) -> None: ...

class Weights:
    """The prologue's values and the packed matrices of one kernel in one type."""
    def __init__(self, kernel: Kernel, double: bool, isa: str = "") -> None: ...
    def update(self, params: list[int]) -> None: ...

class Tape:
    """Pooled memory between a forward and a backward pass."""
    def __init__(self, nbytes: int) -> None: ...
    @property
    def address(self) -> int: ...
    @property
    def nbytes(self) -> int: ...

class Expected:
    """What a call's parameters must be, if there is nothing special about them."""
    def __init__(self, types: Sequence[type], shapes: Sequence[Sequence[int]]) -> None: ...
    def met(self, tensors: Sequence[object], beside: Sequence[object]) -> bool: ...

class Route:
    """One pass over tensors of one size: where in them its externs and parameters lie."""
    def __init__(
        self,
        steps: int,
        rows: int,
        externs: Sequence[tuple[int, int, int, int, int]],
        params: Sequence[tuple[int, int]],
        grads: Sequence[tuple[int, int]],
        first_step: int,
        stream: int,
        valid: int,
    ) -> None: ...
    def run(
        self,
        weights: Weights,
        tensors: Sequence[object],
        params: Sequence[object],
        grads: Sequence[object],
        tape: int,
        tape_bytes: int,
        seed: int,
        threads: int,
    ) -> None: ...

class Shelf:
    """Packed weights of one bytecode, as many as calls are under way at once; `make` makes new ones."""
    def __init__(self, make: Callable[[], Weights]) -> None: ...

class Record:
    """What the forward pass of training leaves for the backward pass; of one layer, from tapes (address, bytes) of its directions."""
    def __init__(self, tapes: Sequence[tuple[int, int]]) -> None: ...

class Course:
    """One pass of some layers over tensors of one size: inputs, initial states if given, parameters."""
    def __init__(
        self,
        layers: Sequence[Sequence[tuple[Any, ...]]],
        outputs: Sequence[Sequence[int]],
        states: Sequence[Sequence[int]],
        starts: Sequence[float],
        n_inputs: int,
        has_states: bool,
        single: bool,
        packed: bool,
        to_inputs: bool,
    ) -> None: ...
    def infer(self, tensors: Sequence[Any], seed: int, threads: int) -> tuple[Any, ...]: ...
    def train(self, tensors: Sequence[Any], seed: int, threads: int, memory: Sequence[int]) -> tuple[tuple[Any, ...], Record]: ...
    def backward(self, tensors: Sequence[Any], record: Record, grads: Sequence[Any], seed: int, threads: int) -> tuple[Any, ...]: ...

def make_tensors_by(empty_like: Callable[..., Any], readable: Callable[..., Any]) -> None: ...
def read_tensors_by(table: object) -> None: ...
def readable(tensors: Sequence[object]) -> bool: ...
def instruction_sets() -> list[str]: ...
def tape_bytes(kernel: Kernel, double: bool, steps: int, rows: int, threads: int = 1) -> int: ...
def run(
    weights: Weights,
    steps: int,
    rows: int,
    externs: list[int],
    tape: int,
    tape_bytes: int,
    grads: list[int],
    first_step: int = 0,
    seed: int = 0,
    stream: int = 0,
    threads: int = 1,
    valid: int = -1,
) -> None: ...
def pointwise(name: str, double: bool, isa: str, n: int, dst: int, a: int, b: int, c: int) -> None: ...
def set_thread_pool(name: str, path: str = "") -> None: ...
