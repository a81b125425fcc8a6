"""What a parameter is: its default, what it may be, and one sentence on it, said once where it is declared.

From there come the constructor, scikit-learn's `get_params`, the docstring, the check before a fit, and the flags of
the command line. Needs the standard library alone, so that ``--help`` comes at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from numbers import Integral, Real
from os import PathLike
from typing import Any, TypeVar, dataclass_transform

from ..data.errors import nearest

Class = TypeVar("Class", bound=type)


@dataclass(frozen=True)
class Rule:
    """What a parameter may be.

    kind: int, float, bool or str; list for one text or several; PathLike for a file; object for what only Python can
    say.  low, high: the least and the most; above, below: what it must exceed, or stay under.  optional: whether None
    may stand.
    """

    help: str
    kind: type
    optional: bool = False
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None

    def check(self, name: str, value: object) -> None:
        """Raise ValueError, with the cure, where `value` is not what the parameter may be."""
        if (value is None and self.optional) or self.kind is object:
            return
        if self.choices and value not in self.choices:
            raise ValueError(f"{name}={value!r} is unknown; choose one of {', '.join(self.choices)}.{nearest(str(value), self.choices)}")
        if not self._fits(value):
            raise ValueError(f"{name}={value!r} must be {self.words()}.")

    def _fits(self, value: object) -> bool:
        if self.kind is bool:
            return isinstance(value, bool) or type(value).__name__ == "bool_"
        if self.kind is str:
            return isinstance(value, str)
        if self.kind is list:
            several = [value] if isinstance(value, str) else value
            return isinstance(several, Sequence) and all(isinstance(item, str) for item in several)
        if self.kind is PathLike:
            return isinstance(value, (str, PathLike))
        if isinstance(value, bool) or not isinstance(value, Integral if self.kind is int else Real):
            return False
        number = float(value)
        return (
            (self.low is None or number >= self.low)
            and (self.high is None or number <= self.high)
            and (self.above is None or number > self.above)
            and (self.below is None or number < self.below)
        )

    def words(self) -> str:
        """What the parameter may be, in words."""
        nouns = {int: "a whole number", float: "a number", bool: "True or False", str: "a text", list: "one text or several"}
        noun = nouns.get(self.kind, "a file")
        bounds = (("of at least", self.low), ("greater than", self.above), ("of at most", self.high), ("less than", self.below))
        words = noun + " " * any(b is not None for _, b in bounds) + " and ".join(f"{w} {b:g}" for w, b in bounds if b is not None)
        return f"None or {words}" if self.optional else words


def param(default: Any, help: str, *, kind: type | None = None, kw_only: bool = True, **limits: Any) -> Any:
    """A parameter of an estimator. `kind` is that of the default unless given; `limits` are a `Rule`'s."""
    rule = Rule(help, kind or (type(default) if type(default) in (int, float, bool, str) else object), **limits)
    return field(default=default, kw_only=kw_only, metadata={"rule": rule})


@dataclass_transform(eq_default=False, field_specifiers=(param,))
def estimator(**defaults: Any) -> Any:
    """Make a class with `param`s an estimator: a constructor that stores them, and a docstring that lists them.

    `defaults` are other defaults for parameters of the classes above it.
    """

    def decorate(cls: Class) -> Class:
        above = {name: known for base in reversed(cls.__mro__) for name, known in vars(base).get("__dataclass_fields__", {}).items()}
        for name, default in defaults.items():
            known: dataclasses.Field[Any] = above[name]
            cls.__annotations__[name] = known.type
            setattr(cls, name, field(default=default, kw_only=known.kw_only, metadata=known.metadata))
        made: Class = dataclass(eq=False, repr=False)(cls)  # type: ignore[assignment]
        made.__doc__ = f"{(cls.__doc__ or '').rstrip()}\n\n    Parameters:\n{listing(made)}\n"
        return made

    return decorate


def rules(cls: type) -> dict[str, Rule]:
    """The rule of each parameter of an estimator, in the constructor's order."""
    return {f.name: f.metadata["rule"] for f in dataclasses.fields(cls) if "rule" in f.metadata}


def default_of(cls: type, name: str) -> Any:
    """A parameter's default."""
    return cls.__dataclass_fields__[name].default  # type: ignore[attr-defined]


def listing(cls: type) -> str:
    """The parameters as a docstring has them."""
    return "\n".join(f"    {name}: {rule.help} (default {default_of(cls, name)!r})." for name, rule in rules(cls).items())


def check_parameters(one: object) -> None:
    """Raise ValueError for the first parameter of an estimator that cannot be used."""
    for name, rule in rules(type(one)).items():
        rule.check(name, getattr(one, name))


@contextmanager
def all_or_nothing(one: object) -> Iterator[None]:
    """A fit that fails, or is interrupted, leaves the estimator as it was."""
    before = dict(vars(one))
    try:
        yield
    except BaseException:
        vars(one).clear()
        vars(one).update(before)
        raise
