"""What the language accepts, and how it answers mistakes: the cell, the line, the cause, the cure."""

from __future__ import annotations

import copy
import inspect
import math
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


# ---------------------------------------------------------------- mistakes in the equations

kept = []


def m_bool(x, h):
    if h > 0:
        return h
    return x


def m_chain(x, h):
    return ost.where(0 < h < 1, h, x)


def m_equal(x, h):
    return ost.where(h == 0, h, x)


def m_unequal(x, h):
    return ost.where(h != 0, h, x)


def m_iterate(x, h):
    return sum(v for v in h)


def m_unpack(x, h):
    a, b = h
    return a + b


def m_len(x, h):
    return h * len(h)


def m_numpy(x, h):
    return np.tanh(h)


def m_numpy_function(x, h):
    return np.concatenate([h[:2], h[2:]])


def m_asarray(x, h):
    return np.asarray(h)


def m_float(x, h):
    return h * math.tanh(h)


def m_index(x, h):
    return h * h[0]


def m_step(x, h):
    return h[::-1]


def m_empty_slice(x, h):
    return h[4:]


def m_assign(x, h):
    h[0:1] = 1.0
    return h


def m_and(x, h):
    return ost.where((h > 0) & (h < 1), h, 0)


def m_not(x, h):
    return ost.where(~(h > 0), h, 0)


def m_power(x, h):
    return h**1.5


def m_exponent(x, h):
    return 2**h


def m_attribute(x, h):
    return h.sum()


def m_foreign(x, h):
    return h + "a"


def m_widths(x, h):
    gate = ost.tanh(x)
    return gate + h


def m_product_width(x, h):
    return ost.matrix("W", 4, 4) @ x


def m_vector_product(x, h):
    return h @ h


def m_data_matrix(x, h):
    return ost.matrix("W", 4, 4) * h


def m_transpose(x, h):
    return h.T @ h


def m_name_twice(x, h):
    return ost.affine("gate", x) + ost.affine("gate", x, h)


def m_no_operand_name(x, h):
    return ost.affine("gate", x, 2 * h)


def m_no_gate_name(x, h):
    return ost.affine(x, h)


def m_bad_name(x, h):
    return ost.weight("my weight") * h


def m_no_operand(x, h):
    return ost.affine("gate")


def m_groups(x, h):
    return ost.grouped("gate", h, groups=3)


def m_init_word(x, h):
    return h * ost.weight("w", init="orthogonal")


def m_init_matrix(x, h):
    return ost.matrix("W", 4, 4, init=np.eye(4)) @ h


def m_init(x, h):
    return ost.weight("w", init=(1.0, 2.0)) * h


def m_nothing(x, h):
    ost.tanh(h)


def m_too_few(x, h, c):
    return h


def m_too_many(x, h, c):
    return h, h, c, c


def m_swapped(x, h, c):
    c = c + 1
    h = h * c
    return c, h


def m_forgotten(x, h, c):
    c = c + 1
    h = h * c
    return h, h


def m_width_of_state(x, h):
    return ost.affine("out", x, h, to=2)


def m_matrix_returned(x, h):
    return ost.matrix("W", 4, 4)


def m_norm_of_one(x, h):
    return h * ost.norm("n", ost.total(h))


def m_other_trace(x, h):
    if kept:
        return h + kept[0]
    kept.append(h)
    return h


MISTAKES = {
    m_bool: ("truth value", "write where"),
    m_chain: ("truth value", "where"),
    m_equal: ("h was compared with ==", r"eq\(a, b\)"),
    m_unequal: ("h was compared with !=", r"1 - eq\(a, b\)"),
    m_iterate: ("h was iterated", "slices"),
    m_unpack: ("h was iterated or unpacked", "slices"),
    m_len: (r"h was given to len\(\)", r"\.n"),
    m_numpy: (r"h was given to np\.tanh", "use ostinato's own tanh"),
    m_numpy_function: (r"np\.concatenate", r"concat\(a, b\)"),
    m_asarray: ("h was turned into a NumPy array", "functions of ostinato"),
    m_float: ("h was turned into a Python number", "not of math"),
    m_index: ("h was indexed with 0", r"v\[0:1\]"),
    m_step: ("sliced with the step -1", "step 1"),
    m_empty_slice: ("h of width 4 was sliced 4:None, which is empty", r"\.n"),
    m_assign: ("h was assigned to in place", "concat"),
    m_and: ("combined with &", "multiply them"),
    m_not: ("inverted with ~", "1 - condition"),
    m_power: ("h to the power 1.5", "sqrt"),
    m_exponent: ("h was used as an exponent", "exp"),
    m_attribute: ("h has no attribute 'sum'", r"use total\(v\)"),
    m_foreign: (r"'a' \(str\) is no traced value", "numbers and NumPy arrays"),
    m_widths: (r"widths do not meet: gate \(3,\), h \(4,\)", "linear"),
    m_product_width: (r"matrix W \(4, 4\) times x \(3,\)", "columns = vector.n"),
    m_vector_product: (r"h has shape \(4,\): a product needs a matrix on its left", "linear"),
    m_data_matrix: ("matrix W .* meets a vector of the data: write matrix @ vector", ""),
    m_transpose: ("h is a vector of width 4", "only a matrix has a transpose"),
    m_name_twice: ("the parameter name 'gate.bias' is used twice", "keep the first value in a variable"),
    m_no_operand_name: ("'gate': an operand .* has no name", r"affine\(\"gate\", x, m=value\)"),
    m_no_gate_name: ("a product has no name", r"affine\(\"input\", x, h\)"),
    m_bad_name: ("'my weight' .* is no parameter name", "letters"),
    m_no_operand: ("'gate' has no operand", "weight"),
    m_groups: ("3 groups divide neither", "multiples"),
    m_init: ("'w' is 4 wide and its init has 2 numbers", "one for each"),
    m_init_word: ("'w' has the init 'orthogonal'", "give one number"),
    m_init_matrix: (r"the matrix 'W' has an init of shape \(4, 4\)", r"matrix\(...\) \+ array"),
    m_nothing: ("the function returns nothing", r"return the new states, \(h\)"),
    m_too_few: (r"values returned is 1 and of states is 2, \(h, c\)", "in front of them the output"),
    m_too_many: (r"values returned is 4 and of states is 2, \(h, c\)", "every state"),
    m_swapped: ("c is returned in the place of h", r"\(h, c\)"),
    m_forgotten: ("h is returned in the place of c", r"\(h, c\)"),
    m_width_of_state: (r"state h comes in with shape \(4,\) and goes out with shape \(2,\)", "size="),
    m_matrix_returned: (r"goes out with shape \(4, 4\)", ""),
    m_norm_of_one: ("vector of width 1 is always zero", "wider"),
    m_other_trace: ("h was kept from another trace", "this call"),
}


@pytest.mark.parametrize("function", MISTAKES, ids=lambda f: f.__name__)
def test_mistake(function):
    cause, cure = MISTAKES[function]
    made = ost.cell(function)
    if function is m_other_trace:
        kept.clear()
        made.trace(3, 4)
    with pytest.raises(ost.CellError, match=cause) as caught:
        made.trace(3, 4)
    error = caught.value
    assert error.cell == function.__name__ and f"cell {error.cell}, line {error.line}:" in str(error)
    lines, first = inspect.getsourcelines(function)
    assert first < error.line < first + len(lines), "a line of the function's body"
    assert isinstance(error, ValueError) and pickle.loads(pickle.dumps(error)).cause == error.cause
    with pytest.raises(ost.CellError, match=cure or None):
        made.trace(3, 4)


def test_the_line_is_the_statement_s():
    with pytest.raises(ost.CellError) as caught:
        ost.cell(m_widths).trace(3, 4)
    assert caught.value.line == m_widths.__code__.co_firstlineno + 2


def test_the_line_of_a_return():
    with pytest.raises(ost.CellError) as caught:
        ost.cell(m_swapped).trace(3, 4)
    assert caught.value.line == m_swapped.__code__.co_firstlineno + 3


def test_old_values_may_move_to_other_states():
    @ost.cell
    def delay(x, h, before):
        return x + before, h

    @ost.cell
    def same(x, h, copy_):
        h = x + h
        return h, h

    @ost.cell
    def decayed(x, h, c):
        h = 0.5 * h
        return x + h, c + h

    for cell in (delay, same, decayed):
        assert len(cell.trace(3, 3).states) == 2


def test_outside_of_a_trace():
    with pytest.raises(ost.CellError, match=r"line \d+: a function of the cell language was called outside"):
        ost.tanh(1.0)
    leaked = []
    ost.cell(lambda x, h: leaked.append(h) or h).trace(2, 2)
    for use in (lambda v: v + 1, lambda v: -v, lambda v: v[:1], lambda v: v @ v):
        with pytest.raises(ost.CellError, match="used outside of its trace"):
            use(leaked[0])
    assert "traced h" in repr(leaked[0]) and not hasattr(leaked[0], "nonsense")


def test_torch_functions_are_answered():
    torch = pytest.importorskip("torch")
    with pytest.raises(ost.CellError, match=r"h was given to torch\.tanh; use ostinato's own tanh"):
        ost.cell(lambda x, h: torch.tanh(h)).trace(2, 2)
    with pytest.raises(ost.CellError, match="torch"):
        ost.cell(lambda x, h: torch.ones(2) * h).trace(2, 2)


# ---------------------------------------------------------------- mistakes in the signature and in the sizes


def no_arguments():
    return 1


def no_state(x):
    return x


def stars(x, *h):
    return x


def default_state(x, h, k=3):
    return h


def reserved(x, h, *, hidden_size=3):
    return h


def fine(x, y, /, h, c, *, k):
    return h, c


DEFINITIONS = [
    (no_arguments, {}, "takes no input", r"def f\(x, h\)"),
    (no_state, {}, "takes no state", r"def f\(x, h\)"),
    (stars, {}, r"signature has \*h", "name every input"),
    (default_state, {}, "'k' has a default", r"after a \*"),
    (reserved, {}, "called 'hidden_size'", "rename"),
    (fine, {"size": {"q": 3}}, "size names 'q', which is none of x, y, h, c", "signature"),
    (fine, {"start": {"x": 0.0}}, "start names 'x', which is none of h, c", ""),
    (fine, {"per_sequence": ("h",)}, "per_sequence names 'h'", ""),
    (fine, {"per_sequence": ("x", "y")}, "every input is given once a sequence", "every step"),
    (fine, {"tied": (("h", "z"),)}, "tied names 'z'", ""),
    (fine, {"exempt": ("x",)}, "exempt names 'x'", ""),
]


@pytest.mark.parametrize("function, options, cause, cure", DEFINITIONS)
def test_definition(function, options, cause, cure):
    with pytest.raises(ost.CellError, match=cause) as caught:
        ost.cell(**options)(function) if options else ost.cell(function)
    assert caught.value.line == function.__code__.co_firstlineno and caught.value.cell == function.__name__
    with pytest.raises(ost.CellError, match=cure or None):
        ost.cell(**options)(function) if options else ost.cell(function)


@pytest.mark.parametrize(
    "sizes, hyper, cause",
    [
        ((3, 4), {}, "hyper-parameter 'k' has no value; give k="),
        ((3, 4), {"j": 1}, "there is no hyper-parameter 'j'; it has k"),
        ((0, 4), {"k": 1}, "input_size is 0; a width is a whole number from 1"),
        ((3, 2.5), {"k": 1}, "hidden_size is 2.5"),
        ((True, 4), {"k": 1}, "input_size is True"),
        ((3, 4), {"k": "a"}, "the size of 'c' is 'a'"),
    ],
)
def test_sizes(sizes, hyper, cause):
    made = ost.cell(size={"c": "k"})(fine)
    with pytest.raises(ost.CellError, match=cause):
        made.trace(*sizes, **hyper)


def test_unknown_and_fixed_sizes():
    with pytest.raises(ost.CellError, match="the size of 'c' is 'z', which is no hyper-parameter and no earlier input"):
        ost.cell(size={"c": "z"})(fine).trace(3, 4, k=1)
    with pytest.raises(ost.CellError, match="input 'x' is 1 wide, not 3"):
        ost.cell(size={"x": 1})(fine).trace(3, 4, k=1)


def test_a_failed_trace_leaves_nothing_behind():
    with pytest.raises(ost.CellError):
        ost.cell(m_bool).trace(3, 4)
    with pytest.raises(ost.CellError, match="outside"):
        ost.tanh(0.5)
    with pytest.raises(ZeroDivisionError):  # the user's own errors pass through
        ost.cell(lambda x, h: 1 / 0).trace(3, 4)


def test_import_is_lazy():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        ost.nonsense  # noqa: B018
    assert "nn" in dir(ost) and ost.__version__
