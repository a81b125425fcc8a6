"""`ostinato.check`: right cells pass, and each kind of fault is found."""

from __future__ import annotations

from dataclasses import replace

import cases
import numpy as np
import pytest

import ostinato as ost
from ostinato.program import table


@pytest.mark.parametrize("case", cases.CASES, ids=lambda c: c.name)
def test_every_cell_of_the_library_passes(case):
    report = ost.check(case.name, case.inputs, case.hidden, inputs=case.given, frozen=case.frozen, steps=300, **case.hyper)
    assert report.ok, report
    assert set(report.memory) == {10, 100, 1000} and str(report).startswith(f"{case.name}: ")


@ost.cell
def steady(x, h):
    return ost.tanh(ost.affine("v", x, h))


def test_a_wrong_derivative_is_found(monkeypatch):
    row = table.OPERATIONS["tanh"]
    monkeypatch.setitem(table.OPERATIONS, "tanh", replace(row, vjp=lambda g, y, a: (0.9 * g * (1 - y * y),)))
    assert ost.check(steady, steps=50)["gradient"].ok is False


def test_a_run_that_grows_is_found():
    @ost.cell
    def growing(x, h):
        return 1.5 * h + ost.affine("v", x)

    @ost.cell
    def creeping(x, h):
        return h + ost.exp(ost.affine("v", x))

    report = ost.check(growing)
    assert not report.ok and "not finite from step" in report["long run"].words
    assert "explodes" in report["memory"].words and report.memory[10] == pytest.approx(1.5**10)
    assert "GROWS" in ost.check(creeping)["long run"].words


def test_a_parameter_that_nothing_feels_is_found():
    @ost.cell
    def deaf(x, h):
        return ost.tanh(ost.affine("v", x, h)) + 0 * ost.linear("w", x)

    @ost.cell
    def unread(x, h):
        ost.weight("lost")
        return ost.tanh(ost.affine("v", x, h))

    assert "nothing feels w.x" in ost.check(deaf, steps=50)["gradient"].words
    assert "nothing reads lost" in ost.check(unread, steps=50)["shapes"].words


def test_a_rotation_remembers():
    @ost.cell
    def turning(x, h, k):
        angle = ost.weight("angle")
        a, b = ost.cos(angle), ost.sin(angle)
        return a * h - b * k + ost.linear("v", x), a * k + b * h

    assert np.allclose(list(ost.check(turning, steps=50).memory.values()), 1)
