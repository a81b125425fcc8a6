"""Which kind of input X is: said here, and nowhere else."""

from __future__ import annotations

from typing import Any

from .input_kind import Arrays, Fields, InputKind
from .number_input import NumberInput
from .recordings import is_sound
from .sequence_settings import SequenceSettings
from .sound_input import SoundInput
from .token_input import TokenInput
from .tokens import is_text

KINDS: dict[str, type[InputKind]] = {one.name: one for one in (NumberInput, SoundInput, TokenInput)}


def input_kind(X: Any, targets: tuple[str, ...], column: str | None) -> type[InputKind]:
    """What reads X: recordings as sound, texts and lists of tokens as tokens, all else as numbers.

    A frame holds tokens in the `column` that is named, or in its only column beside `unique_id`, `ds`, `step`, `label` and
    the `targets`, if that holds text. Raises DataError for a single text.
    """
    if is_sound(X):
        return SoundInput
    return TokenInput if is_text(X, targets, column) else NumberInput


def restore_input(schema: Fields, arrays: Arrays, settings: SequenceSettings) -> InputKind:
    """The kind that a model file tells of. Raises ValueError or KeyError for anything that is not as they say."""
    kind = schema["input"]
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"its field 'input' is {kind!r}, where this version knows {', '.join(KINDS)}")
    return KINDS[kind].restore(schema, arrays, settings)
