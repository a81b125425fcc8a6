"""From a sequence to a string: an encoder, a decoder, and attention after the decoder's recurrence."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from .network import last_step, recurrent_stack, width
from .settings import Recurrence


class Memory(NamedTuple):
    """What the encoder leaves: `steps` `(batch, source, width)`, `summary` `(batch, width)`, `absent` `(batch, source)` or None."""

    steps: Tensor
    summary: Tensor
    absent: Tensor | None

    def rows(self, chosen: Tensor) -> Memory:
        """Some of the batch, in that order."""
        return Memory(self.steps[chosen], self.summary[chosen], None if self.absent is None else self.absent[chosen])


class EncoderDecoder(nn.Module):
    """What is read, and the symbols said so far, to scores of the next symbol.

    The decoder reads each symbol beside a summary of what the encoder read, so that every cell can decode. From its
    states attention looks into the encoder's (Luong, Pham and Manning 2015, "general"). What was looked at is not fed
    back, so that whole strings are learned in one run of the time loop. A symbol that was said and one that is to be said
    have the same embedding (Press and Wolf 2017).

    reads: from what comes in to `(batch, source, features)`.  symbols: how many there are to say.
    """

    def __init__(self, settings: Recurrence, reads: nn.Module, features: int, symbols: int, embedding_size: int) -> None:
        super().__init__()
        self.reads, self.bidirectional = reads, settings.bidirectional
        self.encoder = recurrent_stack(settings, features)
        remembered = width(settings, features)
        self.embedding = nn.Embedding(symbols, embedding_size)
        self.decoder = recurrent_stack(settings, embedding_size + remembered, forward_only=True)
        said = width(settings, embedding_size + remembered, forward_only=True)
        self.dropout = nn.Dropout(settings.dropout)
        self.query = nn.Linear(said, remembered, bias=False)
        self.join = nn.Linear(said + remembered, embedding_size)
        self.bias = nn.Parameter(torch.zeros(symbols))
        nn.init.normal_(self.embedding.weight, std=embedding_size**-0.5)

    def forward(self, x: Tensor, said: Tensor, lengths: Tensor | None = None) -> Tensor:
        """`x` `(batch, source, ...)` and the symbols before each place, `said` `(batch, target)`, to `(batch, target, symbols)`."""
        return self.scores(self.states(said, memory := self.encode(x, lengths))[0], memory)[0]

    def summary(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """`(batch, width)`: what the encoder has read, in numbers."""
        return self.encode(x, lengths).summary

    def encode(self, x: Tensor, lengths: Tensor | None = None) -> Memory:
        """What is remembered of a batch."""
        steps: Tensor = self.encoder(self.dropout(self.reads(x)), lengths=lengths)[0]
        absent = None if lengths is None else torch.arange(steps.shape[1], device=steps.device) >= lengths[:, None]
        return Memory(steps, last_step(steps, lengths, self.bidirectional), absent)

    def states(self, said: Tensor, memory: Memory, before: Any = None) -> tuple[Tensor, Any]:
        """The decoder's outputs `(batch, target, width)`, and the states after them; it goes on from those `before`."""
        summary = memory.summary[:, None].expand(-1, said.shape[1], -1)
        read = torch.cat([self.dropout(self.embedding(said)), summary], dim=2)
        outputs, after = self.decoder(read, before)
        return outputs, after

    def scores(self, outputs: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Scores of the next symbol `(batch, target, symbols)`; how much each looks at each step, `(batch, target, source)`."""
        relevance = self.query(outputs) @ memory.steps.transpose(1, 2)
        if memory.absent is not None:
            relevance = relevance.masked_fill(memory.absent[:, None], -torch.inf)
        attention = relevance.softmax(dim=2)
        joined = torch.tanh(self.join(torch.cat([outputs, attention @ memory.steps], dim=2)))
        return linear(self.dropout(joined), self.embedding.weight, self.bias), attention
