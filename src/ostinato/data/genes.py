"""Gene expression: courses of several experiments, one behind the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .fetched import Fetched
from .parted import hashed_part
from .published import Published
from .sequences import LabelledSequences

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class GeneCourses(LabelledSequences):
    """A gene a line, a condition a column, named by its experiment and its time; then the class and the gene's name.

    A step is a condition: its log ratio, and for each experiment whether the condition belongs to it. A missing value is the one
    before it in its experiment; at the start of it the first one known; 0, no change, in an experiment without any.
    """

    file: Fetched
    member: str
    missing: int

    @property
    def files(self) -> tuple[Published | Fetched, ...]:
        return (self.file,)

    def sequences(self, part: str) -> tuple[list[NDArray[np.float64]], NDArray[np.str_]]:
        import numpy as np

        self.check_part(part)
        head, _, _, *lines = self.file.read(self.member).decode("ascii").splitlines()
        experiments = [condition.rpartition(" ")[0] for condition in head.split("\t")[:-2]]
        belongs = np.array([[one == name for name in self.features[1:]] for one in experiments], dtype=np.float64)
        genes = [line.split("\t") for line in lines if line]
        genes = [gene for gene in genes if hashed_part(gene[-1]) == part]
        values = [carried(gene[:-2], experiments) for gene in genes]
        return [np.column_stack([np.array(one), belongs]) for one in values], np.array([gene[-2] for gene in genes])

    def content(self) -> tuple[str, ...]:
        return (super().content()[0], f"missing values: {self.missing}, carried within an experiment")


def carried(words: list[str], experiments: list[str]) -> list[float]:
    """The values, `?` filled from the same experiment."""
    values: list[float] = []
    for k, (word, experiment) in enumerate(zip(words, experiments, strict=True)):
        if word == "?":
            before = values[-1] if k and experiments[k - 1] == experiment else None
            later = (w for w, e in zip(words[k:], experiments[k:], strict=True) if e == experiment and w != "?")
            values.append(before if before is not None else float(next(later, 0.0)))
        else:
            values.append(float(word))
    return values
