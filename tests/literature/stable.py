"""Recurrences that are kept stable, sparse or of one sign."""

import torch
from torch import relu, sigmoid, tanh

from . import recurrence


@recurrence
def indrnn(p, x, h):
    """Li, Li, Cook, Zhu and Gao, arXiv:1803.04831, section 3, with relu."""
    h = relu(p.W @ x + p.u * h + p.b)
    return h, h


@recurrence
def antisymmetric(p, x, h, epsilon=0.1, gamma=0.01):
    """Chang, Chen, Haber and Chi, arXiv:1902.09689, section 3: step epsilon, diffusion gamma."""
    A = p.W_h - p.W_h.T - gamma * torch.eye(len(h), dtype=h.dtype)
    h = h + epsilon * tanh(A @ h + p.V_h @ x + p.b_h)
    return h, h


@recurrence
def cornn(p, u, y, z, dt=0.05, gamma=1.0, epsilon=1.0):
    """Rusch and Mishra, arXiv:2010.00951, section 2, the friction of z explicit (its n-bar is n - 1)."""
    z = z + dt * (tanh(p.W @ y + p.calW @ z + p.V @ u + p.b) - gamma * y - epsilon * z)
    y = y + dt * z
    return y, y, z


@recurrence
def lem(p, u, y, z, dt=1.0):
    """Rusch, Mishra, Erichson and Mahoney, arXiv:2110.04744, section 2."""
    dt_n = dt * sigmoid(p.W_1 @ y + p.V_1 @ u + p.b_1)
    dt_bar = dt * sigmoid(p.W_2 @ y + p.V_2 @ u + p.b_2)
    z = (1 - dt_n) * z + dt_n * tanh(p.W_z @ y + p.V_z @ u + p.b_z)
    y = (1 - dt_bar) * y + dt_bar * tanh(p.W_y @ z + p.V_y @ u + p.b_y)
    return y, y, z


@recurrence
def fastgrnn(p, x, h):
    """Kusupati et al., arXiv:1901.02358, section 3.2, full rank: W and U are shared, zeta and nu lie in (0, 1)."""
    z = sigmoid(p.W @ x + p.U @ h + p.b_z)
    candidate = tanh(p.W @ x + p.U @ h + p.b_h)
    h = (p.zeta * (1 - z) + p.nu) * candidate + z * h
    return h, h


@recurrence
def dale(p, u, x, alpha=0.2):
    """Song, Yang and Wang, PLoS Comput. Biol. 12(2), 2016, methods, discretised, without noise: currents x, rates [x]+.

    W_rec = W_plus D, where D is diagonal, +1 for an excitatory and -1 for an inhibitory unit.
    """
    rates = relu(x)
    x = (1 - alpha) * x + alpha * (p.W_plus @ torch.diag(p.D) @ rates + p.W_in @ u + p.b)
    return relu(x), x


@recurrence
def sparse(p, x, h):
    """Narang, Diamos, Sengupta and Elsen, arXiv:1704.05119: a weight outside the mask M is zero."""
    h = tanh(p.W @ x + (p.M * p.U) @ h + p.b)
    return h, h
