"""Labelled sequences, to classify."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .fetched import Fetched
from .parted import PartedSet
from .published import Published

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
    l2: float = 0.0
    ensemble: int = 1


@dataclass(frozen=True)
class LabelledSequences(PartedSet):
    """Sequences of several features and different lengths, a label each, in the parts that the literature uses.

    `parts` has a ``.ts`` file (the format of the UCR and UEA archives) for each part, `count` its sequences;
    `lengths` are the shortest and the longest, in steps.
    """

    task = "classify"
    holds = "labelled sequences"

    parts: dict[str, Published]
    features: tuple[str, ...]
    classes: tuple[str, ...]
    lengths: tuple[int, int]
    suggested: ClassifyTask

    @property
    def files(self) -> tuple[Published | Fetched, ...]:
        return tuple(self.parts.values())

    def sequences(self, part: str) -> tuple[list[NDArray[np.float64]], NDArray[np.str_]]:
        """The sequences of a part, each `(time, features)`, and their labels. Raises DataError where there is no such part."""
        import numpy as np

        self.check_part(part)
        text = self.parts[part].read().decode("ascii")
        sequences, labels = [], []
        for line in text.partition("@data\n")[2].splitlines():
            *features, label = line.split(":")
            sequences.append(np.array([feature.split(",") for feature in features], dtype=np.float64).T.copy())
            labels.append(label)
        return sequences, np.array(labels)

    def part_frame(self, part: str) -> pd.DataFrame:
        """`unique_id`, `step` from 0, the features, and the `label` in every row."""
        import numpy as np
        import pandas as pd

        sequences, labels = self.sequences(part)
        lengths = [len(one) for one in sequences]
        frame = pd.DataFrame(np.concatenate(sequences), columns=list(self.features))
        frame.insert(0, "unique_id", np.repeat([f"{part}-{k:03d}" for k in range(len(sequences))], lengths))
        frame.insert(1, "step", np.concatenate([np.arange(length) for length in lengths]))
        frame["label"] = np.repeat(labels, lengths)
        return frame

    def question(self) -> str:
        return f"{len(self.classes)} classes; {len(self.features)} features"

    def content(self) -> tuple[str, ...]:
        return (f"{self.how_many('sequences')} of {self.lengths[0]} to {self.lengths[1]} steps", "missing values: none")
