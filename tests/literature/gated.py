"""Other gates, heads and clocks."""

import torch
from torch import exp, sigmoid, tanh

from . import recurrence


@recurrence
def mgu(p, x, h):
    """Zhou, Wu, Zhang and Zhou, arXiv:1603.09420, table 2: one matrix on [h, x] for each line."""
    f = sigmoid(p.W_f @ torch.cat([h, x]) + p.b_f)
    candidate = tanh(p.W_h @ torch.cat([f * h, x]) + p.b_h)
    h = (1 - f) * h + f * candidate
    return h, h


@recurrence
def lstm_coupled(p, x, y, c):
    """Greff et al., arXiv:1503.04069, section III and variant CIFG: f = 1 - i, with the peepholes p of the vanilla LSTM."""
    z = tanh(p.W_z @ x + p.R_z @ y + p.b_z)
    i = sigmoid(p.W_i @ x + p.R_i @ y + p.p_i * c + p.b_i)
    f = 1 - i
    c = z * i + c * f
    o = sigmoid(p.W_o @ x + p.R_o @ y + p.p_o * c + p.b_o)
    y = tanh(c) * o
    return y, y, c


@recurrence
def mlstm(p, x, h, c, gated_inside=True):
    """Krause, Lu, Murray and Renals, arXiv:1609.07959, section 3.

    gated_inside: the paper's LSTM squashes after the output gate, tanh(c * o); otherwise the common tanh(c) * o.
    """
    m = (p.W_mx @ x) * (p.W_mh @ h)
    h_hat = p.W_hx @ x + p.W_hm @ m + p.b_h
    i = sigmoid(p.W_ix @ x + p.W_im @ m + p.b_i)
    o = sigmoid(p.W_ox @ x + p.W_om @ m + p.b_o)
    f = sigmoid(p.W_fx @ x + p.W_fm @ m + p.b_f)
    c = f * c + i * tanh(h_hat)
    h = tanh(c * o) if gated_inside else tanh(c) * o
    return h, h, c


@recurrence
def slstm(p, x, h, c, n, m):
    """Beck et al., arXiv:2405.04517, equations 8 to 17: f = sigmoid, i = exp, stabilised by m; R is block-diagonal, one block a head."""
    z, i, f, o = (W @ x + torch.block_diag(*R) @ h + b for W, R, b in zip(p.W, p.R, p.b, strict=True))
    log_i, log_f = i, torch.log(sigmoid(f))
    m, m_before = torch.maximum(log_f + m, log_i), m
    i, f = exp(log_i - m), exp(log_f + m_before - m)
    c = f * c + i * tanh(z)
    n = f * n + i
    h = sigmoid(o) * (c / n)
    return h, h, c, n, m


def slstm_plain(p, xs, h, c, n):
    """The same without stabiliser, equations 8 to 14: every hidden state of one sequence."""
    hs = []
    for x in xs:
        z, i, f, o = (W @ x + torch.block_diag(*R) @ h + b for W, R, b in zip(p.W, p.R, p.b, strict=True))
        c, n = sigmoid(f) * c + exp(i) * tanh(z), sigmoid(f) * n + exp(i)
        h = sigmoid(o) * c / n
        hs.append(h)
    return torch.stack(hs)


@recurrence
def phased_lstm(p, x, t, h, c, alpha=1e-3):
    """Neil, Pfeiffer and Liu, arXiv:1610.09513, section 2: period tau, shift s, open ratio r_on, leak alpha.

    The paper's output gate sees "c_t"; in the authors' code that is the proposed cell, before the time gate.
    """
    phi = torch.remainder(t - p.s, p.tau) / p.tau
    rising, falling = phi < p.r_on / 2, (phi >= p.r_on / 2) & (phi < p.r_on)
    k = torch.where(rising, 2 * phi / p.r_on, torch.where(falling, 2 - 2 * phi / p.r_on, alpha * phi))
    i = sigmoid(p.W_xi @ x + p.W_hi @ h + p.w_ci * c + p.b_i)
    f = sigmoid(p.W_xf @ x + p.W_hf @ h + p.w_cf * c + p.b_f)
    c_tilde = f * c + i * tanh(p.W_xc @ x + p.W_hc @ h + p.b_c)
    c = k * c_tilde + (1 - k) * c
    o = sigmoid(p.W_xo @ x + p.W_ho @ h + p.w_co * c_tilde + p.b_o)
    h_tilde = o * tanh(c_tilde)
    h = k * h_tilde + (1 - k) * h
    return h, h, c


@recurrence
def clockwork(p, x, y, t, periods=(1, 2, 4, 8)):
    """Koutnik, Greff, Gomez and Schmidhuber, arXiv:1402.3511, section 3.

    Module i runs where t mod T_i = 0, and reads itself and the slower modules: W_H is block upper triangular.
    """
    modules = list(y.chunk(len(periods)))
    size = len(modules[0])
    new = []
    for i, period in enumerate(periods):
        rows = slice(i * size, (i + 1) * size)
        read = torch.cat(modules[i:])
        runs = int(t.item()) % period == 0
        new.append(tanh(p.W_H[rows, i * size :] @ read + p.W_I[rows] @ x + p.b[rows]) if runs else modules[i])
    return torch.cat(new), torch.cat(new), t + 1
