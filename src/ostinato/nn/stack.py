"""What a recurrent module is made of: layers and directions of one cell, and the programs that they run."""

from __future__ import annotations

import dataclasses
import json
import threading
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from torch import Tensor
from torch.nn import Parameter

from .. import _native, cells
from ..compiler.options import OptionError, apply, recurrent_weights
from ..compiler.passes import Kind
from ..engine.executable import Executable
from ..program.cell import Cell
from ..program.node import Level
from ..program.program import Program
from .emit import Emitted
from .layout import Layout, separate, stacked
from .passes import Pass

_RANDOM = ("zoneout", "recurrent_dropout")  # options that draw in training


class Mode(NamedTuple):
    """What of a call changes the program."""

    training: bool = False
    reset: bool = False
    lengths: bool = False


@lru_cache
def columns_of(count: int, reset: bool, valid: bool, directions: int, starts: int) -> tuple[tuple[int, ...], ...]:
    """Tensors: the cell's inputs, reset for each direction, valid, learned starts for each direction. Programs have valid last."""
    flags = count + directions * reset
    first = flags + valid
    return tuple(
        (*range(count), *([count + d] if reset else []), *range(first + d * starts, first + (d + 1) * starts), *([flags] if valid else []))
        for d in range(directions)
    )


class Step:
    """The program of one layer, in every form in which it runs; its directions share it."""

    def __init__(self, program: Program, layout: Layout) -> None:
        self.program, self.layout = program, layout
        self.inputs = tuple((k, n.width, n.level == Level.STEP) for k, n in program.inputs.items())
        self.states = tuple((k, n.width, program.start[k]) for k, n in program.states.items())
        self.width = program.output.width

        self.executable = Executable(program)
        self._passes: dict[tuple[Kind, bool, bool, bool], Pass] = {}

    def load(self, kind: Kind, inputs: bool = True, params: bool = True, hoist: bool = False) -> Pass:
        """The bytecode of one pass, compiled when first asked for; see `Executable.load`."""
        key = (kind, inputs, params, hoist and kind != "backward")
        found = self._passes.get(key)
        if found is None:
            found = self._passes.setdefault(key, Pass(self.executable, self.program, self.layout, *key))
        return found

    @cached_property
    def emitted(self) -> Emitted:
        """The program as torch operations."""
        return Emitted(self.program)


@dataclass(frozen=True)
class Spec:
    """All that decides a stack's programs."""

    cell: Cell
    input_size: int
    hidden_size: int | tuple[int, ...]  # one for all layers, or each layer's own
    num_layers: int = 1
    directions: int = 1
    bias: bool = True
    stacked: bool = False  # parameters lie as torch.nn's
    hyper: tuple[tuple[str, Any], ...] = ()
    options: tuple[tuple[str, Any], ...] = ()
    residual: bool = False
    skip: bool = False
    merge: str = "concat"
    learn_initial_state: bool = False

    @property
    def sizes(self) -> tuple[int, ...]:
        """The layers' own sizes; none where all have one."""
        return self.hidden_size if isinstance(self.hidden_size, tuple) else ()

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """Each layer's hidden size."""
        return self.hidden_size if isinstance(self.hidden_size, tuple) else (self.hidden_size,) * self.num_layers

    @property
    def joined(self) -> bool:
        """Whether more than dropout lies between the layers, so that each is a call of its own."""
        return self.residual or self.skip or self.merge != "concat" or bool(self.sizes) or self.learn_initial_state


class Stack:
    """Layers and directions of one cell. Stacks hold no parameters; modules of the same sizes share one."""

    def __init__(self, spec: Spec) -> None:
        self.spec, self.name = spec, _name(spec)
        _named[self.name] = self
        self._steps: dict[Mode, tuple[Step, ...]] = {}
        self._lock = threading.Lock()
        first = self.steps_plain()[0]
        self.inputs, self.states = first.inputs, first.states
        self.tensors = [t for step in self.steps_plain() for t in step.layout.tensors * spec.directions]  # name and shape of each
        self.expected = _native.Expected((Tensor, Parameter), [shape for _, shape in self.tensors])
        self.counts = tuple(spec.directions * len(step.layout.tensors) for step in self.steps_plain())  # of parameters, a layer
        self.alike = len(set(self.counts)) == 1 and not spec.joined  # so that all layers may be one call
        # Counters and last values are no one's to learn.
        self.learned = tuple(k for k, _, _ in self.states if k not in first.program.exempt) if spec.learn_initial_state else ()
        if spec.learn_initial_state and not self.learned:
            raise OptionError(f"learn_initial_state: cell {spec.cell.name} has no state but counters and last values")
        self._random = any(n.op == "uniform" for n in first.program.nodes())

    def steps(self, mode: Mode) -> tuple[Step, ...]:
        """One step a layer; raises `CellError` or `OptionError` for a cell that cannot be had so."""
        if not self.spec.options:  # only options of training draw random numbers
            mode = mode._replace(training=False)
        if mode not in self._steps:
            with self._lock:
                if mode not in self._steps:
                    self._steps[mode] = self._build(mode)
        return self._steps[mode]

    def draws(self, training: bool) -> bool:
        """Whether calls draw random numbers."""
        return self._random or (training and any(k in _RANDOM for k, _ in self.spec.options))

    def columns(self, mode: Mode) -> tuple[tuple[int, ...], ...]:
        """For each direction, which of a call's input tensors is each of the program's inputs."""
        return columns_of(len(self.inputs), mode.reset, mode.lengths, self.spec.directions, len(self.learned) * mode.reset)

    def recurrent_weights(self) -> frozenset[str]:
        """The parameters of the matrices that meet a state."""
        spec = self.spec
        return frozenset(recurrent_weights(spec.cell.trace(spec.input_size, spec.layer_sizes[0], **dict(spec.hyper))))

    def steps_plain(self) -> tuple[Step, ...]:
        """The steps of a call with nothing beyond the cell and its options: all have the same parameters."""
        return self.steps(Mode())

    def _build(self, mode: Mode) -> tuple[Step, ...]:
        spec, read = self.spec, self.spec.input_size
        made: dict[tuple[int, int], Step] = {}
        steps: list[Step] = []
        for layer, hidden in enumerate(spec.layer_sizes):
            size = (read + spec.input_size * (spec.skip and layer > 0), hidden)
            step = made.get(size) or made.setdefault(size, self._step(*size, mode))
            self._check_inputs(steps[0] if steps else step, step)
            given = step.width * (spec.directions if spec.merge == "concat" else 1)
            if spec.residual and layer and given != read:
                raise ValueError(
                    f"residual: layer {layer} is given {read} numbers a step and gives {given}: they cannot be added; use equal sizes"
                )
            steps.append(step)
            read = given
        return tuple(steps)

    def _check_inputs(self, first: Step, step: Step) -> None:
        """All layers read the same further inputs."""
        for (name, width, _), (_, later, _) in list(zip(first.inputs, step.inputs, strict=True))[1:]:
            if name in self.spec.cell.inputs and width != later:
                raise ValueError(
                    f"cell {self.spec.cell.name}: input {name!r} is as wide as the first input, which is {width} wide in the first layer "
                    f"and {later} in a later one; use num_layers=1 or hidden_size={width // self.spec.directions}"
                )

    def _step(self, input_size: int, hidden_size: int, mode: Mode) -> Step:
        spec = self.spec
        program = spec.cell.trace(input_size, hidden_size, **dict(spec.hyper))
        lay = stacked if spec.stacked else separate
        program, layout = lay(program, spec.bias)
        asked = dict(spec.options) | {"reset": "given" if mode.reset and spec.learn_initial_state else mode.reset, "lengths": mode.lengths}
        with_options = apply(program, asked, training=mode.training)
        if set(with_options.params) != set(program.params):  # an option brought parameters of its own
            layout = separate(with_options, True)[1]
        return Step(with_options, layout)

    def __reduce__(self) -> tuple[Any, ...]:
        return get_stack, (self.spec,)

    def __deepcopy__(self, memo: object) -> Stack:
        return self


_stacks: dict[Spec, Stack] = {}


def get_stack(spec: Spec) -> Stack:
    """The stack of that specification; made once."""
    try:
        stack = _stacks.get(spec)
    except TypeError:  # a hyper-parameter that cannot be a key
        return Stack(spec)
    return stack or _stacks.setdefault(spec, Stack(spec))


# ---------------------------------------------------------------- names, by which operators of torch carry a stack

_FOREIGN = "a cell of one process: "
_named: dict[str, Stack] = {}


def _name(spec: Spec) -> str:
    """A name of the specification; where the cell is of the library, any process can read it."""
    fields = {f.name: getattr(spec, f.name) for f in dataclasses.fields(spec) if f.name != "cell"}
    if spec.cell.name in cells.names() and cells.get(spec.cell.name) is spec.cell:
        try:
            return json.dumps({"cell": spec.cell.name, **fields})
        except TypeError:  # a hyper-parameter that is no plain data
            pass
    return f"{_FOREIGN}{spec.cell.name} {id(spec.cell)} {fields}"


def stack_of(name: str) -> Stack:
    """The stack of that name."""
    if name not in _named:
        if name.startswith(_FOREIGN):
            raise RuntimeError(f"this program needs a cell that is not in ostinato.cells: build its layer in this process first ({name})")
        fields: dict[str, Any] = json.loads(name)
        if isinstance(fields["hidden_size"], list):
            fields["hidden_size"] = tuple(fields["hidden_size"])
        for k in ("hyper", "options"):
            fields[k] = tuple((a, tuple(b) if isinstance(b, list) else b) for a, b in fields[k])
        get_stack(Spec(**fields | {"cell": cells.get(fields["cell"])}))
    return _named[name]
