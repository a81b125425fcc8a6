"""Numbers in: features of each step, scaled, gaps filled and flagged."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ..data.errors import DataError
from .input_kind import Arrays, Fields, InputKind
from .sequence_scaling import Scaling, measured
from .sequence_settings import SequenceSettings
from .sequences import Rows, Sequences, read_sequences


class NumberInput(InputKind):
    """Sequences of numbers. `features` and `names` (of a frame) are those of the first data; after `fit`: `scaling`."""

    name = "numbers"
    features: int
    names: tuple[str, ...] | None
    scaling: Scaling

    @classmethod
    def of(cls, settings: SequenceSettings) -> Self:
        return cls()

    def read(self, X: Any, targets: tuple[str, ...], settings: SequenceSettings) -> Sequences:
        known = hasattr(self, "features")
        data = read_sequences(X, names=self.names if known else None, targets=targets, missing=settings.missing)
        if not known:
            self.features, self.names = data.features, data.names
        elif data.features != self.features:
            raise DataError(
                f"X has {data.features} features, but {type(settings).__name__} is expecting {self.features} features as input; "
                "give those that it was fitted on."
            )
        return data

    def fit(self, data: Sequences, settings: SequenceSettings) -> None:
        self.scaling = Scaling.fit(data)

    @property
    def width(self) -> int:
        return self.scaling.width

    def apply(self, data: Sequences) -> tuple[NDArray[np.float32], Rows]:
        return self.scaling.apply(data), data.lengths

    def module(self, settings: SequenceSettings) -> nn.Module:
        return nn.Identity()

    def schema(self) -> dict[str, Any]:
        names = None if self.names is None else list(self.names)
        return {"features": self.features, "names": names, "flags": [bool(flag) for flag in self.scaling.flags]}

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"scaling.mean": self.scaling.mean, "scaling.scale": self.scaling.scale}

    @classmethod
    def restore(cls, schema: Fields, arrays: Arrays, settings: SequenceSettings) -> Self:
        from .estimator_file import texts

        one, count, flags = cls(), schema["features"], schema["flags"]
        if type(count) is not int or count < 1:
            raise ValueError(f"its field 'features' is {count!r}")
        if not isinstance(flags, list) or len(flags) != count or not all(isinstance(flag, bool) for flag in flags):
            raise ValueError("its field 'flags' is no list of true and false, one for each feature")
        one.features, one.names = count, None if schema["names"] is None else texts(schema, "names")
        if one.names is not None and (len(set(one.names)) != count or len(one.names) != count):
            raise ValueError(f"it names {len(set(one.names))} features where it has {count}")
        mean, scale = measured(arrays, "scaling", count)
        one.scaling = Scaling(mean, scale, np.array(flags, dtype=bool))
        return one
