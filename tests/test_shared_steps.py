"""Steps of few rows that several threads share: the same bits, whoever comes and when; interrupts, forks, callers at once."""

import _thread
import os
import signal
import sys
import threading
import time

import numpy as np
import pytest
from callers import at_once
from test_engine import WISHES, everything, prepared

import examples
from ostinato import engine
from ostinato.compiler import options

# Products with panels that members own alone and with others, item by item work of the leader, grouped weights, noise.
CASES = [("lstm", "plain"), ("lstm", "masked"), ("gru", "random"), ("slstm", "random"), ("lstm_layernorm", "plain")]
H, T = 98, 70  # several members, more than two chunks


def fresh(program):
    """A call's first share of steps is always tried, so a program that nobody has run yet is shared."""
    return engine.Executable(program)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name, wish", CASES)
def test_the_same_bits_whoever_helps_and_when(name, wish, dtype):
    for rows in (1, 2) if dtype == "float32" else (1,):
        program, executable, params, inputs, states = prepared(name, WISHES[wish], T, rows, input_size=5, hidden_size=H)
        alone = everything(executable, params, inputs, states, dtype=dtype, threads=1)
        for threads, idle in [(2, 0), (2, 0.002), (5, 0)]:
            time.sleep(idle)  # helpers that sleep come late, and join in the middle
            shared = everything(fresh(program), params, inputs, states, dtype=dtype, threads=threads)
            for a, b in zip(alone, shared, strict=True):
                for k in a:
                    assert a[k].tobytes() == b[k].tobytes(), f"{rows} rows, {threads} threads: {k}"


@pytest.mark.parametrize("steps", [8, 33, 64])
def test_the_same_bits_at_any_length(steps):
    program, executable, params, inputs, states = prepared("lstm", {}, steps, 1, input_size=5, hidden_size=H)
    alone = everything(executable, params, inputs, states, dtype="float32", threads=1)
    for _ in range(5):
        shared = everything(fresh(program), params, inputs, states, dtype="float32", threads=2)
        for a, b in zip(alone, shared, strict=True):
            assert all(a[k].tobytes() == b[k].tobytes() for k in a)


def test_callers_at_once():
    """More threads than processors, each with helpers of its own: whoever is taken off its processor, all end."""
    program, executable, params, inputs, states = prepared("gru", {}, T, 1, input_size=5, hidden_size=H)
    alone, _ = engine.forward(executable, params, inputs, states, threads=1)
    given = at_once(lambda: engine.forward(fresh(program), params, inputs, states, threads=3)[0], 12)
    assert all(output.tobytes() == alone.tobytes() for output in given)


@pytest.fixture
def interruptible():
    """Python's own handler: a shell that starts a job in the background has interrupts ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_all_members():
    program = options.apply(examples.program("lstm", input_size=5, hidden_size=128), {})
    params, inputs, states = examples.example(program, 2, 1)
    long = {k: np.zeros((1_000_000, *v.shape[1:]), np.float32) for k, v in inputs.items()}
    for delay in (0.06, 0.2):
        executable = fresh(program)
        timer = threading.Timer(delay, _thread.interrupt_main)
        timer.start()
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            engine.forward(executable, params, long, states, threads=2)
        assert time.monotonic() - start < 2
        timer.join()


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_a_forked_child_has_helpers_of_its_own():
    program, executable, params, inputs, states = prepared("lstm", {}, T, 1, input_size=5, hidden_size=H)
    alone, _ = engine.forward(executable, params, inputs, states, threads=1)
    engine.forward(fresh(program), params, inputs, states, threads=2)
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        same = all(engine.forward(fresh(program), params, inputs, states, threads=2)[0].tobytes() == alone.tobytes() for _ in range(5))
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
