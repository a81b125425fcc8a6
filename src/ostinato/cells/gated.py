"""Gated cells beyond the standard ones: fewer gates, normalised, multiplicative, stabilised, and gated by time."""

from __future__ import annotations

import numpy as np

from ..program.language import (
    Tracer,
    affine,
    cell,
    eq,
    exp,
    floor,
    grouped,
    linear,
    matrix,
    maximum,
    norm,
    sigmoid,
    softplus,
    tanh,
    weight,
    where,
)

States = tuple[Tracer, ...]


@cell
def mgu(x: Tracer, h: Tracer) -> Tracer:
    """Minimal gated unit. Zhou, Wu, Zhang and Zhou, arXiv:1603.09420, 2016."""
    f = sigmoid(affine("forget", x, h))
    n = tanh(affine("new", x, h=f * h))
    return (1 - f) * h + f * n


@cell
def lstm_coupled(x: Tracer, h: Tracer, c: Tracer) -> States:
    """LSTM with coupled input and forget gates (CIFG). Greff et al., arXiv:1503.04069, 2017.

    Without the peepholes of the paper's LSTM.
    """
    i = sigmoid(affine("input", x, h))
    g = tanh(affine("candidate", x, h))
    o = sigmoid(affine("output", x, h))
    c = (1 - i) * c + i * g
    h = o * tanh(c)
    return h, c


@cell
def gru_layernorm(x: Tracer, h: Tracer) -> Tracer:
    """Layer-normalised GRU. Ba, Kiros and Hinton, arXiv:1607.06450, 2016, supplement."""
    k = h.n
    gates = norm("norm_gates_x", linear("gates", x, to=2 * k)) + norm("norm_gates_h", linear("gates", h, to=2 * k))
    gates = gates + weight("gates.bias", 2 * k)
    z, r = sigmoid(gates[:k]), sigmoid(gates[k:])
    n = tanh(norm("norm_new", linear("new", x), shift=True) + r * norm("norm_kept", linear("kept", h), shift=True))
    return (1 - z) * h + z * n


@cell
def mlstm(x: Tracer, h: Tracer, c: Tracer) -> States:
    """Multiplicative LSTM. Krause, Lu, Murray and Renals, arXiv:1609.07959, 2016.

    The output gate is outside the tanh, o * tanh(c), as in other LSTMs and in Radford et al., arXiv:1704.01444; the
    paper writes tanh(c * o).
    """
    m = linear("multiplier_x", x) * linear("multiplier_h", h)
    i = sigmoid(affine("input", x, m=m))
    f = sigmoid(affine("forget", x, m=m))
    g = tanh(affine("candidate", x, m=m))
    o = sigmoid(affine("output", x, m=m))
    c = f * c + i * g
    h = o * tanh(c)
    return h, c


@cell(tied=(("c", "n", "m"),))
def slstm(x: Tracer, h: Tracer, c: Tracer, n: Tracer, m: Tracer, *, heads: int = 2) -> States:
    """sLSTM: exponential gates, normaliser n, stabiliser m, heads. Beck et al. (xLSTM), arXiv:2405.04517, 2024.

    Of the paper's two forget gates it has the sigmoid.
    """

    def gate(name: str) -> Tracer:
        return affine(name, x) + grouped(name, h, groups=heads)

    z, o = tanh(gate("value")), sigmoid(gate("output"))
    log_i, log_f = gate("input"), -softplus(-gate("forget"))
    peak = maximum(log_f + m, log_i)
    i, f = exp(log_i - peak), exp(log_f + m - peak)
    c = f * c + i * z
    n = f * n + i
    return o * c / n, c, n, peak


@cell(size={"time": 1})
def phased_lstm(x: Tracer, time: Tracer, /, h: Tracer, c: Tracer, *, leak: float = 1e-3, longest: float = 1000.0) -> States:
    """Phased LSTM: each unit opens in its own rhythm of the time stamps. Neil, Pfeiffer and Liu, arXiv:1610.09513, 2016.

    The output gate sees the proposed cell, as in the authors' code. Periods from 1 to `longest`, shifts within a period.
    """
    periods = np.geomspace(1.0, longest, c.n)
    tau = exp(weight("log_period", init=np.log(periods)))
    r = weight("open_ratio", init=0.05)
    shifts = periods * (np.arange(c.n) * 0.6180339887498949 % 1)  # the paper's are random
    turns = (time - weight("shift", init=shifts)) / tau
    phase = turns - floor(turns)
    k = where(phase < 0.5 * r, 2 * phase / r, where(phase < r, 2 - 2 * phase / r, leak * phase))
    i = sigmoid(affine("input", x, h) + weight("input.peep") * c)
    f = sigmoid(affine("forget", x, h) + weight("forget.peep") * c)
    proposed = f * c + i * tanh(affine("candidate", x, h))
    o = sigmoid(affine("output", x, h) + weight("output.peep") * proposed)
    h = k * (o * tanh(proposed)) + (1 - k) * h
    c = k * proposed + (1 - k) * c
    return h, c


@cell(size={"step": 1}, exempt=("step",))
def clockwork(x: Tracer, h: Tracer, step: Tracer, *, periods: tuple[int, ...] = (1, 2, 4, 8)) -> States:
    """Clockwork RNN: modules that tick at their own periods. Koutník, Greff, Gomez and Schmidhuber, arXiv:1402.3511, 2014."""
    period = np.sort(periods)[np.arange(h.n) * len(periods) // h.n]
    hears = period[:, None] <= period[None, :]  # a module hears itself and the slower ones
    new = tanh(affine("input", x) + (hears * matrix("recurrent", h.n, h.n)) @ h)
    return where(eq(step % period, 0), new, h), step + 1
