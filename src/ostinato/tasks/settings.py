"""The parameters that all estimators share: of the recurrent stack, and of its training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

from .parameters import estimator, param

if TYPE_CHECKING:
    from ..program.cell import Cell

OPTIMIZERS = ("Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "ASGD", "NAdam", "RAdam", "RMSprop", "Rprop", "SGD")
SCHEDULES = ("CosineAnnealingLR", "ExponentialLR", "LinearLR", "OneCycleLR", "ReduceLROnPlateau", "StepLR")
MISSING = ("raise", "carry")
BESIDE = ("mask", "gap", "time")  # inputs that a cell may have beside the first, where an estimator feeds them


@dataclass(frozen=True)
class Epoch:
    """How one pass over the data went. `valid_loss` is None where nothing validates; `network` counts the fit's trainings."""

    number: int
    of: int
    train_loss: float
    valid_loss: float | None
    best: bool
    seconds: float
    network: int = 1
    networks: int = 1


@estimator()
class Recurrence:
    """The recurrent stack."""

    cell: str | Cell = param("lstm", "a cell's name in `ostinato.cells`, or a function under `@ostinato.cell`", kind=object, kw_only=False)
    hidden_size: int = param(32, "units of each layer", low=1)
    num_layers: int = param(1, "recurrent layers on top of each other", low=1)
    bidirectional: bool = param(False, "whether a second direction reads each sequence from its end")
    residual: bool = param(False, "whether a layer's output is added to its input, where widths agree")
    dropout: float = param(0.0, "the rate of dropout between layers and before the readout", low=0, below=1)
    recurrent_dropout: float = param(0.0, "the rate of dropout of the state, one mask a sequence (Gal and Ghahramani 2016)", low=0, below=1)
    zoneout: float = param(0.0, "the rate at which units keep their state for a step (Krueger et al. 2017)", low=0, below=1)
    layer_norm: bool = param(False, "whether each product is normalised over its units (Ba et al. 2016)")


@estimator()
class Fitting:
    """The training of it."""

    optimizer: str = param("Adam", "an optimiser of torch.optim", choices=OPTIMIZERS)
    learning_rate: float = param(3e-3, "the optimiser's step", above=0)
    momentum: float = param(0.0, "the momentum of SGD or RMSprop", low=0, below=1)
    schedule: str | None = param(None, "how the learning rate changes, by torch's names", kind=str, optional=True, choices=SCHEDULES)
    l1: float = param(0.0, "the weight of the sum of absolute weights in the loss, biases excepted", low=0)
    l2: float = param(0.0, "the optimiser's weight_decay, biases excepted; AdamW decouples it from the gradient", low=0)
    clip_norm: float | None = param(1.0, "the largest norm of a gradient; None does not clip", optional=True, above=0)
    batch_size: int = param(64, "sequences in a batch", low=1)
    max_epochs: int = param(100, "at most so many passes over the data", low=1)
    patience: int = param(10, "epochs without a better validation before stopping", low=1)
    validation_fraction: float = param(0.2, "the part that decides when to stop, and is not learned from; 0 never stops", low=0, below=1)
    random_state: int | None = param(
        None, "the same number gives the same model, to the last bit; None draws one (`seed_`)", kind=int, optional=True, low=0, below=2**32
    )
    ensemble: int = param(1, "networks, each from a seed of its own, whose outputs are averaged", low=1)
    device: str = param("cpu", "a torch device")
    checkpoint: str | PathLike[str] | None = param(
        None,
        "a file that keeps the state of training after each epoch; a fit with the same parameters and data goes on from it",
        kind=PathLike,
        optional=True,
    )
    on_epoch: Callable[[Epoch], Any] | None = param(None, "called with an `Epoch` after each", kind=object)

    @property
    def trainings(self) -> int:
        """How many trainings a fit has."""
        return self.ensemble
