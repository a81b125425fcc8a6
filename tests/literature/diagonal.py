"""Recurrences without a full recurrent matrix, and state spaces."""

import numpy as np
import torch
from scipy.signal import cont2discrete
from torch import sigmoid, tanh

from . import recurrence, whole


@recurrence
def sru(p, x, c):
    """Lei, Zhang, Wang, Dai and Artzi, arXiv:1709.02755v5, equations 1 to 4; W_x widens the highway's x where widths differ."""
    f = sigmoid(p.W_f @ x + p.v_f * c + p.b_f)
    r = sigmoid(p.W_r @ x + p.v_r * c + p.b_r)
    c = f * c + (1 - f) * (p.W @ x)
    h = r * c + (1 - r) * (p.W_x @ x)
    return h, c


@recurrence
def qrnn(p, x, c):
    """Bradbury, Merity, Xiong and Socher, arXiv:1611.01576, equations 1 and 4 (fo-pooling); x is the filters' window."""
    z, f, o = tanh(p.W_z @ x + p.b_z), sigmoid(p.W_f @ x + p.b_f), sigmoid(p.W_o @ x + p.b_o)
    c = f * c + (1 - f) * z
    return o * c, c


@recurrence
def mingru(p, x, h):
    """Feng et al., arXiv:2410.01201, section 3.1."""
    z = sigmoid(p.W_z @ x + p.b_z)
    h = (1 - z) * h + z * (p.W_h @ x + p.b_h)
    return h, h


@recurrence
def minlstm(p, x, h):
    """Feng et al., arXiv:2410.01201, section 3.2: gates normalised so that they add to one."""
    f, i = sigmoid(p.W_f @ x + p.b_f), sigmoid(p.W_i @ x + p.b_i)
    h = f / (f + i) * h + i / (f + i) * (p.W_h @ x + p.b_h)
    return h, h


@recurrence
def lru(p, u, re, im):
    """Orvieto et al., arXiv:2303.06349, section 3 and appendix A: complex arithmetic, Lambda = exp(-exp(nu) + i exp(theta))."""
    x = torch.exp(torch.complex(-torch.exp(p.nu), torch.exp(p.theta))) * torch.complex(re, im) + p.gamma * (p.B @ u.to(p.B.dtype))
    return (p.C @ x).real + p.D @ u, x.real, x.imag


@recurrence
def rg_lru(p, x, h, c=8.0):
    """De et al., arXiv:2402.19427, equations 1 to 4: a = sigmoid(Lambda); V widens x where widths differ."""
    r, i = sigmoid(p.W_a @ x + p.b_a), sigmoid(p.W_x @ x + p.b_x)
    a = sigmoid(p.Lambda) ** (c * r)
    h = a * h + torch.sqrt(1 - a**2) * (i * (p.V @ x))
    return h, h


@whole
def s4d(p, inputs, states):
    """Gu, Gupta, Goel and Re, arXiv:2206.11893, section 2 and listing 1: a kernel by a Vandermonde product, then a convolution.

    A (channels, order) with B = 1, zero-order hold, y = 2 Re(K u) + D u; V mixes x into channels. A kernel knows no
    initial state; its share is added.
    """
    u, (re, im) = inputs[0], states
    first = torch.complex(re, im).view(p.A.shape)
    A_bar = torch.exp(p.dt[:, None] * p.A)
    B_bar = (A_bar - 1) / p.A
    powers = A_bar[..., None] ** torch.arange(len(u) + 1)
    K = 2 * torch.einsum("hn,hnl->hl", p.C * B_bar, powers[..., :-1]).real
    toeplitz = torch.stack([torch.cat([K[:, : t + 1].flip(1), K.new_zeros(len(K), len(u) - 1 - t)], 1) for t in range(len(u))])
    u = u @ p.V.T
    free = 2 * torch.einsum("hn,hnl->lh", p.C * first, powers[..., 1:]).real
    last = first * powers[..., -1] + B_bar * torch.einsum("hnl,lh->hn", powers[..., :-1].flip(-1), u.to(A_bar.dtype))
    return torch.einsum("thl,lh->th", toeplitz, u) + free + p.D * u, (last.real.flatten(), last.imag.flatten())


def legendre(d, theta):
    """Voelker, Kajic and Eliasmith, NeurIPS 2019, equations 1 and 2, discretised by zero-order hold over one step (scipy)."""
    A = [[(2 * i + 1) / theta * (-1.0 if i < j else (-1.0) ** (i - j + 1)) for j in range(d)] for i in range(d)]
    B = [[(2 * i + 1) / theta * (-1.0) ** i] for i in range(d)]
    A_bar, B_bar, *_ = cont2discrete((np.array(A), np.array(B), np.zeros((1, d)), np.zeros((1, 1))), dt=1.0, method="zoh")
    return torch.tensor(A_bar), torch.tensor(B_bar)[:, 0]


@recurrence
def lmu(p, x, h, m, order=8, window=32.0):
    """Voelker, Kajic and Eliasmith, NeurIPS 2019, section 2.2."""
    A_bar, B_bar = legendre(order, window)
    u = p.e_x @ x + p.e_h @ h + p.e_m @ m
    m = A_bar @ m + B_bar * u
    h = tanh(p.W_x @ x + p.W_h @ h + p.W_m @ m)
    return h, h, m
