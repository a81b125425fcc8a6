"""Every cell of the library: it runs, reacts, and its gradients are right, alone and under every option."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from cases import CASES, Case

from ostinato import cells
from ostinato.compiler import options
from ostinato.explain.differences import gradient_error
from ostinato.program.node import Level

OPTIONS = {"normalise": True, "recurrent_dropout": 0.4, "zoneout": 0.3, "reset": True, "lengths": True}
by_name = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)


@by_name
def test_gradient(case: Case) -> None:
    program = case.program()
    error, where = gradient_error(program, case.values(program), frozen=case.all_frozen())
    assert error < 2e-9, where


@by_name
def test_gradient_in_reverse(case: Case) -> None:
    program = case.program()
    error, where = gradient_error(program, case.values(program), frozen=case.all_frozen(), reverse=True, along="tensors")
    assert error < 2e-9, where


def possible(case: Case) -> dict[str, object]:
    """The options that the cell can have."""
    found: dict[str, object] = {}
    for name, value in OPTIONS.items():
        try:
            options.apply(case.program(), {name: value})
            found[name] = value
        except options.OptionError:
            pass
    return found


@by_name
def test_gradient_under_options(case: Case) -> None:
    having = possible(case)
    assert {"zoneout", "reset", "lengths"} <= set(having)
    for chosen in [*({k: v} for k, v in having.items()), having]:
        program = options.apply(case.program(), chosen)
        along = "tensors" if chosen is having else "all"
        error, where = gradient_error(program, case.values(program), frozen=case.all_frozen(), along=along)
        assert error < 2e-9, (chosen, where)


@by_name
def test_output_reacts(case: Case) -> None:
    """To every parameter, every input and every state: nothing is declared in vain."""
    program = case.program()
    at = case.values(program, length=4)
    before = at.run(program)
    for arrays in (at.params, at.inputs, at.states):
        for name, array in arrays.items():
            arrays[name] = 1.0 - array if name in case.frozen else array + 0.3 * np.random.default_rng(3).normal(size=array.shape)
            after = at.run(program)
            changed = [before.output, *before.states.values()], [after.output, *after.states.values()]
            assert any(not np.array_equal(a, b) for a, b in zip(*changed, strict=True)), name
            arrays[name] = array


@by_name
def test_width_one(case: Case) -> None:
    if case.name in ("slstm", "clockwork", "s4d", "lstm_layernorm", "gru_layernorm"):
        pytest.skip("needs several units")
    program = cells.get(case.name).trace(1, 1, **case.hyper)
    assert np.isfinite(case.values(program).run(program).output).all()


@by_name
def test_cell_itself(case: Case) -> None:
    cell = cells.get(case.name)
    assert pickle.loads(pickle.dumps(cell)) is cell and copy.deepcopy(cell) is cell
    assert any(year in cell.doc for year in map(str, range(1990, 2027))), "a citation"
    program = case.program()
    labels = [n.label for n in program.nodes() if n.label is not None]
    assert len(labels) == len(set(labels))
    assert all(n.level == Level.STATE for n in program.states.values())


def test_get_and_names() -> None:
    assert cells.names()[:3] == ["rnn", "lstm", "gru"] and len(cells.names()) == len(set(cells.names())) >= 34
    with pytest.raises(ValueError, match=r"no cell 'lsmt'; did you mean lstm"):
        cells.get("lsmt")
    with pytest.raises(ValueError, match="there are rnn, lstm"):
        cells.get("!!!")
    assert cells.lstm is cells.get("lstm")


TORCH = {  # our gates in torch's order, and what each of torch's two biases belongs to
    "rnn": (["hidden"], ["hidden"]),
    "lstm": (["input", "forget", "candidate", "output"],) * 2,
    "lstm_projected": (["input", "forget", "candidate", "output"],) * 2,
    "gru": (["reset", "update", "new"], ["reset", "update", "kept"]),
}


@pytest.mark.parametrize("name", TORCH)
def test_standard_cells_are_torch_s(name: str) -> None:
    torch = pytest.importorskip("torch")
    case = next(c for c in CASES if c.name == name)
    program = case.program()
    at = case.values(program, length=5)
    of_x, of_h = TORCH[name]
    kind = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU}.get(name, torch.nn.LSTM)
    layer = kind(3, 4, dtype=torch.float64, **({"proj_size": 2} if name == "lstm_projected" else {}))
    bias_h = [at.params[f"{g}.bias"] if g not in of_x else np.zeros(4) for g in of_h]  # ours is one bias where a gate is one affine
    ours = {
        "weight_ih_l0": np.concatenate([at.params[f"{g}.x"] for g in of_x]),
        "weight_hh_l0": np.concatenate([at.params[f"{g}.h"] for g in of_h]),
        "bias_ih_l0": np.concatenate([at.params[f"{g}.bias"] for g in of_x]),
        "bias_hh_l0": np.concatenate(bias_h),
    } | ({"weight_hr_l0": at.params["projection.m"]} if name == "lstm_projected" else {})
    layer.load_state_dict({k: torch.tensor(v) for k, v in ours.items()})
    states = [torch.tensor(at.states[k])[None] for k in program.states]
    output, final = layer(torch.tensor(at.inputs["x"]), tuple(states) if len(states) > 1 else states[0])
    run = at.run(program)
    assert np.allclose(run.output, output.detach().numpy(), rtol=1e-12, atol=1e-14)
    for k, theirs in zip(program.states, final if isinstance(final, tuple) else (final,), strict=True):
        assert np.allclose(run.states[k], theirs[0].detach().numpy(), rtol=1e-12, atol=1e-14)
