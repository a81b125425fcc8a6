"""The parameters of estimators of sequences, told without torch, so that the command line has them at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .parameters import estimator, param
from .settings import MISSING, Fitting, Recurrence

READOUTS = ("last", "mean", "max")
TOKENS = ("words", "characters", "subwords")


@estimator()
class TokenSettings:
    """How texts are read."""

    text: str | None = param(None, "text: the column of a frame that has texts or tokens; None takes the only one", kind=str, optional=True)
    tokens: str = param("words", "text: what a text is split into; tokens that are given are taken as they are", choices=TOKENS)
    embedding_size: int = param(64, "text: numbers of a token's embedding", low=1)
    vocabulary_size: int = param(20_000, "text: so many entries at most, the most frequent, have an embedding; others are unknown", low=1)
    min_count: int = param(2, "text: how often an entry occurs in what is learned from to have an embedding", low=1)
    lowercase: bool = param(True, "text: whether capitals are read as small letters")
    suffixes: int = param(0, "text: a token's endings of up to so many characters, and its capitals, have embeddings, too", low=0, high=20)
    prefixes: int = param(0, "text: and its beginnings of up to so many characters", low=0, high=20)
    max_length: int | None = param(256, "text: tokens read of each; None reads all, as does an answer a step", optional=True, low=1)
    token_dropout: float = param(0.1, "text: the rate at which tokens are learned from as if unknown", low=0, below=1)
    embedding_dropout: float = param(0.3, "text: the rate of dropout of embeddings", low=0, below=1)


@estimator()
class SoundSettings:
    """How recordings are heard."""

    sampling_rate: int | None = param(
        None,
        "sound: samples a second, to which recordings are resampled; None takes the lowest",
        kind=int,
        optional=True,
        low=1000,
        high=192_000,
    )
    n_mels: int = param(40, "sound: bands of the mel scale", low=1, high=512)
    window_ms: float = param(25.0, "sound: milliseconds that a frame hears", above=0, high=1000)
    hop_ms: float = param(10.0, "sound: milliseconds from frame to frame", above=0, high=1000)
    stack: int = param(1, "sound: frames that make one step of the network", low=1, high=100)
    per_recording: bool = param(False, "sound: whether each recording's mean is taken off each band, for other voices and microphones")
    augment: float = param(0.0, "sound: the part of the recordings that is varied while learning: loudness, masks", low=0, high=1)


# Chosen by cross-validation on the training parts of six sets that come with aeon.
@estimator(learning_rate=1e-2, batch_size=16, patience=20)
class SequenceSettings(SoundSettings, TokenSettings, Fitting, Recurrence):
    """What an estimator of sequences can be told."""

    readout: str = param("max", "what is read of the states: the last one, or the mean or the largest value of all steps", choices=READOUTS)
    missing: str = param(
        "raise", 'a missing value is an error, or with "carry" the last one stands in and a flag tells the network', choices=MISSING
    )
    time_gaps: bool = param(
        False, "whether the network reads how long ago the step before was, and with missing values, each feature was last seen"
    )


@estimator()
class ClassifySettings(SequenceSettings):
    """What a `SequenceClassifier` can be told."""

    class_weight: str | Mapping[Any, float] | None = param(
        None, 'how much each class counts: None for the same, "balanced" for rare ones more, or a mapping of labels', kind=object
    )


@estimator(stack=3)
class TranscribeSettings(SequenceSettings):
    """What a `Transcriber` can be told."""

    beam_size: int = param(1, "beginnings of a transcript that are kept at each step; 1 takes each step's best symbol", low=1, high=10_000)


# Chosen on the training part of turkish-tags.
@estimator(learning_rate=5e-3, bidirectional=True, suffixes=4, prefixes=3, dropout=0.3)
class TagSettings(ClassifySettings):
    """What a `SequenceTagger` can be told."""


@estimator()
class RegressSettings(SequenceSettings):
    """What a `SequenceRegressor` can be told."""

    per_step: bool = param(False, "whether each step has a target, and not each sequence")


@estimator(
    tokens="subwords", vocabulary_size=8000, lowercase=False, embedding_size=256, hidden_size=256, bidirectional=True, dropout=0.2,
    learning_rate=1e-3, batch_size=64, max_epochs=30, patience=3, validation_fraction=0.02,
)  # fmt: skip
class TranslateSettings(SequenceSettings):
    """What a `Translator` can be told."""

    says: str | None = param(None, "what texts of y are split into; None as `tokens`", kind=str, optional=True, choices=TOKENS)
    beam_size: int = param(5, "beginnings of a string that are kept at each place; 1 takes each place's best symbol", low=1, high=10_000)
    length_penalty: float = param(1.0, "0 takes the likeliest string, 1 the likeliest symbol by symbol, which is longer", low=0, high=10)
    label_smoothing: float = param(0.1, "the part of the truth that is spread over all symbols while learning", low=0, below=1)


# Chosen on a part of the training part of russian-speech.
@estimator(
    n_mels=80, lowercase=False, min_count=1, max_length=None, token_dropout=0.0, embedding_dropout=0.1, hidden_size=128,
    bidirectional=True, learning_rate=3e-3, batch_size=8, max_epochs=20, patience=5, validation_fraction=0.1,
)  # fmt: skip
class SpeakSettings(SequenceSettings):
    """What a `Speaker` can be told."""
