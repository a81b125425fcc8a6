"""Ostinato: recurrent networks from their equations.

``import ostinato as ost`` brings nothing with it: each name is imported when it is first used. The cell language needs
NumPy alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .program.language import (
        Cell as Cell,
        CellError as CellError,
        Tracer as Tracer,
        affine as affine,
        cell as cell,
        concat as concat,
        cos as cos,
        eq as eq,
        exp as exp,
        expand as expand,
        expm1 as expm1,
        floor as floor,
        grouped as grouped,
        linear as linear,
        log as log,
        matrix as matrix,
        maximum as maximum,
        mean as mean,
        minimum as minimum,
        norm as norm,
        random as random,
        relu as relu,
        repeat as repeat,
        rsqrt as rsqrt,
        sigmoid as sigmoid,
        sign as sign,
        sin as sin,
        softplus as softplus,
        sqrt as sqrt,
        stop as stop,
        tanh as tanh,
        total as total,
        weight as weight,
        where as where,
    )

__version__ = "0.1.0"

_MODULES = ("cells", "compiler", "engine", "explain", "nn", "tasks")
_LANGUAGE = """
    Cell CellError Tracer affine cell concat cos eq exp expand expm1 floor grouped linear log matrix
    maximum mean minimum norm random relu repeat rsqrt sigmoid sign sin softplus sqrt stop tanh
    total weight where
""".split()
_LATE = {"accelerate": "nn", "check": "explain", "get_num_threads": "engine", "restore": "nn", "set_num_threads": "engine"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    home = "program.language" if name in _LANGUAGE else _LATE.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_LANGUAGE, *_LATE})
