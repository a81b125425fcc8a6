"""The engine for NumPy arrays: a whole sequence forward, and forward and backward.

Shapes: a step input is (time, batch, width), a sequence input and a state (batch, width), a parameter its own.
Arrays are converted to `dtype` and laid out as the engine needs them; results are new arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _native
from ..program.oracle import Draws
from .executable import Executable, Loaded, addresses, get_num_threads, hoists

Array = npt.NDArray[Any]
Arrays = Mapping[str, npt.ArrayLike]
Named = dict[str, Array]


@dataclass
class Training:
    """A forward pass that can be gone back through, once or many times."""

    output: Array
    states: dict[str, Array]
    _call: _Call
    _tape: _native.Tape

    def backward(self, output_grad: npt.ArrayLike | None, state_grads: Arrays | None = None) -> tuple[Named, Named, Named]:
        """The gradients of inputs, initial states and trained parameters, given those of the output and final states."""
        call = self._call
        loaded = call.executable.load("backward")
        given = {("grad output", "output"): call.array(output_grad, "gradient of the output", self.output.shape)}
        given |= {
            ("grad state in", k): call.array(v, f"gradient of state {k!r}", self.states[k].shape) for k, v in (state_grads or {}).items()
        }
        made, grads = call.run(loaded, given, self._tape)
        inputs = {e.name: made[e.role, e.name] for e in loaded.externs if e.role == "grad input"}
        states = {e.name: made[e.role, e.name] for e in loaded.externs if e.role == "grad state out"}
        inputs |= {k: states.pop(k) for k in list(states) if k in call.inputs}
        return inputs, states, grads


class _Call:
    """Checked arrays of one call."""

    def __init__(
        self, executable: Executable, params: Arrays, inputs: Arrays, states: Arrays | None,
        dtype: npt.DTypeLike, reverse: bool, draws: Draws, threads: int, isa: str,
    ) -> None:  # fmt: skip
        program = executable.program
        self.executable, self.dtype, self.reverse, self.draws, self.isa = executable, np.dtype(dtype), reverse, draws, isa
        self.threads = threads or get_num_threads()
        if self.dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype {self.dtype}: the engine computes in float32 or float64")
        self.inputs = {k: np.ascontiguousarray(inputs[k], self.dtype) for k in program.inputs}
        self.length, self.batch = program.sizes(self.inputs)
        self.params = {k: self.array(params[k], f"parameter {k!r}", p.node.shape) for k, p in program.params.items()}
        unknown = [k for k in (states or {}) if k not in program.states]
        if unknown:
            raise ValueError(f"cell {program.name} has no state {unknown[0]!r}: its states are {', '.join(program.states)}")
        self.states = {k: self.array(v, f"state {k!r}", (self.batch, program.states[k].width)) for k, v in (states or {}).items()}

    def array(self, value: npt.ArrayLike | None, what: str, shape: tuple[int, ...]) -> Array | None:
        if value is None:
            return None
        array = np.ascontiguousarray(value, self.dtype)
        if array.shape != shape:
            raise ValueError(f"cell {self.executable.program.name}: {what} has shape {array.shape}, not {shape}")
        return array

    def run(
        self, loaded: Loaded, given: dict[tuple[str, str], Array | None], tape: _native.Tape | None
    ) -> tuple[dict[tuple[str, str], Array], Named]:
        """Run one pass: what it writes, by role and name, and the parameters' gradients."""
        given = {**{("input", k): v for k, v in self.inputs.items()}, **given}
        made: dict[tuple[str, str], Array] = {}
        externs: list[int] = []
        for e in loaded.externs:
            stepwise = e.kind < 2
            shape = (self.length, self.batch, e.width) if stepwise else (self.batch, e.width)
            array = given.get((e.role, e.name))
            if e.kind in (1, 3):
                array = made[e.role, e.name] = np.empty(shape, self.dtype)
            externs += [0, 0, 0] if array is None else self._extern(array, stepwise)
        weights = loaded.weights(self.dtype == np.float64, self.isa)
        weights.update(addresses([self.params[k] for k in loaded.params]))
        shapes = dict(loaded.compiled.plan.grads)
        grads = {k: np.empty(self.executable.program.params[k].node.shape, self.dtype) for k in shapes}
        _native.run(
            weights, self.length, self.batch, externs,
            tape.address if tape else 0, tape.nbytes if tape else 0, addresses([grads[k] for k in loaded.grads]),
            self.draws.first_step, self.draws.seed, self.draws.stream, self.threads, loaded.valid,
        )  # fmt: skip
        return made, grads

    def _extern(self, array: Array, stepwise: bool) -> list[int]:
        width = array.shape[-1]
        step = array.shape[1] * width if stepwise else 0
        if self.reverse and stepwise and self.length:
            return [array.ctypes.data + (self.length - 1) * step * array.itemsize, -step, width]
        return [array.ctypes.data, step, width]


def forward(
    executable: Executable, params: Arrays, inputs: Arrays, states: Arrays | None = None, *,
    dtype: npt.DTypeLike = np.float32, reverse: bool = False, draws: Draws | None = None, threads: int = 0, isa: str = "",
) -> tuple[Array, dict[str, Array]]:  # fmt: skip
    """Run a program over whole sequences: the output (time, batch, width) and the final states (batch, width).

    States that are not given start at the program's own values; with `reverse` the steps are taken from the last
    to the first. `isa` forces an instruction set.
    """
    call = _Call(executable, params, inputs, states, dtype, reverse, draws or Draws(), threads, isa)
    loaded = executable.load("infer", hoist=hoists(call.length, call.batch))
    made, _ = call.run(loaded, {("state in", k): v for k, v in call.states.items()}, None)
    return made["output", "output"], {k: made["state out", k] for k in executable.program.states}


def train(
    executable: Executable, params: Arrays, inputs: Arrays, states: Arrays | None = None, *,
    dtype: npt.DTypeLike = np.float32, reverse: bool = False, draws: Draws | None = None, threads: int = 0, isa: str = "",
) -> Training:  # fmt: skip
    """As `forward`, keeping what the backward pass needs."""
    call = _Call(executable, params, inputs, states, dtype, reverse, draws or Draws(), threads, isa)
    loaded = executable.load("train", hoist=hoists(call.length, call.batch))
    tape = _native.Tape(_native.tape_bytes(loaded.kernel, call.dtype == np.float64, call.length, call.batch, call.threads))
    made, _ = call.run(loaded, {("state in", k): v for k, v in call.states.items()}, tape)
    return Training(made["output", "output"], {k: made["state out", k] for k in executable.program.states}, call, tape)
