"""What the tables of docs/results.md have in common: a row, and who is compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CELLS = ("rnn", "gru", "lstm")
LEVELS = (80, 95)
BASELINES = "baselines"  # the row that has all of an application's under "models"
PICTURES = Path(__file__).parent.parent / "docs" / "pictures"


def seeds_of(ensemble: int) -> range:
    """Three seeds; each network of an ensemble counts on by one from its own, and none is in two ensembles."""
    return range(0, 3 * ensemble, ensemble)


@dataclass(frozen=True)
class Row:
    """A row to come: who it is, and what makes it."""

    data: str
    model: str
    seed: int | None
    settings: dict[str, Any]
    run: Callable[[], dict[str, Any]]

    @property
    def key(self) -> str:
        return json.dumps([self.data, self.model, self.seed, self.settings])


def learned(estimator: Any) -> dict[str, Any]:
    """How large a network is, and how long it learned."""
    if not hasattr(estimator, "networks_"):
        return {}
    weights = sum(p.numel() for network in estimator.networks_ for p in network.parameters())
    return {"weights": weights, "epochs": estimator.training_[0]["epochs"]}
