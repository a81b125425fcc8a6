"""Random cells through the whole compiler and the engine: the oracle's values and gradients, the same bits in every instruction set."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, note, settings
from strategies import programs
from tolerances import distance

from ostinato import _native, engine
from ostinato.compiler.bytecode import disassemble
from ostinato.compiler.derive import derive
from ostinato.compiler.driver import compile_program
from ostinato.explain.differences import values
from ostinato.program import oracle
from ostinato.program.program import Program

LIMIT = 1e-9  # float64; random equations may cancel, so wider than a cell's own 1e-12


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs(smooth=False, with_options=True))
def test_engine_has_the_oracle_s_meaning(program: Program) -> None:
    note(disassemble(compile_program(program, "backward").bytecode))
    at = values(program)
    run = at.run(program)
    grad = np.cos(np.arange(run.output.size)).reshape(run.output.shape)
    ends = {k: np.sin(np.arange(v.size)).reshape(v.shape) for k, v in run.states.items()}
    want = oracle.backward(program, derive(program), run, grad, ends)
    executable = engine.Executable(program)
    calls = [
        engine.train(executable, at.params, at.inputs, at.states, dtype="float64", isa=isa, draws=at.draws)
        for isa in _native.instruction_sets()
    ]
    assert distance(calls[0].output, run.output) <= LIMIT
    results = [call.backward(grad, ends) for call in calls]
    for mine, theirs in zip(results[0], want, strict=True):
        assert mine.keys() == theirs.keys()
        for k in mine:
            scale = max(1.0, np.linalg.norm(theirs[k]))
            assert np.linalg.norm(mine[k] - theirs[k]) <= LIMIT * scale, k
    for call, result in zip(calls[1:], results[1:], strict=True):
        assert call.output.tobytes() == calls[0].output.tobytes()
        assert all(a[k].tobytes() == b[k].tobytes() for a, b in zip(result, results[0], strict=True) for k in a)
