"""The native engine against the oracle: every cell, both types, every instruction set, and the same bits however it is run."""

import numpy as np
import pytest
from tolerances import GRADIENTS, TIMES_TORCH, VALUES, distance

import examples
from ostinato import _native, cells, engine
from ostinato.compiler import options
from ostinato.compiler.derive import derive
from ostinato.program import oracle
from ostinato.program.oracle import Draws

SETS = _native.instruction_sets()
WISHES = {"plain": {}, "masked": {"reset": True, "lengths": True}, "random": {"zoneout": 0.3}}


def prepared(name, wishes, T, B, **sizes):
    program = options.apply(examples.program(name, **sizes), wishes)
    return program, engine.Executable(program), *examples.example(program, T, B)


def everything(executable, params, inputs, states, **how):
    """Values and gradients of one training call, by name."""
    call = engine.train(executable, params, inputs, states, **how)
    rng = np.random.default_rng(3)
    grad, ends = rng.normal(size=call.output.shape), {k: rng.normal(size=v.shape) for k, v in call.states.items()}
    parts = call.backward(grad, ends)
    values = {"output": call.output, **{f"final {k}": v for k, v in call.states.items()}}
    return values, {f"{what} {k}": v for what, part in zip(("input", "state", "param"), parts, strict=True) for k, v in part.items()}


def oracle_everything(program, params, inputs, states, draws=None, reverse=False, dtype="float64"):
    run = oracle.forward(program, params, inputs, states, draws=draws, reverse=reverse, dtype=dtype)
    rng = np.random.default_rng(3)
    grad, ends = rng.normal(size=run.output.shape), {k: rng.normal(size=v.shape) for k, v in run.states.items()}
    parts = oracle.backward(program, derive(program), run, grad, ends, reverse=reverse)
    values = {"output": run.output, **{f"final {k}": v for k, v in run.states.items()}}
    return values, {f"{what} {k}": v for what, part in zip(("input", "state", "param"), parts, strict=True) for k, v in part.items()}


def applicable(name, wish):
    try:
        options.apply(examples.program(name), WISHES[wish])
    except ValueError:
        return False
    return True


CASES = [(n, w) for n in cells.names() for w in WISHES if applicable(n, w)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name, wish", CASES)
def test_values_and_gradients(name, wish, dtype):
    program, executable, params, inputs, states = prepared(name, WISHES[wish], 7, 5)
    # the oracle sees what the engine sees: arguments rounded to its type
    params, inputs, states = ({k: np.asarray(v, dtype).astype(np.float64) for k, v in d.items()} for d in (params, inputs, states))
    draws = Draws(seed=12345678901, stream=2, first_step=4)
    want = oracle_everything(program, params, inputs, states, draws)
    got = everything(executable, params, inputs, states, dtype=dtype, draws=draws)
    plain = oracle_everything(program, params, inputs, states, draws, dtype=dtype)
    for mine, theirs, same, limit in zip(got, want, plain, (VALUES[dtype], GRADIENTS[dtype]), strict=True):
        assert mine.keys() == theirs.keys()
        for k in mine:
            # where terms cancel, plain arithmetic in the same type is as far off
            allowed = max(limit, TIMES_TORCH * distance(same[k], theirs[k]))
            assert distance(mine[k], theirs[k]) <= allowed, f"{name} {wish} {k}"
    infer, _ = engine.forward(executable, params, inputs, states, dtype=dtype, draws=draws)
    assert infer.tobytes() == got[0]["output"].tobytes()


@pytest.mark.parametrize("name", ["lstm", "gru_cho", "lstm_layernorm", "gru_d", "sru"])
def test_reverse(name):
    program, executable, params, inputs, states = prepared(name, {"lengths": True, "reset": True}, 6, 4)
    want = oracle_everything(program, params, inputs, states, reverse=True)
    got = everything(executable, params, inputs, states, dtype="float64", reverse=True)
    for mine, theirs in zip(got, want, strict=True):
        for k in mine:
            assert distance(mine[k], theirs[k]) <= 1e-12, k


BITS = ["rnn", "lstm", "gru", "gru_cho", "lstm_peephole", "lstm_layernorm", "lru"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", BITS)
def test_same_bits_in_every_instruction_set_and_on_any_number_of_threads(name, dtype):
    _, executable, params, inputs, states = prepared(name, {"zoneout": 0.2} if name != "lru" else {}, 9, 21, input_size=5, hidden_size=37)
    first = everything(executable, params, inputs, states, dtype=dtype, isa=SETS[0], threads=1)
    for isa in SETS:
        for threads in (1, 2, 3):
            again = everything(executable, params, inputs, states, dtype=dtype, isa=isa, threads=threads)
            for a, b in zip(first, again, strict=True):
                for k in a:
                    assert a[k].tobytes() == b[k].tobytes(), f"{isa}, {threads} threads: {k}"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*BITS, "mgu", "mlstm"])
def test_same_bits_whether_products_are_hoisted_or_begin_the_loops_chains(name, dtype, monkeypatch):
    _, executable, params, inputs, states = prepared(name, {}, 9, 5, input_size=150, hidden_size=20)  # of two chains
    results = []
    for hoist in (False, True):
        monkeypatch.setattr("ostinato.engine.arrays.hoists", lambda steps, rows, hoist=hoist: hoist)
        results.append(everything(executable, params, inputs, states, dtype=dtype))
    for a, b in zip(*results, strict=True):
        assert all(a[k].tobytes() == b[k].tobytes() for k in a)


@pytest.mark.parametrize("name", BITS)
def test_a_row_does_not_depend_on_its_batch(name):
    """Nor on whether it is alone, where products are hoisted that otherwise are not."""
    _, executable, params, inputs, states = prepared(name, {}, 9, 19, input_size=5, hidden_size=20)
    values, grads = everything(executable, params, inputs, states)
    rng = np.random.default_rng(3)
    grad, ends = rng.normal(size=values["output"].shape), {k: rng.normal(size=v.shape) for k, v in states.items()}
    for rows in (slice(0, 1), slice(3, 11), slice(18, 19)):
        call = engine.train(executable, params, {k: v[:, rows] for k, v in inputs.items()}, {k: v[rows] for k, v in states.items()})
        dx, dh, _ = call.backward(grad[:, rows], {k: v[rows] for k, v in ends.items()})
        assert call.output.tobytes() == values["output"][:, rows].tobytes()
        assert dx["x"].tobytes() == grads["input x"][:, rows].tobytes()
        for k in states:
            assert dh[k].tobytes() == grads[f"state {k}"][rows].tobytes()


@pytest.mark.parametrize("wish", ["plain", "random"])
@pytest.mark.parametrize("name", BITS)
def test_whole_chunked_and_stepwise_agree_to_the_last_bit(name, wish):
    if not applicable(name, wish):
        wish = "plain"
    _, executable, params, inputs, states = prepared(name, WISHES[wish], 50, 3, input_size=5, hidden_size=20)
    whole, last = engine.forward(executable, params, inputs, states)
    for size in (1, 7):
        pieces, now = [], states
        for t in range(0, 50, size):
            part = {k: v[t : t + size] for k, v in inputs.items()}
            y, now = engine.forward(executable, params, part, now, draws=Draws(first_step=t))
            pieces.append(y)
        assert np.concatenate(pieces).tobytes() == whole.tobytes()
        assert all(now[k].tobytes() == last[k].tobytes() for k in last)


@pytest.mark.parametrize("T, B", [(0, 3), (4, 0), (0, 0), (1, 1)])
def test_empty_sequences_and_batches(T, B):
    _, executable, params, inputs, states = prepared("lstm", {}, T, B)
    values, grads = everything(executable, params, inputs, states)
    assert values["output"].shape == (T, B, 4)
    if T == 0:
        assert values["final h"].tobytes() == np.asarray(states["h"], np.float32).tobytes()
    if T * B == 0:
        assert all(not grads[f"param {k}"].any() for k in params)


def test_nan_stays_in_its_row():
    _, executable, params, inputs, states = prepared("gru", {}, 5, 9)
    clean, _ = engine.forward(executable, params, inputs, states)
    inputs["x"][2, 4] = np.nan
    y, _ = engine.forward(executable, params, inputs, states)
    others = [b for b in range(9) if b != 4]
    assert np.isnan(y[2:, 4]).all() and y[:, others].tobytes() == clean[:, others].tobytes()


def test_a_tape_can_be_gone_back_through_twice():
    _, executable, params, inputs, states = prepared("lstm", {}, 5, 3)
    call = engine.train(executable, params, inputs, states)
    first, second = call.backward(np.ones_like(call.output)), call.backward(np.ones_like(call.output))
    assert all(a[k].tobytes() == b[k].tobytes() for a, b in zip(first, second, strict=True) for k in a)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"inputs": {"x": np.zeros((5, 3, 2))}}, r"input 'x' has shape \(5, 3, 2\), not \(time, batch, 3\)"),
        ({"inputs": {"x": np.zeros((5, 3))}}, r"input 'x' has shape \(5, 3\)"),
        ({"states": {"h": np.zeros((2, 4))}}, r"state 'h' has shape \(2, 4\), not \(3, 4\)"),
        ({"states": {"c": np.zeros((3, 4))}}, r"no state 'c': its states are h"),
        ({"dtype": "int32"}, r"float32 or float64"),
        ({"isa": "avx1024"}, r"avx1024"),
    ],
)
def test_bad_arguments_are_answered(change, message):
    _, executable, params, inputs, states = prepared("gru", {}, 5, 3)
    arguments = {"params": params, "inputs": inputs, "states": states} | change
    with pytest.raises(ValueError, match=message):
        engine.forward(executable, **arguments)
