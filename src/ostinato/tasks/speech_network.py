"""The network of speech: phones to how long each lasts, and to the frames of their sound."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .network import last_step, linear_alike, recurrent_stack, width
from .regressor import weighted_squares
from .settings import Recurrence
from .timed_phones import PLACES


class SpeechNetwork(nn.Module):
    """A stack reads the phones. A linear map of its states tells how long each lasts; a second stack of the same cell reads them
    again, each repeated for its frames beside the place in it, and tells the frames.

    So the durations are explicit, as in Shen et al. 2020 (Non-Attentive Tacotron), and no frame waits for the one before.

    reads: from what comes in to `(batch, phones, features)`.
    """

    def __init__(self, settings: Recurrence, reads: nn.Module, features: int, bands: int) -> None:
        super().__init__()
        self.reads, self.bidirectional = reads, settings.bidirectional
        self.phones = recurrent_stack(settings, features)
        self.frames = recurrent_stack(settings, width(settings, features) + PLACES)
        self.dropout = nn.Dropout(settings.dropout)
        self.duration = nn.Linear(width(settings, features), 1)
        self.bands = nn.Linear(width(settings, width(settings, features) + PLACES), bands)

    def forward(self, x: Tensor, phone: Tensor, place: Tensor, frames: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Durations `(batch, phones, 1)` and frames `(batch, frames, bands)`, both scaled.

        `phone` `(batch, frames)` is the phone that each frame lies in, `place` `(batch, frames, PLACES)` where in it, `frames`
        how many there are.
        """
        read = self._read(x, lengths)
        return self._lasting(read), self._sounding(read, phone, place, frames)

    def durations(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """`(batch, phones, 1)` alone."""
        return self._lasting(self._read(x, lengths))

    def sound(self, x: Tensor, phone: Tensor, place: Tensor, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """`(batch, frames, bands)` alone."""
        return self._sounding(self._read(x, lengths), phone, place, frames)

    def summary(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The phones of an utterance in `(batch, width)` numbers: the last state of each direction."""
        return last_step(self._read(x, lengths), lengths, self.bidirectional)

    def _read(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        read: Tensor = self.phones(self.reads(x), lengths=lengths)[0]
        return read

    def _lasting(self, read: Tensor) -> Tensor:
        return linear_alike(self.duration, self.dropout(read))

    def _sounding(self, read: Tensor, phone: Tensor, place: Tensor, frames: Tensor) -> Tensor:
        repeated = read.gather(1, phone.unsqueeze(2).expand(-1, -1, read.shape[2]))
        states = self.frames(torch.cat([repeated, place], dim=2), lengths=frames)[0]
        return linear_alike(self.bands, self.dropout(states))


class SpeechError(nn.Module):
    """The mean squared error of the durations and that of the frames, summed; each utterance by its weight. NaN is beyond the end."""

    def forward(self, said: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        durations, frames, weights = target
        return weighted_squares(said[0], durations, weights) + weighted_squares(said[1], frames, weights)
