"""Numbers in: features of each step, scaled, gaps filled and flagged; what cells read beside them."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ..data.errors import DataError
from .input_kind import Arrays, Fields, InputKind
from .network import as_cell, beside
from .sequence_scaling import Clock, Scaling, measured
from .sequence_settings import SequenceSettings
from .sequences import CLOCKS, Numbers, Rows, Sequences, read_sequences
from .settings import BESIDE


class NumberInput(InputKind):
    """Sequences of numbers. `features` and `names` (of a frame) are those of the first data.

    After `fit`: `scaling`, `beside`, and `clock`, None where the lengths of gaps are not read.
    """

    name = "numbers"
    features: int
    names: tuple[str, ...] | None
    scaling: Scaling
    clock: Clock | None

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
        named = as_cell(settings.cell).inputs[1:]
        clock = Clock.fit(data) if settings.time_gaps or {"gap", "time"} & {*named} else None
        if settings.time_gaps and data.clock == "steps" and not np.isnan(data.values).any():
            raise DataError(
                "time_gaps=True finds no gaps: X has no times (a column ds or step of a frame, --time-column) and no missing values; "
                "give it times, or leave time_gaps out."
            )
        self.scaling = Scaling.fit(data, flags="mask" not in named, clock=clock if settings.time_gaps else None)
        self.clock, self.beside = clock, beside(settings, self.width)

    @property
    def width(self) -> int:
        return self.scaling.width

    def apply(self, data: Sequences) -> tuple[NDArray[np.float32], Rows]:
        seen = self.scaling.apply(data)
        parts = [self._beside(name, width, data) for name, width in self.beside.items()]
        return np.hstack([seen, *parts]).astype(np.float32) if parts else seen, data.lengths

    def _beside(self, name: str, width: int, data: Sequences) -> Numbers:
        """A further input of the cell `(steps, width)`, in units of the clock: of each feature, or one for the whole step."""
        if name == "mask":
            seen = ~np.isnan(data.values)
            return np.pad(seen, ((0, 0), (0, self.width - data.features)), constant_values=True).astype(np.float64)
        assert self.clock is not None
        if name == "time":
            return self.clock.of(data, data.since_first()[:, None])
        gaps = self.clock.of(data, data.since_seen())
        if width == 1 < self.width:
            return gaps[:, -1:]
        return np.pad(gaps, ((0, 0), (0, max(0, width - data.features - 1))), mode="edge")[:, :width]

    def module(self, settings: SequenceSettings) -> nn.Module:
        return nn.Identity()

    def schema(self) -> dict[str, Any]:
        names = None if self.names is None else list(self.names)
        clock = None if self.clock is None else [self.clock.kind, self.clock.unit]
        flags = [bool(flag) for flag in self.scaling.flags]
        return {
            "features": self.features,
            "names": names,
            "flags": flags,
            "clock": clock,
            "gaps": self.scaling.clock is not None,
            "beside": dict(self.beside),
        }

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
        one.clock, gaps, one.beside = restored_clock(schema["clock"]), schema["gaps"], restored_beside(schema["beside"])
        if not isinstance(gaps, bool) or (one.clock is None and (gaps or {"gap", "time"} & {*one.beside})):
            raise ValueError("it reads the lengths of gaps, but its field 'clock' does not tell how")
        one.scaling = Scaling(mean, scale, np.array(flags, dtype=bool), one.clock if gaps else None)
        if not {*one.beside.values()} <= {1, one.width}:
            raise ValueError(f"its field 'beside' is {one.beside}, for {one.width} features")
        return one


def restored_clock(told: Any) -> Clock | None:
    """A clock out of a file. Raises ValueError for what is none."""
    if told is None:
        return None
    if not (isinstance(told, list) and len(told) == 2 and told[0] in CLOCKS and type(told[1]) is float and 0 < told[1] < np.inf):
        raise ValueError(f"its field 'clock' is {told!r}")
    return Clock(*told)


def restored_beside(told: Any) -> dict[str, int]:
    """Inputs beside the first, out of a file. Raises ValueError for what are none."""
    if not (isinstance(told, dict) and {*told} <= {*BESIDE} and all(type(width) is int for width in told.values())):
        raise ValueError(f"its field 'beside' is {told!r}")
    return told
