"""ostinato.nn among PyTorch's own tools: hooks, parametrisation, pruning, copies, types, optimisers, checkpoints, transforms.

What is said of all layers is tried on all seven: three stacks, three cells, and `Recurrent`.
"""

import copy
import io
import pickle
import warnings

import pytest
import tolerances
import torch
from tolerances import GRADIENTS, VALUES
from torch.nn.utils import parametrizations, parametrize, prune, stateless
from torch.utils.checkpoint import checkpoint

import ostinato.nn

STACKS, CELLS = ["RNN", "GRU", "LSTM"], ["RNNCell", "GRUCell", "LSTMCell"]
ALL = [*STACKS, *CELLS, "Recurrent"]
each = pytest.mark.parametrize("name", ALL)
of_torch = pytest.mark.parametrize("name", STACKS + CELLS)


def layer(name, dtype=torch.float64, **options):
    torch.manual_seed(0)
    sizes = ("lem", 3, 4) if name == "Recurrent" else (3, 4)
    return getattr(ostinato.nn, name)(*sizes, dtype=dtype, **options)


def twin(module):
    """torch.nn's module of that name, with the same weights and the same of them trained."""
    made = getattr(torch.nn, type(module).__name__)(3, 4, dtype=next(module.parameters()).dtype)
    made.load_state_dict(module.state_dict())
    for mine, theirs in zip(module.parameters(), made.parameters(), strict=True):
        theirs.requires_grad_(mine.requires_grad)
    return made


def inputs(name, dtype=torch.float64):
    torch.manual_seed(1)
    return torch.randn(*((5, 3) if name in CELLS else (6, 5, 3)), dtype=dtype)


def args(module, x):
    """What to call a module with: for a cell also a state that is not 0, so that its recurrent matrix counts."""
    if x.dim() == 3:
        return (x,)
    state = torch.linspace(-1, 1, 20, dtype=x.dtype, device=x.device).view(5, 4)
    return x, (state, state) if "LSTM" in repr(module) else state


def call(module, x):
    return module(*args(module, x))


def flat(result):
    """Every tensor of a result."""
    return [result] if isinstance(result, torch.Tensor) else [t for part in result for t in flat(part)]


def loss(result):
    return sum((k + 1) * t.sin().sum() for k, t in enumerate(flat(result)))


def grads(module, x):
    """Of every parameter, by name."""
    names, params = zip(*module.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss(call(module, x)), params), strict=True))


def recurrent_weight(module):
    """The name of a recurrent matrix."""
    return next(n for n, p in module.named_parameters() if n.startswith(("weight_hh", "dt_z_y")) and p.dim() == 2)


def same(a, b):
    return all(map(torch.equal, flat(a), flat(b)))


def close(a, b, tolerance):
    return all(tolerances.distance(x.detach(), y.detach()) <= tolerance["float64"] for x, y in zip(flat(a), flat(b), strict=True))


# ---------------------------------------------------------------- which gradients


def masks(count):
    """Each tensor alone, each left out, all, and a few in between."""
    draw = torch.Generator().manual_seed(3)
    rest = [tuple(bool(v) for v in torch.randint(2, (count,), generator=draw)) for _ in range(6)]
    return {
        *(tuple(k == j for k in range(count)) for j in range(count)),
        *(tuple(k != j for k in range(count)) for j in range(count)),
        *rest,
    }


@of_torch
def test_gradients_that_are_asked_for_and_no_others(name):
    """Any combination of parameters, input and states."""
    module, x = layer(name), inputs(name)
    torch.manual_seed(2)
    states = [torch.randn_like(s) for s in (flat(call(module, x))[1:] if name in STACKS else flat(call(module, x)))]
    count = len(list(module.parameters())) + 1 + len(states)
    for wanted in masks(count):
        results = []
        for made in (module, twin(module)):
            given = [t.clone() for t in (x, *states)]
            tensors = [*made.parameters(), *given]
            for t, w in zip(tensors, wanted, strict=True):
                t.grad = None
                t.requires_grad_(w)
            result = made(given[0], tuple(given[1:]) if len(states) == 2 else given[1])
            assert all(t.requires_grad == any(wanted) for t in flat(result))
            if any(wanted):
                loss(result).backward()
            results.append([t.grad for t in tensors])
        assert [g is not None for g in results[0]] == list(wanted) == [g is not None for g in results[1]]
        mine, theirs = ([g for g in r if g is not None] for r in results)
        assert close(mine, theirs, GRADIENTS)


@each
def test_frozen_layers_leave_nothing_for_a_backward_pass(name):
    module, x = layer(name).requires_grad_(False), inputs(name)
    assert not any(t.requires_grad for t in flat(call(module, x)))
    assert close(call(module, x), call(module.requires_grad_(), x), VALUES)


def test_work_that_nobody_wants_is_not_done():
    """Where only the input is trained there is no product for the weights' gradients, and the other way round."""
    module = layer("LSTM", num_layers=2)
    x = inputs("LSTM")
    for own, given in ((True, False), (False, True), (True, True)):
        y = module.requires_grad_(own)(x.clone().requires_grad_(given))[0]
        wants = y.grad_fn.record.wants
        assert (wants.inputs, wants.params) == (given, own)


# ---------------------------------------------------------------- edits


@each
def test_edits_of_saved_tensors_are_noticed(name):
    """The input, a state and each parameter, by torch's version counters and in torch's words."""
    module, x = layer(name), inputs(name)
    for edited in (x, *module.parameters()):
        y = loss(call(module, x))
        with torch.no_grad():
            edited.mul_(0.5)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.backward()


EDITS = {
    "in place": lambda p: p.mul_(2),
    "data": lambda p: p.data.mul_(2),
    "new data": lambda p: setattr(p, "data", p.data * 2),
    "numpy": lambda p: p.detach().numpy().__imul__(2),
    "copy": lambda p: p.copy_(p * 2),
    "one number": lambda p: p.view(-1)[-1].add_(1),
}


@pytest.mark.parametrize("edit", EDITS)
@each
def test_results_are_those_of_the_weights_as_they_are(name, edit):
    """However the weights were changed since the last call, with and without gradients."""
    module, x = layer(name), inputs(name)
    for parameter in module.parameters():
        for training in (False, True):
            with torch.set_grad_enabled(training):
                before = flat(call(module, x))
            with torch.no_grad():
                EDITS[edit](parameter)
            with torch.set_grad_enabled(training):
                after = flat(call(module, x))
            fresh = layer(name)
            fresh.load_state_dict(module.state_dict())
            assert same(after, call(fresh, x)) and not same(after, before)


@pytest.mark.parametrize("how", ["plain", "foreach", "fused"])
@each
def test_optimisers_of_every_kind(name, how):
    """Three steps as by hand, and each changes what the next call gives."""
    module, x = layer(name), inputs(name)
    other = copy.deepcopy(module)
    optimiser = torch.optim.SGD(module.parameters(), lr=0.1, **({} if how == "plain" else {how: True}))
    before = flat(call(module, x))
    for _ in range(3):
        optimiser.zero_grad()
        loss(call(module, x)).backward()
        norm = torch.nn.utils.clip_grad_norm_(module.parameters(), 0.5)
        optimiser.step()
        by_hand = grads(other, x)
        assert torch.allclose(norm, torch.stack([g.norm() for g in by_hand.values()]).norm())
        with torch.no_grad():
            for n, p in other.named_parameters():
                p -= 0.1 * min(1, 0.5 / (norm + 1e-6)) * by_hand[n]
    assert not same(call(module, x), before)
    assert close(call(module, x), call(other, x), {"float64": 1e-9})


# ---------------------------------------------------------------- hooks


@each
def test_hooks(name):
    """Before and after forward, on the backward pass, on tensors: called once each, and what they return counts."""
    module, x = layer(name), inputs(name).requires_grad_()
    seen = []
    plain = flat(call(module, x))[0].detach()
    handles = [
        module.register_forward_pre_hook(lambda m, a: seen.append("before") or (a[0] * 2,)),
        module.register_forward_hook(lambda m, a, y: seen.append("after")),
        module.register_full_backward_pre_hook(lambda m, g: seen.append("backward before")),
        module.register_full_backward_hook(lambda m, given, made: seen.append((given[0].shape, made[0].shape))),
    ]
    result = call(module, x)
    flat(result)[0].register_hook(lambda g: seen.append("tensor"))
    flat(result)[0].sum().backward()
    assert seen[:2] == ["before", "after"]
    assert set(seen[2:]) == {"tensor", "backward before", (x.shape, plain.shape)} and len(seen) == 5
    hooked = x.grad.clone()
    for handle in handles:
        handle.remove()
    x.grad = None
    flat(module(x * 2))[0].sum().backward()
    assert torch.equal(hooked, x.grad)
    assert torch.equal(flat(call(module, x))[0], plain)


@each
def test_hooks_on_parameters(name):
    """Hooks on leaves, after accumulation, and on gradients' way: what they return is what is kept."""
    module, x = layer(name), inputs(name)
    want = grads(module, x)
    done = []
    for p in module.parameters():
        p.register_hook(lambda g: 2 * g)
        p.register_post_accumulate_grad_hook(lambda p: done.append(p))
    loss(call(module, x)).backward()
    assert len(done) == len(want)
    assert all(torch.equal(p.grad, 2 * want[n]) for n, p in module.named_parameters())


# ---------------------------------------------------------------- parametrised, pruned and borrowed weights


class Doubled(torch.nn.Module):
    def forward(self, weight):
        return 2 * weight


PARAMETRISED = {
    "weight_norm": parametrizations.weight_norm,
    "orthogonal": parametrizations.orthogonal,
    "spectral_norm": parametrizations.spectral_norm,
    "own": lambda m, n: parametrize.register_parametrization(m, n, Doubled()),
    "old weight_norm": torch.nn.utils.weight_norm,
    "old spectral_norm": torch.nn.utils.spectral_norm,
    "pruned": lambda m, n: prune.l1_unstructured(m, n, amount=0.5),
    "pruned by columns": lambda m, n: prune.random_structured(m, n, amount=2, dim=1),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("how", PARAMETRISED)
@each
def test_parametrised_weights(name, how):
    """Values and gradients are those of the weight that is computed; training moves what it is computed from."""
    module, x = layer(name).eval(), inputs(name)
    weight = recurrent_weight(module)
    PARAMETRISED[how](module, weight)
    call(module, x)  # old hooks compute the weight before a call
    plain = layer(name).eval()
    with torch.no_grad():
        getattr(plain, weight).copy_(getattr(module, weight))
    assert close(call(module, x), call(plain, x), VALUES)
    optimiser = torch.optim.SGD(module.parameters(), lr=0.1)
    loss(call(module, x)).backward()
    wanted = grads(plain, x)
    for n, p in module.named_parameters():
        assert p.grad.abs().sum() > 0
        if n in wanted and not n.startswith(weight):
            assert close(p.grad, wanted[n], GRADIENTS)
    before = getattr(module, weight).clone()
    optimiser.step()
    y = call(module, x)
    assert not torch.equal(getattr(module, weight), before)
    with torch.no_grad():
        for n, p in plain.named_parameters():
            p.copy_(getattr(module, n))
    assert close(y, call(plain, x), VALUES)
    if how.startswith("pruned"):
        assert (getattr(module, weight) == 0).sum() == 0.5 * before.numel()
        prune.remove(module, weight)
        assert close(call(module, x), call(plain, x), VALUES)


class Turned(torch.nn.Module):
    """The same numbers in another order of memory."""

    def forward(self, weight):
        return weight.T.contiguous().T


@pytest.mark.parametrize("compiled", [False, True])
@each
def test_weights_that_are_not_contiguous(name, compiled):
    module, plain, x = layer(name), layer(name), inputs(name)
    weight = recurrent_weight(module)
    parametrize.register_parametrization(module, weight, Turned())
    assert not getattr(module, weight).is_contiguous()
    if compiled:
        torch._dynamo.reset()
        module = torch.compile(module, fullgraph=True, backend="aot_eager")
    assert same(call(module, x), call(plain, x))
    got, want = (torch.autograd.grad(loss(call(m, x)), list(m.parameters())) for m in (module, plain))
    assert sorted(g.sum().item() for g in got) == pytest.approx(sorted(g.sum().item() for g in want), rel=1e-12)


@pytest.mark.parametrize("compiled", [False, True])
@each
def test_weights_of_another_shape_are_refused(name, compiled):
    """Under compile too: the engine must never read past them."""
    module, x = layer(name), inputs(name)
    weight = recurrent_weight(module)
    setattr(module, weight, torch.nn.Parameter(getattr(module, weight)[1:].detach().clone()))
    if compiled:
        torch._dynamo.reset()
        module = torch.compile(module, backend="aot_eager")
    with pytest.raises(Exception, match="must have the shape"):
        call(module, x)


@pytest.mark.parametrize("run", [torch.func.functional_call, stateless.functional_call])
@each
def test_borrowed_weights(name, run):
    module, x = layer(name), inputs(name)
    other = {n: (p * 2).detach().requires_grad_() for n, p in module.named_parameters()}
    before = flat(call(module, x))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        y = run(module, other, args(module, x))
    made = layer(name)
    made.load_state_dict(other)
    assert same(y, call(made, x))
    got, want = torch.autograd.grad(loss(y), other.values()), grads(made, x)
    assert all(map(torch.equal, got, want.values()))
    assert same(call(module, x), before)


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
        assert close(list(grads(other, x).values()), list(grads(module, x).values()), {"float64": 0})


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
    assert close(list(second), list(of_func.values()), {"float64": 1e-10})
    (row,) = torch.func.jacrev(lambda x: loss(call(module, x))[None])(x.detach())
    assert close(row, first, {"float64": 1e-10})
    each_row = torch.func.vmap(lambda x: flat(module(x))[0], -2, -2)(x.detach())
    assert close(each_row, flat(module(x))[0], VALUES)
