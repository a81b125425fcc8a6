"""The library of cells: equations and a citation each, nothing more."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

from ..program.language import Cell

_FAMILIES = ("standard", "gated", "stable", "continuous", "diagonal")


def _library() -> dict[str, Cell]:
    modules = [import_module(f"{__name__}.{family}") for family in _FAMILIES]
    return {v.name: v for m in modules for v in vars(m).values() if isinstance(v, Cell)}


_CELLS = _library()


def names() -> list[str]:
    """The names of all cells, the standard ones first."""
    return list(_CELLS)


def get(name: str) -> Cell:
    """The cell of that name; a `ValueError` that names the nearest where there is none."""
    if name not in _CELLS:
        near = get_close_matches(name, _CELLS, 3, 0.4)
        cure = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(_CELLS)}"
        raise ValueError(f"there is no cell {name!r}; {cure}")
    return _CELLS[name]


def __getattr__(name: str) -> Cell:
    if name in _CELLS:
        return _CELLS[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
