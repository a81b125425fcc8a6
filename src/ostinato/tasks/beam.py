"""The likeliest strings that decoders can say, by beam search."""

from __future__ import annotations

import math
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
    """For each row that is remembered the likeliest string found: symbols `(batch, at most longest)`, ended and filled up by `END`.

    `networks` are averaged, each with its own memory. A string's score is its log probability, its end included, over
    its number of symbols to the power of `length_penalty`: 0 takes the likeliest string, which is often too short, 1 the
    likeliest symbol by symbol. `never` holds symbols that are not said. A string has at most `longest` symbols, its end
    included. `beam` beginnings are kept at each place (Sutskever, Vinyals and Le 2014).
    """
    rows, device = len(memories[0].summary), memories[0].summary.device
    found = torch.full((rows, longest), END, device=device)
    states: list[Any] = [None] * len(networks)
    said = torch.full((rows, beam, 1), END, device=device)
    total = torch.full((rows, beam), -torch.inf, device=device, dtype=torch.float64)
    total[:, 0] = 0.0
    ended = torch.zeros(rows, beam, dtype=torch.bool, device=device)
    size = torch.zeros(rows, beam, dtype=torch.int64, device=device)
    left = torch.arange(rows, device=device)  # the rows that are still being said
    for place in range(longest):
        logs = []
        for number, (network, memory) in enumerate(zip(networks, memories, strict=True)):
            outputs, states[number] = network.states(said[:, :, -1].reshape(-1, 1), memory, states[number])
            outputs = outputs.view(len(left), beam, -1)
            scores = network.scores(outputs, network.look(outputs, memory)[0])
            scores[..., list(never)] = -torch.inf
            logs.append(scores.log_softmax(dim=2))
        step = logs[0] if len(logs) == 1 else torch.stack(logs).logsumexp(0) - math.log(len(logs))
        if place == longest - 1:
            step[..., END + 1 :] = -torch.inf
        step[ended] = -torch.inf
        step[..., END].masked_fill_(ended, 0.0)  # an ended string stays as it is
        chances, symbols = step.topk(min(beam, step.shape[2]))
        total, best = (total[..., None] + chances).flatten(1).topk(beam)
        parent, symbol = best // symbols.shape[2], symbols.flatten(1).gather(1, best)
        said = torch.cat([said.gather(1, parent[..., None].expand_as(said)), symbol[..., None]], dim=2)
        before = ended.gather(1, parent)
        size = size.gather(1, parent) + ~before
        ended = before | (symbol == END)
        over = (ended | ~total.isfinite()).all(1)  # no string that is still possible goes on
        if bool(over.any()):
            top = (total / size**length_penalty).argmax(dim=1)
            found[left[over], : place + 1] = said[over, top[over], 1:]
            on = ~over
            left, said, total, ended, size = (one[on] for one in (left, said, total, ended, size))
            memories = [memory.rows(on) for memory in memories]
            parent = parent[on] + beam * on.nonzero()
        else:
            parent = parent + beam * torch.arange(len(left), device=device)[:, None]
        if not len(left):
            break
        states = [pick(one, parent.flatten()) for one in states]
    return found[:, : int((found != END).sum(1).max()) + 1]


def pick(states: Any, rows: Tensor) -> Any:
    """The states of some rows: of a tensor `(layers, batch, width)`, or of each in a tuple."""
    return states[:, rows] if isinstance(states, Tensor) else tuple(pick(state, rows) for state in states)
