"""Cells: a function's signature read, the function run once on traced values, and the program that it leaves."""

from __future__ import annotations

import inspect
import operator
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, overload

from .node import Level, Node, make
from .program import Program
from .tracer import CellError, Trace, Tracer

Size = int | str
Function = Callable[..., Any]


class Cell:
    """A recurrent cell: named inputs, states and hyper-parameters, and the equations of one step.

    Made by `cell`. ``name``, ``doc``, ``inputs``, ``states`` and ``hyper`` (with their defaults) can be read;
    `trace` gives the program for concrete sizes.
    """

    def __init__(
        self,
        function: Function,
        size: Mapping[str, Size],
        start: Mapping[str, float],
        per_sequence: tuple[str, ...],
        tied: tuple[tuple[str, ...], ...],
        exempt: tuple[str, ...],
    ) -> None:
        self.function = function
        self.name = function.__name__
        self.doc = inspect.getdoc(function) or ""
        self.__module__, self.__qualname__, self.__doc__ = function.__module__, function.__qualname__, function.__doc__
        self.inputs, self.states, self.hyper = _read_signature(self, function)
        self.size, self.start = dict(size), {k: float(start.get(k, 0.0)) for k in self.states}
        self.per_sequence, self.tied, self.exempt = tuple(per_sequence), tuple(tuple(t) for t in tied), tuple(exempt)
        self._check_names("size", self.size, (*self.inputs, *self.states))
        self._check_names("start", start, self.states)
        self._check_names("per_sequence", self.per_sequence, self.inputs)
        self._check_names("tied", [k for group in self.tied for k in group], self.states)
        self._check_names("exempt", self.exempt, self.states)
        if set(self.inputs) <= set(self.per_sequence):
            raise self._error("every input is given once a sequence", "one input at least must come with every step")

    def trace(self, input_size: int, hidden_size: int, **hyper: Any) -> Program:
        """The program of one step, for a first input of `input_size` and states of `hidden_size`.

        Raises `CellError` for a mistake in the equations or in a hyper-parameter.
        """
        settings = self._settings(hyper)
        widths = self._widths(_count(self, "input_size", input_size), _count(self, "hidden_size", hidden_size), settings)
        trace = Trace(self.name, self.function.__code__, operator.index(hidden_size))
        levels = {k: Level.ROW if k in self.per_sequence else Level.STEP for k in self.inputs}
        inputs = {k: trace.graph.leaf("input", k, (widths[k],), levels[k]) for k in self.inputs}
        states = {k: trace.graph.leaf("state", k, (widths[k],), Level.STATE) for k in self.states}
        with trace.active():
            returned = _run(trace, self.function, [Tracer(n, trace) for n in (*inputs.values(), *states.values())], settings)
            local = {k: v.node for k, v in trace.final.f_locals.items() if isinstance(v, Tracer)} if trace.final else {}
            output, new = _read_return(trace, returned, states, local)
        _label(trace, local, states, new, {*inputs, *states})
        return Program(
            name=self.name, graph=trace.graph, hidden_size=trace.hidden_size, inputs=inputs, states=states, start=dict(self.start),
            new=new, output=output, params=dict(trace.params), tied=self.tied, exempt=self.exempt,
        )  # fmt: skip

    def with_(self, **hyper: Any) -> Cell:
        """The same cell with other defaults of its hyper-parameters."""
        return _variant(self, self._settings(hyper, complete=False))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Inside another cell's function: the equations of this one, as part of that."""
        from .tracer import current

        current()
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<cell {self.name}: {', '.join(self.inputs)} / {', '.join(self.states)}>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        return self.__qualname__

    def __copy__(self) -> Cell:
        return self

    def __deepcopy__(self, memo: object) -> Cell:
        return self

    def _error(self, cause: str, cure: str = "") -> CellError:
        return CellError(self.name, self.function.__code__.co_firstlineno, cause, cure)

    def _check_names(self, option: str, names: Any, allowed: tuple[str, ...]) -> None:
        for name in names:
            if name not in allowed:
                raise self._error(f"{option} names {name!r}, which is none of {_listed(allowed)}", "correct the name or the signature")

    def _settings(self, hyper: Mapping[str, Any], complete: bool = True) -> dict[str, Any]:
        for name in hyper:
            if name not in self.hyper:
                raise self._error(f"there is no hyper-parameter {name!r}", f"it has {_listed(tuple(self.hyper)) or 'none'}")
        settings = {**self.hyper, **hyper}
        for name, value in settings.items():
            if value is inspect.Parameter.empty and complete:
                raise self._error(f"the hyper-parameter {name!r} has no value", f"give {name}=... or a default in the signature")
        return settings

    def _widths(self, input_size: int, hidden_size: int, settings: Mapping[str, Any]) -> dict[str, int]:
        widths: dict[str, int] = {}
        for name in (*self.inputs, *self.states):
            wanted = self.size.get(name, input_size if name in self.inputs else hidden_size)
            if isinstance(wanted, str):
                if wanted not in settings and wanted not in widths:
                    raise self._error(f"the size of {name!r} is {wanted!r}, which is no hyper-parameter and no earlier input or state")
                wanted = settings[wanted] if wanted in settings else widths[wanted]
            widths[name] = _count(self, f"the size of {name!r}", wanted)
        if widths[self.inputs[0]] != input_size:
            raise self._error(f"input {self.inputs[0]!r} is {widths[self.inputs[0]]} wide, not {input_size}", "give that input_size")
        return widths


@overload
def cell(function: Function) -> Cell: ...
@overload
def cell(
    *,
    size: Mapping[str, Size] = ...,
    start: Mapping[str, float] = ...,
    per_sequence: tuple[str, ...] = ...,
    tied: tuple[tuple[str, ...], ...] = ...,
    exempt: tuple[str, ...] = ...,
) -> Callable[[Function], Cell]: ...
def cell(
    function: Function | None = None,
    *,
    size: Mapping[str, Size] | None = None,
    start: Mapping[str, float] | None = None,
    per_sequence: tuple[str, ...] = (),
    tied: tuple[tuple[str, ...], ...] = (),
    exempt: tuple[str, ...] = (),
) -> Cell | Callable[[Function], Cell]:
    """Make a `Cell` of a function of inputs, states and hyper-parameters: ``f(inputs, /, states, *, hyper)``.

    Without ``/`` the first argument is the input. The function returns the new states in order, with one
    more value in front if the output is no state. It runs once for each choice of sizes, on traced values.

    size: widths that differ from the input's and the hidden size: a number, a hyper-parameter, another input's name.
    start: what a state starts from (0 otherwise). per_sequence: inputs given once a sequence.
    tied: states that zoneout keeps or replaces together. exempt: states that it leaves alone.
    """

    def make_cell(f: Function) -> Cell:
        return Cell(f, size or {}, start or {}, per_sequence, tied, exempt)

    return make_cell if function is None else make_cell(function)


class _Variant(Cell):
    """A cell with other defaults, which pickles by the cell it came from."""

    base: Cell

    def __reduce__(self) -> tuple[Any, ...]:
        return _variant, (self.base, self.hyper)


def _variant(base: Cell, hyper: dict[str, Any]) -> Cell:
    made = _Variant(base.function, base.size, base.start, base.per_sequence, base.tied, base.exempt)
    made.base, made.hyper = base, hyper
    return made


# ---------------------------------------------------------------- the signature


def _read_signature(self: Cell, function: Function) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, Any]]:
    """The names of inputs and states, and the hyper-parameters with their defaults."""
    kinds = inspect.Parameter
    given = list(inspect.signature(function).parameters.values())
    for p in given:
        if p.kind in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD):
            raise self._error(f"the signature has {p}", "name every input, state and hyper-parameter")
        if p.kind != kinds.KEYWORD_ONLY and p.default is not kinds.empty:
            raise self._error(f"{p.name!r} has a default", "hyper-parameters come after a *; inputs and states have no default")
    inputs = [p.name for p in given if p.kind == kinds.POSITIONAL_ONLY]
    states = [p.name for p in given if p.kind == kinds.POSITIONAL_OR_KEYWORD]
    if not inputs and not states:
        raise self._error("the function takes no input", "write def f(x, h): inputs first, then states")
    if not inputs:
        inputs, states = states[:1], states[1:]
    if not states:
        raise self._error("the function takes no state", "write def f(x, h); with several inputs def f(x, y, /, h)")
    hyper = {p.name: p.default for p in given if p.kind == kinds.KEYWORD_ONLY}
    if clash := {"input_size", "hidden_size"} & set(hyper):
        raise self._error(f"a hyper-parameter is called {clash.pop()!r}", "that name is taken; rename it")
    return tuple(inputs), tuple(states), hyper


def _count(self: Cell, what: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number < 1 or isinstance(value, bool):
        raise self._error(f"{what} is {value!r}", "a width is a whole number from 1")
    return number


# ---------------------------------------------------------------- the run


def _run(trace: Trace, function: Function, arguments: list[Tracer], settings: Mapping[str, Any]) -> Any:
    """Call the function and keep its frame as it returns, for the names of its local variables."""
    old = sys.getprofile()

    def hook(frame: FrameType, event: Any, arg: object) -> None:
        if event == "return" and frame.f_code is trace.code:
            trace.final = frame
        if old is not None:
            old(frame, event, arg)

    if old is not None and not callable(old):  # a profiler in C, which could not be put back
        return function(*arguments, **settings)
    sys.setprofile(hook)
    try:
        return function(*arguments, **settings)
    finally:
        sys.setprofile(old)


def _read_return(trace: Trace, returned: Any, states: Mapping[str, Node], local: Mapping[str, Node]) -> tuple[Node, dict[str, Node]]:
    """The output and the states' new values, of what the function returned."""
    order = "(" + ", ".join(states) + ")"
    values = list(returned) if isinstance(returned, (tuple, list)) else [returned]
    if returned is None:
        raise trace.error("the function returns nothing", f"return the new states, {order}")
    if len(values) not in (len(states), len(states) + 1):
        raise trace.error(
            f"the number of values returned is {len(values)} and of states is {len(states)}, {order}",
            "return every state in this order, and in front of them the output if it is no state",
        )
    nodes = [trace.lift(v) for v in values]
    extra = len(nodes) - len(states)
    _check_places(trace, dict(zip(states, nodes[extra:], strict=True)), states, local)
    new = {k: _as_state(trace, k, n, states[k]) for k, n in zip(states, nodes[extra:], strict=True)}
    output = _with_rows(trace, nodes[0], "the output") if extra else new[next(iter(states))]
    return output, new


def _check_places(trace: Trace, new: Mapping[str, Node], states: Mapping[str, Node], local: Mapping[str, Node]) -> None:
    """Refuse a state's new value in another state's place; an old value may move on (a delay line)."""
    changed = {k: local[k] for k in states if k in local and local[k] is not states[k]}
    for place, node in new.items():
        for k, value in changed.items():
            lost = place in changed and changed[place] not in new.values()
            if k != place and value is node and changed.get(place) is not node and (new[k] is not node or lost):
                raise trace.error(
                    f"{k} is returned in the place of {place}", f"return the states in the order of the signature, ({', '.join(states)})"
                )


def _as_state(trace: Trace, name: str, node: Node, old: Node) -> Node:
    if node.is_scalar and old.shape != (1,):
        node = make("expand", node, attr=old.shape)
    if node.shape != old.shape:
        raise trace.error(
            f"state {name} comes in with shape {old.shape} and goes out with shape {node.shape}",
            f'bring it to its width, as in linear("{name}_out", v=value, to={old.width}), or declare another size={{"{name}": ...}}',
        )
    return _with_rows(trace, node, f"state {name}")


def _with_rows(trace: Trace, node: Node, what: str) -> Node:
    if len(node.shape) != 1:
        raise trace.error(f"{what} is a matrix of shape {node.shape}", "return vectors")
    return make("rows", node) if node.level == Level.PARAM else node


def _label(trace: Trace, local: Mapping[str, Node], states: Mapping[str, Node], new: Mapping[str, Node], taken: set[str]) -> None:
    """Name nodes for people: local variables first, then states as they leave (``h'``), then products by their gates."""
    used = set(taken) | set(trace.params)
    names = [(n, k) for k, n in local.items() if k not in taken]
    names += [(n, k + "'") for k, n in new.items()]
    names += [(n, k + "_") for k, n in local.items() if k in states]
    for node, name in [*names, *((n, gate) for n, gate in trace.gates)]:
        if node.label is None and name not in used:
            node.label = name
            used.add(name)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)
