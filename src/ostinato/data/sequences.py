"""Labelled sequences, to classify."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import DataError, nearest
from .published import DataSet, Published

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ClassifyTask:
    """How a set is classified unless a person says otherwise, in the words of `ostinato fit classify`.

    Chosen by cross-validation within the training part.
    """

    bidirectional: bool
    readout: str
    hidden_size: int
    dropout: float
    layer_norm: bool
    batch_size: int
    max_epochs: int
    schedule: str
    validation_fraction: float


@dataclass(frozen=True)
class LabelledSequences(DataSet):
    """Sequences of several features and different lengths, a label each, in the parts that the literature uses.

    `parts` has a ``.ts`` file (the format of the UCR and UEA archives) for each part, `count` its sequences;
    `lengths` are the shortest and the longest, in steps.
    """

    task = "classify"
    holds = "labelled sequences"

    parts: dict[str, Published]
    count: dict[str, int]
    features: tuple[str, ...]
    classes: tuple[str, ...]
    lengths: tuple[int, int]
    suggested: ClassifyTask

    def sequences(self, part: str) -> tuple[list[NDArray[np.float64]], NDArray[np.str_]]:
        """The sequences of a part, each `(time, features)`, and their labels. Raises DataError where there is no such part."""
        import numpy as np

        if part not in self.parts:
            raise DataError(f"{self.name} has no part {part!r}.{nearest(part, self.parts)} Parts: {', '.join(self.parts)}.")
        text = self.parts[part].read().decode("ascii")
        sequences, labels = [], []
        for line in text.partition("@data\n")[2].splitlines():
            *features, label = line.split(":")
            sequences.append(np.array([feature.split(",") for feature in features], dtype=np.float64).T.copy())
            labels.append(label)
        return sequences, np.array(labels)

    def frame(self, part: str | None = None) -> pd.DataFrame:
        """A part in long form: `unique_id`, `step` from 0, the features, and the `label` in every row.

        Without `part`, all parts, told apart by a column `part`.
        """
        import numpy as np
        import pandas as pd

        if part is None:
            parts = {name: self.frame(name) for name in self.parts}
            for name, frame in parts.items():
                frame.insert(1, "part", name)
            return pd.concat(parts.values(), ignore_index=True)
        sequences, labels = self.sequences(part)
        lengths = [len(one) for one in sequences]
        frame = pd.DataFrame(np.concatenate(sequences), columns=list(self.features))
        frame.insert(0, "unique_id", np.repeat([f"{part}-{k:03d}" for k in range(len(sequences))], lengths))
        frame.insert(1, "step", np.concatenate([np.arange(length) for length in lengths]))
        frame["label"] = np.repeat(labels, lengths)
        return frame

    def csv(self) -> bytes:
        return bytes(self.frame().to_csv(index=False, lineterminator="\n").encode())

    def question(self) -> str:
        return f"{len(self.classes)} classes; {len(self.features)} features"

    def content(self) -> tuple[str, ...]:
        parts = ", ".join(f"{part} {count}" for part, count in self.count.items())
        return (f"{sum(self.count.values())} sequences of {self.lengths[0]} to {self.lengths[1]} steps: {parts}", "missing values: none")
