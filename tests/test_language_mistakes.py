"""How the language answers mistakes: the cell, the line, the cause, the cure."""

from __future__ import annotations

import inspect
import math
import pickle

import numpy as np
import pytest

import ostinato as ost

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
