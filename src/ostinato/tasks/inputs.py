"""Which kind of input X is: said here, and nowhere else."""

from __future__ import annotations

from typing import Any

from .input_kind import Arrays, Fields, InputKind
from .number_input import NumberInput
from .recordings import is_sound
from .sequence_settings import SequenceSettings
from .sound_input import SoundInput

KINDS: dict[str, type[InputKind]] = {one.name: one for one in (NumberInput, SoundInput)}


def choose_input(X: Any, targets: tuple[str, ...], settings: SequenceSettings) -> InputKind:
    """What is to read X, not fitted yet. `targets` are columns of a frame that are no input."""
    if is_sound(X):
        return SoundInput()
    return NumberInput()


def restore_input(schema: Fields, arrays: Arrays) -> InputKind:
    """The kind that a model file tells of. Raises ValueError or KeyError for anything that is not as they say."""
    kind = schema["input"]
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"its field 'input' is {kind!r}, where this version knows {', '.join(KINDS)}")
    return KINDS[kind].restore(schema, arrays)
