"""An existing model's recurrent layers on our engine, swapped where they stand.

A layer stays the object that it was: its parameters, hooks, name and place, and whoever holds it. Only its class
changes, to one that is still torch.nn's own by `isinstance`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from ..cells import standard
from . import layers, onestep


class RNN(layers.RNN, torch.nn.RNN):
    """A torch.nn.RNN that runs on our engine."""


class GRU(layers.GRU, torch.nn.GRU):
    """A torch.nn.GRU that runs on our engine."""


class LSTM(layers.LSTM, torch.nn.LSTM):
    """A torch.nn.LSTM that runs on our engine."""


class RNNCell(onestep.RNNCell):
    """A torch.nn.RNNCell that runs on our engine."""


class GRUCell(onestep.GRUCell):
    """A torch.nn.GRUCell that runs on our engine."""


class LSTMCell(onestep.LSTMCell):
    """A torch.nn.LSTMCell that runs on our engine."""


def _begin_rnn(module: Any) -> None:
    module.nonlinearity = "tanh" if module.mode == "RNN_TANH" else "relu"
    module._begin(standard.rnn, nonlinearity=module.nonlinearity)


def _begin_lstm(module: Any) -> None:
    if module.proj_size:
        module._begin(standard.lstm_projected, projection=module.proj_size)
    else:
        module._begin(standard.lstm)


SWAPS: dict[type, tuple[type, Callable[[Any], None]]] = {
    torch.nn.RNN: (RNN, _begin_rnn),
    torch.nn.GRU: (GRU, lambda module: module._begin(standard.gru)),
    torch.nn.LSTM: (LSTM, _begin_lstm),
    torch.nn.RNNCell: (RNNCell, lambda module: module._begin(standard.rnn, nonlinearity=module.nonlinearity)),
    torch.nn.GRUCell: (GRUCell, lambda module: module._begin(standard.gru)),
    torch.nn.LSTMCell: (LSTMCell, lambda module: module._begin(standard.lstm)),
}
BACK = {ours: theirs for theirs, (ours, _) in SWAPS.items()}
OWN = ("_stack", "_cache", "_names")  # what a swapped module has beside what it had


@dataclass(frozen=True)
class Swap:
    """What happened to one recurrent layer. `reason` is empty where it was swapped."""

    name: str
    kind: str
    reason: str = ""


@dataclass(frozen=True)
class Swaps:
    """What `accelerate` did, a line each when printed."""

    all: tuple[Swap, ...]

    @property
    def swapped(self) -> tuple[Swap, ...]:
        """The layers that run on our engine now."""
        return tuple(one for one in self.all if not one.reason)

    @property
    def left(self) -> tuple[Swap, ...]:
        """The layers that stay as they were, with the reason."""
        return tuple(one for one in self.all if one.reason)

    def __iter__(self) -> Iterator[Swap]:
        return iter(self.all)

    def __str__(self) -> str:
        lines = [f"{one.name or '(the model)'}: {one.kind} " + (f"left: {one.reason}" if one.reason else "swapped") for one in self.all]
        return "\n".join(lines or ["no recurrent layer of torch.nn was found"])


def accelerate(model: torch.nn.Module) -> Swaps:
    """Run every torch.nn.RNN, LSTM, GRU and their one-step cells in `model` on our engine, in place.

    Parameters are the same objects, so optimisers and sharing go on; hooks, `state_dict`, names and `isinstance` stay.
    Values agree with torch's to rounding, and dropout between layers draws other numbers from the same seed. What cannot be
    swapped is left as it was, and the result says why. `restore` undoes it. Raises TypeError for what is no module.
    """
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"accelerate takes a torch.nn.Module, got {type(model).__name__}")
    done = []
    for name, module in model.named_modules():
        if not isinstance(module, (torch.nn.RNNBase, torch.nn.RNNCellBase)):
            continue
        kind = type(module).__name__
        reason = why_not(module)
        if not reason:
            ours, begin = SWAPS[type(module)]
            module.__class__ = ours
            begin(module)
        done.append(Swap(name, kind, reason))
    return Swaps(tuple(done))


def restore(model: torch.nn.Module) -> int:
    """Give every layer that `accelerate` swapped its own class back; how many there were."""
    count = 0
    for module in model.modules():
        if type(module) in BACK:
            module.__class__ = BACK[type(module)]
            for name in OWN:
                vars(module).pop(name, None)
            count += 1
    return count


def why_not(module: torch.nn.Module) -> str:
    """Why a recurrent layer is left as it is; empty where it can be swapped."""
    if isinstance(module, (layers._Layer, onestep._OneStep)):
        return "it runs on our engine already"
    if type(module) not in SWAPS:
        parents = [theirs.__name__ for theirs in SWAPS if isinstance(module, theirs)]
        return f"it is a class of its own, derived from {parents[0] if parents else 'a base class'}, and may do something else"
    params = [p for p in module.parameters() if p is not None]
    for p in params:
        if p.device.type not in ("cpu", "meta"):
            return f"its parameters are on {p.device}, where torch's own kernels run"
        if p.dtype not in (torch.float32, torch.float64):
            return f"its parameters are {str(p.dtype).removeprefix('torch.')}; the engine computes in float32 and float64"
    if "forward" in vars(module):
        return "its forward was replaced"
    if getattr(module, "mode", "").startswith("RNN") and module.mode not in ("RNN_TANH", "RNN_RELU"):
        return f"its nonlinearity is unknown: {module.mode}"
    if isinstance(module, torch.nn.RNNCell) and module.nonlinearity not in ("tanh", "relu"):
        return f"its nonlinearity is unknown: {module.nonlinearity}"
    return ""
