"""The networks: a recurrent stack of any cell, and a linear map of what it remembers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .. import cells, nn as recurrent
from ..program.cell import Cell
from ..program.node import Level
from .settings import Recurrence

TORCH_LIKE = {"rnn": recurrent.RNN, "lstm": recurrent.LSTM, "gru": recurrent.GRU}  # weights that torch.nn can read, too


def cell_name(cell: str | Cell) -> str:
    """What a cell is called. Raises ValueError, with the nearest known name, for one that there is not."""
    if not isinstance(cell, (str, Cell)):
        raise ValueError(f"cell={cell!r} is neither a function under @ostinato.cell nor the name of one in ostinato.cells.")
    return as_cell(cell).name


def as_cell(cell: str | Cell) -> Cell:
    """The cell itself, or the one of that name in the library."""
    return cells.get(cell) if isinstance(cell, str) else cell


def check_recurrence(settings: Recurrence, feeds: Sequence[str] = ()) -> None:
    """Raise ValueError for a cell that an estimator cannot use, which has inputs called `feeds` beside the sequence."""
    name = cell_name(settings.cell)
    inputs = as_cell(settings.cell).inputs
    if not {*inputs[1:]} <= {*feeds}:
        has = f"an estimator of sequences has one, and {', '.join(feeds)}" if feeds else "an estimator has one, the sequence"
        raise ValueError(f"cell={name!r} reads the inputs {', '.join(inputs)}; {has}.")
    if len(inputs) > 1 and (settings.num_layers > 1 or settings.bidirectional):
        raise ValueError(
            f"cell={name!r} reads the inputs {', '.join(inputs)}, which one layer has, forwards: set num_layers=1, bidirectional=False."
        )


def beside(settings: Recurrence, features: int) -> dict[str, int]:
    """The inputs of a cell beside the first, which has so many features, and their widths.

    Raises ValueError for one that is given once a sequence, or is neither 1 wide nor as wide as the first.
    """
    cell = as_cell(settings.cell)
    if len(cell.inputs) == 1:
        return {}
    found = {}
    for name, node in list(cell.trace(features, settings.hidden_size).inputs.items())[1:]:
        found[name] = node.shape[0]
        if node.level != Level.STEP or found[name] not in ((1,) if name == "time" else (1, features)):
            raise ValueError(
                f"cell={cell.name!r} has an input {name!r} of the width {found[name]}, which an estimator does not feed; make it 1."
            )
    return found


def layer_name(settings: Recurrence) -> str:
    """The class of `ostinato.nn` that runs the stack."""
    plain = not (settings.residual or settings.recurrent_dropout or settings.zoneout or settings.layer_norm)
    cell = settings.cell
    return TORCH_LIKE[cell].__name__ if plain and isinstance(cell, str) and cell in TORCH_LIKE else "Recurrent"


def recurrent_stack(settings: Recurrence, input_size: int, *, forward_only: bool = False) -> nn.Module:
    """A recurrent network that maps `(batch, time, input_size)` to `(batch, time, width)` and its states."""
    sizes = (input_size, settings.hidden_size, settings.num_layers)
    both = settings.bidirectional and not forward_only
    between = settings.dropout if settings.num_layers > 1 else 0.0
    if layer_name(settings) != "Recurrent":
        torch_like: nn.Module = TORCH_LIKE[str(settings.cell)](*sizes, batch_first=True, dropout=between, bidirectional=both)
        return torch_like
    return recurrent.Recurrent(
        settings.cell,
        *sizes,
        batch_first=True,
        dropout=between,
        bidirectional=both,
        residual=settings.residual,
        recurrent_dropout=settings.recurrent_dropout,
        zoneout=settings.zoneout,
        layer_norm=settings.layer_norm,
    )


def width(settings: Recurrence, input_size: int, *, forward_only: bool = False) -> int:
    """How many features the stack gives for each step, both directions together."""
    one = as_cell(settings.cell).trace(input_size, settings.hidden_size).output.shape[0]
    return one * (1 + (settings.bidirectional and not forward_only))


def last_step(states: Tensor, lengths: Tensor | None, bidirectional: bool) -> Tensor:
    """`(batch, width)`: what each direction gives when it has read the whole sequence, out of `(batch, time, width)`."""
    if lengths is None:
        forward = states[:, -1]
    else:
        forward = states[torch.arange(len(states), device=states.device), (lengths - 1).clamp(min=0)]
    if not bidirectional:
        return forward
    half = states.shape[2] // 2
    return torch.cat([forward[:, :half], states[:, 0, half:]], dim=1)


def linear_alike(linear: nn.Linear, states: Tensor) -> Tensor:
    """A linear map of each step that is the same in every batch, unless the network is learning."""
    if linear.training or not states.is_cpu:
        return linear(states)  # type: ignore[no-any-return]
    # In float64, because torch's product of a row is rounded in another way for batches of another size.
    return nn.functional.linear(states.double(), linear.weight.double(), linear.bias.double()).to(states.dtype)


class ForecastNetwork(nn.Module):
    """Departures of the next `horizon` steps from a window of the past and what is known ahead.

    The head reads the last state, the last step's own inputs, and the calendar and future covariates of the steps to
    come: what is linear in today's weather need not pass through the gates. It starts at zero, so that an untrained
    network forecasts what is usual for the season.

    features: of a step, static ones included.  known: features of a step ahead.
    """

    def __init__(self, settings: Recurrence, features: int, known: int, horizon: int) -> None:
        super().__init__()
        self.bidirectional = settings.bidirectional
        self.recurrent = recurrent_stack(settings, features)
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(width(settings, features) + features + horizon * known, horizon)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, past: Tensor, future: Tensor, static: Tensor | None = None) -> Tensor:
        """`past` `(batch, window, features)`, `future` `(batch, horizon, known)`, `static` `(batch, static)`, to `(batch, horizon)`."""
        past = with_static(past, static)
        last = self.dropout(self._last(past))
        return self.head(torch.cat([last, past[:, -1], future.flatten(1)], dim=1))  # type: ignore[no-any-return]

    def summary(self, past: Tensor, future: Tensor, static: Tensor | None = None) -> Tensor:
        """`(batch, width)`: the last state, which the head reads. What is known ahead has no part in it."""
        return self._last(with_static(past, static))

    def _last(self, past: Tensor) -> Tensor:
        return last_step(self.recurrent(past)[0], None, self.bidirectional)


def with_static(past: Tensor, static: Tensor | None) -> Tensor:
    """`(batch, time, features)` with what never changes within a series beside each step."""
    return past if static is None else torch.cat([past, static[:, None].expand(-1, past.shape[1], -1)], dim=2)


class ObservedSquaredError(nn.Module):
    """The mean squared error over those targets that were observed (are not NaN)."""

    def forward(self, forecast: Tensor, target: Tensor) -> Tensor:
        observed = ~torch.isnan(target)
        error = torch.where(observed, forecast - target, torch.zeros_like(forecast))
        return (error * error).sum() / observed.sum().clamp(min=1)


class SequenceNetwork(nn.Module):
    """Sequences to `outputs` numbers each, or for each step, by a linear map of the stack's states.

    reads: from what comes in to `(batch, time, features)`, and behind these what the cell reads `beside` them.
    readout: ``"last"`` reads the final state, ``"mean"`` and ``"max"`` all steps, ``"steps"`` maps each step.
    """

    def __init__(self, settings: Recurrence, reads: nn.Module, features: int, outputs: int, readout: str) -> None:
        super().__init__()
        self.reads = reads
        self.readout, self.bidirectional = readout, settings.bidirectional
        self.widths = (features, *beside(settings, features).values())
        self.recurrent = recurrent_stack(settings, features)
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(width(settings, features), outputs)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """`(batch, time, ...)` to `(batch, outputs)`, or `(batch, time, outputs)` step by step."""
        return linear_alike(self.head, self.dropout(self.remembered(x, lengths)))

    def go_on(self, x: Tensor, states: Any = None) -> tuple[Tensor, Any]:
        """What each further step says `(batch, time, outputs)`, after steps that left `states`; and what these leave."""
        remembered, states = self.recurrent(self._inputs(x), states)
        return linear_alike(self.head, remembered), states

    def _inputs(self, x: Tensor) -> Any:
        """What the stack takes: the features, and what its cell reads beside them."""
        read: Tensor = self.reads(x)
        return read if len(self.widths) == 1 else read.split(self.widths, dim=-1)

    def remembered(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """What the head reads: `(batch, width)`, or `(batch, time, width)` step by step."""
        return self._read(x, lengths, self.readout)

    def summary(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """A sequence in `(batch, width)` numbers: what the head reads, or the last state if it reads each step."""
        return self._read(x, lengths, "last" if self.readout == "steps" else self.readout)

    def _read(self, x: Tensor, lengths: Tensor | None, readout: str) -> Tensor:
        states: Tensor = self.recurrent(self._inputs(x), lengths=lengths)[0]
        if readout == "steps":
            return states
        if readout == "last":
            return last_step(states, lengths, self.bidirectional)
        if lengths is None:
            return states.mean(1) if readout == "mean" else states.amax(1)
        if readout == "mean":
            return states.sum(1) / lengths.clamp(min=1).unsqueeze(1)  # a step beyond the length gives 0
        real = (torch.arange(states.shape[1], device=states.device) < lengths[:, None]).unsqueeze(2)
        return torch.where(real, states, -torch.inf).amax(1)
