"""Flags from parameters: what `tasks.parameters` says of a parameter is all that the command line needs to know."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING
from os import PathLike
from typing import Annotated, Any

import typer

from ..tasks.parameters import Rule, default_of, rules
from . import complete

METAVARS: dict[type, str] = {int: "INTEGER", float: "NUMBER", str: "TEXT", list: "NAME", PathLike: "FILE"}
NONE = "none"  # how None is written where it is not the default


def flag_name(name: str) -> str:
    """``hidden_size`` as ``--hidden-size``; ``past_covariates`` as ``--past``."""
    return "--" + name.removesuffix("_covariates").replace("_", "-")


def flagged(cls: type) -> dict[str, Rule]:
    """The parameters of `cls` that a command line can say, those of the class itself before those of classes above it."""
    known = {name: rule for name, rule in rules(cls).items() if rule.kind is not object}
    order = dict.fromkeys(name for one in cls.__mro__ for name in inspect.get_annotations(one) if name in known)
    return {name: known[name] for name in order}


def with_flags(cls: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command a flag for each parameter of `cls`; it is called with those that were given, as `given`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "given"]
        flags = [flag(cls, name, rule) for name, rule in flagged(cls).items()]

        @functools.wraps(command)
        def run(**said: Any) -> None:
            given = {one.name: said.pop(one.name) for one in flags}
            command(**said, given={name: value for name, value in given.items() if value is not None and value != []})

        everything = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*own[:1], *flags, *own[1:])]
        run.__signature__ = inspect.Signature(everything)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in everything}
        return run

    return decorate


def flag(cls: type, name: str, rule: Rule) -> inspect.Parameter:
    """One parameter as a flag. It comes as text, so that a wrong one is answered here in the library's own words."""
    spelled = flag_name(name)
    kinds: dict[type, Any] = {bool: bool, list: list[str]}
    option = typer.Option(
        f"{spelled}/--no-{spelled[2:]}" if rule.kind is bool else spelled,
        help=help_text(rule, default_of(cls, name)),
        metavar=None if rule.kind is bool else ("NAME" if rule.choices else METAVARS[rule.kind]),
        autocompletion=complete.choices(name, rule),
        show_default=False,
    )
    kind: Any = Annotated[kinds.get(rule.kind, str) | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)


def help_text(rule: Rule, default: Any) -> str:
    """A parameter's sentence, its choices or range, and its default."""
    bounds = (("at least", rule.low), ("above", rule.above), ("at most", rule.high), ("below", rule.below))
    notes = [f"{word} {bound:g}" for word, bound in bounds if bound is not None]
    notes += ["one of " + ", ".join(rule.choices)] if rule.choices else []
    notes += ["repeatable"] if rule.kind is list else []
    if rule.optional and default is not None:
        notes += [f"or {NONE}"]
    if isinstance(default, bool):
        notes += [f"default: {'yes' if default else 'no'}"]
    elif default is not None and default is not MISSING and default != ():
        notes += [f"default: {', '.join(default) if isinstance(default, (list, tuple)) else default}"]
    sentence = rule.help.removeprefix("whether ")
    return f"{sentence[0].upper()}{sentence[1:]}." + (f"  [{'; '.join(notes)}]" if notes else "")


def settle(cls: type, layers: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Every parameter's value: the default, unless one of `layers` says otherwise, of which the last wins.

    A layer has a place, as messages name it, or is empty for the command line itself. Raises typer.BadParameter.
    """
    known = flagged(cls)
    values = {name: default_of(cls, name) for name in known}
    for place, said in layers:
        for name, raw in said.items():
            values[name] = value = read(known[name], raw)
            try:
                known[name].check(flag_name(name) if not place else name, value)
            except ValueError as error:
                raise typer.BadParameter(f"{place}{': ' if place else ''}{error}", param_hint=f"'{flag_name(name)}'") from None
    return values


def read(rule: Rule, raw: Any) -> Any:
    """A text from the command line, or a value of TOML, as the parameter's kind; as it is where it is none."""
    if raw == NONE and rule.optional:
        return None
    if rule.kind is list:
        items = raw if isinstance(raw, (list, tuple)) else [raw]
        return tuple(f"{item:g}" if isinstance(item, (int, float)) and not isinstance(item, bool) else item for item in items)
    if rule.kind in (int, float) and isinstance(raw, str):
        try:
            return rule.kind(raw)
        except ValueError:
            return raw
    return float(raw) if rule.kind is float and isinstance(raw, int) and not isinstance(raw, bool) else raw
