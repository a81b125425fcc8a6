"""The likeliest strings that a decoder can say, by beam search."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .encoder_decoder import EncoderDecoder, Memory

END = 0  # the symbol that ends a string; a string also begins after it


def likeliest(network: EncoderDecoder, memory: Memory, beam: int, longest: int, length_penalty: float, never: Tensor) -> tuple[Tensor, Tensor]:
    """For each row of `memory` the likeliest string found: symbols `(batch, at most longest)`, ended by `END`; its score.

    A score is the string's log probability, its end included, over its length to the power of `length_penalty`: 0 takes
    the likeliest, which is often too short, 1 the likeliest symbol by symbol. `never` holds symbols that are not said.
    A string has at most `longest` symbols, its end included. Widths: Sutskever, Vinyals and Le 2014.
    """
    rows, device = len(memory.summary), memory.summary.device
    first = torch.arange(rows, device=device)[:, None] * beam
    memory = memory.rows(torch.arange(rows, device=device).repeat_interleave(beam))
    said = torch.full((rows * beam, 1), END, device=device)
    total = torch.full((rows, beam), -torch.inf, device=device, dtype=torch.float64)
    total[:, 0] = 0.0
    ended = torch.zeros(rows, beam, dtype=torch.bool, device=device)
    size = torch.zeros(rows, beam, device=device, dtype=torch.int64)
    states: Any = None
    for place in range(longest):
        outputs, states = network.states(said[:, -1:], memory, states)
        step = network.scores(outputs, memory)[0][:, 0].double()
        step[:, never] = -torch.inf
        step = step.log_softmax(dim=1).view(rows, beam, -1)
        if place == longest - 1:
            step[..., :END], step[..., END + 1 :] = -torch.inf, -torch.inf
        step[ended] = -torch.inf
        step[..., END] = step[..., END].masked_fill(ended, 0.0)  # an ended string stays as it is
        symbols = step.shape[2]
        total, best = (total[..., None] + step).flatten(1).topk(beam)
        parent, symbol = best // symbols, best % symbols
        chosen = (first + parent).flatten()
        said, states = torch.cat([said[chosen], symbol.view(-1, 1)], dim=1), pick(states, chosen)
        before = ended.gather(1, parent)
        size = size.gather(1, parent) + ~before
        ended = before | (symbol == END)
        if bool(ended.all()):
            break
    score = total / size**length_penalty
    top = score.argmax(dim=1, keepdim=True)
    return said[(first + top)[:, 0], 1:], score.gather(1, top)[:, 0]


def pick(states: Any, rows: Tensor) -> Any:
    """The states of some rows: of a tensor `(layers, batch, width)`, or of each in a tuple."""
    return states[:, rows] if isinstance(states, Tensor) else tuple(pick(state, rows) for state in states)
