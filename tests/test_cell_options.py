"""Every option of ostinato.nn for every cell: it changes what it should, and equals the float64 oracle with the same draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cases import CASES
from test_options import NO_NORMALISABLE_PRODUCT, NO_STATE_IN_A_PRODUCT
from tolerances import GRADIENTS, UNIT, VALUES, distance

import ostinato.nn
from ostinato.compiler.derive import derive
from ostinato.compiler.options import OptionError
from ostinato.nn.stack import Mode
from ostinato.program import oracle
from ostinato.program.oracle import Draws

T, B = 5, 3
LAYER = {"zoneout": {"zoneout": 0.4}, "recurrent_dropout": {"recurrent_dropout": 0.4}, "weight_dropout": {"weight_dropout": 0.5}}
LAYER |= {"layer_norm": {"layer_norm": True}, "learn_initial_state": {"learn_initial_state": True}}
CALL = {
    "reset": {"reset": np.array([[0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 0, 1]]) > 0},
    "lengths": {"lengths": [5, 2, 0]},
    "mask": {"mask": np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, 0, 0], [0, 1, 0]]) > 0},
}
ALL = {"zoneout": 0.4, "recurrent_dropout": 0.4, "weight_dropout": 0.5, "layer_norm": True}
REFUSED = {"recurrent_dropout": NO_STATE_IN_A_PRODUCT, "weight_dropout": NO_STATE_IN_A_PRODUCT, "layer_norm": NO_NORMALISABLE_PRODUCT}
by_name = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)


def refused(case, option):
    return case.name in REFUSED.get(option, ())


class Subject:
    """A layer of a case with an option, and the arrays that it and the oracle share."""

    def __init__(self, case, layer, call):
        self.module = ostinato.nn.Recurrent(case.name, case.inputs, case.hidden, dtype=torch.float64, **case.hyper, **layer)
        self.call = {k: v if k == "lengths" else torch.from_numpy(v) for k, v in call.items()}
        plain = self.module._stack.steps_plain()[0].program
        self.at = case.values(plain, length=T, batch=B)
        with torch.no_grad():
            for name, array in zip(self.module._names, self.at.params.values(), strict=True):
                getattr(self.module, name).copy_(torch.from_numpy(array))

    def inputs(self, steps=slice(None)):
        return {k: torch.from_numpy(v[steps] if v.ndim == 3 else v) for k, v in self.at.inputs.items()}

    def states(self):
        given = tuple(torch.from_numpy(v)[None] for v in self.at.states.values())
        return given if len(given) > 1 else given[0]

    def values(self, inputs, hx, **call):
        """Output and final states."""
        output, ends = self.module(inputs, hx, **call)
        return [output, *(ends if isinstance(ends, tuple) else (ends,))]

    def draws(self):
        """What the next call draws: the parameters after weight dropout, and the seed."""
        params = dict(self.at.params)
        if self.module.training:
            for k in sorted(self.module._dropped):
                name = list(params)[k]
                params[name] = torch.nn.functional.dropout(torch.from_numpy(params[name]), self.module.weight_dropout).numpy()
        seed = int(torch.randint(2**63 - 1, ())) if self.module._stack.draws(self.module.training) else 0
        return params, Draws(seed=seed)

    def oracle(self):
        """The program, its parameters and inputs, and its run in the oracle."""
        mode = Mode(self.module.training, "reset" in self.call, not self.call.keys().isdisjoint({"lengths", "mask"}))
        program = self.module._stack.steps(mode)[0].program
        valid = np.arange(T)[:, None] < np.array(self.call.get("lengths", [T] * B))
        valid = valid & self.call["mask"].numpy() if "mask" in self.call else valid
        extra = {"valid": valid, "reset": self.call["reset"].numpy() & valid if "reset" in self.call else valid}
        inputs = {k: self.at.inputs[k] if k in self.at.inputs else extra[k][..., None] * 1.0 for k in program.inputs if "start." not in k}
        for k in self.module._stack.learned:
            start = getattr(self.module, f"start_{k}_l0").detach().numpy()
            inputs |= {f"start.{k}": np.broadcast_to(start, (B, len(start)))} if f"start.{k}" in program.inputs else {}
        params, draws = self.draws()
        return program, params, oracle.forward(program, params, inputs, self.at.states, draws=draws)


def check(subject):
    """One call, values and all gradients, against the oracle; returns its values."""
    torch.manual_seed(3)
    program, params, run = subject.oracle()
    exact = [run.output, *(s[None] for s in run.states.values())]
    leaves = {k: v.requires_grad_() for k, v in subject.inputs().items()}
    trained = [p for p in (getattr(subject.module, n) for n in subject.module._names)]
    hx = subject.states()
    hx = hx if isinstance(hx, tuple) else (hx,)
    hx = tuple(s.requires_grad_() for s in hx)
    torch.manual_seed(3)
    got = subject.values(leaves, hx if len(hx) > 1 else hx[0], **subject.call)
    for mine, want in zip(got, exact, strict=True):
        assert distance(mine.detach(), want) <= VALUES["float64"]
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=e.shape) for e in exact]
    sources = [*leaves.values(), *hx, *(p for p in trained if p.requires_grad)]
    made = torch.autograd.grad(got, sources, [torch.from_numpy(w) for w in weights], allow_unused=True)
    state_grads = {k: w[0] for k, w in zip(program.states, weights[1:], strict=True)}
    inputs, states, grads = oracle.backward(program, derive(program), run, weights[0], state_grads)
    for (name, p), mask in zip(subject.at.params.items(), params.values(), strict=True):  # through weight dropout
        if name in grads and mask is not p:
            grads[name] = grads[name] * np.divide(mask, p, out=np.zeros_like(p), where=p != 0)
    want = [*(inputs.get(k) for k in leaves), *(s[None] for s in states.values()), *(grads[k] for k in subject.at.params if k in grads)]
    for mine, exact_grad in zip(made, want, strict=True):
        mine = np.zeros_like(exact_grad) if mine is None and exact_grad is not None else mine
        if exact_grad is not None:
            # A gradient that all but cancels is a difference of numbers near 1.
            size = np.sqrt(np.square(exact_grad).mean())
            assert distance(mine, exact_grad) <= max(10 * GRADIENTS["float64"], UNIT["float64"] / size if size else 0.0)
    return got


def chosen(case, option):
    if option == "all":
        return {k: v for k, v in ALL.items() if not refused(case, k)}, CALL["reset"] | CALL["lengths"] | CALL["mask"]
    return LAYER.get(option, {}), CALL.get(option, {})


@by_name
@pytest.mark.parametrize("option", [*LAYER, *CALL, "all"])
def test_every_option_of_every_cell(case, option):
    layer, call = chosen(case, option)
    if refused(case, option):
        with pytest.raises(OptionError, match=f"cell {case.name} has "):
            Subject(case, layer, call)
        return
    subject = Subject(case, layer, call)
    trained = check(subject)
    subject.module.eval()
    tested = check(subject)
    plain = Subject(case, {}, {})
    plain.at.inputs, plain.at.states = subject.at.inputs, subject.at.states
    untouched = (
        check(plain) if option in ("zoneout", "recurrent_dropout", "weight_dropout") else plain.values(plain.inputs(), plain.states())
    )

    def same(a, b):
        return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))

    if option == "learn_initial_state":  # where no state is given, or at a reset
        with torch.no_grad():
            for name in subject.module._starts:
                getattr(subject.module, name).fill_(0.3)
        subject.call |= {"reset": torch.from_numpy(CALL["reset"]["reset"])}
        check(subject)
        assert not same(subject.values(subject.inputs(), None), plain.values(plain.inputs(), None))
    else:
        assert not same(trained, untouched)
        assert same(tested, untouched) == (option in ("recurrent_dropout", "weight_dropout"))
    # The same bits step by step and in chunks.
    with torch.no_grad():
        whole = subject.values(subject.inputs(), subject.states(), **subject.call)
        for size in (1, 2):
            hx, outputs = subject.states(), []
            for first in range(0, T, size):
                steps = slice(first, first + size)
                here = {k: v[steps] for k, v in subject.call.items() if k != "lengths"}
                if "lengths" in subject.call:
                    here["lengths"] = [min(max(n - first, 0), len(range(T)[steps])) for n in subject.call["lengths"]]
                output, hx = subject.module(subject.inputs(steps), hx, **here)
                outputs.append(output)
            assert same([torch.cat(outputs), *(hx if isinstance(hx, tuple) else (hx,))], whole)
