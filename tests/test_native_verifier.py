"""The native module by itself: what it refuses before it runs anything, and its manners."""

import os
import signal
import sys
import threading
import time

import numpy as np
import pytest
from assembler import CARRY, CHUNK, GRAD, STEP_IN, STEP_OUT, TAPE, TILE, TIME, WORK, Assembler, product, run

from ostinato import _native

SETS = _native.instruction_sets()
RNG = np.random.default_rng(0)


def normal(*shape, dtype=np.float32):
    return RNG.normal(size=shape).astype(dtype)


# ---------------------------------------------------------------- the verifier


def valid():
    """A small program of every kind of space, and handles on its parts."""
    a = Assembler()
    a.w, a.bias = a.param(4, 4), a.param(1, 4)
    a.x, a.y = a.extern(STEP_IN, 4), a.extern(STEP_OUT, 4)
    a.chunk, a.work, a.tile = a.value(CHUNK, 4), a.value(WORK, 4), a.value(TILE, 4)
    a.h, a.h_next = a.state(CARRY, 4)
    a.pack([4], [4], (a.w, 0))
    a.put("pre", "copy", a.chunk, a.x)
    a.put("loop", "gemm", 0, 1, 1, a.work, a.bias, a.h)
    a.put("loop", "add", a.tile, a.work, a.chunk)
    a.put("loop", "tanh", a.h_next, a.tile)
    a.put("loop", "copy", a.y, a.h_next)
    return a


def test_a_valid_program_runs():
    x, y = normal(3, 2, 4), np.empty((3, 2, 4), np.float32)
    w = normal(4, 4)
    run(valid(), 3, 2, [w, np.zeros(4)], [x, y])
    h = np.zeros((2, 4))
    for t in range(3):
        h = np.tanh(h @ w.T + x[t])
        assert np.allclose(y[t], h, atol=1e-5)


WRONG = {
    "shorter than its header": lambda a: {"words": 8},
    "not a bytecode": lambda a: {"w0": 1},
    "version 9": lambda a: {"w1": 9},
    "number of constants": lambda a: {"w4": 7},
    "not in": lambda a: {"w12": -1},
    "checksum": lambda a: {"flip": 40},
    "leaves its space": lambda a: a.value(WORK, 4, 9999),
    "not one of the tile slots": lambda a: a.value(TILE, 4, 5),
    "no such opcode: 17": lambda a: a.put("loop", 17, a.work, a.work),
    "no such opcode: 99": lambda a: a.put("loop", 99, a.work, a.work),
    "no such value": lambda a: a.put("loop", "tanh", a.work, 999),
    "of the wrong length": lambda a: a.put("loop", "tanh", a.work, a.work, a.work),
    "differs in width": lambda a: a.put("loop", "tanh", a.work, a.value(CHUNK, 3)),
    "read before it is written": lambda a: a.put("loop", "tanh", a.work, a.value(WORK, 4)),
    "is write-only": lambda a: a.put("loop", "tanh", a.work, a.y),
    "is read-only": lambda a: a.put("loop", "tanh", a.x, a.work),
    "may not be read here": lambda a: a.put("post", "tanh", a.chunk, a.work),
    "may not be written here": lambda a: a.put("pre", "tanh", a.work, a.x),
    "has no rows": lambda a: a.put("loop", "tanh", a.work, a.bias),
    "TILE": lambda a: a.put("loop", "sum", a.tile, a.work),
    "leaves a state unwritten": lambda a: a.state(CARRY, 4),
    "belongs to no state": lambda a: a.value(CARRY, 4),
    "is written with shift 1": lambda a: a.put("loop", "copy", a.h, a.work),
    "lies over an operand": lambda a: a.put("loop", "gemm", 0, 1, 1, a.work, a.bias, a.work),
    "no such pack": lambda a: a.put("loop", "gemm", 3, 1, 1, a.work, a.bias, a.h),
    "should have width 4": lambda a: a.put("loop", "gemm", 0, 1, 1, a.value(WORK, 5), a.bias, a.h),
    "not outputs x segment": lambda a: a.pack([4], [5], (a.w, 0)),
    "partly overlap": lambda a: (
        a.put("loop", "add", a.value(WORK, 4), a.work, a.work),
        a.put("loop", "add", a.value(WORK, 4, 2), a.work, a.work),
    ),
    "no multiple": lambda a: a.put("loop", "expand", a.value(WORK, 6), a.work),
    "beyond a width": lambda a: a.put("loop", "copycols", a.value(WORK, 6), 4, a.work, 0, 3),
    "may not stand here": lambda a: a.put("loop", "colsum", a.work, a.work),
    "two sums share numbers": lambda a: (a.grads.append([1, 4]), [a.put("acc", "colsum", a.value(GRAD, 4), a.x) for _ in "ab"]),
    "overwrites what its next step reads": lambda a: (
        a.put("loop", "copy", a.value(WORK, 4), a.chunk),
        a.put("loop", "sum", a.value(CHUNK, 1, 2), a.work),
    ),
    "backward pass may not write": lambda a: (setattr(a, "backward", True), a.put("loop", "copy", a.value(TAPE, 4), a.work)),
}


@pytest.mark.parametrize("cause", WRONG)
def test_the_verifier_names_the_cause(cause):
    a = valid()
    change = WRONG[cause](a)
    change = change if isinstance(change, dict) else {}
    code = a.code(**{k: v for k, v in change.items() if k[1:].isdigit()})
    words = code.words[: change.get("words")].copy()
    if "flip" in change:
        words[change["flip"]] += 1
    with pytest.raises(ValueError, match=cause):
        _native.Kernel(words, code.consts)


def test_tampered_words_are_refused_or_run():
    rng, ran = np.random.default_rng(5), 0
    for _ in range(3000):
        a, x, y = valid(), normal(3, 2, 4), np.empty((3, 2, 4), np.float32)
        words = a.code().words
        place = int(rng.integers(4, len(words)))
        a.code_now = a.code(**{f"w{place}": int(words[place] + rng.integers(-3, 4))})
        a.kernel = lambda a=a: _native.Kernel(a.code_now.words, a.code_now.consts)
        try:
            run(a, 3, 2, [np.ones((4, 4)), np.zeros(4)], [x, y])
        except (ValueError, MemoryError):
            continue
        ran += 1
    assert 0 < ran < 3000


# ---------------------------------------------------------------- manners


def test_bad_calls_are_answered():
    a = valid()
    weights = _native.Weights(a.kernel(), False)
    x = np.zeros((1, 1, 4), np.float32)
    p = [x.ctypes.data, 4, 4]
    good = [np.zeros(16, np.float32), np.zeros(4, np.float32)]
    with pytest.raises(ValueError, match="call update first"):
        _native.run(weights, 1, 1, p * 2, 0, 0, [])
    with pytest.raises(ValueError, match="null"):
        weights.update([0, 0])
    with pytest.raises(ValueError, match="2 addresses"):
        weights.update([])
    weights.update([g.ctypes.data for g in good])
    for externs, cause in (([0, 0, 0, *p], "extern 0 is null"), (p, "6 numbers"), (p[:2], "each"), ([p[0] + 1, 4, 4, *p], "unaligned")):
        with pytest.raises(ValueError, match=cause):
            _native.run(weights, 1, 1, externs, 0, 0, [])
    for T, B in ((-1, 1), (1, -1), (2**62, 1)):
        with pytest.raises(ValueError, match="steps or rows"):
            _native.run(weights, T, B, p * 2, 0, 0, [])
    with pytest.raises(ValueError, match="0 gradients"):
        _native.run(weights, 1, 1, p * 2, 0, 0, [1])
    with pytest.raises(ValueError, match="avx1024"):
        _native.Weights(a.kernel(), False, "avx1024")
    for size in (2**60, 2**47):
        with pytest.raises(MemoryError):
            _native.Tape(size)
    with pytest.raises(ValueError, match="negative"):
        _native.Tape(-1)


def taped():
    """h' = tanh(x + h) on a tape, and a backward pass that copies it out again."""
    forward, back = Assembler(), Assembler(backward=True)
    x, (h, after) = forward.extern(STEP_IN, 3), forward.state(TAPE, 3)
    tile = forward.value(TILE, 3)
    forward.put("loop", "add", tile, x, h)
    forward.put("loop", "tanh", after, tile)
    y, kept = back.extern(STEP_OUT, 3), back.value(TAPE, 3)
    shifted, held = back.value(TAPE, 3, back.values[kept][1], 1), back.value(TIME, 3)
    back.put("pre", "copy", held, shifted)
    back.put("post", "copy", y, held)
    return forward, back


def test_a_tape_belongs_to_one_shape_and_type():
    forward, back = taped()
    T, B = 300, 40
    tape = _native.Tape(_native.tape_bytes(forward.kernel(), False, T, B, 1))
    x, y = normal(T, B, 3), np.empty((T, B, 3), np.float32)
    run(forward, T, B, (), [x], tape=tape, threads=2)
    run(back, T, B, (), [y], tape=tape)
    h = np.zeros((B, 3))
    for t in range(T):
        h = np.tanh(h + x[t])
        assert np.allclose(y[t], h, atol=1e-5)
    for size in ((T - 1, B), (T, B - 1)):
        with pytest.raises(ValueError, match="not left by a forward pass"):
            run(back, *size, (), [y], tape=tape)
    with pytest.raises(ValueError, match="too small"):
        run(back, T, B + 1, (), [y], tape=tape)
    with pytest.raises(ValueError, match="null"):
        run(back, T, B, (), [y])


def heavy(T=40_000, B=2):
    outs, segments = [256], [256]
    a = product(outs, segments)
    return a, T, B, [normal(256), normal(256, 256)], [np.zeros((T, B, 256), np.float32), np.empty((T, B, 256), np.float32)]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_long_call_can_be_interrupted(threads):
    a, T, B, params, externs = heavy(B=32, T=20_000)
    started = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    before = signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    try:
        with pytest.raises(KeyboardInterrupt):
            run(a, T, B, params, externs, threads=threads)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - started < 0.6
    run(a, 3, 4, params, [e[:3, :4].copy() for e in externs], threads=threads)  # and nothing is left broken


def test_other_python_threads_run_meanwhile_and_may_share_weights():
    a, T, B, params, externs = heavy(T=2000, B=16)
    run(a, T, B, params, externs)
    want, results = externs[1].copy(), []

    def work():
        out = np.empty_like(want)
        run(a, T, B, params, [externs[0], out], threads=2)
        results.append(np.array_equal(out, want))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == [True] * 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_starts_its_own_threads():
    a, T, B, params, externs = heavy(T=200, B=32)
    run(a, T, B, params, externs, threads=2)
    want = externs[1].copy()
    for _ in range(10):
        child = os.fork()
        if child == 0:
            out = np.empty_like(want)
            run(a, T, B, params, [externs[0], out], threads=2)
            os._exit(0 if np.array_equal(out, want) else 1)
        assert os.waitpid(child, 0)[1] == 0


def test_the_callers_treatment_of_subnormals_is_restored():
    a, T, B, params, externs = heavy(T=10, B=32)
    run(a, T, B, params, externs, threads=2)
    assert np.float32(1e-40) * np.float32(1) != 0


def test_the_threads_of_another_library_can_be_used():
    torch = pytest.importorskip("torch")
    if sys.platform != "linux":
        pytest.skip("needs /proc")
    with open("/proc/self/maps") as maps:
        libraries = [line.split()[-1] for line in maps if "libgomp" in line]
    if not libraries:
        pytest.skip("torch has loaded no libgomp here")
    torch.ones(4, 4) @ torch.ones(4, 4)
    a, T, B, params, externs = heavy(T=100, B=64)
    run(a, T, B, params, externs, threads=2)
    want = externs[1].copy()
    try:
        _native.set_thread_pool("openmp", libraries[0])
        run(a, T, B, params, externs, threads=2)
    finally:
        _native.set_thread_pool("own")
    assert np.array_equal(externs[1], want)
    for name, path in (("tbb", ""), ("openmp", "/nowhere/libgomp.so")):
        with pytest.raises(ValueError):
            _native.set_thread_pool(name, path)
