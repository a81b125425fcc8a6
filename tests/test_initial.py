"""Initial values by name: what each fills, in torch's layers and in every cell; what is refused, and changes nothing."""

import math

import pytest
import torch

import ostinato.nn
from ostinato import cells
from ostinato.nn import init_

H, MAX_TIME = 8, 50
# Of the library's cells: those that must take each, and those that must not. A later cell's answer is tried as it comes.
TAKE = {
    "orthogonal": "rnn lstm gru gru_cho lstm_peephole lstm_layernorm mgu lstm_coupled gru_layernorm mlstm slstm cornn lem cfc ltc gru_d",
    "forget_bias": "lstm lstm_peephole lstm_projected mlstm slstm phased_lstm sru qrnn minlstm",
    "chrono": "lstm gru gru_cho lstm_peephole lstm_layernorm mgu lstm_coupled gru_layernorm mlstm lem fastgrnn gru_d sru qrnn mingru",
}
REFUSE = {
    "orthogonal": "clockwork indrnn antisymmetric dale sru qrnn mingru minlstm lru s4d ltc_synapses",
    "forget_bias": "rnn gru mgu lstm_coupled lstm_layernorm lem mingru",
    "chrono": "rnn slstm indrnn minlstm lru cornn ctrnn phased_lstm lmu",
}


def recurrent(name, **options):
    torch.manual_seed(0)
    return ostinato.nn.Recurrent(name, 6, H, dtype=torch.float64, **options)


def torchs(name, **options):
    torch.manual_seed(0)
    return getattr(ostinato.nn, name)(6, H, dtype=torch.float64, **options)


def values(module):
    return {n: p.detach().clone() for n, p in module.state_dict().items()}


def changed(module, before):
    return {n for n, p in module.state_dict().items() if not torch.equal(p, before[n])}


def gates(weight):
    return weight.detach().split(H)


def is_orthogonal(w, gain=1.0):
    small = w @ w.T if len(w) <= w.size(1) else w.T @ w
    return torch.allclose(small, gain**2 * torch.eye(len(small), dtype=w.dtype))


# ---------------------------------------------------------------- in torch's layers


@pytest.mark.parametrize(
    "name, options", [("RNN", {}), ("GRU", {"num_layers": 2, "bidirectional": True}), ("LSTM", {"bias": False}), ("LSTMCell", {})]
)
def test_orthogonal_gate_by_gate(name, options):
    module = torchs(name, **options)
    before = values(module)
    assert init_(module, "orthogonal", gain=0.5) is module
    assert changed(module, before) == {n for n in before if n.startswith("weight_hh")}
    blocks = [w for n, p in module.named_parameters() if n.startswith("weight_hh") for w in gates(p)]
    assert all(is_orthogonal(w, 0.5) for w in blocks)
    assert all(not torch.equal(a, b) for k, a in enumerate(blocks) for b in blocks[:k])


def test_orthogonal_with_a_projection():
    module = init_(torchs("LSTM", proj_size=3), "orthogonal")
    assert all(map(is_orthogonal, gates(module.weight_hh_l0)))


def test_identity_keeps_a_state():
    """An IRNN without input: each step is the last one's state."""
    module = init_(torchs("RNN", nonlinearity="relu"), "identity")
    h = torch.rand(1, 2, H, dtype=torch.float64)
    y = module(torch.zeros(5, 2, 6, dtype=torch.float64), h)[0]
    assert torch.equal(y, h.expand(5, 2, H))
    assert torch.equal(init_(module, "identity", gain=0.01).weight_hh_l0, 0.01 * torch.eye(H, dtype=torch.float64))


@pytest.mark.parametrize("name, bound", [("xavier", math.sqrt(6 / (6 + H))), ("kaiming", math.sqrt(6 / 6))])
def test_input_matrices_gate_by_gate(name, bound):
    module = torchs("LSTM", bidirectional=True)
    before = values(module)
    init_(module, name)
    assert changed(module, before) == {"weight_ih_l0", "weight_ih_l0_reverse"}
    for w in gates(module.weight_ih_l0):
        assert 0.8 * bound < w.abs().max() <= bound


@pytest.mark.parametrize("name", ["LSTM", "LSTMCell"])
def test_forget_bias(name):
    module = torchs(name)
    before = values(module)
    init_(module, "forget_bias", value=2.0)
    suffix = "" if name == "LSTMCell" else "_l0"
    assert changed(module, before) == {f"bias_ih{suffix}", f"bias_hh{suffix}"}
    for half, expected in (("bias_ih", 2.0), ("bias_hh", 0.0)):
        was, now = (gates(t) for t in (before[half + suffix], getattr(module, half + suffix)))
        assert (now[1] == expected).all() and all(torch.equal(was[k], now[k]) for k in (0, 2, 3))


def test_chrono():
    """The forget gate's bias is log u with u uniform from 1 to max_time - 1, and the input gate's is minus that."""
    torch.manual_seed(0)
    module = init_(ostinato.nn.LSTM(2, 2000, bidirectional=True), "chrono", max_time=100)
    draws = []
    for suffix in ("_l0", "_l0_reverse"):
        total = getattr(module, "bias_ih" + suffix) + getattr(module, "bias_hh" + suffix)
        i, f = total.detach().view(4, -1)[:2]
        assert torch.equal(i, -f)
        draws.append(f.exp())
        assert 1 <= draws[-1].min() < 1.5 and 98.5 < draws[-1].max() <= 99.001
        assert abs(draws[-1].mean() - 50) < 2 and abs(draws[-1].std() - 98 / math.sqrt(12)) < 2
    assert not torch.equal(*draws)


def test_chrono_of_a_gru():
    module = torchs("GRU")
    before = values(module)
    init_(module, "chrono", max_time=MAX_TIME)
    for half in ("bias_ih_l0", "bias_hh_l0"):
        was, now = gates(before[half]), gates(getattr(module, half))
        assert torch.equal(was[0], now[0]) and torch.equal(was[2], now[2])
    assert ((now[1] == 0) & (gates(module.bias_ih_l0)[1] > 0)).all()


# ---------------------------------------------------------------- in every cell


def accepted(name, init, **settings):
    """The layer, filled; None if that was refused, with the cell's name and the layer as it was."""
    module = recurrent(name)
    before = values(module)
    try:
        init_(module, init, **settings)
    except ValueError as error:
        assert name not in TAKE[init].split()
        assert f"cell {name} " in str(error) and init in str(error)
        assert not changed(module, before)
        return None
    assert name not in REFUSE[init].split()
    assert changed(module, before)
    return module


def kept(module):
    """Of each state, by name, what a step leaves of it, with no input and no products."""
    with torch.no_grad():
        for n, p in module.named_parameters():
            if p.dim() == 2 or "peep" in n:
                p.zero_()
    given = {k: torch.zeros(*((1,) if stepwise else ()), 1, width, dtype=torch.float64) for k, width, stepwise in module._stack.inputs}
    names = [k for k, _, _ in module._stack.states]

    def step(which):
        states = tuple(torch.full((1, 1, w), 0.5 * (k == which), dtype=torch.float64) for k, w, _ in module._stack.states)
        ends = module(given, states)[1]
        return dict(zip(names, ends if isinstance(ends, tuple) else (ends,), strict=True))

    none = step(None)
    return {k: ((step(k)[k] - none[k]) / 0.5).detach().flatten() for k in names}


@pytest.mark.parametrize("name", cells.names())
def test_orthogonal_in_every_cell(name):
    module = accepted(name, "orthogonal")
    if module is None:
        return
    before = recurrent(name).state_dict()
    for n in changed(module, before):
        parts = gates(getattr(module, n)) if "gates" in n else [getattr(module, n).detach()]
        assert all(map(is_orthogonal, parts)), n


@pytest.mark.parametrize("name", cells.names())
def test_forget_bias_in_every_cell(name):
    """It keeps more of a state, or changes one bias of a cell in which time decides that."""
    module = accepted(name, "forget_bias", value=3.0)
    if module is None:
        return
    assert changed(module, recurrent(name).state_dict()) == {"forget_bias_l0"} and (module.forget_bias_l0 == 3).all()
    if name != "phased_lstm":
        less = kept(init_(recurrent(name), "forget_bias", value=-3.0))
        assert any((more > less[k]).all() for k, more in kept(module).items())


@pytest.mark.parametrize("name", cells.names())
def test_chrono_in_every_cell(name):
    """Each unit of some state keeps between a half and 1 - 1/max_time of itself: u / (1 + u)."""
    module = accepted(name, "chrono", max_time=MAX_TIME)
    if module is None:
        return
    within = [bool(((r >= 0.5) & (r <= 1 - 1 / MAX_TIME) & (r.std() > 0.001)).all()) for r in kept(module).values()]
    assert any(within), kept(module)


@pytest.mark.parametrize("options", [{"layer_norm": True}, {"zoneout": 0.2, "num_layers": 2, "bidirectional": True}])
def test_options_of_a_layer_do_not_hide_its_gates(options):
    module = recurrent("lstm", **options)
    init_(init_(module, "orthogonal"), "chrono", max_time=MAX_TIME)
    named = dict(module.named_parameters())
    found = [n for n in named if n.endswith("_reverse") or "_l" in n]
    for n in found:
        if n.split("_l")[0].endswith("_h"):
            assert is_orthogonal(named[n].detach())
        if n.startswith("forget_bias"):
            assert (named[n] > 0).all() and torch.equal(named[n], -named[n.replace("forget", "input")])


def test_recurrent_starts_as_it_is_told():
    """`init=` in the constructor, and again after `reset_parameters`; the order is that of the mapping."""
    for init in ("orthogonal", {"orthogonal": {"gain": 1.0}, "forget_bias": {"value": 2.0}}):
        module = recurrent("lstm", num_layers=2, init=init)
        assert repr(init).strip("{}") in repr(module)
        with torch.no_grad():
            first = values(module)
            for p in module.parameters():
                p.zero_()
        module.reset_parameters()
        for state in (first, values(module)):
            assert all(is_orthogonal(w) for n, w in state.items() if n.split("_l")[0].endswith("_h"))
            assert (state["forget_bias_l1"] == 2).all() == (init != "orthogonal")
    with torch.device("meta"):
        empty = recurrent("gru", init="orthogonal")
    empty.to_empty(device="cpu").reset_parameters()
    assert is_orthogonal(empty.kept_h_l0.detach())
    with pytest.raises(ValueError, match="cell gru has no gate called forget"):
        recurrent("gru", init="forget_bias")


# ---------------------------------------------------------------- what is refused

MISTAKES = {
    "name": (lambda: init_(torchs("GRU"), "orthogonol"), ValueError, "is none of orthogonal, identity"),
    "setting": (lambda: init_(torchs("GRU"), "orthogonal", scale=2), ValueError, "no setting 'scale'; it has gain"),
    "no time": (lambda: init_(torchs("LSTM"), "chrono"), ValueError, "needs max_time"),
    "short time": (lambda: init_(torchs("LSTM"), "chrono", max_time=2), ValueError, "greater than 2, got 2"),
    "no bias": (lambda: init_(torchs("LSTM", bias=False), "forget_bias"), ValueError, "this LSTM was built with bias=False"),
    "no gate": (lambda: init_(torchs("GRU"), "forget_bias"), ValueError, "cell gru has no gate called forget.*update.bias"),
    "contrary gate": (lambda: init_(recurrent("mgu"), "forget_bias"), ValueError, "keeps less the larger it is; use 'chrono'"),
    "expression": (lambda: init_(recurrent("antisymmetric"), "orthogonal"), ValueError, "in an expression, not as it is"),
    "two gates": (lambda: init_(recurrent("slstm"), "chrono", max_time=9), ValueError, "input.bias and forget.bias of cell slstm both"),
    "name of a layer": (lambda: recurrent("gru", init="orthogonol"), ValueError, "is none of orthogonal, identity"),
    "foreign": (lambda: init_(torch.nn.LSTM(3, 4), "orthogonal"), TypeError, "a layer of ostinato.nn, got LSTM"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(mistake):
    call, kind, words = MISTAKES[mistake]
    with pytest.raises(kind, match=words):
        call()


def test_parametrised_weights_are_left_alone():
    module = torchs("GRU", num_layers=2)
    torch.nn.utils.parametrizations.weight_norm(module, "weight_hh_l1")
    before = values(module)
    with pytest.raises(RuntimeError, match="weight_hh_l1 is computed from other tensors"):
        init_(module, "orthogonal")
    assert not changed(module, before)
