"""A program on the native engine: its three passes, compiled when first asked for and kept."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from .. import _native
from ..compiler.driver import Compiled, compile_program
from ..compiler.passes import Extern, Kind
from ..program.program import Program


@dataclass(frozen=True)
class Loaded:
    """One pass, verified by the engine."""

    compiled: Compiled
    kernel: _native.Kernel

    @property
    def externs(self) -> list[Extern]:
        """The caller's arrays, in the order in which `run` takes their addresses."""
        return self.compiled.plan.externs

    @property
    def valid(self) -> int:
        """The extern that says which steps are real, -1 for none: of others blocks of rows are spared."""
        program = self.compiled.program
        return list(program.inputs).index("valid") if "lengths" in program.options else -1

    @property
    def params(self) -> list[str]:
        """The parameters, in the order in which `Weights.update` takes their addresses."""
        return [name for name, _ in self.compiled.plan.params]

    @property
    def grads(self) -> list[str]:
        """The parameters whose gradients a backward pass writes, in the order of `run`'s addresses."""
        return [name for name, _ in self.compiled.plan.grads]

    def weights(self, double: bool, isa: str = "") -> _native.Weights:
        """Memory for packed weights of one type; fill it with `update` and the parameters' addresses."""
        return _native.Weights(self.kernel, double, isa)


def hoists(steps: int, rows: int) -> bool:
    """Whether products with the input are worth a pass of their own over all steps: few rows read many weights at every step."""
    return rows < 4 and steps >= 8


class Executable:
    """A program and its passes. Threads may share it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._loaded: dict[tuple[Kind, bool, bool, bool], Loaded] = {}
        self._lock = threading.Lock()

    def load(self, kind: Kind, inputs: bool = True, params: bool = True, hoist: bool = False) -> Loaded:
        """The pass "infer", "train" or "backward"; the last two must be asked for with the same `inputs` and `params`.

        `hoist`, of the first two, changes no result: see `hoists`.
        """
        wanted = (True, True) if kind == "infer" else (inputs, params)
        key = (kind, *wanted, hoist and kind != "backward")
        if key not in self._loaded:
            with self._lock:
                if key not in self._loaded:
                    compiled = compile_program(self.program, kind, inputs=inputs, params=params, hoist=key[3])
                    code = compiled.bytecode
                    self._loaded[key] = Loaded(compiled, _native.Kernel(code.words, code.consts))
        return self._loaded[key]


_threads = 0


def set_num_threads(count: int) -> None:
    """How many threads a call of the NumPy engine and of streams may use (layers of `ostinato.nn` ask torch)."""
    global _threads
    if count < 1:
        raise ValueError(f"set_num_threads({count}): at least one thread is needed")
    _threads = count


def get_num_threads() -> int:
    """The number of threads in use outside `ostinato.nn`; by default all cores that the process may run on."""
    return _threads or len(os.sched_getaffinity(0))


def addresses(arrays: Sequence[object]) -> list[int]:
    """The addresses of NumPy arrays."""
    return [a.ctypes.data for a in arrays]  # type: ignore[attr-defined]
