"""How networks learn: skorch's loop, with batches cut as they are needed and random numbers of their own."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from skorch.callbacks import Callback, GradientNormClipping, LRScheduler
from skorch.helper import predefined_split
from torch import Tensor, nn
from torch.utils.data import Dataset

from ..data.errors import DataError
from .settings import Epoch, Fitting

Rows = NDArray[np.intp]

SHARED_FROM = 10**8  # operations, about a millisecond of one core
POOL = 32  # batches among which sequences are sorted by length
AT_ONCE = 1024  # sequences in a batch that only predicts


class Examples(Dataset[Any]):
    """Sequences and their targets, given as whole batches so that numpy gathers each in one go.

    `lengths`: how many steps each has, where that differs; batches are then of like length.
    """

    lengths: Rows | None = None

    def __len__(self) -> int:
        raise NotImplementedError

    def batch(self, rows: Rows) -> tuple[dict[str, Tensor], Any]:
        """The network's keywords, and what its criterion takes as the target."""
        raise NotImplementedError


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
    """Stops when the validation loss has not fallen for `patience` epochs, and takes the best weights back."""

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.best_weights: dict[str, Tensor] = {}

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        losses = net.history[:, "valid_loss"]
        since = len(losses) - 1 - int(np.argmin(losses))
        if since == 0:
            self.best_weights = copy.deepcopy(net.module_.state_dict())
        elif since >= self.patience:
            raise OutOfPatience

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        if self.best_weights:
            net.module_.load_state_dict(self.best_weights)


class Watch(Callback):  # type: ignore[misc]
    """Stops a training that has no finite loss left, and calls a function after each epoch."""

    def __init__(self, after_epoch: Callable[[], None]) -> None:
        self.after_epoch = after_epoch

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        last = net.history[-1]
        if not math.isfinite(last["train_loss"]):
            raise DataError(
                f"The training loss is {last['train_loss']} after epoch {last['epoch']}: the training diverged; lower "
                "learning_rate or clip_norm, or look for values far out of the usual range."
            )
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
        callbacks = [] if settings.clip_norm is None else [("clip", GradientNormClipping(settings.clip_norm))]
        callbacks += [] if settings.schedule is None else [("schedule", scheduler(settings, valid is not None))]
        callbacks += [("watch", Watch(self._after_epoch))]
        callbacks += [] if valid is None else [("patience", Patience(settings.patience))]
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
                iterator_valid__batch_size=AT_ONCE,
                train_split=None if valid is None else predefined_split(valid),
                callbacks=callbacks,
                verbose=0,
                l1=settings.l1,
                **optimizer(settings, network),
            ).initialize()

    def learn(self, examples: Examples, epochs: int) -> None:
        """So many more epochs on `examples`, or fewer if early stopping ends them."""
        with self._own_random(), threads_for(self.network, self.settings.batch_size * steps_of(examples)):
            self.trainer.partial_fit(examples, y=None, epochs=epochs)
        self.network.eval()

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
        if self.settings.on_epoch is not None:
            valid, best = last.get("valid_loss"), last.get("valid_loss_best", True)
            of = (last["epoch"], self.settings.max_epochs)
            self.settings.on_epoch(Epoch(*of, last["train_loss"], valid, best, last["dur"], self.number, self.settings.ensemble))

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
                self.random = {"cpu": torch.get_rng_state()}
                if device.type == "cuda":
                    self.random["cuda"] = torch.cuda.get_rng_state(device)


def optimizer(settings: Fitting, network: nn.Module) -> dict[str, Any]:
    """skorch's keywords for the optimiser of that name; biases do not decay."""
    keywords: dict[str, Any] = {"optimizer": getattr(torch.optim, settings.optimizer)}
    if settings.momentum:
        if settings.optimizer not in ("SGD", "RMSprop"):
            raise ValueError(f"momentum={settings.momentum!r} is for SGD and RMSprop; {settings.optimizer} has none, set momentum=0.")
        keywords["optimizer__momentum"] = settings.momentum
    if settings.l2:
        if settings.optimizer == "Rprop":
            raise ValueError("l2 is not for Rprop, which reads only the gradient's sign; set l2=0 or choose another optimizer.")
        keywords["optimizer__weight_decay"] = settings.l2
        vectors = [name for name, p in network.named_parameters() if p.dim() < 2]
        keywords["optimizer__param_groups"] = [(name, {"weight_decay": 0.0}) for name in vectors]
    elif settings.optimizer == "AdamW":
        keywords["optimizer__weight_decay"] = 0.0  # torch's default is not 0
    return keywords


def scheduler(settings: Fitting, validated: bool) -> LRScheduler:
    """The schedule of that name, stretched over `max_epochs`."""
    epochs = settings.max_epochs
    watched = "valid_loss" if validated else "train_loss"
    keywords: dict[str, dict[str, Any]] = {
        "CosineAnnealingLR": {"T_max": epochs},
        "ExponentialLR": {"gamma": 0.01 ** (1 / epochs)},
        "LinearLR": {"start_factor": 1.0, "end_factor": 0.01, "total_iters": epochs},
        "OneCycleLR": {"max_lr": settings.learning_rate, "total_steps": epochs + 1, "cycle_momentum": False},
        "ReduceLROnPlateau": {"factor": 0.3, "patience": max(1, settings.patience // 3), "monitor": watched},
        "StepLR": {"step_size": max(1, epochs // 3), "gamma": 0.1},
    }
    name = str(settings.schedule)
    return LRScheduler(policy=name, **keywords[name])


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
    operations = 2 * steps * sum(p.numel() for p in network.parameters())
    if operations < SHARED_FROM:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class OutputOf(Protocol):
    """A network, or one of its methods."""

    def __call__(self, **inputs: Tensor) -> Tensor: ...


def outputs(say: OutputOf, examples: Examples, device: str) -> NDArray[np.float32]:
    """What `say` gives for every example, in their order: `(n, ...)`."""
    order, said = [], []
    with torch.inference_mode():
        for rows in batches_of(examples, AT_ONCE, shuffle=False):
            inputs, _ = examples.batch(rows)
            order.append(rows)
            said.append(say(**{name: value.to(device) for name, value in inputs.items()}).cpu().numpy())
    return np.concatenate(said)[np.argsort(np.concatenate(order))]  # type: ignore[no-any-return]
