"""The native module by itself, on bytecode written by hand: the order of every sum, the accuracy of every function."""

from functools import reduce

import numpy as np
import pytest
from assembler import CHUNK, PARAM, ROW, SEQ_IN, STEP_IN, STEP_OUT, TILE, Assembler, product, run

from ostinato import _native
from ostinato.program.philox import uniform

SETS = _native.instruction_sets()
RNG = np.random.default_rng(0)


def normal(*shape, dtype=np.float32):
    return RNG.normal(size=shape).astype(dtype)


def chain(start, g, v):
    """start + g[0] v[0] + g[1] v[1] ..., each step rounded once, as a fused multiply-add does in float32."""
    total = start
    for a, b in zip(g, v, strict=True):
        total = (np.longdouble(a) * np.longdouble(b) + np.longdouble(total)).astype(np.float32)
    return total


# ---------------------------------------------------------------- the order of every sum


@pytest.mark.parametrize("isa", SETS)
@pytest.mark.parametrize(
    "segments, transposed", [([3, 20], False), ([3, 20], True), ([128], False), ([129], False), ([5, 300, 128], False)]
)
def test_a_product_is_chains_of_128_from_the_bias_over_the_segments(isa, segments, transposed):
    outs, T, B = [5, 33, 16], 3, 23
    bias = [normal(n) for n in outs]
    w = [[normal(n, k) for k in segments] for n in outs]
    xs = [normal(T, B, k) for k in segments]
    ys = [np.empty((T, B, n), np.float32) for n in outs]
    given = bias + [m.T if transposed else m for row in w for m in row]
    run(product(outs, segments, transposed), T, B, given, xs + ys, isa=isa)
    for o, y in enumerate(ys):
        want = np.broadcast_to(bias[o], y.shape)
        for x, matrix in zip(xs, w[o], strict=True):
            terms = np.moveaxis(x, -1, 0)[..., None]
            want = chain(want, terms[:128], matrix.T[:128])
            for k in range(128, len(terms), 128):
                want = want + chain(np.zeros_like(y), terms[k : k + 128], matrix.T[k : k + 128])
        assert np.array_equal(y, want)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("isa", SETS)
def test_a_product_does_not_depend_on_how_many_rows_there_are(isa, dtype):
    outs, segments = [40, 17], [13]
    w = [normal(n, dtype=dtype) for n in outs] + [normal(n, 13, dtype=dtype) for n in outs]
    x = normal(1, 70, 13, dtype=dtype)
    whole = [np.empty((1, 70, n), dtype) for n in outs]
    run(product(outs, segments), 1, 70, w, [x, *whole], dtype=dtype, isa=SETS[0])
    for B in [*range(1, 20), 33, 64, 65]:
        ys = [np.empty((1, B, n), dtype) for n in outs]
        run(product(outs, segments), 1, B, w, [np.ascontiguousarray(x[:, :B]), *ys], dtype=dtype, isa=isa)
        assert all(np.array_equal(y, full[:, :B]) for y, full in zip(ys, whole, strict=True))


@pytest.mark.parametrize("widths", [[1], [7] * 4, [10] * 4, [20] * 3, [33] * 4, [100] * 3, [15, 1, 16, 17, 2], [48], [5, 70]])
@pytest.mark.parametrize("isa", SETS)
def test_outputs_side_by_side_in_a_vector_are_as_alone(isa, widths):
    w = [[normal(n), normal(n, 9)] for n in widths]
    for B in (1, 2, 3, 5, 8, 11):
        x = normal(2, B, 9)
        around = [np.full((2, B, n + 4), 7, np.float32) for n in widths]
        ys = [y[:, :, 2:-2] for y in around]
        run(product(widths, [9]), 2, B, [b for b, _ in w] + [m for _, m in w], [x, *ys], isa=isa)
        for (bias, matrix), y, all_of_it in zip(w, ys, around, strict=True):
            alone = np.empty(y.shape, np.float32)
            run(product([len(bias)], [9]), 2, B, [bias, matrix], [x, alone], isa=SETS[-1])
            assert np.array_equal(y, alone)
            assert (all_of_it[:, :, :2] == 7).all() and (all_of_it[:, :, -2:] == 7).all()


def sums(n, k):
    """dW = sum of outer products, db = sum."""
    a = Assembler(backward=True)
    g, v = a.extern(STEP_IN, n), a.extern(STEP_IN, k)
    w, b = a.grad(n, k), a.grad(1, n)
    a.put("acc", "outer", v, 1, w, g)
    a.put("acc", "colsum", b, g)
    return a


def in_slices(chains):
    """Chains of rows in the order of docs/bytecode.md: slices of as many as there are slices, then the whole."""
    size = int(np.ceil(np.sqrt(len(chains))))
    slices = [reduce(np.add, chains[i : i + size]) for i in range(0, len(chains), size)]
    return reduce(np.add, slices)


def sums_of(g, v, **how):
    (T, B, n), k = g.shape, v.shape[-1]
    w, b = np.full((n, k), np.nan, g.dtype), np.full(n, np.nan, g.dtype)
    run(sums(n, k), T, B, (), [g, v], [w, b], dtype=g.dtype.type, **how)
    return w, b


@pytest.mark.parametrize("T, B", [(7, 3), (300, 1), (5, 100), (3, 300), (2, 600), (64, 1), (65, 1), (9, 129), (0, 4), (4, 0)])
@pytest.mark.parametrize("n, k", [(9, 35), (33, 1), (1, 17), (20, 300)])
def test_sums_over_time_run_in_chains_of_64_rows_and_slices(T, B, n, k):
    g, v = normal(T, B, n), normal(T, B, k)
    gs, vs, starts = g.reshape(-1, n, 1), v.reshape(-1, 1, k), range(0, max(T * B, 1), 64)
    want_w = in_slices([chain(np.zeros((n, k), np.float32), gs[i : i + 64], vs[i : i + 64]) for i in starts])
    want_b = in_slices([reduce(np.add, g.reshape(-1, n)[i : i + 64], np.zeros(n, np.float32)) for i in starts])
    for isa in SETS:
        for threads in (1, 3):
            w, b = sums_of(g, v, isa=isa, threads=threads)
            assert np.array_equal(w, want_w) and np.array_equal(b, want_b)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_of_many_outputs_are_the_same_on_any_number_of_threads(dtype):
    """So many that threads share out the outputs alone."""
    g, v = normal(3, 40, 700, dtype=dtype), normal(3, 40, 701, dtype=dtype)
    first = sums_of(g, v)
    for how in ({"threads": 3}, {"isa": SETS[-1], "threads": 2}):
        assert all(np.array_equal(a, b) for a, b in zip(first, sums_of(g, v, **how), strict=True))


def sum16(x):
    """The sum of a row in 16 lanes and a tree."""
    lanes = np.zeros(16, x.dtype)
    for i, number in enumerate(x):
        lanes[i % 16] += number
    for half in (8, 4, 2, 1):
        lanes[:half] += lanes[half : 2 * half]
    return lanes[0]


def rowwise(op, *widths, words=()):
    """One instruction on rows, in PRE: its result and its operands are externs."""
    a = Assembler()
    operands = [a.extern(STEP_IN, w) for w in widths[1:]]
    a.put("pre", op, a.extern(STEP_OUT, widths[0]), *operands, *[a.const(w) if isinstance(w, float) else w for w in words])
    return a


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("isa", SETS)
def test_sums_of_rows_have_sixteen_lanes_and_one_tree(isa, dtype):
    for n, groups in [(1, 1), (5, 1), (16, 1), (37, 1), (128, 2), (57, 3)]:
        x, y = normal(2, 3, n, dtype=dtype), np.empty((2, 3, groups), dtype)
        run(rowwise("sum", groups, n), 2, 3, (), [x, y], dtype=dtype, isa=isa)
        want = np.apply_along_axis(sum16, -1, x.reshape(2, 3, groups, -1))
        assert np.array_equal(y, want)


@pytest.mark.parametrize("isa", SETS)
def test_normalisation(isa):
    for n in (1, 7, 32, 50):
        x, g, y, dx = (normal(2, 3, n) for _ in range(4))
        run(rowwise("normalise", n, n, words=(1e-5,)), 2, 3, (), [x, y], isa=isa)
        mean = x.mean(-1, keepdims=True, dtype=np.float64)
        r = 1 / np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-5)
        assert np.allclose(y, (x - mean) * r, rtol=0, atol=2e-6)
        run(rowwise("normalise_grad", n, n, n, n, words=(1e-5,)), 2, 3, (), [g, y, x, dx], isa=isa)
        want = r * (g - g.mean(-1, keepdims=True) - y * (g * y).mean(-1, keepdims=True))
        assert np.allclose(dx, want, rtol=1e-5, atol=1e-5 * r.max())


# ---------------------------------------------------------------- instructions


def test_columns_are_repeated_and_copied():
    x, y, z = normal(2, 3, 5), np.empty((2, 3, 20), np.float32), np.zeros((2, 3, 7), np.float32)
    run(rowwise("expand", 20, 5), 2, 3, (), [x, y])
    assert np.array_equal(y, np.repeat(x, 4, -1))
    a = Assembler()
    source, dst = a.extern(STEP_IN, 5), a.extern(STEP_OUT, 7)
    a.put("pre", "zero", dst)
    a.put("pre", "copycols", dst, 4, source, 1, 3)
    run(a, 2, 3, (), [x, z])
    assert not z[..., :4].any() and np.array_equal(z[..., 4:], x[..., 1:4])


@pytest.mark.parametrize("isa", SETS)
def test_draws_are_those_of_philox(isa):
    a = Assembler()
    a.put("pre", "uniform", a.extern(STEP_OUT, 70), 5)
    y = np.empty((3, 20, 70), np.float32)
    run(a, 3, 20, (), [y], isa=isa, seed=2**63 + 12345, stream=7, first_step=9, threads=2)
    for t in range(3):
        assert np.array_equal(y[t], uniform(2**63 + 12345, 5 + 256 * 7, 9 + t, 20, 70))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("isa", SETS)
def test_the_prologue_and_the_epilogue_work_on_matrices(isa, dtype):
    a = Assembler()
    w, u, v = a.param(21, 13), a.param(1, 13), a.param(1, 21)
    turned, wv, vw, outer, scaled = (a.value(PARAM, n) for n in (273, 21, 13, 273, 273))
    a.put("prologue", "transpose", turned, w, 21, 13)
    a.put("prologue", "matvec", wv, w, u, 21, 13, 0)
    a.put("prologue", "matvec", vw, w, v, 21, 13, 1)
    a.put("prologue", "outer1", outer, wv, u)
    a.put("prologue", "mul", scaled, outer, a.const(0.5))
    results = [(a.grad(1, n), p) for n, p in ((273, turned), (21, wv), (13, vw), (273, scaled))]
    for grad, source in results:
        a.put("epilogue", "copy", grad, source)
    W, U, V = normal(21, 13, dtype=dtype), normal(13, dtype=dtype), normal(21, dtype=dtype)
    out = [np.empty(a.values[g][2], dtype) for g, _ in results]
    run(a, 1, 1, [W, U, V], (), out, dtype=dtype, isa=isa)
    want = [W.T.ravel(), W @ U, V @ W, np.outer(W @ U, U).ravel() / 2]
    assert all(np.allclose(o, x, rtol=0, atol=1e-5) for o, x in zip(out, want, strict=True))


@pytest.mark.parametrize("width", [1, 3, 16, 40, 700])
@pytest.mark.parametrize("strided", [False, True])
def test_a_run_works_on_rows_that_lie_apart(width, strided):
    a = Assembler()
    x, once, y = a.extern(STEP_IN, width), a.extern(SEQ_IN, width), a.extern(STEP_OUT, width)
    kept, tile, chunk = a.value(ROW, width), a.value(TILE, width), a.value(CHUNK, width)
    a.put("row", "mul", kept, once, a.const(3.0))
    a.put("pre", "add", tile, x, kept)
    a.put("pre", "mul", chunk, tile, tile)
    a.put("post", "sub", y, chunk, a.const(1.0))
    T, B = 5, 19
    xs, ss = normal(B, T, width), normal(B, width)
    ys = np.empty((B, T, width), np.float32)
    weights = _native.Weights(a.kernel(), False)
    weights.update([])
    if strided:  # batch first: rows of a step lie apart
        _native.run(weights, T, B, [xs.ctypes.data, width, T * width, ss.ctypes.data, 0, width, ys.ctypes.data, width, T * width], 0, 0, [])
    else:
        xt, yt = np.ascontiguousarray(xs.swapaxes(0, 1)), np.empty((T, B, width), np.float32)
        run(a, T, B, (), [xt, ss, yt])
        ys = yt.swapaxes(0, 1)
    t = xs + ss[:, None] * np.float32(3)
    assert np.array_equal(ys, t * t - 1)


def test_an_input_that_is_missing_reads_as_zeros():
    a = Assembler()
    x, extra, y = a.extern(STEP_IN, 6), a.extern(STEP_IN, 6, optional=1), a.extern(STEP_OUT, 6)
    a.put("pre", "add", y, x, extra)
    xs, ys = normal(4, 5, 6), np.empty((4, 5, 6), np.float32)
    run(a, 4, 5, (), [xs, None, ys])
    assert np.array_equal(ys, xs)


# ---------------------------------------------------------------- functions

ACCURACY = {  # units in the last place: float32, float64
    "exp": (1.1, 1.1), "expm1": (1.7, 1.9), "log": (0.9, 0.9), "sqrt": (0.5, 0.5), "rsqrt": (1.5, 1.5), "tanh": (2.5, 2.6),
    "sigmoid": (2.5, 2.4), "softplus": (1.8, 1.8), "sin": (1.6, 1.6), "cos": (1.6, 1.6),
}  # fmt: skip
MEANING = {
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x), "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-abs(x))),
    "sin": np.sin, "cos": np.cos,
}  # fmt: skip


def apply(name, x, isa=""):
    y = np.empty_like(x)
    _native.pointwise(name, x.dtype == np.float64, isa, x.size, y.ctypes.data, x.ctypes.data, 0, 0)
    return y


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ACCURACY)
def test_accuracy(name, dtype):
    if dtype == np.float64 and np.finfo(np.longdouble).nmant < 63:
        pytest.skip("no type here is wide enough to judge float64")
    n, high = 200_000, 88 if dtype == np.float32 else 700
    small = np.exp(RNG.uniform(-30, 4, n)) * RNG.choice([-1, 1], n)
    x = np.concatenate([RNG.uniform(-1, 1, n), RNG.uniform(-10, 10, n), RNG.uniform(-high, high, n), small]).astype(dtype)
    if name in ("log", "sqrt", "rsqrt"):
        x = np.concatenate([abs(x), np.exp(RNG.uniform(-80, 80, n)).astype(dtype)])
    y, wide = apply(name, x), np.float64 if dtype == np.float32 else np.longdouble
    with np.errstate(all="ignore"):
        want = MEANING[name](x.astype(wide))
    normal_ = (abs(want) >= np.finfo(dtype).tiny) & (abs(want) <= np.finfo(dtype).max)
    error = abs(y[normal_] - want[normal_]) / np.spacing(abs(want[normal_]).astype(dtype))
    assert error.max() <= ACCURACY[name][dtype == np.float64]
    assert not y[abs(want) < np.finfo(dtype).tiny].any()
    for isa in SETS[1:]:
        assert apply(name, x, isa).tobytes() == y.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("isa", SETS)
def test_special_numbers(isa, dtype):
    inf, nan, most = np.inf, np.nan, np.finfo(dtype).max
    x = np.array([0, inf, -inf, nan, most, -most, np.finfo(dtype).tiny / 8], dtype)
    want = {
        "exp": [1, inf, 0, nan, inf, 0, 1], "expm1": [0, inf, -1, nan, inf, -1, 0], "tanh": [0, 1, -1, nan, 1, -1, 0],
        "sigmoid": [0.5, 1, 0, nan, 1, 0, 0.5], "softplus": [np.log(dtype(2)), inf, 0, nan, most, 0, np.log(dtype(2))],
        "log": [-inf, inf, nan, nan, np.log(most), nan, -inf], "sqrt": [0, inf, nan, nan, np.sqrt(most), nan, 0],
        "relu": [0, inf, 0, nan, most, 0, 0], "sign": [0, 1, -1, nan, 1, -1, 0], "floor": [0, inf, -inf, nan, most, -most, 0],
    }  # fmt: skip
    for name, y in want.items():
        assert np.allclose(apply(name, x, isa), np.array(y, dtype), rtol=1e-7, atol=0, equal_nan=True), name
    assert np.isnan(apply("sin", x, isa)[1:4]).all() and np.isnan(apply("cos", x, isa)[1:4]).all()


@pytest.mark.parametrize("isa", SETS)
def test_sine_and_cosine_of_large_numbers(isa):
    from math import cos, sin

    x = np.array([1e5, -1e10, 1e22, 1e300, np.finfo(np.float64).max])
    assert np.allclose(apply("sin", x, isa), [sin(v) for v in x], rtol=4e-16, atol=0)
    assert np.allclose(apply("cos", x, isa), [cos(v) for v in x], rtol=4e-16, atol=0)
    nearest = np.array([6381956970095103 * 2.0**797])  # of all float64 to a multiple of pi / 2
    assert np.allclose(apply("cos", nearest, isa), -4.68716592425462761112e-19, rtol=4e-16, atol=0)
    x = np.array([8193.5, 16000, 1e10, 3e38], np.float32)
    assert np.allclose(apply("sin", x, isa), [sin(v) for v in x], rtol=2e-7, atol=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("isa", SETS)
@pytest.mark.parametrize("slope", ["dtanh", "dsigmoid"])
def test_a_fused_slope_rounds_as_its_two_operations(slope, isa, dtype):
    a, b, y = (RNG.uniform(-1, 1, 1003).astype(dtype) for _ in range(3))

    def apply(name, *operands):
        out = np.empty_like(a)
        _native.pointwise(name, dtype == np.float64, isa, a.size, *(x.ctypes.data if x is not None else 0 for x in (out, *operands)))
        return out

    assert apply(f"mul_{slope}", a, b, y).tobytes() == apply(slope, apply("mul", a, b, None), y, None).tobytes()
