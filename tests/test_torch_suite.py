"""What PyTorch's own suite (test_modules.py) asks of every module in its database, asked of ours in its place.

Values, shapes and errors of the same cases are held in test_nn_errors.py.
"""

import copy
import pickle

import pytest
import torch
from torch.testing._internal.common_modules import module_db
from torch.testing._internal.common_utils import noncontiguous_like

import ostinato.nn

NAMES = ["RNN", "GRU", "LSTM", "RNNCell", "GRUCell", "LSTMCell"]
INFOS = {name: next(info for info in module_db if info.name == f"nn.{name}") for name in NAMES}
each = pytest.mark.parametrize("name", NAMES)


def cases(name, dtype=torch.float64, requires_grad=False):
    """(module, arguments, keywords, reference function) of every case of the database, our class in place of torch's."""
    torch.manual_seed(0)
    made = INFOS[name].module_inputs_func(INFOS[name], device="cpu", dtype=dtype, requires_grad=requires_grad, training=True)
    assert made
    for case in made:
        own, call = case.constructor_input, case.forward_input
        yield getattr(ostinato.nn, name)(*own.args, **own.kwargs).to(dtype), call.args, call.kwargs, case.reference_fn


def mapped(value, change):
    """The value with every tensor in it changed."""
    if isinstance(value, torch.Tensor):
        return change(value)
    return type(value)(mapped(v, change) for v in value) if isinstance(value, (list, tuple)) else value


def tensors(value):
    found = []
    mapped(value, found.append)
    return found


@each
def test_forward_and_its_reference(name):
    """torch's reference function of each case, and a second call with the same arguments."""
    compared = 0
    for module, args, kwargs, reference in cases(name):
        before = [t.clone() for t in tensors(args)]
        result = module(*args, **kwargs)
        torch.testing.assert_close(module(*args, **kwargs), result, rtol=0, atol=0)
        assert all(map(torch.equal, tensors(args), before))
        if reference is not None:
            torch.testing.assert_close(tensors(result), tensors(reference(module, *args, **kwargs)))
            compared += 1
    assert compared


@each
def test_arguments_that_are_not_contiguous(name):
    """Values and gradients are those of contiguous ones, and so for gradients handed in that are not contiguous."""
    for module, args, kwargs, _ in cases(name, requires_grad=True):
        results = []
        for change in (lambda t: t.detach().clone(), lambda t: noncontiguous_like(t.detach())):
            given = mapped(args, lambda t, change=change: change(t).requires_grad_(t.requires_grad))
            outputs = tensors(module(*given, **kwargs))
            torch.manual_seed(1)
            seeds = [change(torch.randn_like(t)) for t in outputs]
            sources = [t for t in tensors(given) if t.requires_grad] + list(module.parameters())
            results.append([*outputs, *torch.autograd.grad(outputs, sources, seeds)])
        torch.testing.assert_close(*results, rtol=0, atol=0)


def as_function(module, args, kwargs):
    """The module's results as a function of its differentiable arguments and its parameters, and those."""
    names, params = zip(*module.named_parameters(), strict=True)
    leaves = [t for t in tensors(args) if t.requires_grad]

    def call(*flat):
        rest = iter(flat)
        given = mapped(args, lambda t: next(rest) if t.requires_grad else t)
        return tuple(tensors(torch.func.functional_call(module, dict(zip(names, rest, strict=True)), given, kwargs)))

    return call, (*leaves, *params)


@each
def test_gradients_by_differences(name):
    """gradcheck of every third case, over arguments and parameters, and gradgradcheck of every ninth."""
    for k, (module, args, kwargs, _) in enumerate(cases(name, requires_grad=True)):
        call, given = as_function(module, args, kwargs)
        assert k % 3 or torch.autograd.gradcheck(call, given, fast_mode=True)
        assert k % 9 or torch.autograd.gradgradcheck(call, given, fast_mode=True)


@each
def test_copies_types_and_modes(name):
    """Pickles, copies, repr, training and evaluation, factory arguments, to_empty, channels-last memory."""
    for module, args, kwargs, _ in cases(name):
        want = module(*args, **kwargs)
        for other in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module)):
            torch.testing.assert_close(other(*args, **kwargs), want, rtol=0, atol=0)
        assert repr(module).startswith(f"{name}(")
        assert module.train().training and not module.eval().training
        assert not any(m.training for m in module.modules())
        single = copy.deepcopy(module).to(torch.float32)
        assert all(t.dtype is torch.float32 for t in tensors(single(*mapped(args, torch.Tensor.float), **kwargs)))
        emptied = copy.deepcopy(module).to_empty(device="cpu")
        emptied.load_state_dict(module.state_dict())
        torch.testing.assert_close(emptied(*args, **kwargs), want, rtol=0, atol=0)


@each
def test_factory_arguments(name):
    info = INFOS[name]
    for case in info.module_inputs_func(info, device="cpu", dtype=torch.float64, requires_grad=False, training=True):
        own = case.constructor_input
        for dtype in (torch.float32, torch.float64):
            module = getattr(ostinato.nn, name)(*own.args, **{**own.kwargs, "device": "cpu", "dtype": dtype})
            assert all(p.dtype is dtype and p.device.type == "cpu" for p in module.parameters())
