"""What all estimators with a network have in common: they learn it, hold it, and keep it in a file."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from torch import nn

from .checkpoint import Checkpoint
from .network import check_recurrence
from .optimisers import check_optimizer
from .parameters import check_parameters, estimator
from .settings import Fitting, Recurrence
from .training import Examples, Learner, outputs


@estimator()
class RecurrentEstimator(Fitting, Recurrence, BaseEstimator, ABC):  # type: ignore[misc]
    """A recurrent stack that is trained on data, by scikit-learn's protocol.

    After `fit`: `networks_` (one, or as many as the ensemble has), `seed_`, `training_` (for each network: losses by
    epoch, the best epoch, seconds), `validation_loss_` (their mean; None where nothing validated), `input_size_`
    (features of a step as the network sees it).
    """

    task: ClassVar[str]  # what a model file calls it
    feeds: ClassVar[tuple[str, ...]] = ()  # inputs that a cell may have beside the sequence

    @abstractmethod
    def build_network(self) -> nn.Module:
        """The untrained network, from the parameters and from what is fitted before it."""

    def _stacks(self) -> list[tuple[int, int]]:
        """Of each recurrent stack of a network the features that it reads, and its directions."""
        return [(self.input_size_, 1 + self.bidirectional)]

    @abstractmethod
    def _schema(self) -> dict[str, Any]:
        """What a model file says of the data, as JSON."""

    @abstractmethod
    def _arrays(self) -> dict[str, NDArray[np.floating]]:
        """What a model file keeps beside the networks, as named arrays."""

    @abstractmethod
    def _restore(self, schema: Mapping[str, Any], arrays: Mapping[str, NDArray[np.floating]]) -> None:
        """Set what `_schema` and `_arrays` told. Raises ValueError or KeyError for anything that is not as they say."""

    def save(self, path: str | PathLike[str], *, scores: Mapping[str, float] | None = None, overwrite: bool = False) -> None:
        """Write the fitted estimator to a model file (docs/model-file.md), with `scores` beside it if given.

        Raises ModelFileError where the file exists and is not to be overwritten, OSError where it cannot be written.
        """
        from .estimator_file import save

        save(self, path, scores=scores, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read an estimator of this kind back. Raises ModelFileError or OSError."""
        from .estimator_file import load

        return load(path, cls)

    def _check(self) -> None:
        """Raise ValueError for the first parameter that cannot be used."""
        check_parameters(self)
        check_recurrence(self, self.feeds)
        check_optimizer(self)
        try:
            torch.empty(0, device=self.device)
        except (RuntimeError, AssertionError) as error:
            raise ValueError(f'device={self.device!r} cannot be used here; "cpu" always can.') from error

    def _draw_seed(self) -> int:
        """The seed asked for, or one drawn."""
        return int(np.random.SeedSequence().generate_state(1)[0]) if self.random_state is None else int(self.random_state)

    def _learn_networks(
        self, criterion: Callable[[], nn.Module], examples: Examples, valid: Examples | None, *, finished: bool = True
    ) -> None:
        """Learn every network from `examples`, watching `valid`. Unless the fit is then `finished`, its checkpoint stays."""
        seed = self._draw_seed()
        kept = None if self.checkpoint is None else Checkpoint.of(self, seed, examples, valid)
        seed, learners = seed if kept is None else kept.seed, []
        for number in range(self.ensemble):
            learner = Learner(self.build_network, criterion, self, number + 1, (seed + number) % 2**32, valid)
            if kept is not None:
                kept.attach(learner)
            learner.learn(examples, learner.epochs_left)
            learners.append(learner)
        self._take(learners)
        if hasattr(self, "learners_"):
            del self.learners_
        if finished:
            self._end_checkpoint()

    def _learn_anew(self, criterion: Callable[[], nn.Module], examples: Examples) -> None:
        """Put networks in the place of those there are that learn from `examples` for as many epochs as were best."""
        networks = []
        for number, record in enumerate(self.training_):
            settings = copy.copy(self)
            settings.max_epochs = record["best_epoch"]
            learner = Learner(self.build_network, criterion, settings, self.ensemble + number + 1, record["seed"], None)
            learner.learn(examples, settings.max_epochs)
            networks.append(learner.network)
        self.networks_ = networks
        self._end_checkpoint()

    def _end_checkpoint(self) -> None:
        """The training is finished: what it would go on from is not needed."""
        if self.checkpoint is not None:
            Path(self.checkpoint).unlink(missing_ok=True)

    def _learn_on(self, criterion: Callable[[], nn.Module], examples: Examples) -> None:
        """One more epoch on `examples`; the optimiser goes on from the last such call, and after a fit begins anew."""
        learners = copy.deepcopy(self._going_on(criterion), {id(self): self})  # a failure must not have changed them
        for learner in learners:
            learner.learn(examples, 1)
        self._take(learners)
        self.learners_ = learners

    def _going_on(self, criterion: Callable[[], nn.Module]) -> list[Learner]:
        """The learners of the last `_learn_on`; without such, new ones, which take the networks that there are."""
        if hasattr(self, "learners_"):
            return self.learners_
        seed = self._draw_seed()
        found = getattr(self, "networks_", [None] * self.ensemble)
        if len(found) != self.ensemble:
            raise ValueError(f"ensemble={self.ensemble}, but {len(found)} networks were fitted; fit anew to have another number of them.")
        builds = [self.build_network if one is None else partial(copy.deepcopy, one) for one in found]
        return [Learner(build, criterion, self, k + 1, (seed + k) % 2**32, None) for k, build in enumerate(builds)]

    def _take(self, learners: list[Learner]) -> None:
        self.networks_ = [learner.network for learner in learners]
        self.seed_ = learners[0].seed
        self.training_: list[dict[str, Any]] = [learner.record for learner in learners]
        best = [min(record["valid_loss"]) for record in self.training_ if "valid_loss" in record]
        self.validation_loss_ = float(np.mean(best)) if best else None

    def _outputs(self, examples: Examples, method: str = "forward") -> NDArray[np.float64]:
        """The mean of what the networks (or a method of theirs) give for every example: `(n, ...)`."""
        said = [outputs(getattr(network, method), examples, self.device) for network in self.networks_]
        return np.mean(said, axis=0, dtype=np.float64)  # type: ignore[no-any-return]
