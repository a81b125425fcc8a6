"""ostinato.nn in torch, as its users have it."""

from __future__ import annotations

import ostinato.nn

from ..problem import Problem
from ..worker import Made
from .in_torch import VERSIONS as VERSIONS, made, new_layer


def layer(problem: Problem) -> Made:
    return made(problem, new_layer(problem, getattr(ostinato.nn, problem.cell.upper())))
