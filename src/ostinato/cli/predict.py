"""``ostinato predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import typer

from ..data import DataError
from ..tasks.estimator import RecurrentEstimator
from ..tasks.forecaster import Forecaster
from ..tasks.labels import LabelEstimator
from ..tasks.recordings import is_path
from ..tasks.speaker import Speaker
from ..tasks.speech_sound import write_wav
from ..tasks.transcriber import Transcriber
from ..tasks.translator import Translator
from .loaded import Asked, Loaded, open_model
from .manner import Manner
from .output import check_destination, write_text


def run(path: str, data: str, asked: Asked, to: str | None, overwrite: bool, json: bool, quiet: bool) -> None:
    """Say what a model says of `data`."""
    model = open_model(path)
    refuse_others(asked, model.estimator)
    if isinstance(model.estimator, Speaker):
        if json:
            raise typer.BadParameter("is for answers in words and numbers; leave it out.", param_hint="'--json'")
        speak(model, model.estimator, data, asked, to, Manner(overwrite, quiet=quiet))
        return
    check_destination(to, "--to", overwrite)
    write_text(as_text(answers(model, data, asked), json), to, overwrite, quiet)


def refuse_others(asked: Asked, one: RecurrentEstimator) -> None:
    """Raise typer.BadParameter for flags that are for models of another kind."""
    asked.only("--horizon", asked.horizon is not None, isinstance(one, Forecaster), "forecasters")
    asked.only("--level", bool(asked.level), isinstance(one, Forecaster), "forecasters")
    asked.only("--probabilities", asked.probabilities, isinstance(one, LabelEstimator), "classifiers and taggers")


def answers(model: Loaded, data: str, asked: Asked) -> pd.DataFrame:
    """The model's answers as a frame."""
    one = model.estimator
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


def speak(model: Loaded, one: Speaker, data: str, asked: Asked, to: str | None, manner: Manner) -> None:
    """Write a WAV file for each utterance, into a folder, which is made if there is none."""
    if to is None:
        raise typer.BadParameter("a speaker writes WAV files; name a folder for them.", param_hint="'--to'")
    table, folder = model.read_sequences(data, asked), Path(to)
    names = [Path(str(name)) for name in table.ids]
    paths = [folder / f"{one.stem if is_path(one.name) else one.name}.wav" for one in names]
    twice = pd.Series(paths).duplicated()
    if twice.any():
        raise DataError(f"Two utterances would be written to {paths[int(twice.argmax())]}; give them different names.")
    for path in paths if folder.is_dir() else [folder]:
        check_destination(path, "--to", manner.overwrite and path is not folder)
    sounds = one.predict(table.frame)
    folder.mkdir(exist_ok=True)
    for path, sound in zip(paths, sounds, strict=True):
        write_wav(path, sound, one.features_.sampling_rate, overwrite=manner.overwrite)
    manner.tell(f"Wrote {len(paths)} WAV file{'s' * (len(paths) > 1)} to {to}.")


def as_text(frame: Any, json: bool) -> str:
    """A frame as CSV, or as a JSON object a line."""
    if json:
        return str(frame.to_json(orient="records", lines=True, date_format="iso", date_unit="s", double_precision=6))
    return str(frame.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
