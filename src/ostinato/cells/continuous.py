"""Cells in continuous time and for irregular observations."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..program.language import Tracer, affine, cell, concat, exp, matrix, relu, sigmoid, softplus, tanh, total, weight, where

States = tuple[Tracer, ...]
Array = npt.NDArray[Any]


@cell
def ctrnn(x: Tracer, h: Tracer, *, dt: float = 0.1) -> Tracer:
    """Leaky continuous-time RNN, Euler steps. Funahashi and Nakamura, Neural Networks 6(6), 1993.

    In the rates h: tau dh/dt = -h + tanh(W h + V x + b). The paper's currents are u = W h + V x + b.
    """
    tau = softplus(weight("tau", init=0.5413))  # starts at 1
    return h + dt / tau * (tanh(affine("drive", x, h)) - h)


@cell(size={"gap": 1})
def cfc(x: Tracer, gap: Tracer, /, h: Tracer, *, backbone: int = 32) -> Tracer:
    """Closed-form continuous-time network, with the time since the last step. Hasani et al., Nature Machine Intelligence 4, 2022.

    The authors' package (ncps, mode "default") with one layer in the backbone.
    """
    b = 1.7159 * tanh(0.666 * affine("backbone", x, h, to=backbone))
    g, k = tanh(affine("g", b=b)), tanh(affine("h", b=b))
    t = sigmoid(affine("time_a", b=b) * gap + affine("time_b", b=b))
    return (1 - t) * g + t * k


@cell
def ltc(x: Tracer, h: Tracer, *, unfolds: int = 6, dt: float = 1.0) -> Tracer:
    """Liquid time-constant network, fused solver. Hasani et al., arXiv:2006.04439, 2021, equations 2 and 3."""
    drive, recurrent = affine("f", x), matrix("f.h", h.n, h.n)
    reversal, rate = weight("A"), softplus(weight("rate"))
    step = dt / unfolds
    for _ in range(unfolds):
        f = sigmoid(drive + recurrent @ h)
        h = (h + step * f * reversal) / (1 + step * (rate + f))
    return h


@cell
def ltc_synapses(x: Tracer, v: Tracer, *, unfolds: int = 6, dt: float = 1.0) -> Tracer:
    """Liquid time-constant network, a conductance for each synapse. Lechner et al., Nature Machine Intelligence 2, 2020 (ncps).

    Fully wired; conductances and capacities stay positive by softplus. Without the affine maps of inputs and outputs that
    ncps puts around it. Slopes, thresholds and capacities start in ncps's ranges, evenly filled.
    """
    n = v.n

    class Synapses:
        """From every number of a vector to every unit: conductances and the currents that they drive."""

        def __init__(self, name: str, k: int) -> None:
            self.g, self.reversal = softplus(weight(f"{name}.w", n * k)), weight(f"{name}.erev", n * k)
            self.sigma = weight(f"{name}.sigma", n * k, init=_between(3.0, 8.0, n * k, 0.6180339887498949))
            self.mu = weight(f"{name}.mu", n * k, init=_between(0.3, 0.8, n * k, 0.4142135623730951))

        def __call__(self, sources: Tracer) -> States:
            open_ = self.g * sigmoid(self.sigma * (concat(*[sources] * n) - self.mu))
            return total(open_ * self.reversal, n), total(open_, n)

    current_x, conductance_x = Synapses("sensory", x.n)(x)
    inner = Synapses("inner", n)
    leak, rest, capacity = softplus(weight("gleak")), weight("vleak"), softplus(weight("cm", init=-0.4328)) * (unfolds / dt)
    for _ in range(unfolds):
        current, conductance = inner(v)
        v = (capacity * v + leak * rest + current_x + current) / (capacity + leak + conductance_x + conductance)
    return v


def _between(low: float, high: float, count: int, turn: float) -> Array:
    """Numbers that fill a range evenly in no visible order: fractions of the multiples of an irrational number."""
    return low + (high - low) * (np.arange(count) * turn % 1)


@cell(size={"mask": "x", "gap": "x", "last": "x"}, exempt=("last",))
def gru_d(x: Tracer, mask: Tracer, gap: Tracer, /, h: Tracer, last: Tracer) -> States:
    """GRU-D: mask (1 where observed) and time since the last observation. Che et al., Scientific Reports 8, 2018."""
    mean = weight("mean", x.n, init=0.0, trained=False)  # of the observed values, set from data
    last = where(mask, x, last)
    decay_x = exp(-relu(weight("decay_x.gap", x.n) * gap + weight("decay_x.bias", x.n)))
    decay_h = exp(-relu(affine("decay_h", gap)))
    seen = where(mask, x, decay_x * last + (1 - decay_x) * mean)
    h = decay_h * h
    r = sigmoid(affine("reset", mask, x=seen, h=h))
    z = sigmoid(affine("update", mask, x=seen, h=h))
    n = tanh(affine("new", mask, x=seen, h=r * h))
    return (1 - z) * h + z * n, last
