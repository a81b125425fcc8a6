"""Elman's network, the LSTM and the GRU and what was done to them first."""

import torch
from torch import sigmoid, tanh

from . import recurrence, whole


def _torch(layer, p, inputs, states):
    """torch.nn's own layer on one sequence; p holds its tensors by torch.nn's names."""
    given = tuple(s[None] for s in states)
    output, ends = torch.func.functional_call(layer, vars(p), (inputs[0], given if len(given) > 1 else given[0]))
    return output, tuple(s[0] for s in (ends if isinstance(ends, tuple) else (ends,)))


@whole
def rnn(p, inputs, states, nonlinearity="tanh"):
    """Elman 1990; torch.nn.RNN."""
    rows, columns = p.weight_ih_l0.shape
    return _torch(torch.nn.RNN(columns, rows, nonlinearity=nonlinearity, dtype=torch.float64), p, inputs, states)


@whole
def lstm(p, inputs, states):
    """Hochreiter and Schmidhuber 1997, Gers et al. 2000; torch.nn.LSTM."""
    rows, columns = p.weight_ih_l0.shape
    return _torch(torch.nn.LSTM(columns, rows // 4, dtype=torch.float64), p, inputs, states)


@whole
def lstm_projected(p, inputs, states, projection):
    """Sak et al. 2014 without its peepholes and second, non-recurrent projection; torch.nn.LSTM with proj_size."""
    rows, columns = p.weight_ih_l0.shape
    return _torch(torch.nn.LSTM(columns, rows // 4, proj_size=projection, dtype=torch.float64), p, inputs, states)


@whole
def gru(p, inputs, states):
    """Cho et al. 2014, reset after the product; torch.nn.GRU."""
    rows, columns = p.weight_ih_l0.shape
    return _torch(torch.nn.GRU(columns, rows // 3, dtype=torch.float64), p, inputs, states)


@recurrence
def gru_cho(p, x, h):
    """Cho et al., arXiv:1406.1078, equations 5 to 8; the biases that the paper leaves out "to make the equations uncluttered"."""
    r = sigmoid(p.W_r @ x + p.U_r @ h + p.b_r)
    z = sigmoid(p.W_z @ x + p.U_z @ h + p.b_z)
    candidate = tanh(p.W @ x + p.U @ (r * h) + p.b)
    h = z * h + (1 - z) * candidate
    return h, h


@recurrence
def lstm_peephole(p, x, y, s):
    """Gers, Schraudolph and Schmidhuber, JMLR 3, 2002, section 2: the output gate sees the new cell.

    The paper leaves the squashing functions g and h of cell input and output open (it runs without h); here both are
    tanh, as in Graves, arXiv:1308.0850, equations 7 to 11.
    """
    y_in = sigmoid(p.W_in @ x + p.R_in @ y + p.w_in * s + p.b_in)
    y_phi = sigmoid(p.W_phi @ x + p.R_phi @ y + p.w_phi * s + p.b_phi)
    s = y_phi * s + y_in * tanh(p.W_c @ x + p.R_c @ y + p.b_c)
    y_out = sigmoid(p.W_out @ x + p.R_out @ y + p.w_out * s + p.b_out)
    y = y_out * tanh(s)
    return y, y, s


def _ln(z, gain, bias):
    """Ba et al., equations 15 and 16, of one vector; 1e-5 stands in the authors' code."""
    return gain * (z - z.mean()) / (z.var(correction=0) + 1e-5).sqrt() + bias


@recurrence
def lstm_layernorm(p, x, h, c):
    """Ba, Kiros and Hinton, arXiv:1607.06450, equations 20 to 22: the four gates are normalised as one vector of 4H numbers."""
    f, i, o, g = (_ln(p.W_h @ h, p.alpha_1, p.beta_1) + _ln(p.W_x @ x, p.alpha_2, p.beta_2) + p.b).chunk(4)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(_ln(c, p.alpha_3, p.beta_3))
    return h, h, c


@recurrence
def gru_layernorm(p, x, h):
    """Ba, Kiros and Hinton, arXiv:1607.06450, supplement: both gates are normalised as one vector of 2H numbers."""
    z, r = (_ln(p.W_h @ h, p.alpha_1, p.beta_1) + _ln(p.W_x @ x, p.alpha_2, p.beta_2)).chunk(2)
    candidate = tanh(_ln(p.W @ x, p.alpha_3, p.beta_3) + sigmoid(r) * _ln(p.U @ h, p.alpha_4, p.beta_4))
    h = (1 - sigmoid(z)) * h + sigmoid(z) * candidate
    return h, h
