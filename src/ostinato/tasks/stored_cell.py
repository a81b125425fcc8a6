"""Cells as model files keep them: the text of their programs, which needs no source code to be read back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..program.cell import Cell
from ..program.program import Program
from ..program.text import from_text, to_text


def program_texts(cell: Cell, input_size: int, hidden_size: int, num_layers: int, directions: int) -> list[str]:
    """The programs of the first layer and, where there are more, of those above it, as text."""
    first = cell.trace(input_size, hidden_size)
    if num_layers == 1:
        return [to_text(first)]
    return [to_text(first), to_text(cell.trace(first.output.shape[0] * directions, hidden_size))]


class StoredCell(Cell):
    """A cell of which only programs are left, each for one width of input and one hidden size.

    Raises `ProgramError` for text that is no program, ValueError for programs that do not belong together.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        programs = [from_text(text) for text in texts]
        if not programs or any(same_interface(one) != same_interface(programs[0]) for one in programs):
            raise ValueError("its programs are not of one cell")
        first = programs[0]
        self.texts = {(width(one), one.hidden_size): text for one, text in zip(programs, texts, strict=True)}
        self.name = first.name
        self.doc = ""
        self.inputs, self.states, self.hyper = tuple(first.inputs), tuple(first.states), {}
        self.size, self.start = {}, dict(first.start)
        self.per_sequence, self.tied, self.exempt = (), first.tied, first.exempt

    def trace(self, input_size: int, hidden_size: int, **hyper: Any) -> Program:
        """The program for these sizes. Raises ValueError for sizes, or hyper-parameters, that were not stored."""
        if hyper or (input_size, hidden_size) not in self.texts:
            raise ValueError(
                f"the cell {self.name!r} came out of a model file, which has no program of it for {input_size} inputs and {hidden_size} "
                "units; for other sizes, give the function itself as cell."
            )
        return from_text(self.texts[input_size, hidden_size])

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredCell, (list(self.texts.values()),)


def width(program: Program) -> int:
    """How wide the first input is."""
    return next(iter(program.inputs.values())).shape[0]


def same_interface(program: Program) -> tuple[object, ...]:
    """What the programs of one cell have in common."""
    return program.name, program.hidden_size, tuple(program.inputs), tuple(program.states), program.start
