"""Cells whose states meet themselves alone: fast recurrences, linear recurrences, state spaces."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ..program.language import (
    Tracer,
    affine,
    cell,
    cos,
    exp,
    expm1,
    linear,
    matrix,
    repeat,
    sigmoid,
    sin,
    softplus,
    sqrt,
    tanh,
    total,
    weight,
)

States = tuple[Tracer, ...]
Array = npt.NDArray[Any]


@cell
def sru(x: Tracer, c: Tracer) -> States:
    """Simple recurrent unit. Lei, Zhang, Wang, Dai and Artzi, arXiv:1709.02755, 2018.

    Without the highway's constant factor.
    """
    f = sigmoid(affine("forget", x) + weight("forget.peep") * c)
    r = sigmoid(affine("reset", x) + weight("reset.peep") * c)
    c = f * c + (1 - f) * linear("candidate", x)
    skip = x if x.n == c.n else linear("skip", x)
    return r * c + (1 - r) * skip, c


@cell
def qrnn(x: Tracer, c: Tracer) -> States:
    """Quasi-recurrent network's fo-pooling; x holds a window of steps. Bradbury, Merity, Xiong and Socher, arXiv:1611.01576, 2017."""
    z = tanh(affine("candidate", x))
    f = sigmoid(affine("forget", x))
    o = sigmoid(affine("output", x))
    c = f * c + (1 - f) * z
    return o * c, c


@cell
def mingru(x: Tracer, h: Tracer) -> Tracer:
    """minGRU. Feng et al., "Were RNNs all we needed?", arXiv:2410.01201, 2024."""
    z = sigmoid(affine("update", x))
    return (1 - z) * h + z * affine("candidate", x)


@cell
def minlstm(x: Tracer, h: Tracer) -> Tracer:
    """minLSTM with normalised gates. Feng et al., arXiv:2410.01201, 2024."""
    f = sigmoid(affine("forget", x))
    i = sigmoid(affine("input", x))
    return (f * h + i * affine("candidate", x)) / (f + i)


@cell(tied=(("re", "im"),))
def lru(x: Tracer, re: Tracer, im: Tracer, *, smallest: float = 0.9, largest: float = 0.999) -> States:
    """Linear recurrent unit, complex and diagonal. Orvieto et al., arXiv:2303.06349, 2023."""
    radius = np.sqrt(np.linspace(smallest**2, largest**2, re.n))  # the paper's ring, evenly filled
    angle = 2 * math.pi * (np.arange(re.n) * 0.6180339887498949 % 1) + 1e-3
    modulus = exp(-exp(weight("nu", init=np.log(-np.log(radius)))))
    theta = exp(weight("theta", init=np.log(angle)))
    gain = exp(weight("gamma", init=0.5 * np.log(1 - radius**2)))
    a, b = modulus * cos(theta), modulus * sin(theta)
    re, im = a * re - b * im + gain * linear("b_re", x), a * im + b * re + gain * linear("b_im", x)
    return linear("c", re=re, to=x.n) - linear("c", im=im, to=x.n) + weight("d", x.n) * x, re, im


@cell
def rg_lru(x: Tracer, h: Tracer, *, sharpness: float = 8.0) -> Tracer:
    """Real-gated linear recurrent unit. De et al. (Griffin), arXiv:2402.19427, 2024."""
    r = sigmoid(affine("recurrence", x))
    i = sigmoid(affine("input", x))
    start = np.log(np.expm1(-np.log(np.linspace(0.9, 0.999, h.n)) / sharpness))  # decays from 0.9 to 0.999
    log_a = -sharpness * softplus(weight("lambda", init=start)) * r
    value = x if x.n == h.n else linear("value", x)
    return exp(log_a) * h + sqrt(-expm1(2 * log_a)) * (i * value)


@cell(tied=(("re", "im"),))
def s4d(x: Tracer, re: Tracer, im: Tracer, *, order: int = 4) -> States:
    """Diagonal state space, `order` complex states a channel, zero-order hold. Gu et al. (S4D), arXiv:2206.11893, 2022."""
    channels = re.n // order
    u = x if x.n == channels else linear("channels", x, to=channels)
    dt = repeat(exp(weight("log_dt", channels, init=np.linspace(math.log(0.001), math.log(0.1), channels))), order)
    a_re = -exp(weight("log_a_re", init=math.log(0.5)))
    a_im = weight("a_im", init=math.pi * np.tile(np.arange(order), channels))
    size, angle = exp(dt * a_re), dt * a_im
    k_re, k_im = size * cos(angle), size * sin(angle)
    # The held input enters as (exp(dt a) - 1) / a.
    norm = a_re * a_re + a_im * a_im
    b_re, b_im = ((k_re - 1) * a_re + k_im * a_im) / norm, (k_im * a_re - (k_re - 1) * a_im) / norm
    v = repeat(u, order)
    re, im = k_re * re - k_im * im + b_re * v, k_re * im + k_im * re + b_im * v
    return 2 * total(weight("c_re") * re - weight("c_im") * im, channels) + weight("d", channels) * u, re, im


@cell(size={"m": "order"})
def lmu(x: Tracer, h: Tracer, m: Tracer, *, order: int = 8, window: float = 32.0) -> States:
    """Legendre memory unit: m holds the last `window` steps as polynomials. Voelker, Kajić and Eliasmith, NeurIPS 2019."""
    a, b = _legendre(order, window)
    u = linear("memory", x, h, to=1) + matrix("memory.m", 1, order, init=0.0) @ m  # starts as a pure delay, as in the paper
    m = a @ m + b * u
    return tanh(linear("hidden", x, h, m=m)), m


def _legendre(order: int, window: float) -> tuple[Array, Array]:
    """The delay system of that window, held over one step: exp of [[A, B], [0, 0]]."""
    i, j = np.mgrid[:order, :order]
    system = np.zeros((order + 1, order + 1))
    system[:order, :order] = (2 * i + 1) * np.where(i < j, -1.0, (-1.0) ** (i - j + 1)) / window
    system[:order, order] = (2 * np.arange(order) + 1) * (-1.0) ** np.arange(order) / window
    halvings = max(0, math.ceil(math.log2(np.abs(system).sum(1).max())) + 2)
    held = term = np.eye(order + 1)
    for k in range(1, 20):
        term = term @ system / (2.0**halvings * k)
        held = held + term
    held = np.linalg.matrix_power(held, 2**halvings)
    return held[:order, :order], held[:order, order]
