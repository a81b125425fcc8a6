"""Equations in LaTeX: whole, balanced, and with every parameter and state in them."""

from __future__ import annotations

import re

import pytest

import examples
from ostinato import cells
from ostinato.program.latex import latex, parameter


@pytest.mark.parametrize("name", cells.names())
def test_every_cell_is_written_whole(name):
    program = examples.program(name)
    text = latex(program)
    lines = text.splitlines()
    assert lines[0] == r"\begin{align*}" and lines[-1] == r"\end{align*}" and all(" &= " in line for line in lines[1:-1])
    plain = text.replace(r"\{", "").replace(r"\}", "")
    assert plain.count("{") == plain.count("}") and text.count(r"\left(") == text.count(r"\right)")
    read = set(program.nodes())
    for k, p in program.params.items():
        assert (parameter(k, p.node) in text) == (p.node in read), k
    for k in program.states:
        assert re.search(rf"(^|\n){re.escape(symbol(k))}_{{t}} &=", text), k


def symbol(state):
    return state if len(state) == 1 else rf"\mathrm{{{state}}}"


def test_the_lstm_reads_as_in_a_paper():
    lines = latex(cells.lstm.trace(3, 4)).splitlines()
    assert (
        lines[1]
        == r"o_{t} &= \sigma\left(b^{\mathrm{output}} + W^{\mathrm{output}}_{x} \, x_{t} + W^{\mathrm{output}}_{h} \, h_{t-1}\right) \\"
    )
    assert lines[-3:-1] == [r"c_{t} &= f_{t} \odot c_{t-1} + i_{t} \odot g_{t} \\", r"h_{t} &= o_{t} \odot \tanh\left(c_{t}\right)"]
