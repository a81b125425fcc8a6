"""Bad input to ostinato.nn: one clear sentence each, torch's own where torch has one; and torch's module cases."""

import math

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_sequence
from torch.testing._internal.common_modules import ModuleErrorEnum, module_db

import ostinato as ost
import ostinato.nn

CASES = [info for info in module_db if info.name in ("nn.RNN", "nn.LSTM", "nn.GRU", "nn.RNNCell", "nn.LSTMCell", "nn.GRUCell")]


def ours(info):
    return getattr(ostinato.nn, info.name.removeprefix("nn."))


def flat(result):
    if isinstance(result, PackedSequence):
        return [result.data]
    return [result] if isinstance(result, torch.Tensor) else [t for part in result for t in flat(part)]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("info", CASES, ids=lambda info: info.name)
def test_torchs_module_cases(info, training):
    """Every construction and call of torch's own cases: the shapes, and here the values too."""
    cases = info.module_inputs_func(info, device="cpu", dtype=torch.float64, requires_grad=True, training=training)
    assert cases
    for case in cases:
        made = [cls(*case.constructor_input.args, **case.constructor_input.kwargs) for cls in (ours(info), info.module_cls)]
        for module in made:
            module.train(training)
            module.double()
        made[0].load_state_dict(made[1].state_dict())
        mine, theirs = (flat(m(*case.forward_input.args, **case.forward_input.kwargs)) for m in made)
        assert [t.shape for t in mine] == [t.shape for t in theirs]
        for a, b in zip(mine, theirs, strict=True):
            torch.testing.assert_close(a, b)


@pytest.mark.parametrize("info", [i for i in CASES if i.module_error_inputs_func], ids=lambda info: info.name)
def test_torchs_error_cases(info):
    cases = info.module_error_inputs_func(info, device="cpu", dtype=torch.float32, requires_grad=False, training=False)
    assert cases
    for case in cases:
        given = case.module_error_input
        constructor = given.constructor_input
        if case.error_on == ModuleErrorEnum.CONSTRUCTION_ERROR:
            with pytest.raises(case.error_type, match=case.error_regex):
                ours(info)(*constructor.args, **constructor.kwargs)
        else:
            module = ours(info)(*constructor.args, **constructor.kwargs)
            with pytest.raises(case.error_type, match=case.error_regex):
                module(*given.forward_input.args, **given.forward_input.kwargs)


# ---------------------------------------------------------------- what torch's layers refuse, in torch's type and words

X = torch.randn(5, 2, 3)
SHARED = {
    "rank": lambda m: m(torch.randn(1, 5, 2, 3)),
    "width": lambda m: m(torch.randn(5, 2, 4)),
    "dtype": lambda m: m(X.double()),
    "no steps": lambda m: m(torch.randn(0, 2, 3)),
    "hx rank": lambda m: m(X, pair(m, torch.randn(2, 4))),
    "hx batch": lambda m: m(X, pair(m, torch.randn(1, 3, 4))),
    "hx width": lambda m: m(X, pair(m, torch.randn(1, 2, 5))),
    "hx unbatched": lambda m: m(X[:, 0], pair(m, torch.randn(1, 2, 4))),
}


def pair(module, state):
    return (state, state) if "LSTM" in type(module).__name__ else state


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("mistake", SHARED)
def test_shared_mistakes_are_told_as_torch_tells_them(name, mistake):
    theirs, mine = getattr(torch.nn, name)(3, 4), getattr(ostinato.nn, name)(3, 4)
    with pytest.raises(Exception) as expected:
        SHARED[mistake](theirs)
    with pytest.raises(type(expected.value)) as got:
        SHARED[mistake](mine)
    words = set(str(expected.value).replace(",", " ").split())
    assert len(words & set(str(got.value).replace(",", " ").split())) >= 0.7 * len(words), (str(got.value), str(expected.value))


@pytest.mark.parametrize(
    "arguments", [{"hidden_size": 0}, {"num_layers": 0}, {"dropout": 2}, {"bias": 1}, {"proj_size": 9}, {"hidden_size": 4.0}]
)
def test_shared_mistakes_of_construction(arguments):
    given = {"input_size": 3, "hidden_size": 4} | arguments
    for name in ("LSTM", "GRU"):
        with pytest.raises((ValueError, TypeError)) as expected:
            getattr(torch.nn, name)(**given)
        with pytest.raises(type(expected.value)) as got:
            getattr(ostinato.nn, name)(**given)
        assert str(got.value) == str(expected.value)


# ---------------------------------------------------------------- what is ours alone


def forged(batch_sizes, rows):
    return PackedSequence(torch.randn(rows, 3), torch.tensor(batch_sizes))


MISTAKES = {
    "packed width": (lambda m: m(pack_sequence([torch.randn(3, 4)])), RuntimeError, "Expected 3, got 4"),  # torch's LSTM takes it
    "packed rows": (lambda m: m(forged([2, 2, 1], 9)), RuntimeError, "add up to 5 rows, but data has 9"),
    "packed increasing": (lambda m: m(forged([1, 2], 3)), RuntimeError, "never increase"),
    "packed negative": (lambda m: m(forged([2, -1], 1)), RuntimeError, "positive"),
    "packed nothing": (lambda m: m(forged([], 0)), RuntimeError, "larger than 0|batch_sizes"),
    "packed indices": (
        lambda m: m(PackedSequence(torch.randn(3, 3), torch.tensor([2, 1]), torch.tensor([0, 7]), torch.tensor([0, 1]))),
        RuntimeError, "sorted_indices",
    ),
    "lengths negative": (lambda m: m(X, lengths=[-1, 3]), ValueError, "between 0 and the 5 steps"),
    "lengths too long": (lambda m: m(X, lengths=[6, 3]), ValueError, "got 6"),
    "lengths count": (lambda m: m(X, lengths=[3]), ValueError, r"shape \(2,\)"),
    "lengths type": (lambda m: m(X, lengths=torch.tensor([1.0, 2.0])), TypeError, "whole numbers"),
    "lengths of packed": (lambda m: m(pack_sequence([X[:, 0]]), lengths=[3]), ValueError, "carries its own"),
    "reset shape": (lambda m: m(X, reset=torch.zeros(5, 3)), ValueError, r"\[5, 2\]"),
    "reset packed": (lambda m: m(X, reset=pack_sequence([torch.zeros(3)])), TypeError, "pack both or neither"),
    "pair": (lambda m: ostinato.nn.LSTM(3, 4)(X, torch.zeros(1, 2, 4)), RuntimeError, "pair of tensors"),
    "half": (lambda m: m.half()(X.half()), RuntimeError, "float32 or float64"),
    "one weight's type": (lambda m: _with(m, m.weight_hh_l0.double())(X), RuntimeError, "not the same dtype"),
    "one weight's shape": (lambda m: _with(m, m.weight_hh_l0[:3])(X), RuntimeError, "must have the shape"),
    "hx type": (lambda m: m(X, torch.zeros(1, 2, 4).double()), RuntimeError, "not the same dtype"),
    "hx device": (lambda m: m(X, torch.zeros(1, 2, 4, device="meta")), RuntimeError, "not at the same device"),
    "input device": (lambda m: m(X.to("meta")), RuntimeError, "not at the same device"),
}  # fmt: skip


def _with(module, weight):
    module._parameters["weight_hh_l0"] = weight.detach()
    return module


@pytest.mark.parametrize("mistake", MISTAKES)
def test_own_mistakes(mistake):
    call, kind, words = MISTAKES[mistake]
    with pytest.raises(kind, match=words):
        call(ostinato.nn.GRU(3, 4))


def test_recurrent_mistakes():
    @ost.cell
    def two(x, y, /, h):
        return ost.tanh(ost.affine("new", x, y, h))

    module = ostinato.nn.Recurrent(two, 3, 3)
    x = torch.randn(5, 2, 3)
    for call, kind, words in [
        (lambda: module(x), TypeError, "also takes the input 'y'"),
        (lambda: module(x, y=x, z=x), TypeError, "no input 'z'"),
        (lambda: module((x, x, x)), TypeError, "takes 2 inputs"),
        (lambda: module(x, y=x[:4]), RuntimeError, "'y' of size"),
        (lambda: module(x, y=x.double()), ValueError, "'y' has dtype"),
        (lambda: module(x[..., :2], y=x), RuntimeError, "Expected 3, got 2"),
        (lambda: module(x, (torch.zeros(1, 2, 3),) * 2, y=x), RuntimeError, "must hold 1, got 2"),
        (lambda: module(x, torch.zeros(1, 2, 9), y=x), RuntimeError, "Expected hidden 'h'"),
        (lambda: ostinato.nn.Recurrent("lsmt", 3, 4), ValueError, "did you mean lstm"),
        (lambda: ostinato.nn.Recurrent(len, 3, 4), TypeError, "a function under @ostinato.cell"),
        (lambda: ostinato.nn.Recurrent("lstm", 3, 4, zoneout=1.5), ValueError, "rate"),
        (lambda: ostinato.nn.Recurrent("lstm", 3, 4, banana=1), ValueError, "banana"),
    ]:
        with pytest.raises(kind, match=words):
            call()
    assert module(x, y=x)[0].shape == (5, 2, 3)


def test_an_empty_batch():
    for name in ("RNN", "LSTM", "GRU"):
        module = getattr(ostinato.nn, name)(3, 4, bidirectional=True)
        x = torch.randn(5, 0, 3, requires_grad=True)
        y, _ = module(x)
        assert y.shape == (5, 0, 8)
        y.sum().backward()
        assert x.grad.shape == x.shape
        assert all(not p.grad.any() for p in module.parameters())


def test_nan_stays_in_its_row():
    module = ostinato.nn.LSTM(3, 4, bidirectional=True)
    x = torch.randn(5, 4, 3)
    clean = module(x)[0]
    x[2, 1, 0] = math.nan
    y = module(x)[0]
    assert torch.equal(y[:, [0, 2, 3]], clean[:, [0, 2, 3]])
    assert y[:, 1].isnan().any()


def test_a_mistake_leaves_a_module_as_it_was():
    module = ostinato.nn.GRU(3, 4)
    want = module(X)[0]
    for call, kind, _ in list(MISTAKES.values())[:11]:
        with pytest.raises(kind):
            call(module)
    assert torch.equal(module(X)[0], want)
