"""ostinato.nn within torch: autograd of every kind, transforms, copies, devices, threads, forks."""

import copy
import io
import multiprocessing
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import tolerances
import torch
from tolerances import GRADIENTS, VALUES
from torch.autograd import gradcheck, gradgradcheck

import ostinato.nn
from ostinato import cells

NAMES = ["RNN", "LSTM", "GRU"]


def layer(name, *sizes, **options):
    torch.manual_seed(0)
    options = {"dtype": torch.float64} | options
    return getattr(ostinato.nn, name)(*(sizes or (3, 4)), **options)


def inputs(T=4, B=2, width=3, **options):
    return torch.randn(T, B, width, **({"dtype": torch.float64} | options))


def distance(ours, judge):
    return tolerances.distance(ours.detach(), judge.detach())


def flat(result):
    """Output and final states in one tuple."""
    output, ends = result
    return (output, *ends) if isinstance(ends, tuple) else (output, ends)


def loss(result):
    return sum((k + 1) * t.sin().sum() for k, t in enumerate(flat(result)))


# ---------------------------------------------------------------- autograd


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}])
@pytest.mark.parametrize("name", NAMES)
def test_gradcheck_and_gradgradcheck(name, options):
    module = layer(name, **options)
    x = inputs(3).requires_grad_()
    names, params = zip(*module.named_parameters(), strict=True)

    def call(x, *params):
        return flat(torch.func.functional_call(module, dict(zip(names, params, strict=True)), (x,)))

    given = (x, *(p.detach().requires_grad_() for p in params))
    assert gradcheck(call, given, fast_mode=True)
    assert gradgradcheck(call, given, fast_mode=True)


def test_gradgradcheck_with_states_resets_and_lengths():
    module = layer("LSTM", bidirectional=True)
    states = [torch.randn(2, 2, 4, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    reset = torch.tensor([[0, 0], [0, 1], [0, 0], [1, 0]])

    def call(x, h, c):
        return flat(module(x, (h, c), lengths=[4, 2], reset=reset))

    given = (inputs().requires_grad_(), *states)
    assert gradcheck(call, given)
    assert gradgradcheck(call, given)


def test_third_derivatives():
    module = layer("GRU", 1, 3)
    x = inputs(3, 1, 1).requires_grad_()
    results = []
    for call in (module, reference(module)):
        y = call(x)[0].pow(2).sum()
        for _ in range(2):
            (g,) = torch.autograd.grad(y, x, create_graph=True)
            y = g.pow(2).sum()
        results.append(torch.autograd.grad(y, x)[0])
    assert distance(*results) <= 1e-10


def reference(module):
    """torch.nn's layer with the same weights."""
    kind = getattr(torch.nn, type(module).__name__)
    made = kind(module.input_size, module.hidden_size, module.num_layers, bidirectional=module.bidirectional, dtype=torch.float64)
    made.load_state_dict(module.state_dict())
    return made


@pytest.mark.parametrize("wanted", ["input", "state", "weight", "bias", "input and weight"])
@pytest.mark.parametrize("name", NAMES)
def test_any_combination_of_wanted_gradients(name, wanted):
    ours = layer(name, num_layers=2, bidirectional=True)
    theirs = reference(ours)
    x, h = inputs(), torch.randn(4, 2, 4, dtype=torch.float64)
    results = []
    for module in (ours, theirs):
        a, b = x.clone().requires_grad_("input" in wanted), h.clone().requires_grad_("state" in wanted)
        for n, p in module.named_parameters():
            p.requires_grad_(n == "weight_hh_l1" if "weight" in wanted else n == "bias_ih_l0_reverse" if "bias" in wanted else False)
        leaves = [t for t in (a, b, *module.parameters()) if t.requires_grad]
        loss(module(a, (b, b) if name == "LSTM" else b)).backward()
        results.append([t.grad for t in leaves])
    for mine, other in zip(*results, strict=True):
        assert distance(mine, other) <= GRADIENTS["float64"]


def test_final_states_alone_give_gradients():
    ours = layer("LSTM")
    x = inputs().requires_grad_()
    got, want = (torch.autograd.grad(m(x)[1][1].sum(), x)[0] for m in (ours, reference(ours)))
    assert distance(got, want) <= GRADIENTS["float64"]


def test_backward_twice_and_no_further():
    module, x = layer("GRU"), inputs().requires_grad_()
    y = module(x)[0].sum()
    (a,) = torch.autograd.grad(y, x, retain_graph=True)
    (b,) = torch.autograd.grad(y, x)
    assert torch.equal(a, b)
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(y, x)


@pytest.mark.parametrize("edited", ["input", "weight", "state"])
def test_edits_in_place_are_noticed(edited):
    module = layer("GRU")
    x, h = inputs(), torch.randn(1, 2, 4, dtype=torch.float64)
    y = module(x, h)[0].sum()
    with torch.no_grad():
        {"input": x, "weight": module.weight_hh_l0, "state": h}[edited].add_(1)
    with pytest.raises(RuntimeError, match="inplace"):
        y.backward()


def test_edits_of_results_do_no_harm():
    module, x = layer("LSTM"), inputs().requires_grad_()
    (want,) = torch.autograd.grad(module(x)[0].mul(2).sum(), x)
    y = module(x)[0]
    y.mul_(2)
    assert torch.equal(torch.autograd.grad(y.sum(), x)[0], want)


def test_edits_behind_torchs_back_are_seen():
    """`.data` leaves no trace in torch's version counters, and averaged weights are kept that way."""
    module, x = layer("GRU"), inputs()
    with torch.no_grad():
        before = module(x)[0]
        for p in module.parameters():
            p.data.neg_()
        assert torch.equal(module(x)[0], layer_like(module)(x)[0])
        assert not torch.equal(module(x)[0], before)
        module.weight_hh_l0.data.copy_(module.weight_hh_l0.data.flip(0))
        assert torch.equal(module(x)[0], layer_like(module)(x)[0])


def layer_like(module):
    """A new layer with the same weights."""
    made = layer(type(module).__name__)
    made.load_state_dict(module.state_dict())
    return made


def test_inference_mode():
    module, x = layer("GRU"), inputs()
    with torch.inference_mode():
        assert torch.equal(module(x)[0], module(x)[0])
    assert torch.equal(module(x)[0], layer_like(module)(x)[0])


# ---------------------------------------------------------------- transforms


@pytest.mark.parametrize("name", NAMES)
def test_per_sample_gradients(name):
    module = layer(name, num_layers=2)
    params = dict(module.named_parameters())
    x = inputs(4, 5)

    def one(params, row):
        return loss(torch.func.functional_call(module, params, (row[:, None],)))

    each = torch.func.vmap(torch.func.grad(one), (None, 1))(params, x)
    for row in range(5):
        alone = torch.autograd.grad(loss(module(x[:, row : row + 1])), module.parameters())
        for name_, g in zip(params, alone, strict=True):
            assert distance(each[name_][row], g) <= GRADIENTS["float64"]


def test_func_grad_hessian_and_jvp():
    module, x = layer("GRU"), inputs(3, 1)

    def f(x):
        return module(x)[0].pow(2).sum()

    leaf = x.clone().requires_grad_()
    assert distance(torch.func.grad(f)(x), torch.autograd.grad(f(leaf), leaf)[0]) <= GRADIENTS["float64"]
    want = torch.autograd.functional.hessian(f, x)
    assert distance(torch.func.hessian(f)(x), want) <= 1e-10
    v = torch.randn_like(x)
    _, forward = torch.func.jvp(f, (x,), (v,))
    assert distance(forward, (torch.func.grad(f)(x) * v).sum()) <= 1e-12


def test_forward_mode_is_right():
    module, x = layer("LSTM"), inputs()
    v = torch.randn_like(x)
    with torch.autograd.forward_ad.dual_level():
        y = module(torch.autograd.forward_ad.make_dual(x, v))[0].sum()
        tangent = torch.autograd.forward_ad.unpack_dual(y).tangent
    leaf = x.clone().requires_grad_()
    assert distance(tangent, (torch.autograd.grad(module(leaf)[0].sum(), leaf)[0] * v).sum()) <= 1e-12


def test_batched_backward_passes():
    module, x = layer("GRU"), inputs().requires_grad_()
    y = module(x)[0]
    seeds = torch.randn(3, *y.shape, dtype=torch.float64)
    (together,) = torch.autograd.grad(y, x, seeds, is_grads_batched=True, retain_graph=True)
    for k in range(3):
        assert distance(together[k], torch.autograd.grad(y, x, seeds[k], retain_graph=True)[0]) <= GRADIENTS["float64"]


def test_checkpointing_draws_the_same_numbers():
    module = ostinato.nn.Recurrent("lstm", 3, 4, zoneout=0.5, dtype=torch.float64)
    x = inputs().requires_grad_()
    grads = []
    for call in (lambda x: module(x)[0], lambda x: torch.utils.checkpoint.checkpoint(lambda x: module(x)[0], x, use_reentrant=False)):
        torch.manual_seed(1)
        grads.append(torch.autograd.grad(call(x).sum(), x)[0])
    assert torch.equal(*grads)


# ---------------------------------------------------------------- copies and devices


@pytest.mark.parametrize(
    "make", [lambda: layer("LSTM"), lambda: ostinato.nn.Recurrent("lem", 3, 4, dtype=torch.float64), lambda: layer("GRU")]
)
def test_copies_are_independent_and_equal(make):
    module, x = make(), inputs()
    y = module(x)[0].detach()
    buffer = io.BytesIO()
    torch.save(module, buffer)
    buffer.seek(0)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), torch.load(buffer, weights_only=False)):
        assert torch.equal(other(x)[0], y)
        with torch.no_grad():
            next(other.parameters()).add_(1)
        assert not torch.equal(other(x)[0], y)
    assert torch.equal(module(x)[0], y)
    assert torch.equal(module.share_memory()(x)[0], y)


def test_state_dict_goes_both_ways():
    for name in NAMES:
        ours, theirs = (
            layer(name, num_layers=2, bidirectional=True),
            getattr(torch.nn, name)(3, 4, 2, bidirectional=True, dtype=torch.float64),
        )
        theirs.load_state_dict(ours.state_dict())
        ours.load_state_dict(theirs.state_dict())
        assert list(ours.state_dict()) == list(theirs.state_dict())
        assert repr(ours) == repr(theirs)
        ours.flatten_parameters()


def test_types_and_devices():
    module = layer("GRU", dtype=torch.float32)
    assert module.double()(inputs())[0].dtype == torch.float64
    assert module.float()(inputs().float())[0].dtype == torch.float32
    with pytest.raises(RuntimeError, match=r"float32 or float64 on a CPU.*float16"):
        module.half()(inputs().half())
    with torch.device("meta"):
        meta = ostinato.nn.Recurrent("gru", 3, 4)
    meta.to_empty(device="cpu").reset_parameters()
    assert meta(torch.randn(5, 2, 3))[0].shape == (5, 2, 4)
    assert ostinato.nn.LSTM(3, 4, device="meta")(torch.randn(5, 2, 3, device="meta"))[0].shape == (5, 2, 4)


def test_parametrised_weights():
    module, x = layer("GRU"), inputs()
    plain = module(x)[0].detach()
    torch.nn.utils.parametrizations.weight_norm(module, "weight_hh_l0")
    assert distance(module(x)[0], plain) <= 1e-12
    module(x)[0].sum().backward()
    assert module.parametrizations.weight_hh_l0.original1.grad.abs().sum() > 0


# ---------------------------------------------------------------- threads, processes


def test_threads_may_share_a_module():
    module = layer("GRU", 8, 16)
    xs = [inputs(20, 3, 8) for _ in range(16)]
    want = [module(x)[0].detach() for x in xs]
    weights = [{n: p.detach() * (1 + k) for n, p in module.named_parameters()} for k in range(16)]
    want_other = [torch.func.functional_call(module, w, (x,))[0] for w, x in zip(weights, xs, strict=True)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert all(map(torch.equal, pool.map(lambda x: module(x)[0].detach(), xs), want))

        def other(pair):  # functional_call itself edits the module, so each thread has its own, with the cache in common
            mine = copy.copy(module)
            mine._parameters = dict(pair[0])
            return mine(pair[1])[0]

        assert all(map(torch.equal, pool.map(other, zip(weights, xs, strict=True)), want_other))


def test_backward_on_another_thread():
    module, x = layer("LSTM"), inputs().requires_grad_()
    y = module(x)[0].sum()
    (want,) = torch.autograd.grad(y, x, retain_graph=True)
    got = []
    worker = threading.Thread(target=lambda: got.extend(torch.autograd.grad(y, x)))
    worker.start()
    worker.join()
    assert torch.equal(got[0], want)


def _forked(module, x, queue):
    queue.put(module(x)[0].detach().numpy())


def test_a_forked_child_computes():
    module, x = layer("GRU", 8, 64), inputs(50, 32, 8)
    want = module(x)[0].detach().numpy()
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_forked, args=(module, x, queue))
    child.start()
    got = queue.get(timeout=60)
    child.join(60)
    assert (got == want).all()


# ---------------------------------------------------------------- every cell


@pytest.mark.parametrize("name", cells.names())
def test_every_cell_is_the_same_on_every_path(name):
    """Engine against torch program: values and gradients, with resets and lengths, in both directions."""
    module = ostinato.nn.Recurrent(name, 8, 8, bidirectional=True, dtype=torch.float64)
    torch.manual_seed(1)
    given = {k: torch.rand(*((5,) if stepwise else ()), 3, width, dtype=torch.float64) for k, width, stepwise in module._stack.inputs}
    reset = torch.tensor([[0, 0, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0], [0, 0, 0]])

    def results(x):
        first = next(iter(given))
        return module({**given, first: x}, lengths=[5, 3, 4], reset=reset)

    x = next(iter(given.values()))
    leaf = x.clone().requires_grad_()
    params = [p for p in module.parameters() if p.requires_grad]
    engine = torch.autograd.grad(loss(results(leaf)), [leaf, *params], allow_unused=True)
    other = torch.func.grad(lambda x: loss(results(x)))(x)
    assert distance(engine[0], other) <= 1e-11
    _, pull = torch.func.vjp(
        lambda p: loss(torch.func.functional_call(module, p, (given,), {"lengths": [5, 3, 4], "reset": reset})),
        dict(module.named_parameters()),
    )
    (program,) = pull(torch.ones((), dtype=torch.float64))
    for g, want in zip(engine[1:], program.values(), strict=True):
        assert distance(g if g is not None else torch.zeros_like(want), want) <= 1e-11


def test_random_numbers_are_the_oracles():
    from ostinato.nn.emit import uniform
    from ostinato.program import philox

    mine = uniform(12345678901, 258, 7, 3, 5, 6, torch.device("cpu"))
    for t in range(3):
        assert (mine[t].numpy() == philox.uniform(12345678901, 258, 7 + t, 5, 6)).all()
    assert (uniform(5, 1, None, 3, 5, 6, torch.device("cpu")).numpy() == philox.uniform(5, 1, None, 5, 6)).all()


@pytest.mark.parametrize("options", [{"zoneout": 0.4}, {"recurrent_dropout": 0.4}, {"layer_norm": True}])
def test_options_draw_the_same_on_every_path(options):
    module = ostinato.nn.Recurrent("lstm", 3, 8, num_layers=2, bidirectional=True, dtype=torch.float64, **options)
    x = inputs().requires_grad_()
    torch.manual_seed(5)
    y = module(x)[0]
    torch.manual_seed(5)
    with torch.autograd.forward_ad.dual_level():  # the torch program
        other = module(x)[0]
    assert distance(y, other) <= VALUES["float64"]
    grads = [torch.autograd.grad(r.sin().sum(), [x, *module.parameters()]) for r in (y, other)]
    assert all(distance(a, b) <= GRADIENTS["float64"] for a, b in zip(*grads, strict=True))
    module.eval()
    assert torch.equal(module(x)[0], module(x)[0])
