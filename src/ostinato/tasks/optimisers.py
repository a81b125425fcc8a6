"""torch's optimisers and learning-rate schedules, by their names, with this library's parameters."""

from __future__ import annotations

from typing import Any

import torch
from skorch.callbacks import Callback
from torch import nn
from torch.optim import lr_scheduler

from .settings import Fitting


def check_optimizer(settings: Fitting) -> None:
    """Raise ValueError for what the optimiser of that name cannot do."""
    if settings.momentum and settings.optimizer not in ("SGD", "RMSprop"):
        raise ValueError(f"momentum={settings.momentum!r} is for SGD and RMSprop; {settings.optimizer} has none, set momentum=0.")
    if settings.l2 and settings.optimizer == "Rprop":
        raise ValueError("l2 is not for Rprop, which reads only the gradient's sign; set l2=0 or choose another optimizer.")


def optimizer(settings: Fitting, network: nn.Module) -> dict[str, Any]:
    """skorch's keywords for the optimiser of that name; biases do not decay."""
    keywords: dict[str, Any] = {"optimizer": getattr(torch.optim, settings.optimizer)}
    if settings.momentum:
        keywords["optimizer__momentum"] = settings.momentum
    if settings.l2:
        keywords["optimizer__weight_decay"] = settings.l2
        vectors = [name for name, p in network.named_parameters() if p.dim() < 2]
        keywords["optimizer__param_groups"] = [(name, {"weight_decay": 0.0}) for name in vectors]
    elif settings.optimizer == "AdamW":
        keywords["optimizer__weight_decay"] = 0.0  # torch's default is not 0
    return keywords


class Schedule(Callback):  # type: ignore[misc]
    """The schedule of that name, stretched over `max_epochs`; epochs beyond those keep the last learning rate.

    skorch's own starts anew with every `partial_fit`, and does not know all of torch's names.
    """

    def __init__(self, settings: Fitting, validated: bool) -> None:
        self.settings, self.watched = settings, "valid_loss" if validated else "train_loss"
        self.scheduler: Any = None

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        if self.scheduler is None:
            self.start(net.optimizer_)

    def start(self, optimizer: torch.optim.Optimizer) -> None:
        """Begin with this optimiser, at its first epoch."""
        epochs, name = self.settings.max_epochs, str(self.settings.schedule)
        keywords: dict[str, dict[str, Any]] = {
            "CosineAnnealingLR": {"T_max": epochs},
            "ExponentialLR": {"gamma": 0.01 ** (1 / epochs)},
            "LinearLR": {"start_factor": 1.0, "end_factor": 0.01, "total_iters": epochs},
            "OneCycleLR": {"max_lr": self.settings.learning_rate, "total_steps": epochs + 1, "cycle_momentum": False},
            "ReduceLROnPlateau": {"factor": 0.3, "patience": max(1, self.settings.patience // 3)},
            "StepLR": {"step_size": max(1, epochs // 3), "gamma": 0.1},
        }
        self.scheduler = getattr(lr_scheduler, name)(optimizer, **keywords[name])

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        if isinstance(self.scheduler, lr_scheduler.ReduceLROnPlateau):
            self.scheduler.step(net.history[-1, self.watched])
        elif len(net.history) <= self.settings.max_epochs:
            self.scheduler.step()
