"""The network of a forecaster: a recurrent stack over the past, and one linear map to all steps ahead."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .. import cells, nn as recurrent
from ..program.cell import Cell

TORCH_LIKE = {"rnn": recurrent.RNN, "lstm": recurrent.LSTM, "gru": recurrent.GRU}  # weights that torch.nn can read, too


def cell_name(cell: str | Cell) -> str:
    """What a cell is called. Raises ValueError, with the nearest known name, for one that there is not."""
    if not isinstance(cell, (str, Cell)):
        raise ValueError(f"cell={cell!r} is neither a function under @ostinato.cell nor the name of one in ostinato.cells.")
    return as_cell(cell).name


def as_cell(cell: str | Cell) -> Cell:
    """The cell itself, or the one of that name in the library."""
    return cells.get(cell) if isinstance(cell, str) else cell


def layer_name(cell: str | Cell) -> str:
    """The class of `ostinato.nn` that runs the cell."""
    return TORCH_LIKE[cell].__name__ if isinstance(cell, str) and cell in TORCH_LIKE else "Recurrent"


def recurrent_stack(cell: str | Cell, input_size: int, hidden_size: int, num_layers: int, dropout: float) -> nn.Module:
    """A recurrent network that maps `(batch, time, input_size)` to `(batch, time, hidden_size)` and its states."""
    if isinstance(cell, str) and cell in TORCH_LIKE:
        torch_like: nn.Module = TORCH_LIKE[cell](input_size, hidden_size, num_layers, batch_first=True, dropout=dropout)
        return torch_like
    return recurrent.Recurrent(cell, input_size, hidden_size, num_layers, batch_first=True, dropout=dropout)


class ForecastNetwork(nn.Module):
    """Departures of the next `horizon` steps from a window of the past and the calendar ahead.

    The head reads the last state, the last step's own inputs, and the calendar of the steps to come: what is linear
    in today's weather need not pass through the gates. It at zero, so that an untrained network
    forecasts what is usual for the season.
    """

    def __init__(
        self,
        cell: str | Cell,
        features: int,
        calendar: int,
        horizon: int,
        hidden_size: int,
        num_layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        between = dropout if num_layers > 1 else 0.0
        self.recurrent = recurrent_stack(cell, features, hidden_size, num_layers, between)
        self.dropout = nn.Dropout(dropout)
        width = as_cell(cell).trace(features, hidden_size).output.shape[0]
        self.head = nn.Linear(width + features + horizon * calendar, horizon)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, past: Tensor, future: Tensor) -> Tensor:
        """`past` `(batch, window, features)` and `future` `(batch, horizon, calendar)` to `(batch, horizon)`."""
        states, _ = self.recurrent(past)
        last = self.dropout(states[:, -1])
        return self.head(torch.cat([last, past[:, -1], future.flatten(1)], dim=1))  # type: ignore[no-any-return]


class ObservedSquaredError(nn.Module):
    """The mean squared error over those targets that were observed (are not NaN)."""

    def forward(self, forecast: Tensor, target: Tensor) -> Tensor:
        observed = ~torch.isnan(target)
        error = torch.where(observed, forecast - target, torch.zeros_like(forecast))
        return (error * error).sum() / observed.sum().clamp(min=1)
