"""Sound in: recordings as log-mel frames, several put together as one step, scaled."""

from __future__ import annotations

from typing import Any, Self

import narwhals.stable.v2 as nw
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data.errors import DataError
from .input_kind import Arrays, Fields, InputKind
from .log_mel import Frames, LogMel
from .parameters import rules
from .recordings import PATH, look_at, lowest_rate
from .sequence_scaling import measured, spread
from .sequence_settings import SequenceSettings, SoundSettings
from .sequences import Numbers, Rows, Sequences, require_column

MASKS = 2  # of each kind in a recording that is varied
WIDEST = 0.2  # the part of the bands, or of the steps, that one mask covers at most
LONGEST = 10  # steps that it covers at most
LOUDNESS = 0.5  # how much it is varied, in deviations of a band


class SoundInput(InputKind):
    """Recordings. The first ones settle how they are heard; after `fit`: `mean` and `scale` of each number of a step."""

    name = "sound"
    features: LogMel
    stack: int
    per_recording: bool
    augment: float
    mean: Numbers
    scale: Numbers

    @classmethod
    def of(cls, settings: SequenceSettings) -> Self:
        return cls()

    def read(self, X: Any, targets: tuple[str, ...], settings: SequenceSettings) -> Sequences:
        table = nw.from_native(X, eager_only=True) if nw.dependencies.is_into_dataframe(X) else None
        if table is not None:
            for column in (PATH, *targets):
                require_column(table, column)
        elif targets:
            raise DataError(f"y={targets[0]!r} names a column, but X is no frame; give y as a list.")
        recordings = look_at(X)
        if not hasattr(self, "features"):
            rate = settings.sampling_rate or lowest_rate(recordings)
            self.features = LogMel(rate, settings.n_mels, settings.window_ms, settings.hop_ms)
            self.stack, self.per_recording, self.augment = settings.stack, settings.per_recording, settings.augment
        heard = [stacked(self._centred(self.features.frames(one.blocks(), one.rate)), self.stack) for one in recordings]
        return Sequences(
            values=np.concatenate(heard, dtype=np.float64),
            lengths=np.array([len(one) for one in heard], dtype=np.intp),
            source="list" if table is None else "frame",
            ids=np.array([one.name for one in recordings], dtype=object),
            table=table,
        )

    def _centred(self, frames: Frames) -> Frames:
        return frames - frames.mean(axis=0, dtype=np.float64).astype(np.float32) if self.per_recording else frames

    def fit(self, data: Sequences, settings: SequenceSettings) -> None:
        self.mean, self.scale = spread(data.values)

    @property
    def width(self) -> int:
        return self.features.n_mels * self.stack

    def apply(self, data: Sequences) -> tuple[NDArray[np.float32], Rows]:
        return self.scaled(data.values), data.lengths

    def scaled(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """`(steps, width)` as the network sees it."""
        return np.asarray((values.astype(np.float64) - self.mean) / self.scale, np.float32)

    def module(self, settings: SequenceSettings) -> nn.Module:
        return Vary(self.features.n_mels, self.augment) if self.augment else nn.Identity()

    def schema(self) -> dict[str, Any]:
        held = {**vars(self.features), **vars(self)}
        return {name: held[name] for name in rules(SoundSettings)}

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"scaling.mean": self.mean, "scaling.scale": self.scale}

    @classmethod
    def restore(cls, schema: Fields, arrays: Arrays, settings: SequenceSettings) -> Self:
        one, told = cls(), {name: schema[name] for name in rules(SoundSettings)}
        for name, rule in rules(SoundSettings).items():
            if told[name] is None:
                raise ValueError(f"its field {name!r} is empty")
            rule.check(name, told[name])
        one.stack, one.per_recording, one.augment = told.pop("stack"), told.pop("per_recording"), told.pop("augment")
        one.features = LogMel(**told)
        one.mean, one.scale = measured(arrays, "scaling", one.width)
        return one


def stacked(frames: Frames, stack: int) -> Frames:
    """`(time, bands)` as `(⌈time / stack⌉, stack · bands)`; the last step is filled up with the last frame."""
    fill = -len(frames) % stack
    return np.concatenate([frames, np.repeat(frames[-1:], fill, axis=0)]).reshape(-1, stack * frames.shape[1])


class Vary(nn.Module):
    """While training, another loudness, and masks over bands and over time (SpecAugment, Park et al. 2019).

    `amount` is the part of the recordings that is varied. What is masked is 0, the mean.
    """

    def __init__(self, n_mels: int, amount: float) -> None:
        super().__init__()
        self.n_mels, self.amount = n_mels, amount

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, time, stack · n_mels)` as it came, or varied."""
        if not self.training:
            return x
        batch, time, _ = x.shape
        varied = torch.rand(batch) < self.amount
        louder = (LOUDNESS * torch.randn(batch) * varied)[:, None, None]
        bands = spans(varied, self.n_mels, WIDEST * self.n_mels).repeat(1, x.shape[2] // self.n_mels)
        steps = spans(varied, time, min(LONGEST, WIDEST * time))
        masked = bands[:, None] | steps[:, :, None]
        return (x + louder.to(x.device)).masked_fill(masked.to(x.device), 0.0)


def spans(rows: Tensor, size: int, longest: float) -> Tensor:
    """`(batch, size)`: True in a few spans of chance place and length of those `rows` that are True."""
    lengths = torch.rand(len(rows), MASKS, 1) * longest
    starts = torch.rand(len(rows), MASKS, 1) * (size - lengths)
    middles = torch.arange(size) + 0.5
    return ((middles > starts) & (middles < starts + lengths)).any(1) & rows[:, None]
