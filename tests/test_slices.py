"""Blocks of rows that threads take in slices of steps: the same bits, whoever takes which; interrupts."""

import _thread
import signal
import threading
import time

import numpy as np
import pytest
from callers import at_once
from test_engine import WISHES, everything, prepared

import examples
from ostinato import engine

# Noise counted by rows and steps, masks, values once a row, sums behind the loop, inputs hoisted and not.
CASES = [("lstm", "plain", 5), ("gru", "random", 40), ("lstm_layernorm", "masked", 40), ("sru", "plain", 40)]
H, T, B = 98, 75, 26  # several blocks, each of several slices, the last one short


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name, wish, inputs", CASES)
def test_the_same_bits_whoever_takes_which(name, wish, inputs, dtype):
    _, executable, params, given, states = prepared(name, WISHES[wish], T, B, input_size=inputs, hidden_size=H)
    alone = everything(executable, params, given, states, dtype=dtype, threads=1)
    for threads in (2, 3, 5, 2):
        shared = everything(executable, params, given, states, dtype=dtype, threads=threads)
        for a, b in zip(alone, shared, strict=True):
            for k in a:
                assert a[k].tobytes() == b[k].tobytes(), f"{threads} threads: {k}"


def test_rows_that_end_at_their_own_steps():
    _, executable, params, given, states = prepared("lstm", {"lengths": True}, T, B, input_size=5, hidden_size=H)
    given["valid"] = (np.arange(T)[:, None] < np.linspace(0, T, B).round()[None, :]).astype(float)[..., None]
    alone = everything(executable, params, given, states, dtype="float32", threads=1)
    for threads in (2, 4):
        shared = everything(executable, params, given, states, dtype="float32", threads=threads)
        for a, b in zip(alone, shared, strict=True):
            assert all(a[k].tobytes() == b[k].tobytes() for k in a)


def test_callers_at_once():
    _, executable, params, given, states = prepared("lstm", {}, T, B, input_size=5, hidden_size=H)
    alone, _ = engine.forward(executable, params, given, states, threads=1)
    given_back = at_once(lambda: engine.forward(executable, params, given, states, threads=3)[0], 10)
    assert all(output.tobytes() == alone.tobytes() for output in given_back)


def test_an_interrupt_ends_all():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background has interrupts ignored
    try:
        program = examples.program("lstm", input_size=5, hidden_size=128)
        executable = engine.Executable(program)
        params, inputs, states = examples.example(program, 2, 40)
        long = {k: np.zeros((20_000, *v.shape[1:]), np.float32) for k, v in inputs.items()}
        timer = threading.Timer(0.2, _thread.interrupt_main)
        timer.start()
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            engine.forward(executable, params, long, states, threads=2)
        assert time.monotonic() - start < 2
        timer.join()
        alone, shared = (engine.forward(executable, params, inputs, states, threads=threads)[0] for threads in (1, 2))
        assert alone.tobytes() == shared.tobytes()
    finally:
        signal.signal(signal.SIGINT, before)
