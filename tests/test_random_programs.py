"""Random cells: their programs keep every rule, and their gradients are right."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, note, settings
from strategies import programs

from ostinato.compiler.simplify import simplify
from ostinato.explain.differences import gradient_error, values
from ostinato.program.equations import equations
from ostinato.program.program import Program
from ostinato.program.text import to_text
from ostinato.program.verify import verify

few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@few
@given(programs(with_options=True))
def test_gradient(program: Program) -> None:
    note(to_text(program))
    error, where = gradient_error(program, values(program), frozen=("reset", "valid"), along="tensors")
    assert error < 1e-7, where


@few
@given(programs(smooth=False, with_options=True))
def test_rules_hold_after_every_pass(program: Program) -> None:
    note(to_text(program))
    verify(program)
    simple = simplify(program)
    verify(simple)
    at = values(program)
    a, b = at.run(program), at.run(simple)
    assert np.allclose(a.output, b.output, rtol=1e-10, atol=1e-10)
    assert all(np.allclose(a.states[k], b.states[k], rtol=1e-10, atol=1e-10) for k in program.states)
    assert equations(program)
