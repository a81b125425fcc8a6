"""ostinato.nn in training, by PyTorch's rules: wanted gradients, edits in place, optimisers, hooks, parametrised weights.

What is said of all layers is tried on all seven: three stacks, three cells, and `Recurrent`.
"""

import copy
import warnings

import pytest
import torch
from citizen import (
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
    recurrent_weight,
    same,
    twin,
)
from tolerances import GRADIENTS, STEPPED, VALUES
from torch.nn.utils import parametrizations, parametrize, prune, stateless

from ostinato import _native

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
        wants = y.grad_fn.made[0].wants
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
    "another order of memory": lambda p: setattr(p, "data", (p.data * 2).movedim(0, -1).contiguous().movedim(-1, 0)),
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


@each
def test_what_a_call_remembers_is_not_believed_of_other_weights(name):
    """After a call, weights of another type, in one tensor or in all."""
    module, x = layer(name), inputs(name)
    call(module, x)
    first = next(module.parameters())
    kept, first.data = first.data, first.data.float()
    with pytest.raises((RuntimeError, ValueError), match="dtype"):
        call(module, x)
    first.data = kept
    assert same(call(module.float(), x.float()), call(layer(name).float(), x.float()))


def test_routes_refuse_what_they_cannot_read():
    """Natively: rows apart, tensors that are not there, no tensors at all."""
    module, x = layer("LSTM"), inputs("LSTM")
    pass_ = module._stack.steps_plain()[0].load("infer")
    weights = pass_.loaded.weights(True)
    route = _native.Route(*x.shape[:2], [(0, 0, 1, 1, 0)], pass_.params, [], 0, 0, -1)
    params = list(module.parameters())
    refused = [(x.transpose(1, 2), ValueError, "side by side"), (x.to("meta"), RuntimeError, "meta"), (None, ValueError, "externs")]
    for given, error, cause in refused:
        with pytest.raises(error, match=cause):
            route.run(weights, (given,), params, (), 0, 0, 0, 1)
    with pytest.raises(IndexError):
        route.run(weights, (), params, (), 0, 0, 0, 1)
    with pytest.raises(IndexError):
        route.run(weights, (x,), params[:1], (), 0, 0, 0, 1)
    with pytest.raises(ValueError, match="Capsule"):
        _native.read_tensors_by(3)


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
    assert close(call(module, x), call(other, x), STEPPED)


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


def odd(t):
    """The same numbers in memory that begins between two addresses of floats."""
    raw = torch.zeros(t.numel() * t.element_size() + 2, dtype=torch.uint8).numpy()[2:]
    raw[:] = t.numpy().view("uint8").ravel()
    made = torch.from_numpy(raw.view(t.numpy().dtype).reshape(t.shape))
    assert made.data_ptr() % t.element_size()
    return made


@each
def test_input_at_odd_addresses(name):
    """As bytes off a wire may be: input, states, and the gradient handed in."""
    module, x = layer(name), inputs(name)
    first, *rest = args(module, x)
    states = [odd(s) for s in flat(tuple(rest))]
    given = (odd(first), *([tuple(states) if len(states) == 2 else states[0]] if states else []))
    y, want = flat(module(*given))[0], flat(call(module, x))[0]
    assert torch.equal(y, want)
    params = list(module.parameters())
    assert same(torch.autograd.grad(y, params, odd(torch.ones_like(y))), torch.autograd.grad(want, params, torch.ones_like(y)))


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
