"""What the language accepts."""

from __future__ import annotations

import copy
import pickle
import sys

import numpy as np
import pytest

import ostinato as ost
from ostinato.program import oracle
from ostinato.program.node import Level


def run(cell, inputs, **params):
    """The output of one step of a cell whose input is `inputs`, and state as wide."""
    x = np.atleast_2d(np.asarray(inputs, float))
    program = cell.trace(x.shape[-1], x.shape[-1])
    return oracle.forward(program, params, {"x": x[None]}).output[0]


# ---------------------------------------------------------------- what works


def test_parameters_are_named_and_sized():
    @ost.cell
    def f(x, h):
        m = ost.linear("mix", x, h, to=2)
        buffer = ost.weight("buffer", 3, init=1.5, trained=False)
        return ost.affine("gate", x, m=m) + ost.weight("tau", init=(1.0, 2.0, 3.0, 4.0)) * h + ost.total(buffer)

    program = f.trace(3, 4)
    assert {k: p.node.shape for k, p in program.params.items()} == {
        "mix.x": (2, 3), "mix.h": (2, 4), "buffer": (3,), "gate.bias": (4,), "gate.x": (4, 3), "gate.m": (4, 2), "tau": (4,),
    }  # fmt: skip
    assert program.params["tau"].init == (1.0, 2.0, 3.0, 4.0)
    assert program.params["buffer"].init == 1.5 and not program.params["buffer"].trained
    assert program.params["gate.x"].init is None


def test_signature_tells_inputs_states_and_hyper_parameters():
    @ost.cell(size={"mask": "x", "gap": 1, "c": "units"}, start={"c": 0.5}, per_sequence=("gap",), exempt=("c",))
    def f(x, mask, gap, /, h, c, *, units=7):
        """A cell."""
        return h * mask[:1] + gap + ost.total(x), c

    assert (f.name, f.doc, f.inputs, f.states, f.hyper) == ("f", "A cell.", ("x", "mask", "gap"), ("h", "c"), {"units": 7})
    program = f.trace(3, 4)
    assert {k: n.width for k, n in (program.inputs | program.states).items()} == {"x": 3, "mask": 3, "gap": 1, "h": 4, "c": 7}
    assert program.inputs["gap"].level == Level.ROW and program.start == {"h": 0.0, "c": 0.5} and program.exempt == ("c",)
    assert f.trace(3, 4, units=2).states["c"].width == 2
    assert f.with_(units=5).trace(3, 4).states["c"].width == 5 and f.hyper == {"units": 7}


def test_output_is_the_first_state_or_the_extra_value():
    @ost.cell
    def extra(x, h):
        h = x + h
        return 2 * h, h

    program = extra.trace(2, 2)
    assert program.output_state is None and program.output is not program.new["h"]
    assert ost.cells.get("lstm").trace(2, 2).output_state == "h"


def test_operators_mean_what_numpy_means():
    @ost.cell
    def f(x, h):
        a = np.array([1.0, -2.0, 3.0]) * x - x * np.float64(0.5) + (1 - x) / 2 + 2 / (x + 10) - (-x)
        b = abs(x) ** 2 + x % 2 + x // 2 + (x < 1) + (x <= 1) * 2 + (x > 1) * 3 + (x >= 1) * 4 + abs(x) ** 0.5
        w = np.arange(9.0).reshape(3, 3)
        return a + b + w @ x + x @ w + ost.concat(x[1:], x[:1]) + x[-2:-1] + ost.repeat(x[:1], 3) + ost.mean(x) + ost.maximum(x, 0.5)

    x = np.array([0.7, 1.0, -2.5])
    w = np.arange(9.0).reshape(3, 3)
    a = np.array([1.0, -2.0, 3.0]) * x - x * 0.5 + (1 - x) / 2 + 2 / (x + 10) + x
    b = abs(x) ** 2 + x % 2 + x // 2 + (x < 1) + (x <= 1) * 2 + (x > 1) * 3 + (x >= 1) * 4 + abs(x) ** 0.5
    expected = a + b + w @ x + x @ w + np.roll(x, -1) + x[1] + x[0] + x.mean() + np.maximum(x, 0.5)
    assert np.allclose(run(f, x), expected, rtol=1e-14)


@pytest.mark.parametrize("name", "exp expm1 log sqrt tanh sin cos floor sign".split())
def test_functions_of_numpy_s_name(name):
    f = ost.cell(lambda x, h: getattr(ost, name)(x))
    x = np.array([0.3, 1.7, 2.0])
    assert np.allclose(run(f, x), getattr(np, name)(x), rtol=1e-14)


def test_the_other_functions():
    x = np.array([-1.5, 0.0, 2.0])
    meanings = {
        ost.sigmoid: 1 / (1 + np.exp(-x)), ost.softplus: np.log1p(np.exp(x)), ost.relu: np.maximum(x, 0), ost.stop: x,
        (lambda v: ost.rsqrt(abs(v) + 1)): 1 / np.sqrt(abs(x) + 1), (lambda v: ost.eq(v, 0)): (x == 0) * 1.0,
        (lambda v: ost.where(v < 0, v, 5)): np.where(x < 0, x, 5), (lambda v: ost.minimum(v, 0.5)): np.minimum(x, 0.5),
        (lambda v: ost.expand(ost.total(v), v.n)): np.full(3, x.sum()), (lambda v: v): x,
    }  # fmt: skip
    for function, meaning in meanings.items():
        assert np.allclose(run(_cell_of(function), x), meaning, rtol=1e-14)


def _cell_of(function):
    @ost.cell
    def f(x, h):
        return function(x)

    return f


def test_grouped_is_a_block_diagonal_product():
    @ost.cell
    def f(x, h):
        return ost.grouped("g", x, groups=2)

    rng = np.random.default_rng(0)
    blocks, x = rng.normal(size=(2, 2, 2)), rng.normal(size=4)
    full = np.zeros((4, 4))
    full[:2, :2], full[2:, 2:] = blocks
    assert np.allclose(run(f, x, **{"g.x.0": blocks[0], "g.x.1": blocks[1]}), full @ x)


def test_norm_and_group_sums():
    @ost.cell
    def f(x, h):
        return ost.norm("n", x, shift=True) + ost.repeat(ost.total(x, 2), 2)

    x = np.array([1.0, 2.0, 4.0, 9.0])
    expected = (x - x.mean()) / np.sqrt(x.var() + 1e-5) * 2 + 1 + np.array([3, 3, 13, 13])
    assert np.allclose(run(f, x, **{"n.gain": np.full(4, 2.0), "n.shift": np.ones(4)}), expected)


def test_random_numbers_are_new_each_step_or_once_a_sequence():
    @ost.cell
    def f(x, h):
        return ost.concat(ost.random(2), ost.random(2, per_sequence=True)) + 0 * h

    program = f.trace(1, 4)
    out = oracle.forward(program, {}, {"x": np.zeros((3, 2, 1))}, draws=oracle.Draws(seed=5)).output
    assert ((out >= 0) & (out < 1)).all() and len(np.unique(out[:, :, :2])) == 12 and len(np.unique(out[:, :, 2:])) == 4


def test_local_names_become_labels_and_nothing_else():
    program = ost.cells.get("gru").trace(3, 4)
    labels = {n.label: n.op for n in program.nodes()}
    assert labels["r"] == labels["z"] == "sigmoid" and labels["n"] == "tanh" and labels["h'"] == "add" and labels["reset"] == "add"


def test_the_profile_hook_is_put_back():
    seen = []

    def hook(frame, event, arg):
        if event == "return" and frame.f_code.co_name == "gru":
            seen.append(frame.f_lineno)

    sys.setprofile(hook)
    try:
        ost.cells.get("gru").trace(2, 2)
        assert sys.getprofile() is hook
    finally:
        sys.setprofile(None)
    assert seen
    with pytest.raises(ost.CellError):
        ost.cell(lambda x, h: bool(x)).trace(2, 2)
    assert sys.getprofile() is None


def test_a_profiler_in_c_survives():
    import cProfile

    with cProfile.Profile() as profiler:
        ost.cells.get("gru").trace(2, 2)
    assert profiler.getstats()


def test_a_cell_may_use_another():
    @ost.cell
    def residual(x, h):
        return ost.cells.get("gru")(x, h) + ost.stop(h)

    assert list(residual.trace(3, 4).params) == list(ost.cells.get("gru").trace(3, 4).params)


@ost.cell
def at_module_level(x, h, *, k=1.0):
    return k * x + h


def test_pickle_and_copy():
    assert pickle.loads(pickle.dumps(at_module_level)) is at_module_level
    assert copy.deepcopy(at_module_level) is at_module_level
    other = pickle.loads(pickle.dumps(at_module_level.with_(k=3.0)))
    assert other.hyper == {"k": 3.0} and np.allclose(run(other, [1.0, 2.0]), [3.0, 6.0])


def test_tracing_twice_gives_the_same_program():
    from ostinato.program.text import to_text

    assert to_text(ost.cells.get("slstm").trace(3, 4)) == to_text(ost.cells.get("slstm").trace(3, 4))


def test_hidden_size_one_and_width_one_matrices():
    @ost.cell
    def f(x, h):
        return abs(ost.matrix("w", h.n, h.n)) * ost.weight("s", 1) @ h + ost.affine("a", x)

    assert f.trace(1, 1).new["h"].shape == (1,)


def test_a_constant_may_be_a_state():
    @ost.cell
    def f(x, h, c):
        return x + h + c, 1.0

    assert np.allclose(oracle.forward(f.trace(2, 2), {}, {"x": np.zeros((2, 1, 2))}).output[1], 1.0)
