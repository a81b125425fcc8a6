"""An estimator as a model file, and back. Nothing in a file is used before it has been checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from .. import cells, model_file
from ..data.errors import DataError
from ..model_file import Model, ModelFileError
from ..program.cell import Cell
from .estimator import RecurrentEstimator
from .network import as_cell, cell_name, layer_name
from .parameters import rules
from .stored_cell import StoredCell, program_texts

HOMES = {
    "forecast": ("forecaster", "Forecaster"),
    "classify": ("classifier", "SequenceClassifier"),
    "regress": ("regressor", "SequenceRegressor"),
    "transcribe": ("transcriber", "Transcriber"),
    "tag": ("tagger", "SequenceTagger"),
    "translate": ("translator", "Translator"),
    "speak": ("speaker", "Speaker"),
}
NOT_SETTINGS = ("cell", "on_epoch", "checkpoint")  # the one has a field of its own, the others are the caller's

One = TypeVar("One", bound=RecurrentEstimator)


def to_model(one: RecurrentEstimator, scores: Mapping[str, Any] | None = None, columns: Mapping[str, Any] | None = None) -> Model:
    """All that a fitted estimator is, as arrays and JSON. `columns` tells what the user's table called its columns."""
    settings = {k: plain(v) for k, v in one.get_params(deep=False).items() if k not in NOT_SETTINGS}
    settings |= {"random_state": one.seed_, "device": "cpu"}
    weights = {
        f"network.{number}.{name}": array.cpu().numpy()
        for number, network in enumerate(one.networks_)
        for name, array in network.state_dict().items()
    }
    return Model(
        task=one.task,
        tensors={**weights, **one._arrays()},
        cell={"name": cell_name(one.cell), "layer": layer_name(one), "programs": programs_of(one, as_cell(one.cell))},
        settings=settings,
        schema={**one._schema(), "columns": dict(columns or {})},
        training={"networks": list(one.training_), "validation_loss": one.validation_loss_},
        scores=dict(scores or {}),
    )


def plain(value: Any) -> Any:
    """A parameter as JSON has it; a mapping becomes pairs, for its keys need not be texts."""
    if isinstance(value, Mapping):
        return [[plain(key), plain(item)] for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def programs_of(one: RecurrentEstimator, cell: Cell) -> list[str]:
    """The programs of the layers, as text."""
    stacks = [program_texts(cell, size, one.hidden_size, one.num_layers, directions) for size, directions in one._stacks()]
    return list(dict.fromkeys(text for texts in stacks for text in texts))


def from_model(model: Model, name: str) -> RecurrentEstimator:
    """The estimator that `model` holds; `name` is what messages call the file. Raises ModelFileError."""
    if model.task not in HOMES:
        raise ModelFileError(f"{name} is a model for the task {model.task!r}; this version knows {', '.join(HOMES)}.")
    module, kind = HOMES[model.task]
    cls = getattr(import_module(f"{__package__}.{module}"), kind)
    try:
        return rebuild(cls, model)  # type: ignore[no-any-return]
    except (DataError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ModelFileError(f"{name} is no usable model: {model_file.one_line(error)}.") from error


def rebuild(cls: type[One], model: Model) -> One:
    """The estimator, its settings, schema and arrays checked one after the other. Raises ValueError and the like."""
    wanted = set(rules(cls)) - set(NOT_SETTINGS)
    if set(model.settings) != wanted:
        raise ValueError(f"its settings differ from this version's in {', '.join(sorted(set(model.settings) ^ wanted))}")
    one = cls(**model.settings)
    one._check()
    if not isinstance(model.schema["columns"], dict):
        raise ValueError("its field 'columns' is no mapping")
    one._restore(model.schema, model.tensors)
    one.cell = rebuild_cell(one, model)
    one._check()
    one.networks_ = rebuild_networks(one, model)
    one.seed_ = int(model.settings["random_state"])
    records, loss = model.training["networks"], model.training["validation_loss"]
    if not isinstance(records, list) or len(records) != one.ensemble or not all(is_record(record) for record in records):
        raise ValueError("its field 'training' holds no record of each network's training")
    one.training_, one.validation_loss_ = records, None if loss is None else float(loss)
    return one


def is_record(record: Any) -> bool:
    """Whether it is what `Learner.record` gives."""
    losses = [record[name] for name in ("train_loss", "valid_loss") if name in record]
    return (
        all(is_number(record[name]) for name in ("seed", "epochs", "best_epoch", "seconds"))
        and all(isinstance(one, list) and len(one) == record["epochs"] and all(map(is_number, one)) for one in losses)
        and "train_loss" in record
    )


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def rebuild_cell(one: RecurrentEstimator, model: Model) -> str | Cell:
    """The library's cell by its name, if its equations are the stored ones; else the stored one."""
    name, layer, programs = text(model.cell, "name"), text(model.cell, "layer"), texts(model.cell, "programs")
    stored = StoredCell(programs)
    if stored.name != name:
        raise ValueError(f"its cell is called {name!r}, but its program {stored.name!r}")
    same = name in cells.names() and list(programs) == programs_of(one, as_cell(name))
    for cell in (name, stored) if same else (stored,):
        one.cell = cell
        if layer == layer_name(one):
            return cell
    one.cell = name
    if layer == layer_name(one):
        raise ValueError(f"its layer {layer!r} computes other equations than the stored ones, or for other sizes")
    raise ValueError(f"its layer {layer!r} does not run the cell {name!r}")


def rebuild_networks(one: RecurrentEstimator, model: Model) -> list[nn.Module]:
    """The networks with the file's weights. They are built without memory first, so that a forged size costs none."""
    found: dict[str, dict[str, Any]] = {}
    for key, array in model.tensors.items():
        part, _, rest = key.partition(".")
        number, _, name = rest.partition(".")
        if part == "network":
            found.setdefault(number, {})[name] = array
    if one.ensemble != len(found) or set(found) != {str(number) for number in range(len(found))}:
        raise ValueError(f"it has {len(found)} networks for an ensemble of {one.ensemble}")
    if any(one.num_layers > len(weights) for weights in found.values()):
        raise ValueError(f"it has {len(found['0'])} weights for {one.num_layers} layers")
    with torch.device("meta"):
        shapes = {k: tuple(v.shape) for k, v in one.build_network().state_dict().items()}
    return [rebuild_network(one, found[str(number)], shapes) for number in range(one.ensemble)]


def rebuild_network(one: RecurrentEstimator, weights: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> nn.Module:
    """One network, if its weights are of these shapes and finite."""
    for key in sorted(set(shapes) | set(weights)):
        found = weights[key].shape if key in weights else None
        if found != shapes.get(key):
            raise ValueError(f"its weight {key!r} has the shape {found}, where its settings ask for {shapes.get(key)}")
        if weights[key].dtype != np.float32 or not np.isfinite(weights[key]).all():
            raise ValueError(f"its weight {key!r} is not of finite float32 numbers")
    with torch.random.fork_rng([]):
        network = one.build_network()
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
    one: RecurrentEstimator,
    path: str | os.PathLike[str],
    *,
    scores: Mapping[str, Any] | None = None,
    columns: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a fitted estimator. Raises NotFittedError, ModelFileError or OSError."""
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(one)
    model_file.save(to_model(one, scores, columns), path, overwrite=overwrite)


def load(path: str | os.PathLike[str], kind: type[One] = RecurrentEstimator) -> One:
    """Read an estimator, of whatever kind the file holds or of the kind asked for. Raises ModelFileError or OSError."""
    name = os.fspath(path)
    one = from_model(model_file.load(path), name)
    if not isinstance(one, kind):
        raise ModelFileError(f"{name} holds a {type(one).__name__}, not a {kind.__name__}; load it as what it is.")
    return one
