"""Recurrent networks that turn a sequence into a string, by scikit-learn's protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ..data.errors import DataError
from .beam import END, likeliest
from .encoder_decoder import EncoderDecoder, Memory
from .network import width
from .output_strings import BEYOND, SYMBOLS, OutputStrings, given_strings, read_strings
from .parameters import estimator
from .sequence_batches import SequenceExamples
from .sequence_estimator import Known, SequenceEstimator
from .sequence_settings import TranslateSettings
from .sequences import Numbers, Rows, Steps
from .string_scores import bleu, error_rate
from .token_input import TokenInput
from .training import batches_of
from .vocabulary import UNKNOWN

STEPS_AT_ONCE = 2**15  # of all beams of a batch


class StringExamples(SequenceExamples):
    """Sequences and the strings that they are to become; the decoder reads each symbol before it says the next.

    targets: `(strings, the most symbols)`, BEYOND after each end.
    """

    at_once = 64  # scores of every symbol at each place take much memory

    def __init__(
        self, values: NDArray[Any], lengths: Rows, targets: NDArray[np.int64] | None = None, weights: NDArray[np.float32] | None = None
    ) -> None:
        super().__init__(values, lengths, targets, weights)
        if targets is not None:
            self.ends = (targets != BEYOND).sum(1)
            self.lengths = lengths + self.ends  # batches are of like length on both sides together

    def batch(self, rows: Rows) -> tuple[dict[str, Tensor], Any]:
        """`x` and `lengths`; `said` `(batch, places)` and its `ends`; of every symbol to be said its number and weight."""
        inputs, target = super().batch(rows)
        if target is None:
            return inputs, None
        ends = torch.from_numpy(self.ends[rows])
        symbols = target[0][:, : int(ends.max())]
        before = torch.cat([torch.full((len(rows), 1), END), symbols[:, :-1].clamp(min=0)], dim=1)
        return {**inputs, "said": before, "ends": ends}, [symbols[symbols != BEYOND], target[1].repeat_interleave(ends)]


class SmoothedCrossEntropy(nn.Module):
    """The mean over symbols of the cross entropy, each times its string's weight; `smoothing` as Szegedy et al. 2016."""

    def __init__(self, smoothing: float) -> None:
        super().__init__()
        self.smoothing = smoothing

    def forward(self, scores: Tensor, target: tuple[Tensor, Tensor]) -> Tensor:
        """`scores` `(count, symbols)`; of the target the symbols `(count,)` and their weights."""
        smoothing = self.smoothing if self.training else 0.0
        losses = cross_entropy(scores, target[0], reduction="none", label_smoothing=smoothing)
        return (target[1] * losses).mean()


@estimator()
class Translator(TranslateSettings, SequenceEstimator):
    """Turns a sequence into a string: a recurrent encoder of any cell, a decoder of the same, attention, beam search.

    X are texts or lists of tokens, or anything else that the other estimators of sequences take; y has a text or a list
    of symbols for each. The decoder's states look back at the encoder's (Luong, Pham and Manning 2015). An ensemble's
    networks are averaged symbol by symbol.

    After `fit`: `strings_` (what can be said), and what `SequenceEstimator` names; `validation_loss_` is in nats for each
    symbol. A string is at most as long as the longest that was learned from.
    """

    task = "translate"
    feeds = ()

    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation: tuple[Any, Any] | None = None) -> Self:
        """Learn the string `y` of each sequence in `X`; `y` may be the name of a column of a frame.

        `validation`, a pair of `X` and `y`, takes the place of `validation_fraction`. Raises ValueError for parameters
        and DataError for data that cannot be used; the estimator is then as it was.
        """
        return self._fit(X, y, sample_weight, validation)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One more epoch on these sequences. The first call fixes both vocabularies. Nothing validates."""
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X: Any, beam_size: int | None = None) -> list[Any]:
        """The string of each sequence, a text or a list of symbols as `y` was. `beam_size` None is the estimator's."""
        said: list[Any] = [None] * len(examples := self._seen(X)[1])
        for rows, _, symbols in self._translated(examples, self.beam_size if beam_size is None else beam_size):
            for row, numbers in zip(rows, symbols.tolist(), strict=True):
                said[row] = self.strings_.spell(numbers)
        return said

    def attention(self, X: Any) -> list[tuple[list[str], list[str], NDArray[np.float32]]]:
        """For each sequence the parts that are said of it, the steps that are read, and how much each part looks at each step.

        The weights `(parts, steps)` are the mean over an ensemble; their rows sum to 1.
        """
        examples = self._seen(X)[1]
        found: list[Any] = [None] * len(examples)
        with torch.inference_mode():
            for rows, memories, symbols in self._translated(examples, self.beam_size):
                before = torch.cat([torch.full((len(rows), 1), END, device=symbols.device), symbols[:, :-1]], dim=1)
                looked = [net.look(net.states(before, memory)[0], memory)[1] for net, memory in zip(self._nets, memories, strict=True)]
                weights = torch.stack(looked).mean(0).cpu().numpy()
                for k, row in enumerate(rows):
                    pieces = self.strings_.vocabulary.pieces(symbols[k].tolist())
                    read = self._names_of(examples, row)
                    found[row] = pieces, read, weights[k, : len(pieces), : len(read)]
        return found

    def _names_of(self, examples: SequenceExamples, row: int) -> list[str]:
        """What the steps of a sequence are called: by their tokens, or by their places."""
        steps = examples.values[examples.starts[row] :][: examples.sizes[row]]
        if isinstance(self.input_, TokenInput):
            return self.input_.vocabulary.pieces(steps[:, 0].tolist())
        return [str(k + 1) for k in range(len(steps))]

    def score(self, X: Any, y: Any) -> float:
        """Of texts BLEU, from 0 to 1 (sacrebleu's, of the whole); of lists of symbols 1 less the error rate, perhaps below 0."""
        check_is_fitted(self, "networks_")
        truth, symbols = given_strings(self._read(X, y), y)
        self._check_kind(symbols)
        said = self.predict(X)
        return 1 - error_rate(truth, said) if self.says_ == SYMBOLS else bleu(truth, said)

    def build_network(self) -> EncoderDecoder:
        """The untrained network."""
        return EncoderDecoder(self, self.input_.module(self), self.input_size_, self._output_size, self.embedding_size)

    @property
    def _nets(self) -> list[EncoderDecoder]:
        return cast(list[EncoderDecoder], self.networks_)

    def _stacks(self) -> list[tuple[int, int]]:
        remembered = width(self, self.input_size_)
        return [*super()._stacks(), (self.embedding_size + remembered, 1)]

    def _translated(self, examples: SequenceExamples, beam: int) -> Iterator[tuple[Rows, list[Memory], Tensor]]:
        """Rows, what is remembered of them, and the symbols said of them, batch by batch."""
        if not isinstance(beam, (int, np.integer)) or isinstance(beam, bool) or beam < 1:
            raise ValueError(f"beam_size={beam!r} must be a whole number of at least 1.")
        size = max(1, min(StringExamples.at_once, STEPS_AT_ONCE // (beam * int(examples.sizes.max()))))
        with torch.inference_mode():
            for rows in batches_of(examples, size, shuffle=False):
                inputs = {name: value.to(self.device) for name, value in examples.batch(rows)[0].items()}
                memories = [network.encode(**inputs) for network in self._nets]
                yield rows, memories, likeliest(self._nets, memories, beam, self.strings_.longest, self.length_penalty, [UNKNOWN])

    @property
    def _output_size(self) -> int:
        return self.strings_.vocabulary.size

    def _read_targets(self, data: Steps, y: Any, counts: NDArray[np.bool_]) -> NDArray[Any]:
        found, into = read_strings(data, y, self.says or self.tokens)
        if not hasattr(self, "says_"):
            self.says_ = into
        self._check_kind(into == SYMBOLS)
        targets = np.empty(len(found), dtype=object)
        targets[:] = found
        return targets

    def _check_kind(self, symbols: bool) -> None:
        if symbols != (self.says_ == SYMBOLS):
            kinds = ("texts", "lists of symbols")
            raise DataError(f"y has {kinds[symbols]}, but {kinds[not symbols]} were learned from; give such.")

    def _prepare_targets(self, known: Known) -> None:
        self.strings_ = OutputStrings.of(list(known.targets), self.says_, self)

    def _network_targets(self, known: Known) -> NDArray[np.int64]:
        return self.strings_.numbers(list(known.targets))

    def _loss_weights(self, known: Known) -> Numbers:
        return known.weights

    def _criterion(self) -> nn.Module:
        return SmoothedCrossEntropy(self.label_smoothing)

    def _examples(self, known: Known) -> StringExamples:
        weights = self._loss_weights(known)
        return StringExamples(*self.input_.apply(known.data), self._network_targets(known), (weights / weights.mean()).astype(np.float32))

    def _schema(self) -> dict[str, Any]:
        return {**super()._schema(), "strings": self.strings_.schema()}

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {**super()._arrays(), "strings": self.strings_.vocabulary.content()}

    def _restore(self, schema: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        super()._restore(schema, arrays)
        self.strings_ = OutputStrings.restore(schema["strings"], arrays["strings"])
        self.says_ = self.strings_.into
