"""What each option means, for every cell that can have it: in values, not in structure."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from cases import CASES, Case

import ostinato as ost
from ostinato import cells
from ostinato.compiler import options
from ostinato.compiler.derive import derive
from ostinato.compiler.options import OptionError, apply
from ostinato.explain.differences import gradient_error
from ostinato.program import oracle
from ostinato.program.node import Level
from ostinato.program.oracle import Draws
from ostinato.program.text import to_text
from ostinato.program.verify import verify

T, B = 6, 3
ALL = {"normalise": True, "recurrent_dropout": 0.4, "zoneout": 0.3, "reset": True, "lengths": True}
RANDOM = {"recurrent_dropout": 0.4, "zoneout": 0.3}
by_name = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)

NO_NORMALISABLE_PRODUCT = {"lmu", "ltc_synapses"}  # a product of width 1; no product at all
NO_STATE_IN_A_PRODUCT = {"indrnn", "sru", "qrnn", "mingru", "minlstm", "lru", "rg_lru", "s4d", "ltc_synapses"}


def having(case: Case, wanted=None):
    """Those of the options that the cell can have."""
    refused = (NO_STATE_IN_A_PRODUCT, "recurrent_dropout"), (NO_NORMALISABLE_PRODUCT, "normalise")
    names = [n for n in (wanted or ALL) if not any(case.name in group and n == option for group, option in refused)]
    return {n: ALL[n] for n in names}


def flags(program, at, reset=None, valid=None):
    at.inputs["reset"] = np.zeros((T, B, 1)) if reset is None else reset
    at.inputs["valid"] = np.ones((T, B, 1)) if valid is None else valid
    at.inputs = {k: v for k, v in at.inputs.items() if k in program.inputs}
    return at


def row(at, b, steps):
    """One row's own values, some of its steps."""
    inputs = {k: v[steps, b : b + 1] if v.ndim == 3 else v[b : b + 1] for k, v in at.inputs.items()}
    return inputs, {k: v[b : b + 1] for k, v in at.states.items()}


def close(a, b):
    return np.allclose(a, b, rtol=1e-12, atol=1e-13)


@by_name
def test_which_cells_refuse(case):
    for name, value in ALL.items():
        if name in having(case):
            verify(apply(case.program(), {name: value}))
        else:
            with pytest.raises(OptionError, match=f"{name}: cell {case.name} has"):
                apply(case.program(), {name: value})


@by_name
def test_each_option_changes_the_output(case):
    program = case.program()
    at = case.values(program, length=T, batch=B)
    plain = at.run(program)
    wanted = having(case)
    for name in wanted:
        other = apply(case.program(), {name: wanted[name]})
        at = case.values(other, length=T, batch=B)
        reset = np.zeros((T, B, 1))
        reset[2:4] = 1
        flags(other, at, reset, np.arange(T)[:, None, None] < np.array([6, 4, 0])[None, :, None])
        run = at.run(other)
        pairs = [(run.output, plain.output), *((run.states[k], plain.states[k]) for k in program.states)]
        assert any(not np.allclose(a, b) for a, b in pairs), name
        assert np.isfinite(run.output).all()


@by_name
def test_reset_cuts_a_sequence_in_pieces(case):
    """Each piece alone, from the start, gives the same; the other options, random ones included, beside it."""
    for chosen in ({"reset": True}, having(case, ["normalise", "zoneout", "reset"])):
        program = apply(case.program(), chosen)
        at = case.values(program, length=T, batch=B)
        at.states = {k: np.full((B, n.width), program.start[k]) for k, n in program.states.items()}
        cut = np.zeros((T, B, 1))
        cut[4] = 1
        flags(program, at, cut)
        whole = at.run(program)
        second = {k: v[4:] if v.ndim == 3 else v for k, v in at.inputs.items()} | {"reset": np.zeros((T - 4, B, 1))}
        piece = oracle.forward(program, at.params, second, draws=Draws(seed=at.draws.seed, first_step=4))
        assert close(whole.output[4:], piece.output)
        assert all(close(whole.states[k], piece.states[k]) for k in program.states)


@by_name
def test_lengths_run_each_row_alone(case):
    for chosen in ({"lengths": True}, having(case)):
        program = apply(case.program(), chosen)
        sizes = [6, 4, 0]
        at = case.values(program, length=T, batch=B)
        valid = (np.arange(T)[:, None, None] < np.array(sizes)[None, :, None]) * 1.0
        reset = (np.random.default_rng(1).random((T, B, 1)) < 0.3) * 1.0
        flags(program, at, reset if "reset" in chosen else None, valid)
        run = at.run(program)
        for b in (0, 1):
            inputs, states = row(at, b, slice(0, sizes[b]))
            alone = [oracle.forward(program, at.params, inputs, states, draws=at.draws)] if b == 0 or not set(chosen) & set(RANDOM) else []
            for one in alone:  # a row's draws depend on its number: only row 0 can be run alone under random options
                assert close(run.output[: sizes[b], b], one.output[:, 0])
                assert all(close(run.states[k][b], one.states[k][0]) for k in program.states)
        for b, size in enumerate(sizes):
            assert (run.output[size:, b] == 0).all()
        assert all((run.states[k][2] == at.states[k][2]).all() for k in program.states), "length 0 leaves the state"


@by_name
def test_lengths_in_reverse(case):
    """The start is held until the row's own end."""
    program = apply(case.program(), {"lengths": True})
    sizes = [6, 4, 0]
    at = case.values(program, length=T, batch=B)
    flags(program, at, valid=(np.arange(T)[:, None, None] < np.array(sizes)[None, :, None]) * 1.0)
    run = at.run(program, reverse=True)
    for b in (0, 1):
        inputs, states = row(at, b, slice(0, sizes[b]))
        one = oracle.forward(program, at.params, inputs, states, reverse=True)
        assert close(run.output[: sizes[b], b], one.output[:, 0]) and all(close(run.states[k][b], one.states[k][0]) for k in program.states)
    assert all((run.states[k][2] == at.states[k][2]).all() for k in program.states)


@by_name
def test_nan_in_padding_harms_nothing(case):
    for chosen in ({"lengths": True}, having(case)):
        program = apply(case.program(), chosen)
        at = case.values(program, length=T, batch=B)
        flags(program, at, valid=(np.arange(T)[:, None, None] < np.array([6, 4, 0])[None, :, None]) * 1.0)

        def everything(program=program, at=at):
            run = at.run(program)
            inputs, states, params = oracle.backward(program, derive(program), run, np.ones_like(run.output))
            return [run.output, *run.states.values(), *inputs.values(), *states.values(), *params.values()]

        clean = everything()
        padding = np.broadcast_to(at.inputs["valid"] == 0, (T, B, 1))
        for k, v in at.inputs.items():
            if v.ndim == 3 and k not in ("valid", "reset"):
                at.inputs[k] = np.where(padding, np.nan, v)
        assert all(np.array_equal(a, b) for a, b in zip(clean, everything(), strict=True))


@by_name
def test_the_order_asked_for_does_not_matter(case):
    chosen = having(case)
    orders = list(itertools.permutations(chosen.items()))
    texts = {to_text(apply(case.program(), dict(order))) for order in orders[:: len(orders) // 6]}
    assert len(texts) == 1


@by_name
def test_without_training_nothing_is_random(case):
    chosen = having(case)
    program = apply(case.program(), chosen, training=False)
    assert not program.leaves("uniform") and program.options == tuple(chosen)
    trained = apply(case.program(), chosen)
    assert {k: p.node.shape for k, p in program.params.items()} == {k: p.node.shape for k, p in trained.params.items()}
    error, where = gradient_error(program, case.values(program), frozen=case.all_frozen(), along="tensors")
    assert error < 2e-9, where


# ---------------------------------------------------------------- each option by itself


def test_normalise_means_layer_normalisation_of_each_product():
    program = apply(cells.get("rnn").trace(3, 4), {"normalise": True})
    assert {k: p.node.shape for k, p in program.params.items() if "gain" in k} == {"hidden.x.gain": (4,), "hidden.h.gain": (4,)}
    rng = np.random.default_rng(0)
    params = {k: rng.normal(size=p.node.shape) for k, p in program.params.items()}
    x, h = rng.normal(size=(1, 2, 3)), rng.normal(size=(2, 4))

    def norm(v):
        return (v - v.mean(-1, keepdims=True)) / np.sqrt(v.var(-1, keepdims=True) + 1e-5)

    expected = np.tanh(
        params["hidden.bias"] + norm(x[0] @ params["hidden.x"].T) * params["hidden.x.gain"]
        + norm(h @ params["hidden.h"].T) * params["hidden.h.gain"]
    )  # fmt: skip
    assert close(oracle.forward(program, params, {"x": x}, {"h": h}).output[0], expected)


def test_the_norm_of_an_input_s_product_is_hoisted():
    program = apply(cells.get("lstm").trace(3, 4), {"normalise": True})
    levels = [n.level for n in program.nodes() if n.op == "normalise"]
    assert levels.count(Level.STEP) == levels.count(Level.STATE) == 4


def test_dropout_uses_one_mask_a_sequence_and_keeps_the_mean():
    program = apply(cells.get("gru").trace(2, 3), {"recurrent_dropout": 0.4})
    masks = [n for n in program.nodes() if n.label == "mask.h"]
    assert len(masks) == 1 and masks[0].level == Level.ROW and len(program.leaves("uniform")) == 1
    at = Case("gru").values(program, length=2, batch=4000)
    values = at.run(program).steps
    mask = values[0][masks[0]]
    assert set(np.unique(mask)) == {0.0, 1 / 0.6} and abs(mask.mean() - 1) < 0.03 and np.array_equal(mask, values[1][masks[0]])


def test_dropout_reaches_blocks_new_values_and_inner_loops():
    for name, products in (("slstm", 8), ("lem", 4), ("ltc", 3), ("gru_d", 3)):
        case = next(c for c in CASES if c.name == name)
        program = apply(case.program(), {"recurrent_dropout": 0.4})
        masked = [n for n in program.nodes() if n.op.startswith("matvec") and _reads_mask(n.args[1])]
        assert len(masked) == products, name


def _reads_mask(v):
    return (v.label or "").startswith("mask.") or (v.op in ("mul", "slice") and any(_reads_mask(a) for a in v.args))


def test_zoneout_keeps_old_values_and_ties_states():
    program = apply(cells.get("slstm").trace(2, 4), {"zoneout": 0.5})
    assert len(program.leaves("uniform")) == 2, "h alone; c, n and m together"
    at = Case("slstm").values(program, length=1, batch=200)
    at.states["n"] = np.abs(at.states["n"]) + 0.5
    run = at.run(program)
    kept = {k: run.states[k] == at.states[k] for k in program.states}
    assert np.array_equal(kept["c"], kept["n"]) and np.array_equal(kept["c"], kept["m"]) and not np.array_equal(kept["c"], kept["h"])
    assert abs(kept["c"].mean() - 0.5) < 0.07


def test_zoneout_keeps_output_and_state_one():
    program = apply(cells.get("lstm").trace(2, 3), {"zoneout": 0.5})
    assert program.output_state == "h"
    assert apply(cells.get("sru").trace(3, 3), {"zoneout": 0.5}).output_state is None


def test_zoneout_leaves_counters_alone():
    case = next(c for c in CASES if c.name == "clockwork")
    program = apply(case.program(), {"zoneout": 0.5})
    run = case.values(program, length=T, batch=B).run(program)
    assert (run.states["step"] == T).all()


def test_zoneout_s_expectation_is_the_mean_of_its_draws():
    plain, drawn = (apply(cells.get("gru").trace(2, 3), {"zoneout": 0.3}, training=t) for t in (False, True))
    at = Case("gru").values(drawn, length=1, batch=1)
    many = {k: np.repeat(v, 20000, 1) for k, v in at.inputs.items()}
    states = {k: np.repeat(v, 20000, 0) for k, v in at.states.items()}
    mean = oracle.forward(drawn, at.params, many, states).output.mean(1)
    assert np.allclose(mean, oracle.forward(plain, at.params, at.inputs, at.states).output[:, 0], atol=0.01)


def test_reset_to_a_given_start():
    program = apply(cells.get("lstm").trace(2, 3), {"reset": "given"})
    assert program.inputs["start.h"].level == Level.ROW
    at = Case("lstm").values(program, length=T, batch=B)
    at.inputs["reset"] = np.zeros((T, B, 1))
    at.inputs["reset"][3] = 1
    run = at.run(program)
    start = {k: at.inputs[f"start.{k}"] for k in program.states}
    later = {k: v[3:] if v.ndim == 3 else v for k, v in at.inputs.items()} | {"reset": np.zeros((3, B, 1))}
    assert close(run.output[3:], oracle.forward(program, at.params, later, start).output)
    error, where = gradient_error(program, at, frozen=("reset",))
    assert error < 2e-9, where


def test_a_start_that_is_not_zero():
    @ost.cell(start={"h": 0.7})
    def f(x, h):
        return ost.tanh(ost.affine("a", x, h))

    program = apply(f.trace(2, 3), {"reset": True})
    rng = np.random.default_rng(0)
    params = {k: rng.normal(size=p.node.shape) for k, p in program.params.items()}
    x, ones = rng.normal(size=(1, 1, 2)), np.ones((1, 1, 1))
    far = oracle.forward(program, params, {"x": x, "reset": ones}, {"h": np.full((1, 3), 9.0)})
    assert close(far.output, oracle.forward(program, params, {"x": x, "reset": 0 * ones}).output)


# ---------------------------------------------------------------- refusals


def test_refusals():
    gru = cells.get("gru").trace(3, 4)
    with pytest.raises(OptionError, match="there is no option 'dropout'; there are normalise, recurrent_dropout"):
        apply(gru, {"dropout": 0.5})
    with pytest.raises(OptionError, match="zoneout: cell gru has it already"):
        apply(apply(gru, {"zoneout": 0.1}), {"zoneout": 0.1})
    with pytest.raises(OptionError, match="zoneout: cell gru has lengths already, which must come after; give both"):
        apply(apply(gru, {"lengths": True}), {"zoneout": 0.1})
    with pytest.raises(OptionError, match=r"zoneout: the rate is 1\.5"):
        apply(gru, {"zoneout": 1.5})
    with pytest.raises(OptionError, match="recurrent_dropout: the rate is -1"):
        apply(gru, {"recurrent_dropout": -1})
    with pytest.raises(OptionError, match=r"normalise: cell gru has a product of width 1 \(.*\), which would become constant"):
        apply(cells.get("gru").trace(3, 1), {"normalise": True})
    with pytest.raises(OptionError, match="recurrent_dropout: cell indrnn has no product with its state"):
        apply(cells.get("indrnn").trace(3, 4), {"recurrent_dropout": 0.1})

    @ost.cell(exempt=("n",))
    def counter(x, n):
        return n + 1

    with pytest.raises(OptionError, match="zoneout: cell counter has no state that may keep"):
        apply(counter.trace(1, 1), {"zoneout": 0.1})
    with pytest.raises(OptionError, match="normalise: cell counter has no product"):
        apply(counter.trace(1, 1), {"normalise": True})


def test_left_out_options_change_nothing():
    gru = cells.get("gru").trace(3, 4)
    assert apply(gru, {"zoneout": 0.0, "reset": False, "lengths": None, "normalise": False}) is gru
    assert options.ORDER == ("normalise", "recurrent_dropout", "zoneout", "reset", "lengths")
