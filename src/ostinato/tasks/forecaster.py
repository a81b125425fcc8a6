"""Recurrent networks as forecasters with scikit-learn's protocol."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from ..program.cell import Cell
from .network import ForecastNetwork, as_cell, cell_name
from .panel import Panel
from .rolling import check_counts
from .training import Epoch, train
from .windowed import WindowedForecaster
from .windows import Rows, Split, Windows

if TYPE_CHECKING:
    from os import PathLike


class Forecaster(WindowedForecaster):
    """Forecasts series with a recurrent network: RNN, LSTM, GRU, or any cell of `ostinato.cells`, or of your own.

    What is usual for the season (a mean, with yearly and daily waves, for each series) is taken off the data and put
    back on the forecasts; the network learns the departures from it. It reads the last `window` steps of the target,
    of the covariates (known only up to the present) and of the calendar, and from its last state forecasts all
    `horizon` steps at once.

    cell: a cell's name or a `Cell`.  hidden_size, num_layers, dropout: of the recurrent stack.
    horizon, window: steps ahead and steps back.
    learning_rate, batch_size, clip_norm: of Adam, and the largest norm of a gradient.
    max_epochs, patience: at most so many passes, and so many without a better validation before stopping.
    validation_fraction: the end of each series that early stopping watches, and that is not learned from.
    cycles: "auto", or of "day", "week" and "year" those whose waves are usual.
    random_state: the same number gives the same model, to the last bit; None draws one (`seed_`).
    device: a torch device.  freq: the step of time as pandas names it; None infers it.
    missing: "raise", or "carry": the last value stands in as an input and is neither learned from nor scored.
    past_covariates: columns to use; None takes all.  on_epoch: called with an `Epoch` after each.

    After `fit`: `network_`, `seed_`, `training_` (losses by epoch, the best epoch, seconds), `validation_loss_`
    (mean squared error in units of each series' spread), and what `WindowedForecaster` names.
    """

    def __init__(
        self,
        cell: str | Cell = "lstm",
        horizon: int = 7,
        window: int = 14,
        hidden_size: int = 16,
        num_layers: int = 1,
        dropout: float = 0.2,
        *,
        learning_rate: float = 3e-3,
        max_epochs: int = 100,
        patience: int = 10,
        batch_size: int = 64,
        clip_norm: float = 1.0,
        validation_fraction: float = 0.2,
        cycles: str | Sequence[str] = "auto",
        random_state: int | None = None,
        device: str = "cpu",
        freq: str | None = None,
        missing: str = "raise",
        past_covariates: Sequence[str] | None = None,
        on_epoch: Callable[[Epoch], None] | None = None,
    ) -> None:
        self.cell = cell
        self.horizon = horizon
        self.window = window
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.max_epochs = max_epochs
        self.patience = patience
        self.batch_size = batch_size
        self.clip_norm = clip_norm
        self.validation_fraction = validation_fraction
        self.cycles = cycles
        self.random_state = random_state
        self.device = device
        self.freq = freq
        self.missing = missing
        self.past_covariates = past_covariates
        self.on_epoch = on_epoch

    @property
    def column(self) -> str:  # type: ignore[override]
        """The cell's name, which heads the column of forecasts."""
        return cell_name(self.cell)

    def save(self, path: str | PathLike[str], *, scores: dict[str, float] | None = None, overwrite: bool = False) -> None:
        """Write the fitted forecaster to a model file (docs/model-file.md), with `scores` beside it if given.

        Raises ModelFileError where the file exists and is not to be overwritten, OSError where it cannot be written.
        """
        from .forecast_file import save

        save(self, path, scores=scores or {}, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Forecaster:
        """Read a forecaster back. It holds no history: give `predict` a frame. Raises ModelFileError or OSError."""
        from .forecast_file import load

        return load(path)

    def build_network(self, features: int, calendar: int) -> ForecastNetwork:
        """The untrained network for `features` of each past step and `calendar` of each future one."""
        return ForecastNetwork(self.cell, features, calendar, self.horizon, self.hidden_size, self.num_layers, self.dropout)

    def _fit_panel(self, panel: Panel) -> None:
        check_settings(self)
        super()._fit_panel(panel)

    def _learn(self, windows: Windows, split: Split) -> None:
        seed = int(np.random.SeedSequence().generate_state(1)[0]) if self.random_state is None else self.random_state
        started = time.perf_counter()
        device = torch.device(self.device)
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            network = self.build_network(windows.past.shape[1], windows.future.shape[1])
            trainer = train(
                network,
                windows,
                split,
                learning_rate=self.learning_rate,
                max_epochs=self.max_epochs,
                patience=self.patience,
                batch_size=self.batch_size,
                clip_norm=self.clip_norm,
                device=self.device,
                tell=self.on_epoch,
            )
        valid_losses = [float(loss) for loss in trainer.history[:, "valid_loss"]]
        self.network_ = trainer.module_.eval()
        self.seed_ = seed
        self.validation_loss_ = min(valid_losses)
        self.training_ = {
            "epochs": len(valid_losses),
            "best_epoch": int(np.argmin(valid_losses)) + 1,
            "train_loss": [float(loss) for loss in trainer.history[:, "train_loss"]],
            "valid_loss": valid_losses,
            "seconds": round(time.perf_counter() - started, 3),
            "windows": len(split.train),
            "validation_windows": len(split.valid),
        }

    def _departures(self, windows: Windows, origins: Rows) -> NDArray[np.floating]:
        past, future = (torch.from_numpy(part).to(self.device) for part in windows.inputs(origins))
        with torch.inference_mode():
            return np.asarray(self.network_(past, future).cpu().numpy())


def check_settings(one: Forecaster) -> None:
    """Raise ValueError for the first parameter that cannot be used."""
    check_counts(
        hidden_size=one.hidden_size,
        num_layers=one.num_layers,
        max_epochs=one.max_epochs,
        patience=one.patience,
        batch_size=one.batch_size,
    )
    name = cell_name(one.cell)
    inputs = as_cell(one.cell).inputs
    if len(inputs) > 1:
        raise ValueError(f"cell={name!r} reads the inputs {', '.join(inputs)}; a forecaster has one, the window.")
    for name in ("learning_rate", "clip_norm"):
        if not getattr(one, name) > 0:
            raise ValueError(f"{name}={getattr(one, name)!r} must be greater than 0.")
    if not 0 <= one.dropout < 1:
        raise ValueError(f"dropout={one.dropout!r} must be at least 0 and less than 1.")
    if one.random_state is not None and not 0 <= one.random_state < 2**32:
        raise ValueError(f"random_state={one.random_state!r} must be None or a whole number from 0 to 2**32 - 1.")
    try:
        torch.empty(0, device=one.device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f'device={one.device!r} cannot be used here; "cpu" always can.') from error
