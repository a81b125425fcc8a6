"""How networks learn: skorch's loop, with batches cut as they are needed and random numbers of their own."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from skorch.callbacks import Callback, GradientNormClipping
from skorch.helper import predefined_split
from torch import Tensor, nn
from torch.utils.data import Dataset

from ..data.errors import DataError
from .optimisers import Schedule, optimizer
from .settings import Epoch, Fitting

Rows = NDArray[np.intp]

SHARED_FROM = 10**8  # operations, about a millisecond of one core
POOL = 32  # batches among which sequences are sorted by length
STEPS_AT_ONCE = 2**18  # and steps, whatever the number of sequences
DIVERGED = "the training diverged; lower learning_rate or clip_norm, or look for values far out of the usual range."


class Examples(Dataset[Any], ABC):
    """Sequences and their targets, given as whole batches so that numpy gathers each in one go.

    `lengths`: how many steps each has, where that differs; batches are then of like length.
    """

    lengths: Rows | None = None
    at_once: int = 1024  # sequences in a batch that only predicts

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def batch(self, rows: Rows) -> tuple[dict[str, Tensor], Any]:
        """The network's keywords, and what its criterion takes as the target."""


def batches_of(examples: Examples, size: int, *, shuffle: bool) -> Iterator[Rows]:
    """The rows of each batch; shuffled by torch's generator. Ragged sequences lie beside those of like length."""
    count = len(examples)
    order = torch.randperm(count).numpy() if shuffle else np.arange(count)
    starts = np.arange(0, count, size)
    if examples.lengths is not None:
        pool = size * POOL if shuffle else count
        pools = [order[k : k + pool] for k in range(0, count, pool)]
        order = np.concatenate([rows[np.argsort(-examples.lengths[rows], kind="stable")] for rows in pools])
        starts = starts[torch.randperm(len(starts)).numpy()] if shuffle else starts
    for start in starts:
        yield order[start : start + size]


class Batches:
    """What skorch takes as an iterator over batches."""

    def __init__(self, examples: Examples, batch_size: int, shuffle: bool = False) -> None:
        self.examples, self.batch_size, self.shuffle = examples, batch_size, shuffle

    def __iter__(self) -> Iterator[Any]:
        return (self.examples.batch(rows) for rows in batches_of(self.examples, self.batch_size, shuffle=self.shuffle))


class OutOfPatience(KeyboardInterrupt):
    """How early stopping ends skorch's loop; its own way, a bare KeyboardInterrupt, looks like Control-C."""


class Patience(Callback):  # type: ignore[misc]
    """Keeps the weights of the best validation, and takes them back when training ends."""

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.best_weights: dict[str, Tensor] = {}

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        if self._since(net) == 0:
            self.best_weights = copy.deepcopy(net.module_.state_dict())

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        if self.best_weights:
            net.module_.load_state_dict(self.best_weights)

    def over(self, net: Any) -> bool:
        """Whether the validation loss has not fallen for `patience` epochs."""
        return len(net.history) > 0 and self._since(net) >= self.patience

    def _since(self, net: Any) -> int:
        losses = net.history[:, "valid_loss"]
        return len(losses) - 1 - int(np.argmin(losses))


class Watch(Callback):  # type: ignore[misc]
    """Stops a training that has no finite loss left, and calls a function after each epoch."""

    def __init__(self, after_epoch: Callable[[], None]) -> None:
        self.after_epoch = after_epoch

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        last = net.history[-1]
        for name, words in (("train_loss", "training"), ("valid_loss", "validation")):
            if not math.isfinite(last.get(name, 0.0)):
                raise DataError(f"The {words} loss is {last[name]} after epoch {last['epoch']}: {DIVERGED}")
        last["batches"] = []  # skorch would keep a record of each batch for ever
        self.after_epoch()


class Trainer(NeuralNet):  # type: ignore[misc]
    """skorch's training loop, which takes an interrupt for the end of training: this one passes it on."""

    def __init__(self, *args: Any, l1: float = 0.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.l1 = l1

    def get_loss(self, y_pred: Any, y_true: Any, X: Any = None, training: bool = False) -> Tensor:
        loss: Tensor = super().get_loss(y_pred, y_true, X=X, training=training)
        if self.l1 and training:
            loss = loss + self.l1 * sum(p.abs().sum() for p in self.module_.parameters() if p.dim() > 1)
        return loss

    def fit_loop(self, *args: Any, **kwargs: Any) -> Any:
        self.interrupted_ = False
        try:
            return super().fit_loop(*args, **kwargs)
        except OutOfPatience:
            return self
        except KeyboardInterrupt:
            self.interrupted_ = True
            raise

    def partial_fit(self, *args: Any, **kwargs: Any) -> Any:
        super().partial_fit(*args, **kwargs)
        if self.interrupted_:
            raise KeyboardInterrupt
        return self


class Learner:
    """One network and its training. Its random numbers are its own, so that a seed gives the same model."""

    def __init__(
        self,
        build: Callable[[], nn.Module],
        criterion: Callable[[], nn.Module],
        settings: Fitting,
        number: int,
        seed: int,
        valid: Examples | None,
    ) -> None:
        self.settings, self.number, self.seed, self.seconds = settings, number, seed, 0.0
        self.random: dict[str, Tensor] = {}
        self.keep: Callable[[Learner], None] | None = None  # called when an epoch is finished, before anyone is told
        self.schedule = None if settings.schedule is None else Schedule(settings, valid is not None)
        self.patience = None if valid is None else Patience(settings.patience)
        clipping = None if settings.clip_norm is None else GradientNormClipping(settings.clip_norm)
        callbacks = {"clip": clipping, "schedule": self.schedule, "patience": self.patience, "watch": Watch(self._after_epoch)}
        with self._own_random():
            network = build()
            self.trainer = Trainer(
                network,
                criterion=criterion,
                lr=settings.learning_rate,
                max_epochs=settings.max_epochs,
                batch_size=settings.batch_size,
                device=settings.device,
                iterator_train=Batches,
                iterator_train__shuffle=True,
                iterator_valid=Batches,
                iterator_valid__batch_size=Examples.at_once if valid is None else at_once(valid),
                train_split=None if valid is None else predefined_split(valid),
                callbacks=[(name, one) for name, one in callbacks.items() if one is not None],
                verbose=0,
                l1=settings.l1,
                **optimizer(settings, network),
            ).initialize()

    def learn(self, examples: Examples, epochs: int) -> None:
        """So many more epochs on `examples`, or fewer if early stopping ends them."""
        with self._own_random(), threads_for(self.network, self.settings.batch_size * steps_of(examples)):
            self.trainer.partial_fit(examples, y=None, epochs=epochs)
        self.network.eval()
        if not all(bool(p.isfinite().all()) for p in self.network.parameters()):
            raise DataError(f"A weight is no finite number after epoch {len(self.trainer.history)}: {DIVERGED}")

    @property
    def epochs_left(self) -> int:
        """How many of `max_epochs` are still to come: none if early stopping has ended them."""
        over = self.patience is not None and self.patience.over(self.trainer)
        return 0 if over else self.settings.max_epochs - len(self.trainer.history)

    @property
    def network(self) -> nn.Module:
        """The network itself."""
        return self.trainer.module_  # type: ignore[no-any-return]

    @property
    def record(self) -> dict[str, Any]:
        """How the training went."""
        history = self.trainer.history
        losses = {key: [float(x) for x in history[:, key]] for key in ("train_loss", "valid_loss") if history and key in history[0]}
        watched = losses.get("valid_loss")
        best = int(np.argmin(watched)) + 1 if watched else len(history)
        return {"seed": self.seed, "epochs": len(history), "best_epoch": best, "seconds": round(self.seconds, 3), **losses}

    def _after_epoch(self) -> None:
        last = self.trainer.history[-1]
        self.seconds += last["dur"]
        if self.keep is not None:
            self.keep(self)
        if self.settings.on_epoch is not None:
            valid, best = last.get("valid_loss"), last.get("valid_loss_best", True)
            of = (last["epoch"], self.settings.max_epochs)
            self.settings.on_epoch(Epoch(*of, last["train_loss"], valid, best, last["dur"], self.number, self.settings.trainings))
        if self.patience is not None and self.patience.over(self.trainer):
            raise OutOfPatience

    @contextmanager
    def _own_random(self) -> Iterator[None]:
        """Inside, torch's generators go on from where this learner left them; outside, nothing has moved."""
        device = torch.device(self.settings.device)
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            if not self.random:
                torch.manual_seed(self.seed)
            else:
                torch.set_rng_state(self.random["cpu"])
                if device.type == "cuda":
                    torch.cuda.set_rng_state(self.random["cuda"], device)
            try:
                yield
            finally:
                self.random = self.random_now()

    def random_now(self) -> dict[str, Tensor]:
        """The states of torch's generators, while it trains."""
        device = torch.device(self.settings.device)
        return {"cpu": torch.get_rng_state()} | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def steps_of(examples: Examples) -> int:
    """How many steps a sequence has, on average."""
    if examples.lengths is not None:
        return int(np.mean(examples.lengths))
    inputs, _ = examples.batch(np.arange(1))
    return int(max(value.shape[1] for value in inputs.values() if value.dim() > 1))


@contextmanager
def threads_for(network: nn.Module, steps: int) -> Iterator[None]:
    """Inside, torch has one thread if a batch of so many steps is too little work to share; outside, what it had.

    Waking a second thread takes longer than such a batch, and many times longer on a machine that is busy.
    """
    before = torch.get_num_threads()
    multiplied = (one for one in network.modules() if not isinstance(one, nn.EmbeddingBag))
    operations = 2 * steps * sum(p.numel() for one in multiplied for p in one.parameters(recurse=False))
    if operations < SHARED_FROM:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class OutputOf(Protocol):
    """A network, or one of its methods."""

    def __call__(self, **inputs: Tensor) -> Tensor: ...


def at_once(examples: Examples) -> int:
    """How many sequences a batch that only predicts has."""
    longest = steps_of(examples) if examples.lengths is None else int(examples.lengths.max())
    return max(1, min(examples.at_once, STEPS_AT_ONCE // longest))


def each_batch(say: OutputOf, examples: Examples, device: str) -> Iterator[tuple[Rows, NDArray[np.float32]]]:
    """Rows, and what `say` gives for them, batch by batch."""
    with torch.inference_mode():
        for rows in batches_of(examples, at_once(examples), shuffle=False):
            inputs, _ = examples.batch(rows)
            yield rows, say(**{name: value.to(device) for name, value in inputs.items()}).cpu().numpy()


def outputs(say: OutputOf, examples: Examples, device: str) -> NDArray[np.float32]:
    """What `say` gives for every example, in their order: `(n, ...)`."""
    order, said = zip(*each_batch(say, examples, device), strict=True)
    return np.concatenate(said)[np.argsort(np.concatenate(order))]
