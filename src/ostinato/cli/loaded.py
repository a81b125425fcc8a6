"""A model file that is to answer: opened, with what it knows of the columns of a person's table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from .. import model_file
from ..data import DATA_SETS
from ..model_file import ModelFileError
from ..tasks import estimator_file
from ..tasks.estimator import RecurrentEstimator
from ..tasks.forecaster import Forecaster
from ..tasks.regressor import SequenceRegressor
from ..tasks.sequence_table import SequenceColumns, SequenceTable
from ..tasks.speech_table import PHONE
from ..tasks.table import Columns, Table, read_table
from ..tasks.token_input import TokenInput
from ..tasks.vocabulary import TokenTable
from .sequence_kinds import KINDS

TEXT = "text"


@dataclass(frozen=True)
class Asked:
    """What was asked of the model: names of columns, None for those of the fit, and what else it should say."""

    time: str | None = None
    target: tuple[str, ...] = ()
    series: str | None = None
    horizon: int | None = None
    level: tuple[float, ...] = ()
    probabilities: bool = False
    test_steps: int | None = None

    @staticmethod
    def only(flag: str, said: bool, fits: bool, kind: str) -> None:
        """Raise typer.BadParameter for a flag that was said to a model of another kind."""
        if said and not fits:
            raise typer.BadParameter(f"is for {kind}; leave it out.", param_hint=f"'{flag}'")


@dataclass(frozen=True)
class Loaded:
    """The estimator of a model file, and what the table that it was fitted on called its columns."""

    estimator: RecurrentEstimator
    columns: Mapping[str, Any]
    scores: Mapping[str, Any]

    def read_series(self, data: str, asked: Asked) -> Table:
        """The series of a table, or of a bundled set."""
        one = self.estimator
        assert isinstance(one, Forecaster)
        if len(asked.target) > 1:
            raise typer.BadParameter(f"{', '.join(asked.target)}: a forecaster has one target.", param_hint="'--target'")
        columns = Columns(
            asked.time or self.columns.get("time"),
            asked.target[0] if asked.target else self.columns.get("target"),
            asked.series or self.columns.get("series"),
            one.past_,
            one.future_,
            tuple(one.static_covariates or ()),
        )
        return read_table(data, columns, one.series_[0] if len(one.series_) == 1 else None)

    def read_sequences(self, data: str, asked: Asked, *, labelled: bool = False) -> SequenceTable:
        """The sequences of a table, or of a bundled set's test part; its targets if they are there, or if they must be."""
        features = tuple(getattr(self.estimator, "feature_names_in_", ()))
        targets = asked.target or tuple(self.columns.get("targets", ())) or self._usual_targets()
        text = self.columns.get("text") or self._usual_text()
        named = {"series": asked.series or self.columns.get("series"), "time": asked.time or self.columns.get("time"), "text": text}
        named |= {name: self.columns.get(name) for name in ("label_from", "transcripts")}
        steps = self.columns.get("steps")
        wide = None if steps is None else tuple(steps)
        columns = SequenceColumns(targets=targets, features=features, steps=wide, letters=self._reads_letters(), **named)
        return KINDS[self.estimator.task].read(data, columns, "test", labelled=labelled)

    def _usual_targets(self) -> tuple[str, ...]:
        """What a model that was saved by Python, without names, calls its answers."""
        one = self.estimator
        usual = KINDS[one.task].answer
        count = one._output_size if isinstance(one, SequenceRegressor) else 1
        return (usual,) if count == 1 else tuple(f"{usual}{k + 1}" for k in range(count))

    def _usual_text(self) -> str | None:
        """Where such a model looks for texts, if it reads texts."""
        if self.estimator.task == "speak":
            return PHONE
        read = getattr(self.estimator, "input_", None)
        return (read.column or TEXT) if isinstance(read, TokenInput) else None

    def _reads_letters(self) -> bool:
        read = getattr(self.estimator, "input_", None)
        return isinstance(read, TokenInput) and isinstance(read.vocabulary, TokenTable) and read.vocabulary.letters

    @property
    def coarse(self) -> dict[Any, Any]:
        """The coarse label of each label. Raises ModelFileError where the file's are no pairs."""
        pairs = self.columns.get("coarse_labels", [])
        if not isinstance(pairs, list) or not all(
            isinstance(pair, list) and len(pair) == 2 and all(isinstance(one, (str, int)) for one in pair) for pair in pairs
        ):
            raise ModelFileError("The model file's 'coarse_labels' are no pairs of a label and a coarse label.")
        return {label: coarse for label, coarse in pairs}


def open_model(path: str) -> Loaded:
    """Read a model file. Raises ModelFileError, with a hint where data and model were mixed up, or OSError."""
    if path in DATA_SETS or (Path(path).suffix in (".csv", ".gz", ".parquet") and Path(path).is_file()):
        raise ModelFileError(f"{path} is data, not a model file; the model comes first, then the data.")
    held = model_file.load(path)
    return Loaded(estimator_file.from_model(held, path), held.schema["columns"], held.scores)
