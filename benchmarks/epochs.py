"""Whole trainings: an estimator's epochs with our layer, and with torch.nn's in the same network and the same loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ostinato.data import find, load
from ostinato.tasks import Forecaster, SequenceClassifier

from .peers.in_torch import VERSIONS as VERSIONS
from .problem import Problem
from .worker import Made, Seconds

EPOCHS = 3  # of a training


class TorchLayer(torch.nn.Module):
    """torch.nn's layer in place of ours, its rows packed where they have lengths."""

    def __init__(self, ours: torch.nn.Module) -> None:
        super().__init__()
        with torch.random.fork_rng():  # the batches that follow are drawn as with ours
            self.layer = getattr(torch.nn, type(ours).__name__)(ours.input_size, ours.hidden_size, ours.num_layers, batch_first=True)
        self.layer.load_state_dict(ours.state_dict())

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Any]:
        if lengths is None:
            return self.layer(x)
        packed, states = self.layer(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
        return pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])[0], states


def made(kind: type, library: str, settings: dict[str, Any], data: tuple[Any, ...]) -> Made:
    """A training: seconds of an epoch, and its losses for the comparison."""

    class Estimator(kind):  # type: ignore[misc, valid-type]
        def build_network(self) -> torch.nn.Module:
            network = super().build_network()
            if library == "torch":
                network.recurrent = TorchLayer(network.recurrent)
            return network

    losses: list[list[float]] = []

    def fit() -> Seconds:
        seen: list[float] = []
        estimator = Estimator(**settings, random_state=0, max_epochs=EPOCHS, patience=EPOCHS, on_epoch=lambda one: seen.append(one.seconds))
        losses.append(estimator.fit(*data).training_[0]["train_loss"])
        return Seconds(np.mean(seen))

    return Made({"an epoch": fit}, {"an epoch": lambda _: [np.array(losses[-1])]})


def forecaster(problem: Problem, library: str) -> Made:
    settings = {"cell": problem.cell, "horizon": 7, "window": problem.length, "batch_size": problem.batch, "hidden_size": problem.hidden}
    return made(Forecaster, library, settings, (load("seattle-weather"),))


def classifier(problem: Problem, library: str) -> Made:
    settings = {"cell": problem.cell, "batch_size": problem.batch, "hidden_size": problem.hidden}
    return made(SequenceClassifier, library, settings, find("japanese-vowels").sequences("train"))
