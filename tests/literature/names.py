"""Which of our parameters each symbol of a paper is: from a layer's tensors, by name, to the paper's.

All in torch, so that the reference's gradients flow back to our tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, eye
from torch.nn.functional import softplus

Tensors = dict[str, Tensor]
SYMBOLS: dict[str, Callable[..., SimpleNamespace]] = {}


def symbols(function: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Of a cell of that name: our tensors (and the cell's hyper-parameters) to the paper's symbols."""
    SYMBOLS[function.__name__] = lambda q, **hyper: SimpleNamespace(**function(q, **hyper))
    return function


def gates(q: Tensors, of: dict[str, str], operands: dict[str, str]) -> dict[str, Tensor]:
    """`W_f` for our `forget_x` and so on: the operand's letter, then the gate's; a gate "" has the letter alone."""
    return {
        "_".join(filter(None, (letter, gate))): q[f"{ours}_{operand}"]
        for ours, gate in of.items() for operand, letter in operands.items() if f"{ours}_{operand}" in q
    }  # fmt: skip


def _of_torch(q: Tensors, of_x: list[str], of_h: list[str]) -> dict[str, Tensor]:
    """torch.nn's four tensors; a gate that is one affine map has one bias of ours, which stands with x."""
    hidden = [q[f"{g}_bias"] if g not in of_x else torch.zeros_like(q[f"{g}_bias"]) for g in of_h]
    return {
        "weight_ih_l0": torch.cat([q[f"{g}_x"] for g in of_x]), "weight_hh_l0": torch.cat([q[f"{g}_h"] for g in of_h]),
        "bias_ih_l0": torch.cat([q[f"{g}_bias"] for g in of_x]), "bias_hh_l0": torch.cat(hidden),
    }  # fmt: skip


# ---------------------------------------------------------------- standard


@symbols
def rnn(q):
    return _of_torch(q, ["hidden"], ["hidden"])


@symbols
def lstm(q):
    return _of_torch(q, ["input", "forget", "candidate", "output"], ["input", "forget", "candidate", "output"])


@symbols
def lstm_projected(q, projection):
    return lstm(q) | {"weight_hr_l0": q["projection_m"]}


@symbols
def gru(q):
    return _of_torch(q, ["reset", "update", "new"], ["reset", "update", "kept"])


@symbols
def gru_cho(q):
    return gates(q, {"reset": "r", "update": "z", "new": ""}, {"x": "W", "h": "U", "bias": "b"})


@symbols
def lstm_peephole(q):
    of = {"input": "in", "forget": "phi", "candidate": "c", "output": "out"}
    return gates(q, of, {"x": "W", "h": "R", "peep": "w", "bias": "b"})


def _reordered(v: Tensor) -> Tensor:
    """Our input, forget, candidate, output as Ba's forget, input, output, candidate."""
    i, f, g, o = v.chunk(4)
    return torch.cat([f, i, o, g])


@symbols
def lstm_layernorm(q):
    """Ba's two shifts and his bias are one sum, our bias."""
    none = torch.zeros_like(q["bias"])
    wide = {"W_h": "gates_h", "alpha_1": "norm_h_gain", "W_x": "gates_x", "alpha_2": "norm_x_gain", "b": "bias"}
    own = {"alpha_3": q["norm_c_gain"], "beta_3": q["norm_c_shift"], "beta_1": none, "beta_2": none}
    return {k: _reordered(q[v]) for k, v in wide.items()} | own


@symbols
def gru_layernorm(q):
    return {
        "W_h": q["gates_h"], "alpha_1": q["norm_gates_h_gain"], "beta_1": torch.zeros_like(q["gates_bias"]),
        "W_x": q["gates_x"], "alpha_2": q["norm_gates_x_gain"], "beta_2": q["gates_bias"],
        "W": q["new_x"], "alpha_3": q["norm_new_gain"], "beta_3": q["norm_new_shift"],
        "U": q["kept_h"], "alpha_4": q["norm_kept_gain"], "beta_4": q["norm_kept_shift"],
    }  # fmt: skip


# ---------------------------------------------------------------- gated


@symbols
def mgu(q):
    joined = {s: torch.cat([q[f"{g}_h"], q[f"{g}_x"]], 1) for g, s in (("forget", "W_f"), ("new", "W_h"))}
    return joined | {"b_f": q["forget_bias"], "b_h": q["new_bias"]}


@symbols
def lstm_coupled(q):
    """Without the paper's peepholes."""
    none = torch.zeros_like(q["input_bias"])
    return gates(q, {"candidate": "z", "input": "i", "output": "o"}, {"x": "W", "h": "R", "bias": "b"}) | {"p_i": none, "p_o": none}


@symbols
def mlstm(q):
    found = {"W_mx": q["multiplier_x_x"], "W_mh": q["multiplier_h_h"]}
    for ours, s in (("candidate", "h"), ("input", "i"), ("output", "o"), ("forget", "f")):
        found |= {f"W_{s}x": q[f"{ours}_x"], f"W_{s}m": q[f"{ours}_m"], f"b_{s}": q[f"{ours}_bias"]}
    return found


@symbols
def slstm(q, heads):
    order = "value", "input", "forget", "output"
    blocks = [[q[f"{g}_h_{k}"] for k in range(heads)] for g in order]
    return {"W": [q[f"{g}_x"] for g in order], "R": blocks, "b": [q[f"{g}_bias"] for g in order]}


@symbols
def phased_lstm(q, **_):
    found = {"tau": q["log_period"].exp(), "s": q["shift"], "r_on": q["open_ratio"]}
    for ours, s in (("input", "i"), ("forget", "f"), ("candidate", "c"), ("output", "o")):
        found |= {f"W_x{s}": q[f"{ours}_x"], f"W_h{s}": q[f"{ours}_h"], f"b_{s}": q[f"{ours}_bias"]}
    return found | {f"w_c{s}": q[f"{ours}_peep"] for ours, s in (("input", "i"), ("forget", "f"), ("output", "o"))}


@symbols
def clockwork(q, **_):
    return {"W_H": q["recurrent"], "W_I": q["input_x"], "b": q["input_bias"]}


# ---------------------------------------------------------------- stable


@symbols
def indrnn(q):
    return {"W": q["input_x"], "u": q["recurrent"], "b": q["input_bias"]}


@symbols
def antisymmetric(q, **_):
    return {"W_h": q["recurrent"], "V_h": q["input_x"], "b_h": q["input_bias"]}


@symbols
def cornn(q, **_):
    return {"W": q["drive_y"], "calW": q["drive_z"], "V": q["drive_x"], "b": q["drive_bias"]}


@symbols
def lem(q, **_):
    of = {"dt_z": "1", "dt_y": "2", "z": "z", "y": "y"}
    return gates(q, of, {"x": "V", "y": "W", "bias": "b"}) | {"W_y": q["y_z"]}


@symbols
def fastgrnn(q):
    own = {"zeta": q["zeta"].sigmoid(), "nu": q["nu"].sigmoid()}
    return own | {"W": q["shared_x"], "U": q["shared_h"], "b_z": q["gate_bias"], "b_h": q["candidate_bias"]}


@symbols
def dale(q, inhibitory, **_):
    """The weights are positive as absolute values, where the paper rectifies; no unit sees itself; the last units inhibit."""
    n = len(q["input_bias"])
    sign = torch.ones(n, dtype=torch.float64)
    sign[n - round(inhibitory * n) :] = -1
    return {"W_plus": q["recurrent"].abs().fill_diagonal_(0), "D": sign, "W_in": q["input_x"], "b": q["input_bias"]}


@symbols
def sparse(q, density, seed=0):
    mask = torch.tensor(np.random.default_rng(seed).random(q["recurrent"].shape) < density)
    return {"W": q["input_x"], "U": q["recurrent"], "b": q["input_bias"], "M": mask}


# ---------------------------------------------------------------- continuous


@symbols
def ctrnn(q, **_):
    return {"tau": softplus(q["tau"]), "W": q["drive_h"], "V": q["drive_x"], "b": q["drive_bias"]}


@symbols
def cfc(q, **_):
    found = gates(q, {"g": "g", "h": "h", "time_a": "a", "time_b": "b"}, {"b": "W", "bias": "b"})
    return found | {"W": torch.cat([q["backbone_x"], q["backbone_h"]], 1), "b": q["backbone_bias"]}


@symbols
def ltc(q, **_):
    return {"gamma_r": q["f_h"], "gamma": q["f_x"], "mu": q["f_bias"], "A": q["A"], "tau": 1 / softplus(q["rate"])}


@symbols
def ltc_synapses(q, **_):
    """Ours are laid out by the unit that receives."""
    n = len(q["cm"])
    found = {"C": softplus(q["cm"]), "g_leak": softplus(q["gleak"]), "v_leak": q["vleak"]}
    for ours, s in (("inner", ""), ("sensory", "_s")):
        w, sigma, mu, E = (q[f"{ours}_{k}"].view(n, -1).T for k in ("w", "sigma", "mu", "erev"))
        found |= {f"w{s}": softplus(w), f"sigma{s}": sigma, f"mu{s}": mu, f"E{s}": E}
    return found


@symbols
def gru_d(q):
    found = gates(q, {"reset": "r", "update": "z", "new": ""}, {"x": "W", "h": "U", "mask": "V", "bias": "b"})
    decays = {"w_gamma_x": q["decay_x_gap"], "b_gamma_x": q["decay_x_bias"], "W_gamma_h": q["decay_h_gap"], "b_gamma_h": q["decay_h_bias"]}
    return found | decays | {"x_mean": q["mean"]}


# ---------------------------------------------------------------- diagonal


def _wide(q: Tensors, name: str, of: str) -> Tensor:
    """The matrix that widens x, or the identity where the widths are equal and the cell has none."""
    return q.get(name, eye(q[of].shape[1], dtype=torch.float64))


@symbols
def sru(q):
    found = gates(q, {"forget": "f", "reset": "r", "candidate": ""}, {"x": "W", "peep": "v", "bias": "b"})
    return found | {"W_x": _wide(q, "skip_x", "candidate_x")}


@symbols
def qrnn(q):
    return gates(q, {"candidate": "z", "forget": "f", "output": "o"}, {"x": "W", "bias": "b"})


@symbols
def mingru(q):
    return gates(q, {"update": "z", "candidate": "h"}, {"x": "W", "bias": "b"})


@symbols
def minlstm(q):
    return gates(q, {"forget": "f", "input": "i", "candidate": "h"}, {"x": "W", "bias": "b"})


@symbols
def lru(q):
    """D is diagonal, as in the authors' code; gamma is kept as its logarithm."""
    B, C = torch.complex(q["b_re_x"], q["b_im_x"]), torch.complex(q["c_re"], q["c_im"])
    return {"nu": q["nu"], "theta": q["theta"], "gamma": q["gamma"].exp(), "B": B, "C": C, "D": torch.diag(q["d"])}


@symbols
def rg_lru(q, **_):
    """Our lambda is the paper's with the other sign: log a = -softplus(lambda)."""
    found = {"W_a": q["recurrence_x"], "b_a": q["recurrence_bias"], "W_x": q["input_x"], "b_x": q["input_bias"]}
    return found | {"Lambda": -q["lambda"], "V": _wide(q, "value_x", "input_x")}


@symbols
def s4d(q, order):
    A = torch.complex(-q["log_a_re"].exp(), q["a_im"]).view(-1, order)
    C = torch.complex(q["c_re"], q["c_im"]).view(-1, order)
    V = q["channels_x"] if "channels_x" in q else eye(len(A), dtype=torch.float64)
    return {"A": A, "C": C, "dt": q["log_dt"].exp(), "D": q["d"], "V": V}


@symbols
def lmu(q, **_):
    found = {"W_x": q["hidden_x"], "W_h": q["hidden_h"], "W_m": q["hidden_m"]}
    return found | {f"e_{k}": q[f"memory_{k}"][0] for k in "xhm"}
