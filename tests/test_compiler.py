"""The compiler against the oracle: its bytecode, read by the slow reference, gives the oracle's values and gradients."""

import numpy as np
import pytest
from bytecode_reference import Reference

import examples
from ostinato import cells
from ostinato.compiler import options
from ostinato.compiler.bytecode import disassemble
from ostinato.compiler.derive import derive
from ostinato.compiler.driver import compile_program
from ostinato.program import oracle

OPTIONS = [{}, {"reset": True, "lengths": True}]


def reference(program, kind, externs, params, T, B, tape=None):
    """Run one pass by the slow reference; `externs` maps (role, name) to arrays."""
    compiled = compile_program(program, kind)
    arrays = []
    for e in compiled.plan.externs:
        if e.kind in (1, 3):
            externs[e.role, e.name] = np.full((T, B, e.width) if e.kind == 1 else (B, e.width), np.nan)
        arrays.append(externs.get((e.role, e.name)))
    grads, tape = Reference(compiled.bytecode).run(T, B, [params[k] for k, _ in compiled.plan.params], arrays, tape)
    return dict(zip([k for k, _ in compiled.plan.grads], grads, strict=True)), tape


def traced(name, wishes):
    return options.apply(examples.program(name), wishes)


@pytest.mark.parametrize("wishes", OPTIONS, ids=["plain", "masked"])
@pytest.mark.parametrize("name", cells.names())
def test_bytecode_has_the_oracle_s_meaning(name, wishes):
    T, B = 5, 3
    program = traced(name, wishes)
    params, inputs, states = examples.example(program, T, B)
    run = oracle.forward(program, params, inputs, states)
    rng = np.random.default_rng(1)
    grad = rng.normal(size=run.output.shape)
    state_grads = {k: rng.normal(size=v.shape) for k, v in run.states.items()}
    want_inputs, want_states, want_params = oracle.backward(program, derive(program), run, grad, state_grads)

    ends = {("input", k): v for k, v in inputs.items()} | {("state in", k): v for k, v in states.items()}
    for kind in ("infer", "train"):
        _, tape = reference(program, kind, ends, params, T, B)
        np.testing.assert_allclose(ends["output", "output"], run.output, rtol=1e-10, atol=1e-12)
        for k in states:
            np.testing.assert_allclose(ends["state out", k], run.states[k], rtol=1e-10, atol=1e-12)
    back = {("input", k): v for k, v in inputs.items()} | {("grad output", "output"): grad}
    back |= {("grad state in", k): v for k, v in state_grads.items()}
    got_params, _ = reference(program, "backward", back, params, T, B, tape)
    got_inputs = {k: back.get(("grad input", k), back.get(("grad state out", k))) for k in want_inputs}
    got_states = {k: back["grad state out", k] for k in want_states}
    for want, got in ((want_inputs, got_inputs), (want_states, got_states), (want_params, got_params)):
        assert want.keys() == got.keys()
        for k in want:
            np.testing.assert_allclose(np.reshape(got[k], want[k].shape), want[k], rtol=1e-9, atol=1e-11, err_msg=f"{name} {k}")


@pytest.mark.parametrize("name", ["lstm", "gru_cho"])
def test_compiling_twice_gives_the_same_words(name):
    for kind in ("infer", "train", "backward"):
        first, second = (compile_program(cells.get(name).trace(3, 4), kind).bytecode for _ in range(2))
        assert first.words.tobytes() == second.words.tobytes() and first.consts.tobytes() == second.consts.tobytes()
        assert disassemble(first) == disassemble(second)


def saved(name, **hyper):
    from ostinato.compiler.saves import choose_saves
    from ostinato.compiler.simplify import simplify

    program = simplify(cells.get(name).trace(8, 8, **hyper))
    tape = choose_saves(program, derive(program))
    return tape.width(program) // 8


@pytest.mark.parametrize("name, units", [("rnn", 1), ("lstm", 7), ("gru", 5), ("gru_cho", 4)])
def test_saves_are_the_known_minima(name, units):
    """Units of hidden_size a step; LANGUAGE.md's figures plus the state itself, which is the output once more."""
    assert saved(name) == units


@pytest.mark.parametrize(
    "name, width, hoist, pre, loop",
    [
        ("lstm", 257, False, 1, 1),
        ("lstm", 256, False, 0, 1),
        ("lstm", 16, True, 1, 1),
        ("gru", 16, False, 1, 1),
        ("lru", 16, False, 1, 0),
        ("gru_cho", 3, False, 0, 2),
        ("gru_cho", 3, True, 1, 2),
    ],
)
def test_products_are_hoisted_unless_a_chain_of_the_loop_can_begin_with_them(name, width, hoist, pre, loop):
    """Very wide ones always, all where asked for; of the GRU one has no chain to begin, so none stays in the loop."""
    text = disassemble(compile_program(cells.get(name).trace(width, 4), "infer", hoist=hoist).bytecode)
    hoisted, rest = text.split("pre:\n")[1].split("loop:\n")
    assert (hoisted.count("gemm"), rest.split("post:")[0].count("gemm")) == (pre, loop)


def test_products_are_grouped():
    backward = disassemble(compile_program(cells.get("lstm").trace(3, 4), "backward").bytecode)
    assert "[time" in backward and backward.count("gemm pack") == 2 and backward.count("outer ") == 2
