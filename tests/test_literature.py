"""Every cell against an implementation written from its paper (`literature/`): values, and the gradient of every tensor."""

from __future__ import annotations

import math

import cells_page
import numpy as np
import pytest
import torch
from literature import REFERENCES, continuous, diagonal, gated, names
from literature.compare import SIZES, compare, drawn, make, reference, run, symbols
from tolerances import GRADIENTS, VALUES, distance
from torch.utils._pytree import tree_map

from ostinato import cells
from ostinato.cells.diagonal import _legendre
from ostinato.nn import Recurrent

F64 = torch.float64


def test_every_cell_has_a_reference():
    assert set(cells.names()) == set(REFERENCES) == set(names.SYMBOLS)


@pytest.mark.parametrize("sizes", [*SIZES, "drawn"], ids=str)
@pytest.mark.parametrize("name", cells.names())
def test_values_and_gradients(name, sizes):
    values, gradients = compare(name, drawn(name) if sizes == "drawn" else sizes)
    assert values <= VALUES["float64"] and gradients <= GRADIENTS["float64"]


def test_the_page_of_the_cells():
    """docs/cells.md is what `python tests/cells_page.py` writes; its distances keep the tolerances."""
    text = cells_page.PAGE.read_text()
    rows = cells_page.rows(text)
    assert list(rows) == cells.names(), "run tests/cells_page.py"
    for name, (*facts, values, gradients, use) in rows.items():
        assert facts == cells_page.facts(name) and use, "run tests/cells_page.py, and say what the cell is good for"
        assert float(values) <= VALUES["float64"] and float(gradients) <= GRADIENTS["float64"]
        assert cells_page.variant(name) in text, "run tests/cells_page.py"


# ---------------------------------------------------------------- the test of the test


@pytest.mark.parametrize("name", cells.names())
def test_each_symbol_of_a_paper_matters(name):
    """A reference with any one of its symbols a little off is far from the cell."""
    layer, inputs, states = make(name, (3, 1, 3, 4))
    with torch.no_grad():
        ours = run(layer, inputs, states)
        exact = symbols(layer)
        for symbol in vars(exact):
            p = symbols(layer)
            setattr(p, symbol, tree_map(lambda t: ~t if t.dtype == torch.bool else t + 1e-3 * torch.randn_like(t), getattr(p, symbol)))
            off = reference(layer, p, inputs, states)
            assert max(distance(a, b) for a, b in zip(ours, off, strict=True)) > 100 * VALUES["float64"], symbol


SWAPPED = [("gru_cho", "U_r", "U_z"), ("lstm_peephole", "W_in", "W_phi"), ("lem", "W_1", "W_2"), ("minlstm", "b_f", "b_i")]
SWAPPED += [("cfc", "W_g", "W_h"), ("sru", "v_f", "v_r"), ("gru_d", "V_r", "V_z"), ("fastgrnn", "zeta", "nu"), ("cornn", "W", "calW")]


@pytest.mark.parametrize(("name", "one", "other"), SWAPPED)
def test_swapped_gates_are_far_off(name, one, other):
    def swap(p):
        vars(p)[one], vars(p)[other] = vars(p)[other], vars(p)[one]

    values, gradients = compare(name, (4, 2, 8, 8), fault=swap)
    assert values > 1e-3 and gradients > 1e-3


def test_a_lost_gradient_is_far_off():
    def cut(p):
        p.U_r = p.U_r.detach() + 0 * p.U_r

    values, gradients = compare("gru_cho", (4, 2, 3, 8), fault=cut)
    assert values <= VALUES["float64"] and gradients > 1e-3


def test_the_paper_s_own_mlstm_is_another_cell():
    """Its output gate is inside the tanh: what the docstring says of ours is needed."""
    layer, inputs, states = make("mlstm", (4, 2, 3, 8))
    with torch.no_grad():
        theirs = reference(layer, symbols(layer), inputs, states, gated_inside=True)
        assert distance(run(layer, inputs, states)[0], theirs[0]) > 1e-3


# ---------------------------------------------------------------- other packages, other forms of the same equations


@pytest.mark.parametrize("name", ["cfc", "ltc_synapses"])
def test_ncps(name):
    """The package of the authors of the liquid networks."""
    ncps = pytest.importorskip("ncps.torch")
    wirings = pytest.importorskip("ncps.wirings")
    layer, inputs, states = make(name, (4, 3, 3, 6))
    p = symbols(layer)
    if name == "cfc":
        cell = ncps.CfCCell(3, 6, backbone_units=len(p.b), backbone_layers=1).double()
        theirs = {"backbone.0": "", "ff1": "_g", "ff2": "_h", "time_a": "_a", "time_b": "_b"}
        weights = {f"{k}.{part}": getattr(p, s + v) for k, v in theirs.items() for part, s in (("weight", "W"), ("bias", "b"))}
    else:
        cell = ncps.LTCCell(wirings.FullyConnected(6), 3, input_mapping=None, output_mapping=None, ode_unfolds=3, epsilon=0.0).double()
        shared = {"gleak": p.g_leak, "vleak": p.v_leak, "cm": p.C}
        own = {"w": "w", "sigma": "sigma", "mu": "mu", "erev": "E"}
        weights = shared | {k: getattr(p, s) for k, s in own.items()} | {f"sensory_{k}": getattr(p, f"{s}_s") for k, s in own.items()}
    with torch.no_grad():
        ours, h = run(layer, inputs, states)[0], states[0]
        for k, v in weights.items():
            cell.get_parameter(k).copy_(v)
        for t in range(4):
            _, h = cell(inputs[0][t], h, inputs[1][t] if name == "cfc" else 0.5)
            assert distance(ours[t], h) <= VALUES["float64"]


def test_slstm_without_its_stabiliser():
    layer, inputs, (h, c, n, m) = make("slstm", (6, 1, 3, 4))
    with torch.no_grad():
        plain = gated.slstm_plain(symbols(layer), inputs[0][:, 0], h[0], c[0], n[0])
        assert distance(run(layer, inputs, (h, c, n, 0 * m))[0][:, 0], plain) <= VALUES["float64"]
        assert run(layer, [1e4 * u for u in inputs], (h, c, n, m))[0].isfinite().all()  # where the plain one overflows


def test_ctrnn_in_currents():
    """Funahashi and Nakamura's own variables, for one time constant and a constant input."""
    layer, (x,), (h,) = make("ctrnn", (6, 1, 3, 4))
    p = symbols(layer)
    p.tau = torch.ones(4, dtype=F64) * 0.7
    layer.tau_l0.data.fill_(math.log(math.expm1(0.7)))
    x = x[:1].expand(6, -1, -1)
    with torch.no_grad():
        drive = x[0, 0] @ p.V.T + p.b
        currents = run(layer, [x], [h])[0][:, 0] @ p.W.T + drive
        assert distance(currents, continuous.ctrnn_currents(p, x[:, 0], p.W @ h[0] + drive, 0.1)) <= VALUES["float64"]


def test_qrnn_is_a_convolution():
    """Bradbury et al., equation 1: masked filters over the last k steps."""
    layer = Recurrent("qrnn", 3 * 2, 4, dtype=F64)
    x = torch.randn(7, 2, 2, dtype=F64)
    past = torch.cat([torch.zeros(2, 2, 2, dtype=F64), x])
    with torch.no_grad():
        filters = torch.cat([getattr(layer, f"{g}_x_l0") for g in ("candidate", "forget", "output")]).view(12, 3, 2).transpose(1, 2)
        bias = torch.cat([getattr(layer, f"{g}_bias_l0") for g in ("candidate", "forget", "output")])
        z, f, o = torch.conv1d(past.permute(1, 2, 0), filters, bias).permute(2, 0, 1).chunk(3, -1)
        c, expected = torch.zeros(2, 4, dtype=F64), []
        for t in range(7):
            c = f[t].sigmoid() * c + (1 - f[t].sigmoid()) * z[t].tanh()
            expected.append(o[t].sigmoid() * c)
        ours, _ = layer(torch.cat([past[:-2], past[1:-1], past[2:]], -1))
        assert distance(ours, torch.stack(expected)) <= VALUES["float64"]


# ---------------------------------------------------------------- how the papers start


@pytest.mark.parametrize(("order", "window"), [(1, 1.0), (2, 3.0), (8, 32.0), (32, 64.0), (64, 1000.0)])
def test_legendre_matrices(order, window):
    for ours, theirs in zip(_legendre(order, window), diagonal.legendre(order, window), strict=True):
        assert distance(ours, theirs) <= VALUES["float64"]


def test_lmu_remembers_its_window():
    """Voelker et al., equation 3: the Legendre polynomials read the input of a window ago off the memory."""
    a, b = _legendre(12, 64.0)
    u = np.sin(np.arange(300) * 2 * np.pi / 50)
    memory, read = np.zeros(12), []
    for value in u:
        memory = a @ memory + b * value
        read.append([np.polynomial.legendre.legval(2 * share - 1, memory) for share in (0.25, 0.5, 1.0)])
    for k, delay in enumerate((16, 32, 64)):
        # A value held over a step is half a step old on average.
        late = np.sin((np.arange(300) - delay + 0.5) * 2 * np.pi / 50)
        assert np.abs(np.array(read)[150:, k] - late[150:]).max() < 0.01
    assert not Recurrent("lmu", 2, 3).memory_m_l0.any()


def start(name, hidden=64, **hyper):
    layer = Recurrent(name, 3, hidden, dtype=F64, **hyper)
    return {k.removesuffix("_l0"): v.detach() for k, v in layer.state_dict().items()}


def evenly(values, low, high):
    """Whether the values fill the range, with gaps no larger than a few even ones."""
    values = values.sort().values
    assert low - 1e-9 <= values[0] and values[-1] <= high + 1e-9
    edges = torch.cat([torch.tensor([low], dtype=F64), values, torch.tensor([high], dtype=F64)])
    return float(edges.diff().max()) <= 3 * (high - low) / len(values)


def test_ring_of_the_lru():
    """Orvieto et al., lemma 3.2 and section 3.4: uniform on the ring by area, any phase, inputs normalised."""
    q = start("lru")
    modulus = torch.exp(-q["nu"].exp())
    assert evenly(modulus**2, 0.9**2, 0.999**2) and evenly(q["theta"].exp(), 0.0, 2 * math.pi + 2e-3)
    assert distance(q["gamma"].exp(), (1 - modulus**2).sqrt()) < 1e-9
    inner = start("lru", smallest=0.2, largest=0.5)
    assert evenly(torch.exp(-2 * inner["nu"].exp()), 0.2**2, 0.5**2)


def test_decay_of_the_rg_lru():
    """De et al., section 2.4: a^c is uniform from 0.9 to 0.999."""
    assert evenly(torch.sigmoid(-start("rg_lru")["lambda"]) ** 8, 0.9, 0.999)


def test_s4d_lin():
    """Gu et al., equation 9: A_n = -1/2 + i pi n; steps from 0.001 to 0.1, even in the logarithm."""
    q = start("s4d", order=4)
    assert distance(-q["log_a_re"].exp(), torch.full((64,), -0.5)) < 1e-9
    assert distance(q["a_im"], math.pi * np.tile(np.arange(4), 16)) < 1e-9
    assert evenly(q["log_dt"], math.log(0.001), math.log(0.1))


def test_antisymmetric_is_critical():
    """Chang et al., section 3: at rest the eigenvalues of the step lie at 1 - step * diffusion, whatever their phase."""
    layer = Recurrent("antisymmetric", 2, 6, dtype=F64, step=0.1, diffusion=0.3).requires_grad_(False)
    layer.input_bias_l0.data.zero_()
    zero = torch.zeros(1, 1, 2, dtype=F64)
    jacobian = torch.autograd.functional.jacobian(lambda h: layer(zero, h[None, None])[0][0, 0], torch.zeros(6, dtype=F64))
    assert distance(torch.linalg.eigvals(jacobian).real, np.full(6, 1 - 0.1 * 0.3)) <= VALUES["float64"]


def test_ranges_of_the_papers():
    assert evenly(start("indrnn")["recurrent"], 0.0, 1.0)
    phased = start("phased_lstm", longest=500.0)
    assert evenly(phased["log_period"], 0.0, math.log(500.0))
    assert evenly(phased["shift"] / phased["log_period"].exp(), 0.0, 1.0)
    liquid = start("ltc_synapses", 8)
    for synapses in ("inner", "sensory"):
        assert evenly(liquid[f"{synapses}_sigma"], 3.0, 8.0) and evenly(liquid[f"{synapses}_mu"], 0.3, 0.8)
    assert torch.allclose(torch.nn.functional.softplus(liquid["cm"]), torch.tensor(0.5, dtype=F64), atol=1e-4)
    tiny = start("fastgrnn")
    assert torch.equal(tiny["zeta"], torch.ones(1, dtype=F64)) and torch.equal(tiny["nu"], torch.full((1,), -4.0, dtype=F64))
