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

    The decoder reads the sum of each symbol's embedding and a map of what the encoder read last, so that every cell can
    decode. From its states attention looks into the encoder's (Luong, Pham and Manning 2015, "general"). What was looked
    at is not fed back, so that whole strings are learned in one run of the time loop. A symbol that was said and one that
    is to be said have the same embedding (Press and Wolf 2017).

    reads: from what comes in to `(batch, source, features)`.  symbols: how many there are to say.
    """

    def __init__(self, settings: Recurrence, reads: nn.Module, features: int, symbols: int, embedding_size: int) -> None:
        super().__init__()
        self.reads, self.bidirectional = reads, settings.bidirectional
        self.encoder = recurrent_stack(settings, features)
        remembered = width(settings, features)
        self.embedding = nn.Embedding(symbols, embedding_size)
        self.begin = nn.Linear(remembered, embedding_size, bias=False)
        self.decoder = recurrent_stack(settings, embedding_size, forward_only=True)
        said = width(settings, embedding_size, forward_only=True)
        self.dropout = nn.Dropout(settings.dropout)
        self.query = nn.Linear(said, remembered, bias=False)
        self.join = nn.Linear(said + remembered, embedding_size)
        self.bias = nn.Parameter(torch.zeros(symbols))
        nn.init.normal_(self.embedding.weight, std=embedding_size**-0.5)

    def forward(self, x: Tensor, said: Tensor, ends: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Scores of every symbol to be said `(all of them, symbols)`, string after string.

        `x` `(batch, source, ...)`; `said` `(batch, target)`, the symbols before each place, of which each string has `ends`.
        """
        memory = self.encode(x, lengths)
        outputs = self.decoder(self._read(said, memory), lengths=ends)[0]
        found = self.look(outputs, memory)[0]
        real = torch.arange(said.shape[1], device=said.device) < ends[:, None]
        return self.scores(outputs[real], found[real])

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
        outputs, after = self.decoder(self._read(said, memory), before)
        return outputs, after

    def _read(self, said: Tensor, memory: Memory) -> Tensor:
        began = self.begin(memory.summary).repeat_interleave(len(said) // len(memory.summary), 0)  # several beams of each
        return self.dropout(self.embedding(said) + began[:, None])  # type: ignore[no-any-return]

    def look(self, outputs: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """What each output finds in the encoder's `(batch, target, width)`; how much it looks at each step, `(batch, target, source)`."""
        relevance = self.query(outputs) @ memory.steps.transpose(1, 2)
        if memory.absent is not None:
            relevance = relevance.masked_fill(memory.absent[:, None], -torch.inf)
        attention = relevance.softmax(dim=2)
        return attention @ memory.steps, attention

    def scores(self, outputs: Tensor, found: Tensor) -> Tensor:
        """Scores of the next symbol `(..., symbols)`, from the decoder's outputs and what they found."""
        joined = torch.tanh(self.join(torch.cat([outputs, found], dim=-1)))
        return linear(self.dropout(joined), self.embedding.weight, self.bias)
