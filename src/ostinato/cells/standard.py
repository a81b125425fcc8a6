"""The cells that PyTorch has, and their nearest relatives."""

from __future__ import annotations

from ..program.language import Tracer, affine, cell, linear, norm, relu, sigmoid, tanh, weight

States = tuple[Tracer, ...]


@cell
def rnn(x: Tracer, h: Tracer, *, nonlinearity: str = "tanh") -> Tracer:
    """Simple recurrent network, nonlinearity "tanh" or "relu". Elman, "Finding structure in time", 1990."""
    v = affine("hidden", x, h)
    return {"tanh": tanh, "relu": relu}[nonlinearity](v)


@cell
def lstm(x: Tracer, h: Tracer, c: Tracer) -> States:
    """Long short-term memory. Hochreiter and Schmidhuber 1997; the forget gate: Gers et al. 2000."""
    i = sigmoid(affine("input", x, h))
    f = sigmoid(affine("forget", x, h))
    g = tanh(affine("candidate", x, h))
    o = sigmoid(affine("output", x, h))
    c = f * c + i * g
    h = o * tanh(c)
    return h, c


@cell
def gru(x: Tracer, h: Tracer) -> Tracer:
    """Gated recurrent unit, reset after the product. Cho et al. 2014; this form: cuDNN and PyTorch."""
    r = sigmoid(affine("reset", x, h))
    z = sigmoid(affine("update", x, h))
    n = tanh(affine("new", x) + r * affine("kept", h))
    return n + z * (h - n)


@cell
def gru_cho(x: Tracer, h: Tracer) -> Tracer:
    """Gated recurrent unit, reset before the product. Cho et al., arXiv:1406.1078, 2014."""
    r = sigmoid(affine("reset", x, h))
    z = sigmoid(affine("update", x, h))
    n = tanh(affine("new", x, h=r * h))
    return n + z * (h - n)


@cell
def lstm_peephole(x: Tracer, h: Tracer, c: Tracer) -> States:
    """LSTM whose gates see the cell. Gers, Schraudolph and Schmidhuber, JMLR 3, 2002.

    The squashing functions that the paper leaves open are tanh, as in Graves, arXiv:1308.0850.
    """
    i = sigmoid(affine("input", x, h) + weight("input.peep") * c)
    f = sigmoid(affine("forget", x, h) + weight("forget.peep") * c)
    g = tanh(affine("candidate", x, h))
    c = f * c + i * g
    o = sigmoid(affine("output", x, h) + weight("output.peep") * c)
    h = o * tanh(c)
    return h, c


@cell
def lstm_layernorm(x: Tracer, h: Tracer, c: Tracer) -> States:
    """Layer-normalised LSTM. Ba, Kiros and Hinton, arXiv:1607.06450, 2016, equations 20 to 22."""
    n = c.n
    # The paper's shifts and its bias are one sum: one bias.
    v = norm("norm_x", linear("gates", x, to=4 * n)) + norm("norm_h", linear("gates", h, to=4 * n)) + weight("bias", 4 * n)
    i, f, g, o = sigmoid(v[:n]), sigmoid(v[n : 2 * n]), tanh(v[2 * n : 3 * n]), sigmoid(v[3 * n :])
    c = f * c + i * g
    h = o * tanh(norm("norm_c", c, shift=True))
    return h, c


@cell(size={"h": "projection"})
def lstm_projected(x: Tracer, h: Tracer, c: Tracer, *, projection: int = 32) -> States:
    """LSTM with a projected output, PyTorch's proj_size. Sak, Senior and Beaufays, arXiv:1402.1128, 2014.

    Without the paper's peepholes and its second projection, which is not fed back.
    """
    i = sigmoid(affine("input", x, h))
    f = sigmoid(affine("forget", x, h))
    g = tanh(affine("candidate", x, h))
    o = sigmoid(affine("output", x, h))
    c = f * c + i * g
    h = linear("projection", m=o * tanh(c), to=projection)
    return h, c
