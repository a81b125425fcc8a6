"""The printed form: it reads back to the same program, and bad text is answered by its line."""

from __future__ import annotations

import math

import numpy as np
import pytest
from cases import CASES, Case
from hypothesis import HealthCheck, example, given, settings, strategies as st
from strategies import programs

import ostinato as ost
from ostinato.compiler import options
from ostinato.explain.differences import values
from ostinato.program.equations import cost, equations
from ostinato.program.program import Program
from ostinato.program.text import TextError, from_text, to_text
from ostinato.program.verify import ProgramError, verify

few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def same(program: Program, other: Program) -> None:
    """Equal text, equal fields, equal numbers to the last bit."""
    assert to_text(program) == to_text(other)
    for name in ("name", "hidden_size", "start", "tied", "exempt", "options"):
        assert getattr(program, name) == getattr(other, name)
    assert {k: (p.node.shape, p.init, p.trained) for k, p in program.params.items()} == {
        k: (p.node.shape, p.init, p.trained) for k, p in other.params.items()
    }
    at = values(program)
    a, b = at.run(program), at.run(other)
    assert np.array_equal(a.output, b.output, equal_nan=True)
    assert all(np.array_equal(a.states[k], b.states[k], equal_nan=True) for k in program.states)
    assert [n.label for n in program.nodes()] == [n.label for n in other.nodes()]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_every_cell_reads_back(case: Case) -> None:
    program = case.program()
    same(program, from_text(to_text(program)))
    program = options.apply(case.program(), {"zoneout": 0.3, "reset": "given", "lengths": True})
    same(program, from_text(to_text(program)))


@few
@given(programs(smooth=False, with_options=True))
def test_random_programs_read_back(program: Program) -> None:
    same(program, from_text(to_text(program)))


@few
@given(st.lists(st.floats(), min_size=2, max_size=2), st.floats())
@example([math.nan, -math.inf], -0.0)
def test_constants_read_back_to_the_last_bit(vector: list[float], number: float) -> None:
    @ost.cell
    def f(x, h):  # type: ignore[no-untyped-def]
        return ost.where(x < number, np.array(vector), h)

    text = to_text(f.trace(2, 2))
    other = from_text(text)
    assert to_text(other) == text
    arrays = [other.graph.array(n) for n in other.leaves("const")]
    assert any(repr(a.tolist()) == repr(vector) for a in arrays)


def test_names_that_meet_or_look_like_numbers() -> None:
    @ost.cell
    def f(x, h):  # type: ignore[no-untyped-def]
        inf = ost.affine("reset", x, h)
        nan = ost.tanh(inf) + ost.weight("x")
        return nan + ost.minimum(np.inf, h)

    program = options.apply(f.trace(2, 2), {"reset": True})
    assert "inf~2" in to_text(program)
    same(program, from_text(to_text(program)))


@ost.cell
def indrnn(x, h):  # type: ignore[no-untyped-def]
    return ost.relu(ost.affine("input", x) + ost.weight("recurrent") * h)


def test_text_of_a_cell() -> None:
    assert (
        to_text(indrnn.trace(3, 2))
        == """\
ostinato program 1
cell indrnn
hidden 2
input x 3 step
state h 2 start 0.0
param input.bias 2
param input.x 2 3
param recurrent 2
%0 = rows(input.bias)
%1 = matvec(input.x, x)
input = add(%0, %1)
%2 = rows(recurrent)
%3 = mul(%2, h)
%4 = add(input, %3)
h' = relu(%4)
output h'
new h = h'
"""
    )


GOOD = to_text(indrnn.trace(3, 2))
BROKEN = [
    ("ostinato program 1", "ostinato program 2", "line 1: a program begins with"),
    ("%3 = mul(%2, h)", "%3 = mul(%2, k)", "line 13: 'k' is not defined above"),
    ("%3 = mul(%2, h)", "%3 = system(%2, h)", "line 13: there is no operation 'system'"),
    ("%3 = mul(%2, h)", "%3 = mul(%2)", "line 13: mul takes 2 values, not 1"),
    ("%3 = mul(%2, h)", "%3 = mul(%2, h; 3)", "line 13: mul cannot have the attribute 3"),
    ("%3 = mul(%2, h)", "%3 = mul(recurrent, h)", "line 13: mul mixes parameters with the data"),
    ("%3 = mul(%2, h)", "%3 = mul(%2, x)", r"line 13: widths do not meet"),
    ("%3 = mul(%2, h)", "%3 = colsum(h)", "colsum is no operation of a step"),
    ("%3 = mul(%2, h)", "import os", "line 13: 'import os' is no equation and no declaration"),
    ("%3 = mul(%2, h)", "%2 = mul(%2, h)", "line 13: '%2' is defined twice"),
    ("%3 = mul(%2, h)", "%3 = slice(h; (0, 5))", "line 13: slice 0:5 of h .* outside"),
    ("%3 = mul(%2, h)", "%3 = slice(h; (a, b))", "line 13"),
    ("%3 = mul(%2, h)", "%3 = expand(h; (99999999999998,))", "line 13: %3 would hold 99999999999998 numbers"),
    ("%3 = mul(%2, h)", "%3 = normalise(h; -1.0)", "line 13: normalise cannot have the attribute -1.0"),
    ("param recurrent 2", "param recurrent 0", "line 8: 0 is no shape"),
    ("param recurrent 2", "param recurrent 99999999 99999999", "line 8: .* is no shape"),
    ("param recurrent 2", "param recurrent two", "line 8: param: cannot read 'recurrent two'"),
    ("param recurrent 2", "param recurrent 2 init 1.0 2.0 3.0", "recurrent of shape .* starts from 3 numbers"),
    ("param recurrent 2", "param 12 2", "line 8: '12' is a number"),
    ("input x 3 step", "input x 3 always", "line 4: 'always' is neither step nor sequence"),
    ("input x 3 step", "input x 3 sequence", "no input comes with every step"),
    ("new h = h'", "new h = input.x", "enters with shape .* and leaves"),
    ("new h = h'", "new h = recurrent", "is no vector with rows"),
    ("new h = h'", "", "states .* differ"),
    ("output h'", "", "a cell, a hidden size and an output"),
    ("state h 2 start 0.0", "state h 2", "line 5: state: cannot read"),
    ("new h = h'", "new h = h'\ntied h q", "are not names of states"),
    ("new h = h'", "new h = h'\noption a\noption a", "an option was applied twice"),
    ("hidden 2", "hidden " + "9" * 5000, "line 3: hidden: cannot read"),
]


@pytest.mark.parametrize("old, new, message", BROKEN)
def test_bad_text_is_answered_by_line_and_cause(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(ProgramError, match=message) as caught:
        from_text(GOOD.replace(old, new))
    assert len(str(caught.value)) < 300


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_text_never_does_worse_than_an_error(data: st.DataObject) -> None:
    lines = GOOD.splitlines()
    k = data.draw(st.integers(0, len(lines) - 1))
    damage = data.draw(st.sampled_from(["drop", "swap", "cut", "insert", "text"]))
    if damage == "drop":
        del lines[k]
    elif damage == "swap":
        lines[k], lines[0] = lines[0], lines[k]
    elif damage == "cut":
        lines[k] = lines[k][: data.draw(st.integers(0, len(lines[k])))]
    elif damage == "insert":
        at = data.draw(st.integers(0, len(lines[k])))
        lines[k] = lines[k][:at] + data.draw(st.text(max_size=3)) + lines[k][at:]
    else:
        lines[k] = data.draw(st.text(max_size=30))
    try:
        program = from_text("\n".join(lines))
    except ProgramError:
        return
    verify(program)
    assert to_text(from_text(to_text(program))) == to_text(program)


def test_empty_text() -> None:
    for text in ("", "\n", "ostinato program 1\n"):
        with pytest.raises(TextError):
            from_text(text)


# ---------------------------------------------------------------- the verifier, beyond what text can say


def test_the_verifier_knows_its_own_graph() -> None:
    from dataclasses import replace

    a, b = (ost.cells.get("gru").trace(3, 4) for _ in range(2))
    with pytest.raises(ProgramError, match="belongs to another graph"):
        verify(replace(a, new=b.new))
    with pytest.raises(ProgramError, match="'x' is declared with the node"):
        verify(replace(a, inputs={"x": b.inputs["x"]}))
    with pytest.raises(ProgramError, match="input x is read but not declared"):
        verify(replace(a, inputs={"y": a.graph.leaf("input", "y", (3,), a.inputs["x"].level)}))


def test_parameters_that_nothing_reads_are_reported() -> None:
    @ost.cell
    def f(x, h):  # type: ignore[no-untyped-def]
        ost.weight("idle")
        return x + h

    assert verify(f.trace(2, 2)) == ["idle"]


# ---------------------------------------------------------------- equations for people


def test_equations() -> None:
    assert (
        equations(ost.cells.get("gru").trace(3, 4))
        == """\
gru: x 3, h 4
  new    = new.bias + new.x @ x
  reset  = reset.bias + reset.x @ x + reset.h @ h
  r      = sigmoid(reset)
  kept   = kept.bias + kept.h @ h
  n      = tanh(new + r * kept)
  update = update.bias + update.x @ x + update.h @ h
  z      = sigmoid(update)
  h'     = n + z * (h - n)
100 parameters; a step takes 224 operations and reads 416 bytes in float32"""
    )


def test_cost_of_an_lstm() -> None:
    price = cost(ost.cells.get("lstm").trace(64, 128))
    assert price.params == 4 * 128 * (64 + 128 + 1) and price.bytes == 4 * (price.params + 256)
    assert 2 * 4 * 128 * 192 < price.flops < 2 * 4 * 128 * 192 * 1.05
