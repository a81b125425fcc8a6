"""The training loop: skorch's, with batches cut from the series as they are needed and interrupts passed on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, GradientNormClipping
from skorch.helper import predefined_split
from torch import Tensor, nn
from torch.utils.data import Dataset

from .network import ObservedSquaredError
from .windows import Rows, Split, Windows

SHARED_FROM = 10**8  # operations, about a millisecond of one core


@dataclass(frozen=True)
class Epoch:
    """How one pass over the data went; losses are mean squared errors in units of each series' spread."""

    number: int
    of: int
    train_loss: float
    valid_loss: float
    best: bool
    seconds: float


class WindowBatches(Dataset[Any]):
    """Batches of windows. Only whole batches are asked for, so that numpy gathers each in one go."""

    def __init__(self, windows: Windows, origins: Rows) -> None:
        self.windows = windows
        self.origins = origins

    def __len__(self) -> int:
        return len(self.origins)

    def __getitems__(self, indices: Sequence[int]) -> tuple[dict[str, Tensor], Tensor]:
        origins = self.origins[list(indices)]
        past, future = self.windows.inputs(origins)
        inputs = {"past": torch.from_numpy(past), "future": torch.from_numpy(future)}
        return inputs, torch.from_numpy(self.windows.targets(origins))


def as_it_is(batch: Any) -> Any:
    """`WindowBatches` gives whole batches, so there is nothing to collate."""
    return batch


class OutOfPatience(KeyboardInterrupt):
    """How early stopping ends skorch's loop; its own way, a bare KeyboardInterrupt, looks like Control-C."""


class Patience(EarlyStopping):  # type: ignore[misc]
    """Stops when the validation loss has not fallen for `patience` epochs, and takes the best weights back."""

    def __init__(self, patience: int) -> None:
        super().__init__(monitor="valid_loss", patience=patience, threshold=0, load_best=True)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        try:
            super().on_epoch_end(net, **kwargs)
        except KeyboardInterrupt:
            if self.misses_ < self.patience:
                raise
            raise OutOfPatience from None


class Trainer(NeuralNet):  # type: ignore[misc]
    """skorch's training loop, which takes an interrupt for the end of training: this one passes it on."""

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


class Report(Callback):  # type: ignore[misc]
    """Tells a function about each epoch once it is over."""

    def __init__(self, tell: Callable[[Epoch], None]) -> None:
        self.tell = tell

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        self.started = time.perf_counter()

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        last = net.history[-1]
        self.tell(
            Epoch(
                last["epoch"],
                net.max_epochs,
                last["train_loss"],
                last["valid_loss"],
                last["valid_loss_best"],
                time.perf_counter() - self.started,
            )
        )


@contextmanager
def threads_for(network: nn.Module, steps: int) -> Iterator[None]:
    """Inside, torch has one thread if a batch of so many steps is too little work to share; outside, what it had.

    Waking a second thread takes longer than such a batch, and many times longer on a machine that is busy.
    """
    before = torch.get_num_threads()
    operations = 2 * steps * sum(p.numel() for p in network.parameters())
    if operations < SHARED_FROM:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def train(
    network: nn.Module,
    windows: Windows,
    split: Split,
    *,
    learning_rate: float,
    max_epochs: int,
    patience: int,
    batch_size: int,
    clip_norm: float,
    device: str,
    tell: Callable[[Epoch], None] | None,
) -> Trainer:
    """Train `network` with Adam and keep the weights of the epoch that validated best.

    Random numbers come from torch's global generator. An interrupt leaves this function as KeyboardInterrupt.
    """
    reports = [] if tell is None else [("report", Report(tell))]
    trainer = Trainer(
        network,
        criterion=ObservedSquaredError,
        optimizer=torch.optim.Adam,
        lr=learning_rate,
        max_epochs=max_epochs,
        batch_size=batch_size,
        device=device,
        iterator_train__shuffle=True,
        iterator_train__collate_fn=as_it_is,
        iterator_valid__collate_fn=as_it_is,
        iterator_valid__batch_size=1024,
        train_split=predefined_split(WindowBatches(windows, split.valid)),
        callbacks=[("clip", GradientNormClipping(clip_norm)), *reports, ("patience", Patience(patience))],
        verbose=0,
    )
    with threads_for(network, batch_size * windows.window):
        trainer.fit(WindowBatches(windows, split.train), y=None)
    return trainer
