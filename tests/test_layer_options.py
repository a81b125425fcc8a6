"""What joins layers and steps in ostinato.nn, beyond torch.nn: in values, on every path, and what is refused."""

from __future__ import annotations

import copy

import pytest
import torch
from tolerances import GRADIENTS, VALUES, distance
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import ostinato.nn

T, B, N, H = 6, 3, 5, 4


def make(cell="lstm", inputs=N, hidden=H, **options):
    torch.manual_seed(0)
    return ostinato.nn.Recurrent(cell, inputs, hidden, dtype=torch.float64, **options)


def data(width=N, seed=1):
    return torch.randn(T, B, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def far(a, b):
    return distance(a.detach(), b.detach())


def flat(result):
    """Output and final states in one tuple."""
    return result[0], *ends_of(result[1])


def ends_of(ends):
    """Final states as tensors: one for each state, or one for each of its layers."""
    return [t for e in (ends if isinstance(ends, tuple) else (ends,)) for t in (e if isinstance(e, tuple) else (e,))]


def layer_of(module, k):
    """One layer of a stack as a module of its own, both directions in it."""
    step, options = module._stack.steps_plain()[k], {"bidirectional": module.bidirectional, "merge": module.merge}
    own = make(
        module.cell, step.inputs[0][1], step.program.hidden_size, learn_initial_state=module.learn_initial_state, **options, **module.hyper
    )
    state = module.state_dict()
    own.load_state_dict({name: state[name.replace("_l0", f"_l{k}")] for name in own.state_dict()})
    return own


# ---------------------------------------------------------------- layers

JOINS = [
    {"residual": True},
    {"residual": True, "inputs": H},
    {"residual": True, "bidirectional": True, "inputs": 2 * H},
    {"residual": True, "bidirectional": True, "merge": "sum"},
    {"skip": True, "merge": "ave", "bidirectional": True},
    {"skip": True, "residual": True, "inputs": H},
    {"hidden": (3, 6)},
    {"hidden": [6, 2], "bidirectional": True, "merge": "mul"},
    {"learn_initial_state": True},
    {"learn_initial_state": True, "bidirectional": True, "hidden": (3, 4), "skip": True},
]
joins = pytest.mark.parametrize("options", JOINS, ids=lambda o: " ".join(f"{k}={v}" for k, v in o.items()))


def learned(module):
    """Learned initial states that are not 0."""
    for name, p in module.named_parameters():
        if name.startswith("start_"):
            torch.nn.init.normal_(p, generator=torch.Generator().manual_seed(len(name)))
    return module


@joins
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_layers_are_joined_as_said(cell, options):
    """A stack is its layers one by one, with the sums and the concatenations that the options mean."""
    module = learned(make(cell, num_layers=2, **options))
    x = y = data(module.input_size)
    ends = []
    for k in range(2):
        new, end = layer_of(module, k)(torch.cat([y, x], -1) if k and module.skip else y)
        if module.bidirectional and module.merge != "concat":
            a, b = new_directions(module, k, torch.cat([y, x], -1) if k and module.skip else y)
            assert far(new, {"sum": a + b, "mul": a * b, "ave": (a + b) / 2}[module.merge]) <= VALUES["float64"]
        y = new + y if module.residual and new.shape == y.shape else new
        ends.append(ends_of(end))
    output, final = module(x)
    assert far(output, y) <= VALUES["float64"]
    ragged = not isinstance(module.hidden_size, int)
    want = [t for state in zip(*ends, strict=True) for t in (state if ragged else [torch.cat(state)])]
    assert len(want) == len(ends_of(final))
    assert all(far(a, b) <= VALUES["float64"] for a, b in zip(ends_of(final), want, strict=True))
    chunks = [module(x[:4])[0], module(x[4:], module(x[:4])[1])[0]]
    if not module.bidirectional:
        assert torch.equal(torch.cat(chunks), output)


def new_directions(module, k, x):
    own = layer_of(module, k)
    own.merge = "concat"
    own._stack = make(
        own.cell, own.input_size, own.hidden_size, bidirectional=True, learn_initial_state=own.learn_initial_state, **own.hyper
    )._stack
    return own(x)[0].chunk(2, -1)


def test_residual_where_widths_differ():
    with pytest.raises(ValueError, match="residual: layer 1 is given 10 numbers a step and gives 20"):
        make("lru", num_layers=2, bidirectional=True, residual=True)


def test_layers_with_other_parameters():
    """The SRU has one matrix more where the input is as wide as the state is not."""
    module = make("sru", num_layers=3)
    assert {"skip_x_l0", "skip_x_l1"} & module.state_dict().keys() == {"skip_x_l0"}
    y, ends = data(), []
    for k in range(3):
        y, end = layer_of(module, k)(y)
        ends.append(end)
    output, final = module(data())
    assert torch.equal(output, y)
    assert torch.equal(final, torch.cat(ends))


def test_layers_whose_output_grows():
    module = make("lru", num_layers=3, bidirectional=True)
    y = data()
    for k in range(3):
        y = layer_of(module, k)(y)[0]
    assert y.shape == (T, B, 8 * N)
    assert far(module(data())[0], y) <= VALUES["float64"]


@joins
def test_the_same_on_every_path(options):
    module = learned(make(num_layers=2, **options))
    x, lengths = data(module.input_size).requires_grad_(), torch.tensor([6, 2, 4])
    reset = torch.rand(T, B, generator=torch.Generator().manual_seed(3)) < 0.3
    leaves = [x, *module.parameters()]

    def results(call, x=x):
        got = flat(call(x, lengths=lengths, reset=reset))
        return got, torch.autograd.grad(sum((k + 1) * t.sin().sum() for k, t in enumerate(got)), leaves)

    engine = results(module)
    with torch.autograd.forward_ad.dual_level():
        emitted = results(module)
    torch._dynamo.reset()
    compiled = results(torch.compile(module, fullgraph=True, backend="aot_eager"))
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    flags = pack_padded_sequence(reset[..., None], lengths, enforce_sorted=False)
    flags = flags._replace(data=flags.data[:, 0])

    def through_packed(x, lengths, reset):
        output, ends = module(packed, reset=flags)
        return pad_packed_sequence(output, total_length=T)[0], ends

    for other in (emitted, compiled, results(through_packed)):
        assert all(far(a, b) <= VALUES["float64"] for a, b in zip(other[0], engine[0], strict=True))
        assert all(far(a, b) <= GRADIENTS["float64"] for a, b in zip(other[1], engine[1], strict=True))
    with torch.no_grad():
        assert torch.equal(module(x, lengths=lengths, reset=reset)[0], engine[0][0])


def test_padding_is_not_added():
    module = make(inputs=H, num_layers=2, residual=True)
    x = data(H)
    x[3:, 1] = torch.nan
    x.requires_grad_()
    output, _ = module(x, lengths=[6, 3, 6])
    assert not output[3:, 1].any()
    (grad,) = torch.autograd.grad(output.sum(), x)
    assert grad.isfinite().all()
    assert not grad[3:, 1].any()


def test_learned_states_start_as_the_cell_and_are_learned():
    module = make("gru", learn_initial_state=True, bidirectional=True)
    assert {k: tuple(v.shape) for k, v in module.state_dict().items() if "start" in k} == {"start_h_l0": (H,), "start_h_l0_reverse": (H,)}
    x, plain = data(), make("gru", bidirectional=True)
    plain.load_state_dict(module.state_dict(), strict=False)
    assert torch.equal(module(x)[0], plain(x)[0])
    module(x)[0].sum().backward()
    assert module.start_h_l0.grad.abs().min() > 0
    learned(module)
    h = torch.stack([module.start_h_l0, module.start_h_l0_reverse])[:, None].expand(2, B, H)
    assert torch.equal(module(x)[0], plain(x, h)[0])
    other = torch.ones(2, B, H, dtype=torch.float64)
    assert torch.equal(module(x, other)[0], plain(x, other)[0])


def test_resets_return_to_learned_states():
    module = learned(make("lstm", learn_initial_state=True))
    x, reset = data(), torch.zeros(T, B)
    reset[3] = 1
    module(x, reset=reset)[0].sum().backward()
    got = module.start_c_l0.grad.clone()
    module.zero_grad()
    pieces = torch.cat([module(x[:3])[0], module(x[3:])[0]])
    assert far(module(x, reset=reset)[0], pieces) <= VALUES["float64"]
    pieces.sum().backward()
    assert far(got, module.start_c_l0.grad) <= GRADIENTS["float64"]


def test_counters_are_not_learned():
    module = make("clockwork", hidden=8, learn_initial_state=True)
    assert [k for k in module.state_dict() if "start" in k] == ["start_h_l0"]
    reset = torch.zeros(T, B)
    reset[2] = 1
    assert (module(data(), reset=reset)[1][1] == T - 2).all()


def test_states_of_layers_of_their_own_sizes():
    module = make("lstm", hidden=(3, 6), bidirectional=True)
    _, (h, c) = module(data())
    assert [tuple(t.shape) for t in (*h, *c)] == [(2, B, 3), (2, B, 6)] * 2
    assert module(data(), (h, c))[0].shape == (T, B, 12)
    assert make("gru", hidden=(3, 6))(data()[:, 0])[1][1].shape == (1, 6)
    with pytest.raises(RuntimeError, match="state 'h' must be a tuple of 2 tensors"):
        module(data(), (h[:1], c))
    with pytest.raises(RuntimeError, match=r"Expected hidden 'c' size \(2, 3, 3\)"):
        module(data(), (h, h[::-1]))


@pytest.mark.parametrize(
    "options, words",
    [
        ({"hidden": (3, 4), "num_layers": 3}, "num_layers is 3, but hidden_size has 2"),
        ({"hidden": ()}, "one for each layer"),
        ({"merge": "sum"}, "goes with bidirectional=True"),
        ({"merge": "max", "bidirectional": True}, "merge must be one of concat, sum, mul, ave"),
        ({"hidden": (3, 4), "residual": True}, "layer 1 is given 3 numbers a step and gives 4"),
        ({"weight_dropout": 1.0}, "weight_dropout: the rate is"),
        ({"cell": "sru", "weight_dropout": 0.1}, "weight_dropout: cell sru has no product of a trained matrix with its state"),
        ({"cell": "gru_d", "hidden": (3, 4)}, "input 'mask' is as wide as the first input"),
    ],
)
def test_what_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        make(**options)


def test_what_does_nothing_is_warned_of():
    for name, value in (("dropout", 0.5), ("skip", True)):
        with pytest.warns(UserWarning, match=f"{name}={value} lies between layers"):
            make(**{name: value})


# ---------------------------------------------------------------- lazily sized


def lazy(cell="gru", **options):
    return ostinato.nn.LazyRecurrent(cell, H, dtype=torch.float64, **options)


@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_the_first_input_tells_the_size():
    for shape in (lambda x: x, lambda x: (x,), lambda x: {"x": x}, lambda x: pack_padded_sequence(x, [T] * B)):
        module = lazy(num_layers=2, bidirectional=True, learn_initial_state=True)
        assert list(module.state_dict()) == ["unsized"]
        torch.manual_seed(0)
        y, _ = copy.deepcopy(module)(shape(data()))
        torch.manual_seed(0)
        assert torch.equal(module(shape(data()))[0][0], y[0])
        assert type(module) is ostinato.nn.Recurrent
        assert module.state_dict().keys() == make("gru", num_layers=2, bidirectional=True, learn_initial_state=True).state_dict().keys()
    with pytest.raises(RuntimeError, match="Expected 5, got 4"):
        module(data(4))


@pytest.mark.filterwarnings("ignore:Lazy modules")
@pytest.mark.parametrize("cell", ["lstm", "sru", "rg_lru", "ltc_synapses", "s4d", "lmu"])
def test_stored_parameters_tell_the_size(cell):
    for inputs in (2, H):
        sized, module = make(cell, inputs, hidden=H), torch.nn.Sequential(lazy(cell))
        module.load_state_dict({f"0.{k}": v for k, v in sized.state_dict().items()})
        assert torch.equal(module(data(inputs))[0], sized(data(inputs))[0])
    uninitialised = lazy(cell)
    uninitialised.load_state_dict(lazy(cell).state_dict())
    uninitialised.float()(data().float())
    assert next(uninitialised.parameters()).dtype == torch.float32


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_cell_may_have_no_parameters(dtype):
    @ostinato.cell
    def leaky(x, h):
        h = 0.5 * h + x
        return h, h

    x = torch.randn(T, B, 3, dtype=getattr(torch, dtype), requires_grad=True)
    y, _ = ostinato.nn.Recurrent(leaky, 3, 3)(x)
    h, steps = torch.zeros(B, 3, dtype=getattr(torch, dtype)), []
    for now in x:
        h = 0.5 * h + now
        steps.append(h)
    wanted = torch.stack(steps)
    assert distance(y.detach(), wanted.detach()) < VALUES[dtype]
    weights = torch.randn_like(y)
    assert distance(*(torch.autograd.grad(one, x, weights)[0] for one in (y, wanted))) < GRADIENTS[dtype]
