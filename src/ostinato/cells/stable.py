"""Cells that bound or shape their recurrence: independent units, oscillators, multiscale, low cost, fixed structure."""

from __future__ import annotations

import numpy as np

from ..program.language import Tracer, affine, cell, linear, matrix, relu, sigmoid, tanh, weight

States = tuple[Tracer, ...]


@cell
def indrnn(x: Tracer, h: Tracer) -> Tracer:
    """Independently recurrent network. Li, Li, Cook, Zhu and Gao, arXiv:1803.04831, 2018."""
    start = np.linspace(0.0, 1.0, h.n)  # the paper's range, evenly filled: from no memory to one that lasts
    return relu(affine("input", x) + weight("recurrent", init=start) * h)


@cell
def antisymmetric(x: Tracer, h: Tracer, *, step: float = 0.1, diffusion: float = 0.01) -> Tracer:
    """Antisymmetric RNN, an ODE on the edge of stability. Chang, Chen, Haber and Chi, arXiv:1902.09689, 2019."""
    w = matrix("recurrent", h.n, h.n)
    return h + step * tanh(affine("input", x) + (w - w.T) @ h - diffusion * h)


@cell
def cornn(x: Tracer, y: Tracer, z: Tracer, *, dt: float = 0.05, gamma: float = 1.0, epsilon: float = 1.0) -> States:
    """Coupled oscillatory RNN: positions y, velocities z. Rusch and Mishra, arXiv:2010.00951, 2021.

    The friction is explicit (the paper's n-bar is n - 1).
    """
    z = z + dt * (tanh(affine("drive", x, y, z)) - gamma * y - epsilon * z)
    y = y + dt * z
    return y, z


@cell
def lem(x: Tracer, y: Tracer, z: Tracer, *, dt: float = 1.0) -> States:
    """Long expressive memory, two learned time scales. Rusch, Mishra, Erichson and Mahoney, arXiv:2110.04744, 2022."""
    dt_z = dt * sigmoid(affine("dt_z", x, y))
    dt_y = dt * sigmoid(affine("dt_y", x, y))
    z = (1 - dt_z) * z + dt_z * tanh(affine("z", x, y))
    y = (1 - dt_y) * y + dt_y * tanh(affine("y", x, z=z))
    return y, z


@cell
def fastgrnn(x: Tracer, h: Tracer) -> Tracer:
    """FastGRNN: gate and candidate share one product. Kusupati et al., arXiv:1901.02358, 2018."""
    shared = linear("shared", x, h)
    z = sigmoid(shared + weight("gate.bias"))
    n = tanh(shared + weight("candidate.bias"))
    zeta, nu = sigmoid(weight("zeta", 1, init=1.0)), sigmoid(weight("nu", 1, init=-4.0))
    return (zeta * (1 - z) + nu) * n + z * h


@cell
def dale(x: Tracer, v: Tracer, *, inhibitory: float = 0.2, alpha: float = 0.2) -> States:
    """Rates of excitatory and inhibitory units: each unit's sign is fixed. Song, Yang and Wang, PLoS Comput. Biol. 12(2), 2016.

    Weights are positive as absolute values, where the paper rectifies; input weights have either sign; no unit sees itself;
    no noise.
    """
    sign = np.where(np.arange(v.n) < v.n - round(inhibitory * v.n), 1.0, -1.0)
    strength = abs(matrix("recurrent", v.n, v.n)) * (1 - np.eye(v.n))
    v = (1 - alpha) * v + alpha * (affine("input", x) + strength @ (sign * relu(v)))
    return relu(v), v


@cell
def sparse(x: Tracer, h: Tracer, *, density: float = 0.1, seed: int = 0) -> Tracer:
    """RNN whose recurrent weights are zero outside a fixed random mask. Narang, Diamos, Sengupta and Elsen, arXiv:1704.05119, 2017.

    The paper prunes while it trains; here the mask is drawn once.
    """
    mask = np.random.default_rng(seed).random((h.n, h.n)) < density
    return tanh(affine("input", x) + (mask * matrix("recurrent", h.n, h.n)) @ h)
