"""What comes in: one protocol for numbers, tokens and whatever else a recurrent stack can read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self

from numpy.typing import NDArray
from torch import nn

from .sequence_settings import SequenceSettings
from .sequences import Rows, Steps

Fields = Mapping[str, Any]
Arrays = Mapping[str, NDArray[Any]]


class InputKind(ABC):
    """One kind of X, from the caller's data to what the stack reads. `inputs.py` chooses the kind.

    It is made for a fit, reads X, is then fitted on the part to learn from, and reads later data as it read the first.
    Whatever of the estimator's parameters it depends on later, it keeps: they may be set anew after the fit.
    """

    name: ClassVar[str]  # what a model file calls it
    column: str | None = None  # of a frame, where one column holds all that is read
    beside: Mapping[str, int] = MappingProxyType({})  # further inputs of the cell and their widths, after `width` features

    @classmethod
    @abstractmethod
    def of(cls, settings: SequenceSettings) -> Self:
        """As an estimator's parameters ask for, nothing measured yet. Raises ValueError for what they cannot ask for."""

    @abstractmethod
    def read(self, X: Any, targets: tuple[str, ...], settings: SequenceSettings) -> Steps:
        """X, checked; `targets` are columns of a frame that are no input. Raises DataError for what cannot be used."""

    @abstractmethod
    def fit(self, data: Any, settings: SequenceSettings) -> None:
        """Measure on the part to learn from, as `read` gave it."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Features of a step as the recurrent stack sees it."""

    @abstractmethod
    def apply(self, data: Any) -> tuple[NDArray[Any], Rows]:
        """`(steps of all, ...)` for the first module, and how many of these steps each sequence has; at least one.

        What is `beside` follows the features.
        """

    @abstractmethod
    def module(self, settings: SequenceSettings) -> nn.Module:
        """The network's first module, untrained: `(batch, time, ...)` to `(batch, time, width)`."""

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """What a model file says of it, as JSON."""

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a model file keeps of it as arrays."""

    @classmethod
    @abstractmethod
    def restore(cls, schema: Fields, arrays: Arrays, settings: SequenceSettings) -> Self:
        """The kind that `schema` and `arrays` tell of. Raises ValueError or KeyError for anything that is not as they say."""
