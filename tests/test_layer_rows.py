"""Rows of different lengths, masks with holes, packed sequences: passed over in values, in gradients and in the engine's blocks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cases import CASES
from test_layer_options import B, H, N, T, data, far, make
from tolerances import GRADIENTS, VALUES, distance
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import ostinato.nn
from ostinato import _native, cells, engine
from ostinato.compiler.derive import derive
from ostinato.compiler.options import apply
from ostinato.program import oracle

WIDE = 19  # rows: several blocks of the engine, the last not full


def wide(width=N, steps=9):
    return torch.randn(steps, WIDE, width, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def real_rows(module, x, real, reset, states):
    """Each row's real steps alone, one row a call: outputs at their steps, final states."""
    outputs, ends = x.new_zeros(*x.shape[:2], 2 * H if module.bidirectional else H), []
    for row in range(x.shape[1]):
        at = real[:, row].nonzero()[:, 0]
        own = tuple(s[:, row : row + 1] for s in states)
        if len(at) == 0:
            ends.append(own)
            continue
        y, end = module(x[at, row : row + 1], own, reset=reset[at, row : row + 1])
        outputs[at, row] = y[:, 0]
        ends.append(end)
    return outputs, tuple(torch.cat(e, 1) for e in zip(*ends, strict=True))


def ragged(how, steps=9):
    draw = torch.Generator().manual_seed(4)
    lengths = torch.randint(0, steps + 1, (WIDE,), generator=draw)
    within = torch.arange(steps)[:, None] < lengths
    if how == "lengths":
        return within, {"lengths": lengths}
    holes = torch.rand(steps, WIDE, generator=draw) < 0.6
    holes[:, 3] = False
    if how == "mask":
        return holes, {"mask": holes}
    return holes & within, {"mask": holes.double(), "lengths": lengths}


@pytest.mark.parametrize("how", ["lengths", "mask", "both"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_what_is_not_real_is_passed_over(how, bidirectional):
    """Bit for bit what each row's real steps give alone, with resets, in both directions, NaN or not in the padding."""
    module = make("lstm", bidirectional=bidirectional)
    real, given = ragged(how)
    draw = torch.Generator().manual_seed(5)
    reset = torch.rand(real.shape, generator=draw) < 0.3
    states = tuple(torch.randn(1 + bidirectional, WIDE, H, dtype=torch.float64, generator=draw) for _ in range(2))
    x = torch.where(real[..., None], wide(), torch.nan).requires_grad_()
    leaves = [x, *module.parameters()]
    results = []
    for output, ends in (module(x, states, reset=reset, **given), real_rows(module, x, real, reset, states)):
        got = (output, *ends)
        results.append((got, torch.autograd.grad(sum((k + 1) * t.sin().sum() for k, t in enumerate(got)), leaves)))
    (values, grads), (alone, alone_grads) = results
    assert all(torch.equal(a, b) for a, b in zip(values, alone, strict=True))
    assert not values[0][~real].any()
    assert not grads[0][~real].any()
    assert torch.equal(grads[0], alone_grads[0])
    assert all(far(a, b) <= GRADIENTS["float64"] for a, b in zip(grads, alone_grads, strict=True))
    with torch.no_grad():
        assert torch.equal(module(x, states, reset=reset, **given)[0], values[0])


def test_packed_rows_are_padded_rows():
    """Both ways in which packed sequences run: padded, or piece by piece where padding would be too much."""
    module = make("gru", num_layers=2, bidirectional=True)
    for lengths in (torch.arange(1, WIDE + 1) % 9 + 1, torch.tensor([40] + [1] * (WIDE - 1))):
        x = wide(steps=int(lengths.max())).requires_grad_()
        packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
        y, end = module(packed)
        want, want_end = module(x, lengths=lengths)
        got = pad_packed_sequence(y)[0]
        assert torch.equal(got, want)
        assert torch.equal(end, want_end)
        leaves = [x, *module.parameters()]
        grads = [torch.autograd.grad(a.sin().sum() + b.cos().sum(), leaves) for a, b in ((got, end), (want, want_end))]
        assert all(far(a, b) <= GRADIENTS["float64"] for a, b in zip(*grads, strict=True))


def test_second_derivatives_through_packed_and_sorted_rows():
    module = make("gru", 1, 2)
    x = torch.randn(3, 9, 1, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([1, 1, 1, 1, 1, 1, 1, 1, 3])
    assert torch.autograd.gradgradcheck(lambda x: module(x, lengths=lengths)[0], (x,), fast_mode=True)
    lengths = torch.tensor([3, 3, 2, 2, 2, 2, 1, 1, 1])
    assert torch.autograd.gradgradcheck(lambda x: module(pack_padded_sequence(x, lengths))[0].data, (x,), fast_mode=True)


def test_rows_without_steps_keep_their_state():
    module = make("gru")
    h = torch.ones(1, B, H, dtype=torch.float64)
    output, end = module(torch.full((T, B, N), torch.nan, dtype=torch.float64), h, mask=torch.zeros(T, B))
    assert not output.any()
    assert torch.equal(end, h)


@pytest.mark.parametrize(
    "given, kind, words",
    [
        ({"mask": torch.ones(B, T)}, ValueError, r"mask must have the input's shape without its features, \[6, 3\], got \[3, 6\]"),
        ({"mask": torch.ones(T, B, dtype=torch.complex64)}, TypeError, "mask must be true or false"),
    ],
)
def test_masks_that_do_not_fit(given, kind, words):
    with pytest.raises(kind, match=words):
        make("gru")(data(), **given)
    with pytest.raises(ValueError, match="mask goes with a padded input"):
        make("gru")(pack_padded_sequence(data(), [6, 4, 2]), mask=torch.ones(T, B))


def test_mask_of_torchs_layers_and_of_cells_that_have_one():
    x, mask = data(), torch.rand(T, B) < 0.5
    theirs, ours = ostinato.nn.GRU(N, H, dtype=torch.float64, batch_first=True), make("gru")
    y = theirs(x.transpose(0, 1), mask=mask.T)[0]
    assert not y[~mask.T].any()
    assert y[mask.T].all()
    module, given = make("gru_d", 2, 3), [torch.rand(T, B, 2, dtype=torch.float64) for _ in range(3)]
    want = module(tuple(given))[0]
    assert torch.equal(module(given[0], mask=given[1], gap=given[2])[0], want)
    assert not module(tuple(given), mask=mask)[0][~mask].any()
    assert ours(x, mask=torch.ones(T, B))[0].equal(ours(x)[0])


# ---------------------------------------------------------------- the engine's blocks of rows


@pytest.mark.parametrize("name", ["slstm", "lmu", "gru_d"])
@pytest.mark.parametrize("reverse", [False, True])
def test_blocks_pass_over_steps_and_draw_as_before(name, reverse):
    """Blocks that end early, start late or have no step at all; draws, resets and gradients as the oracle's."""
    case = next(c for c in CASES if c.name == name)
    program = apply(case.program(), {"zoneout": 0.4, "recurrent_dropout": 0.3, "reset": True, "lengths": True})
    at = case.values(program, length=7, batch=WIDE)
    lengths = np.array([3] * 8 + [7, 0, 2, 5, 6, 7, 0, 2] + [0] * 3)
    at.inputs["valid"] = (np.arange(7)[:, None] < lengths)[..., None] * 1.0
    at.inputs["x"] = np.where(at.inputs["valid"] == 1, at.inputs["x"], np.nan)
    given = {"draws": at.draws, "reverse": reverse}
    run = oracle.forward(program, at.params, at.inputs, at.states, **given)
    for threads in (1, 2):
        call = engine.train(engine.Executable(program), at.params, at.inputs, at.states, dtype=np.float64, threads=threads, **given)
        assert distance(call.output, run.output) <= VALUES["float64"]
        weights = {k: np.random.default_rng(1).normal(size=v.shape) for k, v in run.states.items()}
        grad = np.random.default_rng(0).normal(size=run.output.shape)
        want = oracle.backward(program, derive(program), run, grad, weights, reverse=reverse)
        for mine, exact in zip(call.backward(grad, weights), want, strict=True):
            assert mine.keys() == exact.keys()
            assert all(distance(mine[k], exact[k]) <= 10 * GRADIENTS["float64"] for k in mine)
        assert all(distance(call.states[k], run.states[k]) <= VALUES["float64"] for k in run.states)


def test_the_engine_refuses_a_wrong_valid():
    program = cells.get("gru").trace(1, 2)
    loaded = engine.Executable(program).load("infer")
    weights = loaded.weights(True)
    params = [np.zeros(p.node.shape) for p in program.params.values()]
    weights.update([p.ctypes.data for p in params])
    x, y = np.zeros((3, 2, 1)), np.zeros((3, 2, 2))
    externs = [x.ctypes.data, 2, 1, y.ctypes.data, 4, 2, 0, 0, 0, 0, 0, 0]
    for number, fits in ((0, True), (1, False), (3, False), (99, False)):
        if fits:
            _native.run(weights, 3, 2, externs, 0, 0, [], valid=number)
            continue
        with pytest.raises(ValueError, match="valid is not a step input of width 1"):
            _native.run(weights, 3, 2, externs, 0, 0, [], valid=number)
