"""The library's cells written again from their papers, in plain torch, without Ostinato.

A reference is one sequence's equations in the paper's own notation and conventions: vectors, not batches, so that
`W @ x` is the paper's product. `p` holds the paper's parameters. `names.py` says which of ours each of them is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Run = Callable[..., tuple[Tensor, tuple[Tensor, ...]]]
REFERENCES: dict[str, Run] = {}


def whole(function: Run) -> Run:
    """A reference that takes whole sequences: (p, inputs (time, features) each, states (features,) each) to output, final states."""
    REFERENCES[function.__name__] = function
    return function


def recurrence(step: Callable[..., tuple[Tensor, ...]]) -> Callable[..., tuple[Tensor, ...]]:
    """A reference of one step, (p, *inputs, *states) to (output, *new states), run by a plain loop over time."""

    def run(p: Any, inputs: Sequence[Tensor], states: Sequence[Tensor], **constants: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
        outputs = []
        for t in range(len(inputs[0])):
            output, *states = step(p, *(u[t] for u in inputs), *states, **constants)
            outputs.append(output)
        return torch.stack(outputs), tuple(states)

    REFERENCES[step.__name__] = run
    return step
