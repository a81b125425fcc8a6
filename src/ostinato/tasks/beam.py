"""The likeliest strings that decoders can say, by beam search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .encoder_decoder import EncoderDecoder, Memory

END = 0  # the symbol that ends a string; a string also begins after it


def likeliest(
    networks: Sequence[EncoderDecoder],
    memories: Sequence[Memory],
    beam: int,
    longest: int,
    length_penalty: float,
    never: Sequence[int] = (),
) -> Tensor:
    """For each row that is remembered the likeliest string found: symbols `(batch, at most longest)`, ended by `END`.

    `networks` are averaged, each with its own memory. A string's score is its log probability, its end included, over
    its number of symbols to the power of `length_penalty`: 0 takes the likeliest string, which is often too short, 1 the
    likeliest symbol by symbol. `never` holds symbols that are not said. A string has at most `longest` symbols, its end
    included. `beam` beginnings are kept at each place (Sutskever, Vinyals and Le 2014).
    """
    rows, device = len(memories[0].summary), memories[0].summary.device
    first = torch.arange(rows, device=device)[:, None] * beam
    memories = [memory.rows(torch.arange(rows, device=device).repeat_interleave(beam)) for memory in memories]
    states: list[Any] = [None] * len(networks)
    said = torch.full((rows * beam, 1), END, device=device)
    total = torch.full((rows, beam), -torch.inf, device=device, dtype=torch.float64)
    total[:, 0] = 0.0
    ended = torch.zeros(rows, beam, dtype=torch.bool, device=device)
    size = torch.zeros(rows, beam, dtype=torch.int64, device=device)
    for place in range(longest):
        chances = []
        for number, (network, memory) in enumerate(zip(networks, memories, strict=True)):
            outputs, states[number] = network.states(said[:, -1:], memory, states[number])
            scores = network.scores(outputs, memory)[0][:, 0].double()
            scores[:, list(never)] = -torch.inf
            chances.append(scores.softmax(dim=1))
        step = torch.stack(chances).mean(0).log().view(rows, beam, -1)
        if place == longest - 1:
            step[..., END + 1 :] = -torch.inf
        step[ended] = -torch.inf
        step[..., END].masked_fill_(ended, 0.0)  # an ended string stays as it is
        total, best = (total[..., None] + step).flatten(1).topk(beam)
        parent, symbol = best // step.shape[2], best % step.shape[2]
        chosen = (first + parent).flatten()
        said = torch.cat([said[chosen], symbol.view(-1, 1)], dim=1)
        states = [pick(one, chosen) for one in states]
        before = ended.gather(1, parent)
        size = size.gather(1, parent) + ~before
        ended = before | (symbol == END)
        if bool(ended.all()):
            break
    top = (total / size**length_penalty).argmax(dim=1, keepdim=True)
    return said[(first + top)[:, 0], 1:]


def pick(states: Any, rows: Tensor) -> Any:
    """The states of some rows: of a tensor `(layers, batch, width)`, or of each in a tuple."""
    return states[:, rows] if isinstance(states, Tensor) else tuple(pick(state, rows) for state in states)
