"""Recurrent networks that write down what is heard, by scikit-learn's protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.utils.validation import check_is_fitted
from torch import nn

from .ctc import CTCLoss, best_transcript
from .live import LiveTranscript
from .network import SequenceNetwork
from .parameters import estimator
from .sequence_batches import SequenceExamples
from .sequence_estimator import Known, SequenceEstimator
from .sequence_settings import TranscribeSettings
from .sequences import Numbers, Rows, Steps
from .string_scores import error_rate
from .transcripts import Alphabet, check_room, named, read_transcripts

NOTHING = -1  # beyond the end of a transcript


class TranscriptExamples(SequenceExamples):
    """Sequences and the symbols that they tell; how many steps tell them belongs to the target."""

    def batch(self, rows: Rows) -> tuple[dict[str, torch.Tensor], Any]:
        inputs, target = super().batch(rows)
        return inputs, None if target is None else [*target, torch.from_numpy(self.sizes[rows])]


@estimator(stack=3)
class Transcriber(TranscribeSettings, SequenceEstimator):
    """Tells what is said in a recording, as a text or a list of symbols: a recurrent network of any cell with a CTC output.

    X are recordings, or frames as the other estimators of sequences take them; y has a text or a list of symbols (phones)
    for each. No times are needed. An ensemble's networks are averaged step by step.

    After `fit`: `alphabet_`, and what `SequenceEstimator` names; `validation_loss_` is in nats for each symbol.
    """

    task = "transcribe"
    feeds = ()

    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation: tuple[Any, Any] | None = None) -> Self:
        """Learn the transcript `y` of each recording in `X`; `y` may be the name of a column of a frame.

        `validation`, a pair of `X` and `y`, takes the place of `validation_fraction`. Raises ValueError for parameters
        and DataError for data that cannot be used; the estimator is then as it was.
        """
        return self._fit(X, y, sample_weight, validation)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One more epoch on these recordings. The first call fixes scaling and alphabet. Nothing validates."""
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X: Any, beam_size: int | None = None) -> list[Any]:
        """The transcript of each recording, a text or a list of symbols as `y` was. `beam_size` None is the estimator's."""
        return [self.decode(one, beam_size) for one in self.predict_proba(X)]

    def predict_proba(self, X: Any) -> list[NDArray[np.float32]]:
        """For each recording the probability of the blank, then of each symbol of `alphabet_`, `(steps, 1 + symbols)`."""
        _, examples = self._seen(X)
        posteriors = as_posteriors(self._step_outputs(examples))
        return np.split(posteriors, np.cumsum(examples.sizes)[:-1])

    def decode(self, posteriors: NDArray[np.float32], beam_size: int | None = None) -> Any:
        """The transcript that the posteriors `(steps, 1 + symbols)` of one recording tell. Raises ValueError for `beam_size`."""
        size = self.beam_size if beam_size is None else beam_size
        return self.alphabet_.spell(best_transcript(posteriors, size))

    def score(self, X: Any, y: Any) -> float:
        """1 less the error rate: what must be inserted, deleted and substituted for each true symbol. It may be below 0."""
        check_is_fitted(self, "networks_")
        truth = read_transcripts(self._read(X, y), y)
        return 1 - error_rate(truth, self.predict(X))

    def live(self, sampling_rate: int | None = None) -> LiveTranscript:
        """A transcript that grows with the sound that is pushed to it; `sampling_rate` None is that of the model.

        Raises ValueError for a model that must hear the end first (`bidirectional`, `per_recording`).
        """
        check_is_fitted(self, "networks_")
        return LiveTranscript(self, sampling_rate)

    def build_network(self) -> SequenceNetwork:
        """The untrained network."""
        return SequenceNetwork(self, self.input_.module(self), self.input_size_, self._output_size, "steps")

    @property
    def _output_size(self) -> int:
        return 1 + len(self.alphabet_.symbols)

    def _read_targets(self, data: Steps, y: Any, counts: NDArray[np.bool_]) -> NDArray[np.int64]:
        transcripts = read_transcripts(data, y)
        if not hasattr(self, "alphabet_"):
            self.alphabet_ = Alphabet.of([one for one, counted in zip(transcripts, counts, strict=True) if counted])
        places = np.full((len(data), max(map(len, transcripts))), NOTHING, dtype=np.int64)
        for number in np.flatnonzero(counts).tolist():
            found = self.alphabet_.places(transcripts[number], named(data, number))
            check_room(named(data, number), int(data.lengths[number]), found)
            places[number, : len(found)] = found
        return places

    def _prepare_targets(self, known: Known) -> None:
        pass  # the alphabet is that of all recordings, not only of the part to learn from

    def _network_targets(self, known: Known) -> NDArray[np.int64]:
        return known.targets

    def _loss_weights(self, known: Known) -> Numbers:
        return known.weights

    def _criterion(self) -> nn.Module:
        return CTCLoss()

    def _examples(self, known: Known) -> TranscriptExamples:
        weights, targets = self._loss_weights(known), self._network_targets(known)
        values, steps = self.input_.apply(known.data)
        for number, (row, there) in enumerate(zip(targets, steps.tolist(), strict=True)):
            check_room(named(known.data, number), there, row[row >= 0])  # of texts, not all may be read
        return TranscriptExamples(values, steps, targets, (weights / weights.mean()).astype(np.float32))

    def _schema(self) -> dict[str, Any]:
        return {**super()._schema(), "alphabet": list(self.alphabet_.symbols), "joined": self.alphabet_.joined}

    def _restore(self, schema: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        from .estimator_file import texts

        super()._restore(schema, arrays)
        if not isinstance(schema["joined"], bool):
            raise ValueError(f"its field 'joined' is {schema['joined']!r}")
        self.alphabet_ = Alphabet(texts(schema, "alphabet"), schema["joined"]).checked()


def as_posteriors(scores: NDArray[Any]) -> NDArray[np.float32]:
    """Probabilities `(steps, 1 + symbols)` of the network's scores."""
    return np.asarray(softmax(scores.astype(np.float64), axis=1), np.float32)
