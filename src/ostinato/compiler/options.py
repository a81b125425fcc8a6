"""Options: each a function from program to program, so that each works for every cell and everywhere.

Not every order keeps their meaning, so there is one: normalise, recurrent_dropout, zoneout, reset, lengths.
`apply` sorts them; each refuses, with the reason, a cell that it cannot change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ..program.node import Level, Node, make, postorder
from ..program.program import Program, uniform
from ..program.table import PRODUCTS

ORDER = ("normalise", "recurrent_dropout", "zoneout", "reset", "lengths")


class OptionError(ValueError):
    """An option that a cell cannot have: which, and why."""


def apply(program: Program, options: Mapping[str, Any], *, training: bool = True) -> Program:
    """The program with the options, in the one order, whatever order they are given in.

    ``{"normalise": True, "recurrent_dropout": rate, "zoneout": rate, "reset": True or "given", "lengths": True}``;
    False, None or a rate of 0 leaves one out. Without `training` nothing is random: dropout is left out and
    zoneout takes its expectation. Raises `OptionError`.
    """
    for name in options:
        if name not in ORDER:
            raise OptionError(f"there is no option {name!r}; there are {', '.join(ORDER)}")
    make_option: dict[str, Callable[[Program, Any], Program]] = {
        "normalise": lambda p, _: normalise_affine(p),
        "recurrent_dropout": lambda p, rate: recurrent_dropout(p, rate, training=training),
        "zoneout": lambda p, rate: zoneout(p, rate, training=training),
        "reset": lambda p, how: reset(p, given=how == "given"),
        "lengths": lambda p, _: lengths(p),
    }
    for name in ORDER:
        if options.get(name):
            program = make_option[name](program, options[name])
    return program


# ---------------------------------------------------------------- layer normalisation of products


def normalise_affine(program: Program) -> Program:
    """Layer normalisation (Ba et al. 2016) of every product with trained weights: ``normalise(W v) * gain``.

    Each weight matrix gets one gain, a parameter named after it. Refused where a product is 1 wide, as it would
    become constant, or where there is none.
    """
    program = _begin(program, "normalise")
    sites = [n for n in program.nodes() if _is_trained_product(n)]
    if not sites:
        raise OptionError(f"normalise: cell {program.name} has no product of a trained matrix with its data")
    gains: dict[Node, Node] = {}
    for n in sites:
        if n.shape == (1,):
            raise OptionError(f"normalise: cell {program.name} has a product of width 1 ({_weight_name(n)}), which would become constant")
        if n.args[0] not in gains:
            name = _fresh(f"{_weight_name(n)}.gain", program)
            program, gains[n.args[0]] = program.with_param(name, n.shape, 1.0)
    chosen = set(sites)

    def change(node: Node, args: tuple[Node, ...]) -> Node | None:
        if node not in chosen:
            return None
        return make("normalise", make(node.op, *args), attr=1e-5) * gains[node.args[0]]

    return program.changed(change)


def _is_trained_product(n: Node) -> bool:
    return n.op in PRODUCTS and n.level > Level.PARAM and any(p.op == "param" for p in postorder([n.args[0]]))


def _weight_name(product: Node) -> str:
    return str(next(p.attr for p in postorder([product.args[0]]) if p.op == "param"))


def _fresh(name: str, program: Program) -> str:
    number = 2
    free = name
    while free in program.params:
        free, number = f"{name}{number}", number + 1
    return free


# ---------------------------------------------------------------- recurrent dropout


def recurrent_dropout(program: Program, rate: float, *, training: bool = True) -> Program:
    """Dropout of the state where products read it, one mask a sequence (Gal and Ghahramani, arXiv:1512.05287, 2016).

    Masked is a product's operand that carries a state: the state, its new value, or a multiple or a part of one.
    What stays is divided by 1 - rate. Refused where no product carries a state.
    """
    program = _begin(program, "recurrent_dropout")
    _check_rate("recurrent_dropout", rate)
    sites = recurrent_products(program)
    if not sites:
        raise OptionError(f"recurrent_dropout: cell {program.name} has no product with its state, so there is nothing to drop")
    if not training:
        return program
    masks: dict[str, Node] = {}
    for state in dict.fromkeys(sites.values()):
        draw = uniform(program.graph, _next_draw(program) + len(masks), program.states[state].width, Level.ROW)
        masks[state] = make("where", make("le", rate, draw), 1.0 / (1.0 - rate), 0.0)
        masks[state].label = f"mask.{state}"

    def masked(old: Node, new: Node, state: str) -> Node:
        """The rebuilt operand, with the mask where the state stands in it."""
        if old not in (program.states[state], program.new[state]) and old.op in ("mul", "neg", "slice"):
            carriers = [_carried(a, program) == state for a in old.args]
            if any(carriers):
                k = carriers.index(True)
                args = [masked(a, b, state) if i == k else b for i, (a, b) in enumerate(zip(old.args, new.args, strict=True))]
                return make(old.op, *args, attr=old.attr)
        return new * masks[state]

    def change(node: Node, args: tuple[Node, ...]) -> Node | None:
        if node not in sites:
            return None
        return make(node.op, args[0], masked(node.args[1], args[1], sites[node]))

    return program.changed(change)


def recurrent_weights(program: Program) -> list[str]:
    """The trained parameters of the matrices of products with a state: what DropConnect (``weight_dropout``) drops.

    Raises `OptionError` where there is none. `program` must have no options yet.
    """
    matrices = dict.fromkeys(n.args[0] for n in recurrent_products(program))
    trained = {p.node: name for name, p in program.params.items() if p.trained}
    found = [trained[p] for m in matrices for p in postorder([m]) if p in trained]
    if not found:
        raise OptionError(
            f"weight_dropout: cell {program.name} has no product of a trained matrix with its state, so there is nothing to drop"
        )
    return list(dict.fromkeys(found))


def recurrent_products(program: Program) -> dict[Node, str]:
    """The products that decide the next state and read a state, and which one.

    A matrix that reads a state once reads it always: the later products of an inner loop count too.
    """
    inside = postorder(program.new.values())
    products = [n for n in inside if n.op in PRODUCTS and n.level == Level.STATE]
    direct = {n: _carried(n.args[1], program) for n in products}
    by_weight = {n.args[0]: state for n, state in direct.items() if state is not None}

    def state_of(n: Node) -> str | None:
        known = direct[n] or by_weight.get(n.args[0])
        fits = known is not None and (direct[n] is not None or n.args[1].shape == program.states[known].shape)
        return known if fits else None

    return {n: known for n in products if (known := state_of(n)) is not None}


def _carried(v: Node, program: Program) -> str | None:
    """The state that a value carries: a state, its new value, a multiple or a part of one, or a function of one that enters."""
    for k, state in program.states.items():
        if k not in program.exempt and v in (state, program.new[k]):
            return k
    if v.op in ("mul", "neg", "slice"):
        return next((found for a in v.args if (found := _carried(a, program)) is not None), None)
    if v.op in ("tanh", "relu", "sigmoid") and v.args[0].op == "state":
        return _carried(v.args[0], program)
    return None


# ---------------------------------------------------------------- zoneout


def zoneout(program: Program, rate: float, *, training: bool = True) -> Program:
    """Each unit of each state keeps its old value with probability `rate` a step (Krueger et al., arXiv:1606.01305, 2017).

    Tied states keep or change together, exempt states always change. Without `training`, the mean of both.
    """
    program = _begin(program, "zoneout")
    _check_rate("zoneout", rate)
    group = {k: next((t for t in program.tied if k in t), (k,)) for k in program.states if k not in program.exempt}
    if not group:
        raise OptionError(f"zoneout: cell {program.name} has no state that may keep its value")
    new, draws = dict(program.new), dict[tuple[str, ...], Node]()
    for k, together in group.items():
        old = program.states[k]
        if not training:
            new[k] = rate * old + (1.0 - rate) * program.new[k]
            continue
        if together not in draws:
            draws[together] = uniform(program.graph, _next_draw(program) + len(draws), old.width, Level.STEP)
        if draws[together].width != old.width:
            raise OptionError(f"zoneout: cell {program.name} ties states of different widths: {', '.join(together)}")
        new[k] = make("where", make("lt", draws[together], rate), old, program.new[k])
    linked = program.output_state
    return replace(program, new=new, output=new[linked] if linked is not None else program.output)


# ---------------------------------------------------------------- resets and lengths


def reset(program: Program, *, given: bool = False) -> Program:
    """A step input ``reset`` of width 1: where it is not 0, every state starts again before this step.

    States start again from their own start or, with `given`, from sequence inputs ``start.state`` (a learned
    initial state, say, which so receives a gradient at every reset); exempt states from their own always.
    """
    program = _begin(program, "reset")
    program, flag = program.with_input("reset", 1)
    start: dict[Node, Node] = {}
    for k, state in program.states.items():
        if given and k not in program.exempt:
            program, start[state] = program.with_input(f"start.{k}", state.width, Level.ROW)
        else:
            start[state] = program.graph.const(program.start[k])

    def change(node: Node, args: tuple[Node, ...]) -> Node | None:
        return make("where", flag, start[node], node) if node in start else None

    return program.changed(change)


def lengths(program: Program) -> Program:
    """A step input ``valid`` of width 1: where it is 0 the output is 0, states stay and inputs are not read.

    NaN in what is not read harms neither values nor gradients.
    """
    program = _begin(program, "lengths")
    # Inputs are cleaned as they enter: a NaN that is only masked at the end still reaches gradients, as 0 · NaN.
    unclean = {n for k, n in program.inputs.items() if n.level == Level.STEP and k != "reset"}
    program, valid = program.with_input("valid", 1)

    def change(node: Node, args: tuple[Node, ...]) -> Node | None:
        return make("where", valid, node, 0.0) if node in unclean else None

    clean = program.changed(change)
    new = {k: make("where", valid, n, program.states[k]) for k, n in clean.new.items()}
    return replace(clean, new=new, output=make("where", valid, clean.output, 0.0))


# ---------------------------------------------------------------- what they share


def _begin(program: Program, name: str) -> Program:
    """The program with the option noted, if it may still come."""
    if name in program.options:
        raise OptionError(f"{name}: cell {program.name} has it already")
    later = [o for o in program.options if ORDER.index(o) > ORDER.index(name)]
    if later:
        raise OptionError(f"{name}: cell {program.name} has {later[0]} already, which must come after; give both to apply() at once")
    return replace(program, options=(*program.options, name))


def _check_rate(name: str, rate: float) -> None:
    if not 0 <= rate < 1:
        raise OptionError(f"{name}: the rate is {rate!r}; it must be at least 0 and less than 1")


def _next_draw(program: Program) -> int:
    """The first number that no draw of the program has."""
    return max((int(str(n.attr)) + 1 for n in program.leaves("uniform")), default=0)
