"""Each operation's derivative against central differences of its meaning, in float64."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tolerances import DIFFERENCES

from ostinato.program.node import Graph, Level, make, postorder
from ostinato.program.oracle import evaluate
from ostinato.program.table import OPERATIONS, numpy_math

POSITIVE = ("log", "sqrt", "rsqrt", "div")
ATTRIBUTES = {"expand": (6,), "sum": 3, "slice": (1, 4), "pad": (2, 9), "normalise": 1e-2}
SHAPES = {
    "expand": [(3,)], "transpose": [(2, 3)], "total": [(2, 3)], "matvec": [(4, 3), (3,)], "matvec_t": [(3, 4), (3,)],
    "concat": [(2,), (3,)], "where": [(6,)] * 3, "fma": [(6,)] * 3,
}  # fmt: skip
BATCH = 2
DERIVED = [name for name, row in OPERATIONS.items() if row.vjp is not None]
WITHOUT_SLOPE = ("stop", "sign", "floor", "lt", "le", "eq")


def arity(name):
    return 2 if OPERATIONS[name].kind == "pointwise" and OPERATIONS[name].opcode >= 32 else 1


def operands(name, rng):
    """A node of the operation on fresh leaves, and values for these."""
    graph, row = Graph(), OPERATIONS[name]
    shapes = SHAPES.get(name, [(6,)] * arity(name))
    leaves, values = [], {}
    for k, shape in enumerate(shapes):
        of_rows = not (row.kind == "param" or name == "rows" or len(shape) == 2)
        leaf = graph.leaf("input" if of_rows else "param", f"v{k}", shape, Level.STEP if of_rows else Level.PARAM)
        value = rng.normal(size=(BATCH, *shape) if of_rows else shape)
        value += np.sign(value) * 0.1  # away from kinks
        values[leaf] = np.abs(value) + 0.2 if name in POSITIVE else value
        leaves.append(leaf)
    attr = ATTRIBUTES.get(name)
    return graph, leaves, values, make(name, *leaves, attr=attr)


def value_of(node, values):
    """A node's value; sums over rows are taken here, as the oracle's time loop would."""
    values = dict(values)
    for n in postorder([node]):
        if n in values:
            continue
        if OPERATIONS.get(n.op) is not None and OPERATIONS[n.op].kind == "sum":
            values[n] = OPERATIONS[n.op].meaning(numpy_math, *(values[a] for a in n.args)).sum(0)
        else:
            evaluate([n], values, BATCH)
    return values[node]


def gradient_error(name, seed=0):
    """The distance of the derivatives from differences, relative to 1 + the largest."""
    rng = np.random.default_rng(seed)
    graph, leaves, values, node = operands(name, rng)
    result = np.asarray(value_of(node, values))
    weights = rng.normal(size=result.shape)
    gradient = graph.leaf("input", "g", node.shape, node.level)
    attr = [] if node.attr is None else [node.attr]
    worst = 0.0
    for leaf, derivative in zip(leaves, OPERATIONS[name].vjp(gradient, node, *leaves, *attr), strict=True):
        given = values[leaf]
        slopes = np.zeros(given.shape)
        for at in np.ndindex(given.shape):
            ends = []
            for step in (1e-5, -1e-5):
                moved = given.copy()
                moved[at] += step
                ends.append(float((value_of(node, values | {leaf: moved}) * weights).sum()))
            slopes[at] = (ends[0] - ends[1]) / 2e-5
        ours = 0.0 if derivative is None else value_of(derivative, values | {gradient: weights})
        worst = max(worst, float(np.abs(slopes - ours).max() / (1 + np.abs(slopes).max())))
    return worst


@pytest.mark.parametrize("name", [n for n in DERIVED if n not in ("stop",)])
def test_derivative(name):
    assert max(gradient_error(name, seed) for seed in range(3)) < DIFFERENCES


def test_every_operation_is_tested_or_only_in_adjoints():
    assert set(OPERATIONS) - set(DERIVED) == {
        "dtanh",
        "dsigmoid",
        "mul_dtanh",
        "mul_dsigmoid",
        "normalise_grad",
        "outer",
        "outer1",
        "colsum",
    }


@pytest.mark.parametrize("name", WITHOUT_SLOPE)
def test_no_gradient(name):
    graph, leaves, _, node = operands(name, np.random.default_rng(0))
    assert all(d is None for d in OPERATIONS[name].vjp(graph.leaf("input", "g", node.shape, node.level), node, *leaves))


@pytest.mark.parametrize("name", [n for n in DERIVED if n not in WITHOUT_SLOPE])
def test_a_planted_wrong_derivative_is_caught(name, monkeypatch):
    row = OPERATIONS[name]

    def wrong(g, y, *rest):
        return [None if d is None else d * 1.001 for d in row.vjp(g, y, *rest)]

    monkeypatch.setitem(OPERATIONS, name, dataclasses.replace(row, vjp=wrong))
    assert max(gradient_error(name, seed) for seed in range(3)) > DIFFERENCES


def test_rules_at_ties_and_kinks():
    graph = Graph()
    a, b, g = (graph.leaf("input", k, (1,), Level.STEP) for k in "abg")
    at = {a: np.zeros((1, 1)), b: np.zeros((1, 1)), g: np.ones((1, 1))}

    def slopes(name, *args):
        node = make(name, *args)
        return [0.0 if d is None else float(value_of(d, at)[0, 0]) for d in OPERATIONS[name].vjp(g, node, *args)]

    assert slopes("max", a, b) == [1.0, 0.0] and slopes("min", a, b) == [1.0, 0.0]
    assert slopes("relu", a) == [0.0] and slopes("abs", a) == [0.0]


def test_what_is_not_chosen_receives_no_nan():
    graph = Graph()
    c, a, b, g = (graph.leaf("input", k, (1,), Level.STEP) for k in "cabg")
    node = make("where", c, a, b)
    at = {c: np.ones((1, 1)), a: np.ones((1, 1)), b: np.full((1, 1), np.nan), g: np.full((1, 1), 3.0)}
    _, left, right = OPERATIONS["where"].vjp(g, node, c, a, b)
    assert (value_of(node, at), value_of(left, at), value_of(right, at)) == (1.0, 3.0, 0.0)


def test_equal_expressions_are_one_node():
    graph = Graph()
    a, b = (graph.leaf("input", k, (3,), Level.STEP) for k in "ab")
    assert a * b + 1.0 is a * b + 1.0 and a * 1.0 is a and a + 0.0 is a and make("tanh", a) is make("tanh", a)
    assert a + b is not b + a
