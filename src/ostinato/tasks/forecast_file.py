"""A forecaster as a model file, and back. Nothing in a file is used before it has been checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from .. import model_file
from ..data.errors import DataError
from ..model_file import Model, ModelFileError
from ..program.cell import Cell
from .calendar import CYCLES, step_seconds
from .climate import Climate
from .forecaster import Forecaster, check_settings
from .network import ForecastNetwork, as_cell, layer_name
from .stored_cell import StoredCell, program_texts
from .windows import feature_count

TASK = "forecast"
NOT_SETTINGS = ("cell", "on_epoch")  # the one has a field of its own, the other is the caller's
NETWORK = "network."


def to_model(forecaster: Forecaster, scores: Mapping[str, float] | None = None, columns: Mapping[str, str] | None = None) -> Model:
    """All that a fitted forecaster is, as arrays and JSON.

    `columns` tells what ``time``, ``target`` and ``series`` were called in the user's table, and the target's ``unit``.
    """
    forecaster._require_fitted()
    settings = {k: v for k, v in forecaster.get_params(deep=False).items() if k not in NOT_SETTINGS}
    if not isinstance(settings["cycles"], str):
        settings["cycles"] = list(settings["cycles"])
    settings["past_covariates"] = list(forecaster.past_)
    settings["random_state"] = forecaster.seed_
    settings["device"] = "cpu"
    weights = {NETWORK + name: array.cpu().numpy() for name, array in forecaster.network_.state_dict().items()}
    return Model(
        task=TASK,
        tensors={**weights, **forecaster.climate_.tensors()},
        cell={
            "name": forecaster.column,
            "layer": layer_name(forecaster.cell),
            "programs": program_texts(as_cell(forecaster.cell), features(forecaster), forecaster.hidden_size, forecaster.num_layers),
        },
        settings=settings,
        schema={
            "series": list(forecaster.series_),
            "past": list(forecaster.past_),
            "step": forecaster.step_,
            "cycles": list(forecaster.climate_.cycles),
            "flags": forecaster.flags_,
            "columns": dict(columns or {}),
        },
        training={**forecaster.training_, "validation_loss": forecaster.validation_loss_},
        scores=dict(scores or {}),
    )


def from_model(model: Model, name: str) -> Forecaster:
    """The forecaster that `model` holds; `name` is what messages call the file. Raises ModelFileError."""
    if model.task != TASK:
        raise ModelFileError(f"{name} is a model for the task {model.task!r}, not {TASK!r}.")
    try:
        return rebuild(model)
    except (DataError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelFileError(f"{name} is no usable forecaster: {model_file.one_line(error)}.") from error


def rebuild(model: Model) -> Forecaster:
    """The forecaster, its settings, schema and arrays checked one after the other. Raises ValueError and the like."""
    forecaster = Forecaster(**checked_settings(model.settings))
    check_settings(forecaster)
    schema = model.schema
    series, past = texts(schema, "series"), texts(schema, "past")
    cycles = texts(schema, "cycles")
    if not set(cycles) <= set(CYCLES):
        raise ValueError(f"its cycles are {cycles}")
    flags = schema["flags"]
    if not isinstance(flags, bool):
        raise ValueError("its field 'flags' is neither true nor false")
    step_seconds(text(schema, "step"))
    if not all(isinstance(value, str) for value in {**schema["columns"]}.values()):
        raise ValueError("its field 'columns' holds more than texts")
    climate = Climate.from_tensors(series, cycles, 1 + len(past), model.tensors)
    forecaster.climate_, forecaster.flags_ = climate, flags
    forecaster.series_, forecaster.past_, forecaster.step_ = series, past, schema["step"]
    forecaster.cell = rebuild_cell(forecaster, model)
    forecaster.network_ = rebuild_network(forecaster, model)
    training = dict(model.training)
    forecaster.validation_loss_ = float(training.pop("validation_loss"))
    forecaster.training_ = training
    forecaster.seed_ = int(model.settings["random_state"])
    forecaster.history_ = None
    return forecaster


def checked_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, if they are the parameters of this version's forecaster and of their kinds."""
    defaults = {k: v for k, v in Forecaster().get_params(deep=False).items() if k not in NOT_SETTINGS}
    if set(settings) != set(defaults):
        odd = sorted(set(settings) ^ set(defaults))
        raise ValueError(f"its settings differ from this version's in {', '.join(odd)}")
    for key, default in defaults.items():
        if isinstance(default, int) and type(settings[key]) is not int:
            raise ValueError(f"its setting {key!r} is no whole number")
        if isinstance(default, float) and type(settings[key]) not in (int, float):
            raise ValueError(f"its setting {key!r} is no number")
    return dict(settings)


def features(forecaster: Forecaster) -> int:
    """How many features a step of the past has."""
    return feature_count(1 + len(forecaster.past_), len(forecaster.climate_.cycles), forecaster.flags_)


def rebuild_cell(forecaster: Forecaster, model: Model) -> str | Cell:
    """The stored cell; for a layer of torch's kind its name, if its equations are the stored ones."""
    name, layer, programs = text(model.cell, "name"), text(model.cell, "layer"), list(texts(model.cell, "programs"))
    stored = StoredCell(programs)
    if stored.name != name:
        raise ValueError(f"its cell is called {name!r}, but its program {stored.name!r}")
    if layer == layer_name(stored):
        return stored
    if layer != layer_name(name):
        raise ValueError(f"its layer {layer!r} does not run the cell {name!r}")
    if programs != program_texts(as_cell(name), features(forecaster), forecaster.hidden_size, forecaster.num_layers):
        raise ValueError(f"its layer {layer!r} computes other equations than the stored ones, or for other sizes")
    return name


def rebuild_network(forecaster: Forecaster, model: Model) -> ForecastNetwork:
    """The network with the file's weights. It is built without memory first, so that a forged size costs none."""
    weights = {k.removeprefix(NETWORK): v for k, v in model.tensors.items() if k.startswith(NETWORK)}
    if forecaster.num_layers > len(weights):
        raise ValueError(f"it has {len(weights)} weights for {forecaster.num_layers} layers")
    calendar = 2 * len(forecaster.climate_.cycles)
    with torch.device("meta"):
        shapes = {k: tuple(v.shape) for k, v in forecaster.build_network(features(forecaster), calendar).state_dict().items()}
    for key in sorted(set(shapes) | set(weights)):
        found = weights[key].shape if key in weights else None
        if found != shapes.get(key):
            raise ValueError(f"its weight {key!r} has the shape {found}, where its settings ask for {shapes.get(key)}")
        if weights[key].dtype != np.float32 or not np.isfinite(weights[key]).all():
            raise ValueError(f"its weight {key!r} is not of finite float32 numbers")
    with torch.random.fork_rng([]):
        network = forecaster.build_network(features(forecaster), calendar)
    network.load_state_dict({key: torch.from_numpy(array.copy()) for key, array in weights.items()})
    return network.eval()


def text(fields: Mapping[str, Any], key: str) -> str:
    if not isinstance(fields[key], str):
        raise ValueError(f"its field {key!r} is no text")
    return str(fields[key])


def texts(fields: Mapping[str, Any], key: str) -> tuple[str, ...]:
    if not isinstance(fields[key], list) or not all(isinstance(item, str) for item in fields[key]):
        raise ValueError(f"its field {key!r} is no list of texts")
    return tuple(fields[key])


def save(
    forecaster: Forecaster,
    path: str | os.PathLike[str],
    *,
    scores: Mapping[str, float] | None = None,
    columns: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a fitted forecaster. Raises ModelFileError or OSError."""
    model_file.save(to_model(forecaster, scores, columns), path, overwrite=overwrite)


def load(path: str | os.PathLike[str]) -> Forecaster:
    """Read a forecaster. Raises ModelFileError or OSError."""
    return from_model(model_file.load(path), os.fspath(path))
