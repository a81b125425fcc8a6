"""One of a step's bytecodes, and where in a module's tensors its parameters and their gradients lie."""

from __future__ import annotations

from ..compiler.passes import Kind
from ..compiler.places import Space
from ..engine.executable import Executable
from ..program.program import Program
from .layout import Layout

# Addresses are listed in the plan's own order, for each kind of pass: then what each state has, and what follows.
_ORDER = {
    "infer": (["output"], ["state in", "state out"]),
    "train": (["output"], ["state in", "state out"]),
    "backward": (["grad output"], ["grad state in", "grad state out"]),
}


class Pass:
    """A loaded pass. Parameters, and their gradients, are places (tensor, element); gradients in tensors like `grad_tensors`."""

    def __init__(
        self, executable: Executable, program: Program, layout: Layout, kind: Kind, inputs: bool, params: bool, hoist: bool
    ) -> None:
        self.loaded = executable.load(kind, inputs, params, hoist)
        self.kernel, self.valid = self.loaded.kernel, self.loaded.valid
        self.tape_width = self.loaded.compiled.plan.sizes[Space.TAPE]  # numbers a row and step
        places = {}
        for name, slot, shape in layout.params(program):
            places[name] = (slot.tensor, slot.row * (shape[1] if len(shape) == 2 else 1))
        self.params = [places[name] for name in self.loaded.params]
        grads = [places[name] for name in self.loaded.grads]
        self.grad_tensors = sorted({tensor for tensor, _ in grads})
        self.grads = [(self.grad_tensors.index(tensor), element) for tensor, element in grads]
        self._check_order(kind, program)

    def _check_order(self, kind: Kind, program: Program) -> None:
        roles = [e.role for e in self.loaded.externs]
        middle, pair = _ORDER[kind]
        rest = roles.count("grad input")
        expected = ["input"] * len(program.inputs) + middle + pair * roles.count("state in" if kind != "backward" else "grad state in")
        assert roles == expected + ["grad input"] * rest, roles
