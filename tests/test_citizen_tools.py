"""ostinato.nn among PyTorch's tools: copies, files, types, autocast, checkpoints, compile, export, transforms, tracing.

What is said of all layers is tried on all seven: three stacks, three cells, and `Recurrent`.
"""

import copy
import io
import pickle

import pytest
import torch
from citizen import (
    CELLS,
    STACKS,
    args,
    call,
    close,
    each,
    flat,
    grads,
    inputs,
    layer,
    loss,
    of_torch,
    same,
    twin,
)
from tolerances import GRADIENTS, SECONDS, VALUES
from torch.utils.checkpoint import checkpoint

import ostinato.nn

# ---------------------------------------------------------------- copies, files, devices, types


@each
def test_state_dicts_as_files(name):
    module, x = layer(name), inputs(name)
    buffer = io.BytesIO()
    torch.save(module.state_dict(), buffer)
    buffer.seek(0)
    state = torch.load(buffer, weights_only=True)
    for assign in (False, True):
        other = layer(name)
        with torch.no_grad():
            for p in other.parameters():
                p.zero_()
        call(other, x)
        other.load_state_dict(state, assign=assign)
        assert same(call(other, x), call(module, x))
        assert same(list(grads(other, x).values()), list(grads(module, x).values()))


@of_torch
def test_state_dicts_go_both_ways(name):
    module, x = layer(name), inputs(name)
    theirs = twin(module)
    assert list(theirs.state_dict()) == list(module.state_dict()) and repr(theirs) == repr(module)
    with torch.no_grad():
        for p in theirs.parameters():
            p.mul_(-1)
    module.load_state_dict(theirs.state_dict())
    assert close(call(module, x), call(theirs, x), VALUES)


@of_torch
def test_the_same_seed_gives_torchs_own_numbers(name):
    for options in (
        [{}, {"bias": False}] + [{"num_layers": 2, "bidirectional": True}] * (name in STACKS) + [{"proj_size": 2}] * (name == "LSTM")
    ):
        made = []
        for library in (ostinato.nn, torch.nn):
            torch.manual_seed(7)
            made.append(getattr(library, name)(3, 4, **options).state_dict())
        assert list(made[0]) == list(made[1]) and all(map(torch.equal, made[0].values(), made[1].values()))


@each
def test_copies(name):
    module, x = layer(name), inputs(name)
    want = flat(call(module, x))
    for other in (copy.deepcopy(module), copy.copy(module), pickle.loads(pickle.dumps(module))):
        assert same(call(other, x), want)
    averaged = torch.optim.swa_utils.AveragedModel(module)
    averaged.update_parameters(module)
    with torch.no_grad():
        for p in module.parameters():
            p.mul_(3)
    averaged.update_parameters(module)
    middle = copy.deepcopy(module)
    with torch.no_grad():
        for p in middle.parameters():
            p.mul_(2 / 3)
    assert close(call(averaged, x), call(middle, x), VALUES)


@each
def test_types(name):
    module, x = layer(name, torch.float32), inputs(name)
    want = flat(call(module, x.float()))
    assert all(t.dtype is torch.float64 for t in flat(call(module.double(), x)))
    assert same(call(module.float(), x.float()), want)
    for lower in (torch.float16, torch.bfloat16):
        with pytest.raises(RuntimeError, match=r"computes in float32 or float64 on a CPU.*call \.float\(\)"):
            copy.deepcopy(module).to(lower)(x.to(lower))


@each
def test_shapes_without_numbers(name):
    """The meta device: made there and moved there."""
    module, x = layer(name), inputs(name)
    want = [t.shape for t in flat(call(module, x))]
    with torch.device("meta"):
        made = layer(name)
    for other in (made, copy.deepcopy(module).to("meta")):
        assert [t.shape for t in flat(other(x.to("meta")))] == want
        other.to_empty(device="cpu").load_state_dict(module.state_dict())
        assert same(call(other, x), call(module, x))


@pytest.mark.parametrize("name", [*CELLS, "Recurrent"])
def test_skipping_the_initialisation(name):
    """As in torch.nn, whose stacks refuse it."""
    module, x = layer(name), inputs(name)
    sizes = ("lem", 3, 4) if name == "Recurrent" else (3, 4)
    skipped = torch.nn.utils.skip_init(getattr(ostinato.nn, name), *sizes, dtype=torch.float64)
    skipped.load_state_dict(module.state_dict())
    assert same(call(skipped, x), call(module, x))


# ---------------------------------------------------------------- autocast


@pytest.mark.parametrize("lower", [torch.bfloat16, torch.float16])
@each
def test_autocast_computes_in_the_weights_type(name, lower):
    """Whatever autocast made of the input and the states, the layer computes in, and returns, its weights' type."""
    module, x = layer(name, torch.float32), inputs(name, torch.float32)
    map_to = torch.nn.Linear(3, 3)
    with torch.autocast("cpu", dtype=lower):
        given = map_to(x)
        y = module(given)
        again = module(given, [s.to(lower) for s in flat(y)[-2:]] if name in ("LSTM", "LSTMCell", "Recurrent") else flat(y)[-1].to(lower))
        loss(y).backward()
    assert given.dtype is lower and all(t.dtype is torch.float32 for t in (*flat(y), *flat(again)))
    assert same(y, module(given.float()))
    assert all(p.grad.dtype is torch.float32 for p in module.parameters())
    assert map_to.weight.grad.abs().sum() > 0


def test_torch_has_no_one_rule_under_autocast():
    """docs/pytorch.md says so; should torch come to have one, it is time to follow it."""
    for name in STACKS + CELLS:
        module = getattr(torch.nn, name)(3, 4)
        for given in (torch.float32, torch.bfloat16):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                result = flat(module(inputs(name, given)))[0].dtype
            assert result is (torch.bfloat16 if name in ("LSTM", "RNN", "RNNCell") else given)


@each
def test_autocast_within_compile(name):
    torch._dynamo.reset()
    module, x = layer(name, torch.float32), inputs(name, torch.float32)
    before, after = torch.nn.Linear(3, 3), torch.nn.Linear(4, 2)

    def f(x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return after(flat(module(before(x)))[0])

    y = torch.compile(f, fullgraph=True, backend="aot_eager")(x)
    assert y.dtype is torch.bfloat16 and torch.equal(y, f(x))
    loss(y).backward()
    assert all(p.grad.dtype is torch.float32 for p in module.parameters() if p.grad is not None)


def test_gradient_scaling_is_harmless():
    module, x = layer("GRU", torch.float32), inputs("GRU", torch.float32)
    want = grads(module, x)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    optimiser = torch.optim.SGD(module.parameters(), lr=0.1)
    scaler.scale(loss(call(module, x))).backward()
    scaler.unscale_(optimiser)
    assert all(torch.equal(p.grad, want[n]) for n, p in module.named_parameters())
    before = {n: p.detach().clone() for n, p in module.named_parameters()}
    scaler.step(optimiser)
    assert all(torch.allclose(p, before[n] - 0.1 * want[n]) for n, p in module.named_parameters())


# ---------------------------------------------------------------- checkpoints and transforms


@pytest.mark.parametrize("reentrant", [False, True])
@each
def test_checkpoints(name, reentrant):
    module, x = layer(name), inputs(name).requires_grad_()
    results = []
    for run in (lambda x: flat(call(module, x)), lambda x: checkpoint(lambda x: tuple(flat(call(module, x))), x, use_reentrant=reentrant)):
        module.zero_grad()
        loss(run(x)).backward()
        results.append([x.grad, *(p.grad for p in module.parameters())])
        x.grad = None
    assert same(*results)


@each
def test_compile_and_export(name):
    torch._dynamo.reset()
    module, x = layer(name), inputs(name)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    exported = torch.export.export(module, args(module, x)).module()
    assert close(call(compiled, x), call(module, x), VALUES) and close(exported(*args(module, x)), call(module, x), VALUES)
    assert close(list(grads(compiled, x).values()), list(grads(module, x).values()), GRADIENTS)


@each
def test_second_derivatives_and_transforms(name):
    module, x = layer(name), inputs(name).requires_grad_()
    params = dict(module.named_parameters())

    def f(params, x):
        return loss(torch.func.functional_call(module, params, args(module, x)))

    (first,) = torch.autograd.grad(loss(call(module, x)), x, create_graph=True)
    second = torch.autograd.grad(first.pow(2).sum(), params.values())
    of_func = torch.func.grad(lambda p: torch.func.grad(f, 1)(p, x.detach()).pow(2).sum())(params)
    assert close(list(second), list(of_func.values()), SECONDS)
    (row,) = torch.func.jacrev(lambda x: loss(call(module, x))[None])(x.detach())
    assert close(row, first, SECONDS)
    each_row = torch.func.vmap(lambda x: flat(module(x))[0], -2, -2)(x.detach())
    assert close(each_row, flat(module(x))[0], VALUES)


# ---------------------------------------------------------------- tools that look for torch's own classes


class Net(torch.nn.Module):
    def __init__(self, kind=ostinato.nn.GRU):
        super().__init__()
        self.layer, self.map = kind(3, 4), torch.nn.Linear(4, 1)

    def forward(self, x):
        return self.map(self.layer(x)[0])


class Tracer(torch.fx.Tracer):
    def is_leaf_module(self, m, name):
        return isinstance(m, torch.nn.RNNBase) or super().is_leaf_module(m, name)


def test_what_our_layers_are_to_isinstance():
    for name in STACKS:
        assert isinstance(layer(name), torch.nn.RNNBase) and not isinstance(layer(name), getattr(torch.nn, name))
    for name in CELLS:
        assert isinstance(layer(name), getattr(torch.nn, name))


def test_symbolic_tracing_needs_to_be_told():
    """torch.fx keeps whole what lies in torch.nn; a tracer that is told keeps ours whole too."""
    net, x = Net(), torch.randn(6, 5, 3)
    with pytest.raises(torch.fx.proxy.TraceError):
        torch.fx.symbolic_trace(net)
    graph = Tracer().trace(net)
    assert [n.target for n in graph.nodes if n.op == "call_module"] == ["layer", "map"]
    assert torch.equal(torch.fx.GraphModule(net, graph)(x), net(x))


def test_scripting_is_refused():
    with pytest.raises(Exception, match="Overloads are not usable"):
        torch.jit.script(Net())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_dynamic_quantisation_leaves_our_layers_as_they_are():
    net, x = Net(), torch.randn(6, 5, 3)
    small = torch.ao.quantization.quantize_dynamic(net, {torch.nn.GRU, torch.nn.Linear}, dtype=torch.qint8)
    assert type(small.layer) is ostinato.nn.GRU and type(small.map) is not torch.nn.Linear
    assert torch.equal(small.layer(x)[0], net.layer(x)[0])


@each
def test_saved_tensors_may_be_moved_away(name):
    """Hooks on saved tensors, saving on the CPU, anomaly detection."""
    module, x = layer(name), inputs(name)
    want = list(grads(module, x).values())
    packed = []
    for context in (
        torch.autograd.graph.saved_tensors_hooks(lambda t: packed.append(t) or t.clone(), lambda t: t),
        torch.autograd.graph.save_on_cpu(),
        torch.autograd.set_detect_anomaly(True),
    ):
        with context:
            got = list(grads(module, x).values())
        assert same(got, want)
    assert packed


@each
def test_saved_tensors_must_come_back_as_they_were(name):
    """Planted faults: hooks that hand back another type, another shape, a parameter laid out differently."""
    module, x = layer(name), inputs(name).requires_grad_()
    faults = (lambda t: t.float(), lambda t: t[..., :1], lambda t: t.t().contiguous().t() if t.dim() == 2 else t)
    for fault in faults:
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t, fault):
            y = loss(call(module, x))
        with pytest.raises(ValueError, match="hooks on saved tensors"):
            y.backward()


def test_tied_weights():
    """One parameter in two places of two layers: its gradient is the sum."""
    torch.manual_seed(0)
    x = torch.randn(6, 5, 4, dtype=torch.float64)
    found = []
    for library in (ostinato.nn, torch.nn):
        torch.manual_seed(1)
        a, b = (library.GRU(4, 4, dtype=torch.float64) for _ in range(2))
        b.weight_hh_l0 = b.weight_ih_l0 = a.weight_hh_l0
        found.append(torch.autograd.grad(loss(b(a(x)[0])), a.weight_hh_l0)[0])
    assert close(*found, GRADIENTS)
