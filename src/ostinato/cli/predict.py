"""``ostinato predict``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..tasks.forecaster import Forecaster
from ..tasks.labels import LabelEstimator
from ..tasks.transcriber import Transcriber
from ..tasks.translator import Translator
from .loaded import Asked, Loaded, open_model
from .output import check_destination, write_text


def run(path: str, data: str, asked: Asked, to: str | None, overwrite: bool, json: bool, quiet: bool) -> None:
    """Say what a model says of `data`."""
    check_destination(to, "--to", overwrite)
    model = open_model(path)
    write_text(as_text(answers(model, data, asked), json), to, overwrite, quiet)


def answers(model: Loaded, data: str, asked: Asked) -> pd.DataFrame:
    """The model's answers as a frame. Raises typer.BadParameter for flags that are for other models."""
    one = model.estimator
    asked.only("--horizon", asked.horizon is not None, isinstance(one, Forecaster), "forecasters")
    asked.only("--level", bool(asked.level), isinstance(one, Forecaster), "forecasters")
    asked.only("--probabilities", asked.probabilities, isinstance(one, LabelEstimator), "classifiers and taggers")
    if isinstance(one, Forecaster):
        return forecasts(model, one, data, asked)
    table = model.read_sequences(data, asked)
    said = one.predict(table.frame)
    if isinstance(one, (Transcriber, Translator)):
        said = [text if isinstance(text, str) else " ".join(text) for text in said]
    if getattr(one, "per_step", False):
        places = table.frame[[c for c in ("unique_id", "ds", table.columns.text) if c in table.frame]]
    else:
        places = pd.DataFrame({"unique_id": table.ids})
    named = places.rename(columns={"unique_id": str(table.columns.series or "row"), "ds": str(table.columns.time)})
    for name, column in zip(table.columns.targets, np.asarray(said).reshape(len(named), -1).T, strict=True):
        named[name] = column
    if asked.probabilities and isinstance(one, LabelEstimator):
        for label, column in zip(one.classes_, one.predict_proba(table.frame).T, strict=True):
            named[f"p_{label}"] = column
    return named


def forecasts(model: Loaded, one: Forecaster, data: str, asked: Asked) -> pd.DataFrame:
    """What comes after the end of each series. Rows at its end without a target tell the covariates of the time ahead."""
    frame = model.read_series(data, asked).frame
    ahead = None
    if one.future_:
        known = frame["y"].notna()
        last = frame["ds"].where(known).groupby(frame["unique_id"]).transform("max")
        frame, ahead = frame[~(frame["ds"] > last)], frame[frame["ds"] > last]
    said: pd.DataFrame = one.predict(frame, asked.horizon, level=list(asked.level) or None, future=ahead)
    return said


def as_text(frame: Any, json: bool) -> str:
    """A frame as CSV, or as a JSON object a line."""
    if json:
        return str(frame.to_json(orient="records", lines=True, date_format="iso", date_unit="s", double_precision=6))
    return str(frame.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
