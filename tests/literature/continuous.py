"""Continuous time and missing values."""

import torch
from torch import sigmoid, tanh

from . import recurrence


@recurrence
def ctrnn(p, x, y, dt=0.1):
    """The network of Funahashi and Nakamura, Neural Networks 6(6), 1993, in its rates y: tau dy/dt = -y + tanh(W y + V x + b)."""
    y = y + dt / p.tau * (tanh(p.W @ y + p.V @ x + p.b) - y)
    return y, y


def ctrnn_currents(p, xs, u, dt):
    """The same in the paper's currents u = W y + V x + b: tau du/dt = -u + W tanh(u) + V x + b; every u of one sequence."""
    us = []
    for x in xs:
        u = u + dt / p.tau * (-u + p.W @ tanh(u) + p.V @ x + p.b)
        us.append(u)
    return torch.stack(us)


@recurrence
def cfc(p, I_t, t, x):
    """Hasani et al., Nature Machine Intelligence 4, 2022: sigmoid(-f t) h + (1 - sigmoid(-f t)) g on one shared backbone.

    The gate has the form of the authors' code (ncps, mode "default"): -f t is `t_a t + t_b`, and the backbone ends in its
    "lecun_tanh", whose 2/3 is 0.666.
    """
    z = 1.7159 * tanh(0.666 * (p.W @ torch.cat([I_t, x]) + p.b))
    g, h = tanh(p.W_g @ z + p.b_g), tanh(p.W_h @ z + p.b_h)
    f_t = -((p.W_a @ z + p.b_a) * t + (p.W_b @ z + p.b_b))
    x = (1 - sigmoid(-f_t)) * g + sigmoid(-f_t) * h
    return x, x


@recurrence
def ltc(p, I_t, x, L=6, dt=1.0):
    """Hasani et al., arXiv:2006.04439, equation 3 and algorithm 1: L fused steps of dt / L, f a sigmoid of one layer."""
    step = dt / L
    for _ in range(L):
        f = sigmoid(p.gamma_r @ x + p.gamma @ I_t + p.mu)
        x = (x + step * f * p.A) / (1 + step * (1 / p.tau + f))
    return x, x


@recurrence
def ltc_synapses(p, I_t, v, L=6, dt=1.0):
    """Lechner et al., Nature Machine Intelligence 2, 2020, methods: implicit steps of each neuron's membrane equation.

    C dv_i/dt = g_leak (v_leak - v_i) + sum_j w_ji sigmoid(sigma_ji (v_j - mu_ji)) (E_ji - v_i), sensory synapses alike.
    Neuron by neuron; [j, i] is from j to i.
    """
    synapses = (p.w, p.sigma, p.mu, p.E), (p.w_s, p.sigma_s, p.mu_s, p.E_s)
    for _ in range(L):
        new = []
        for i in range(len(v)):
            pull, conductance = p.C[i] / (dt / L) * v[i] + p.g_leak[i] * p.v_leak[i], p.C[i] / (dt / L) + p.g_leak[i]
            for pre, (w, sigma, mu, E) in zip((v, I_t), synapses, strict=True):
                g = w[:, i] * sigmoid(sigma[:, i] * (pre - mu[:, i]))
                pull, conductance = pull + g @ E[:, i], conductance + g.sum()
            new.append(pull / conductance)
        v = torch.stack(new)
    return v, v


@recurrence
def gru_d(p, x, m, delta, h, x_last):
    """Che et al., Scientific Reports 8, 2018, methods: input and hidden state decay, W_gamma_x is diagonal."""
    gamma_x = torch.exp(-torch.clamp(p.w_gamma_x * delta + p.b_gamma_x, min=0))
    gamma_h = torch.exp(-torch.clamp(p.W_gamma_h @ delta + p.b_gamma_h, min=0))
    seen = m.detach()  # 0 or 1: a choice, of which there is no derivative
    x_last = seen * x + (1 - seen) * x_last
    x_hat = seen * x + (1 - seen) * (gamma_x * x_last + (1 - gamma_x) * p.x_mean)
    h = gamma_h * h
    r = sigmoid(p.W_r @ x_hat + p.U_r @ h + p.V_r @ m + p.b_r)
    z = sigmoid(p.W_z @ x_hat + p.U_z @ h + p.V_z @ m + p.b_z)
    candidate = tanh(p.W @ x_hat + p.U @ (r * h) + p.V @ m + p.b)
    h = (1 - z) * h + z * candidate
    return h, h, x_last
